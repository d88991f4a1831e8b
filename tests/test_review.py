"""The planning review: one page in the order of the approach, in five formats, for a draft and for a full project."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from drivetrain import audit, checklist, evidence, review
from drivetrain.review.glance import glance
from drivetrain.review.layout import lay_out
from drivetrain.review.picture import draw, mermaid
from drivetrain.spec import load_spec
from tests import fabricated

TODAY = date(2026, 11, 23)
DRAFT = """
drivetrain: 1
project: {name: Idea}
objective: {statement: Fewer letters go astray.}
"""
HOSTILE = (
    "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)> [a](javascript:b) {{7*7}} | `x` ]]> &"
)


class Reader(HTMLParser):
    """What a page holds: tags, ids, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A project in which every step has run."""
    root = tmp_path_factory.mktemp("full")
    spec, _ = fabricated.mail(root)
    evidence.record(
        root, "check", {"findings": [{"id": "DA101", "level": "pass", "where": "letters", "what": "is there."}]},
        reads={}, data=fabricated.fingerprints(spec),
    )  # fmt: skip
    audit.run(spec)
    return load_spec(root)


def draft(tmp_path, text=DRAFT):
    return fabricated.project(tmp_path, text)


class TestWhatIsGathered:
    def test_a_draft_with_only_an_objective_can_be_reviewed(self, tmp_path):
        held = review.build(draft(tmp_path), today=TODAY)
        assert held.questions
        lacking = {missing.where for missing in held.gates[0].missing}
        assert {"levers", "data", "models"} <= lacking
        for form in review.FORMATS:
            assert "Idea" in review.render(held, form) or form == "sarif"

    def test_every_gate_names_what_is_missing_and_who_owes_it(self, tmp_path):
        text = fabricated.MAIL.replace("current: 0.30", "current: {unknown: What is it?, owner: Ann, due: 2026-11-01}")
        held = review.build(fabricated.project(tmp_path, text), today=TODAY)
        [unknown] = [m for gate in held.gates for m in gate.missing if m.kind == "unknown"]
        assert (unknown.where, unknown.owner, unknown.due) == ("objective.measure.current", "Ann", "2026-11-01")
        assert unknown.overdue
        data = next(gate for gate in held.gates if gate.stage == "data")
        assert any(m.where == "evidence/check.json" and "make check" in m.advice for m in data.missing)

    def test_planned_becomes_evidenced_when_steps_have_run(self, tmp_path, full):
        planned = {gate.stage: gate.basis for gate in review.build(fabricated.project(tmp_path)).gates}
        evidenced = {gate.stage: gate.basis for gate in review.build(full).gates}
        assert planned["model"] == "planned"
        assert evidenced["model"] == "evidenced"
        assert evidenced["plan"] == "planned"

    def test_evidence_of_other_values_is_stale_and_a_typo_in_a_name_makes_nothing_stale(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        text = (tmp_path / "drivetrain.yaml").read_text(encoding="utf-8")
        (tmp_path / "drivetrain.yaml").write_text(
            text.replace("name: Mail sorting", "name: Mail sortign"), encoding="utf-8"
        )
        assert not review.build(load_spec(tmp_path)).stale
        (tmp_path / "drivetrain.yaml").write_text(text.replace("-cost(bin) -", "-2 * cost(bin) -"), encoding="utf-8")
        held = review.build(load_spec(tmp_path))
        assert {r.step: r.stale for r in held.records if r.stale} == {"decide": ("objective.value",)}
        assert spec.slug == "mail-sorting"

    def test_evidence_of_other_data_is_stale_and_data_that_are_only_touched_are_not(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        [letter, *_] = (tmp_path / "data" / "letters" / "0").iterdir()
        letter.touch()
        assert not review.build(spec).stale
        letter.write_bytes(b"another letter")
        held = review.build(spec)
        assert {r.step: r.other_data for r in held.records} == {"train": ("letters",), "decide": ("letters",)}
        assert any("the data of letters changed" in m.what for m in _model_gate(spec))
        letter.write_bytes(b"")
        assert not review.build(spec).stale
        letter.unlink()
        assert review.build(spec).stale

    def test_evidence_beside_data_that_lie_elsewhere_is_not_judged_by_them(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        (tmp_path / "data").rename(tmp_path / "moved")
        assert not review.build(spec).stale

    def test_sample_data_are_named_and_refused_by_the_gates(self, tmp_path):
        spec = fabricated.project(tmp_path)
        data = {"letters": {"sha256": "0", "synthetic": True}}
        evidence.record(tmp_path, "check", {"findings": []}, reads={}, data=data)
        held = review.build(spec)
        assert held.synthetic
        assert any("sample data" in m.what for gate in held.gates for m in gate.missing if gate.stage == "data")
        for form in ("html", "markdown"):
            assert "sample data" in review.render(held, form)

    def test_a_policy_that_does_not_beat_the_simple_rule_keeps_the_gate_closed(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        assert not [m for m in _model_gate(spec) if m.kind == "policy"]
        path = tmp_path / "evidence" / "decide.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        body["result"]["differences"][0]["low"] = -0.001
        path.write_text(json.dumps(body), encoding="utf-8")
        [missing] = [m for m in _model_gate(spec) if m.kind == "policy"]
        assert "not shown to beat the simple rule" in missing.what

    def test_a_constraint_that_is_broken_keeps_the_gate_closed(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "decide.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        body["result"]["constraints"] = [
            {"name": "misrouted", "value": 0.03, "kind": "at_most", "bound": 0.01, "met": False}
        ]
        path.write_text(json.dumps(body), encoding="utf-8")
        assert any("`misrouted`: not met" in m.what for m in _model_gate(spec))
        assert "not met" in review.render(review.build(spec), "html")

    def test_a_record_that_cannot_be_read_is_said_and_the_rest_is_shown(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        (tmp_path / "evidence" / "train.json").write_text("{", encoding="utf-8")
        held = review.build(spec)
        assert "evidence/train.json" in held.faults[0]
        assert "train.json" in review.render(held, "html")
        assert held.decide


def _model_gate(spec):
    return next(gate for gate in review.build(spec).gates if gate.stage == "model").missing


class TestThePicture:
    def test_it_runs_from_data_over_models_and_levers_to_the_objective(self, tmp_path):
        edges = [(e.source, e.target) for e in draw(fabricated.project(tmp_path)).edges]
        assert edges == [
            ("lever_bin", "objective"),
            ("model_digit_reader", "lever_bin"),
            ("data_letters", "model_digit_reader"),
        ]

    def test_a_lever_that_reaches_nothing_and_a_model_that_informs_nothing_are_orphans(self, tmp_path):
        text = fabricated.MAIL.replace("data:\n", "  - {name: horn, type: options, options: [a, b]}\ndata:\n").replace(
            "outcomes: {digit:", "outcomes: {ink: {column: ink, type: binary, affected_by: []}, digit:"
        )
        text = text.replace("deployment:", "  - {name: idle, task: image-classification, predicts: ink}\ndeployment:")
        spec = fabricated.project(tmp_path, text)
        assert [node.title for node in draw(spec).orphans] == ["horn", "idle"]
        held = review.build(spec)
        failed = {(f.id, f.facts["path"]) for f in held.findings if f.level == "fail" and f.facts["stage"] == "plan"}
        assert {path for _, path in failed} == {"levers.horn", "models.idle"}
        assert any(m.kind == "finding" and "horn" in m.where for m in held.gates[0].missing)
        assert 'class="lever orphan"' in review.render(held, "html")
        assert "class lever_horn,model_idle orphan" in mermaid(held.picture)

    def test_boxes_do_not_overlap_and_stay_inside(self, tmp_path):
        drawing = lay_out(draw(fabricated.project(tmp_path)))
        boxes = sorted(drawing.boxes, key=lambda b: (b.x, b.y))
        for a, b in pairwise(boxes):
            assert a.x != b.x or a.y + a.height < b.y
        assert all(b.x >= 0 and b.y + b.height <= drawing.height for b in boxes)

    def test_mermaid_holds_no_character_that_could_end_a_label(self, tmp_path):
        text = DRAFT.replace("Fewer letters go astray.", json.dumps(HOSTILE))
        for line in mermaid(draw(draft(tmp_path, text))).splitlines():
            label = re.search(r'\["(.*)"\]$', line)
            assert label is None or re.fullmatch(r"(?:[\w ·.,:?+/%€=-]|#\d+;)*", label[1])


class TestThePage:
    def test_it_is_one_file_that_needs_no_network(self, full):
        page = review.render(review.build(full), "html")
        read = Reader(page)
        assert not {"script", "link", "iframe", "object", "embed", "img"} & set(read.tags)
        assert not [v for k, v in read.attributes if k in ("src", "href") and not (v or "").startswith("#")]
        assert "url(" not in page.replace("url(#head)", "")
        assert "@import" not in page

    def test_the_parts_stand_in_the_order_of_the_approach(self, full):
        page = review.render(review.build(full), "html")
        ids = re.findall(r'<section id="(\w+)"', page)
        assert ids == [
            "picture", "questions", "agenda", "gates", "findings", "objective", "levers", "data", "models", "policies",
            "audit", "checklist", "rollout", "evidence", "unknowns",
        ]  # fmt: skip

    def test_headings_tables_and_links_serve_a_screen_reader(self, full):
        page = review.render(review.build(full), "html")
        read = Reader(page)
        ids = [v for k, v in read.attributes if k == "id"]
        assert len(ids) == len(set(ids))
        targets = [v[1:] for k, v in read.attributes if k == "href" and v]
        assert set(targets) <= set(ids)
        assert read.tags.count("h1") == 1
        assert read.tags.count("th") == sum(k == "scope" for k, _ in read.attributes)
        assert ("lang", "en") in read.attributes

    def test_policies_are_compared_with_interval_and_label(self, full):
        page = review.render(review.build(full), "html")
        assert "model-based" in page
        assert re.search(r"optimized</th><td class=\"n\">-0\.\d+</td><td class=\"n\">-0\.\d+ to -0\.\d+", page)

    def test_hostile_text_is_shown_and_makes_no_element(self, tmp_path):
        text = fabricated.MAIL.replace("line manager", json.dumps(HOSTILE)).replace("recipients", json.dumps(HOSTILE))
        text = text.replace("name: Mail sorting", f"name: {json.dumps(HOSTILE[:90])}")
        held = review.build(fabricated.project(tmp_path, text))
        read = Reader(review.render(held, "html"))
        assert not {"script", "img"} & set(read.tags)
        assert not [k for k, _ in read.attributes if k.startswith("on")]
        assert HOSTILE in read.text


class TestWhatIsSaidFirst:
    def test_a_draft_is_planned_and_says_how_its_gate_stands(self, tmp_path):
        told = dict(glance(review.build(draft(tmp_path), today=TODAY)))
        assert re.fullmatch(r"The gate of stage plan is closed: \d+ things are missing.*", told["Gate"])
        assert told["Worth"] == "Decisions were not compared yet; all of it is planned."

    def test_what_is_overdue_comes_before_what_is_due(self, tmp_path):
        text = fabricated.MAIL.replace("current: 0.30", "current: {unknown: What is it?, owner: Ann, due: 2026-11-01}")
        told = dict(glance(review.build(fabricated.project(tmp_path, text), today=TODAY)))
        assert told["Overdue"] == "Ann, overdue since 2026-11-01: What is it?"
        told = dict(glance(review.build(fabricated.project(tmp_path, text), today=date(2026, 10, 1))))
        assert told["Next due"] == "Ann, by 2026-11-01: What is it?"

    def test_what_was_measured_stands_with_its_interval_and_label(self, full):
        told = dict(glance(review.build(full)))
        assert re.search(
            r"EUR/letter under the optimized policy \(model-based\), better than the simple rule by 0\.", told["Worth"]
        )

    def test_evidence_asks_before_the_plan_does(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "decide.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        body["result"]["differences"][0]["low"] = -0.001
        body["result"]["constraints"] = [
            {"name": "misrouted share", "value": 0.0, "low": 0.0, "high": 0.1, "kind": "at_most", "bound": 0.01,
             "state": "too few cases to tell"}
        ]  # fmt: skip
        path.write_text(json.dumps(body), encoding="utf-8")
        asked = [question.text for question in review.build(spec).questions]
        assert asked[:2] == [
            "What does the optimized policy add that the simple rule does not give?",
            "How do we get enough cases to tell whether `misrouted share` holds?",
        ]

    def test_a_model_that_its_baseline_equals_has_to_say_why(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "train.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        base = {"kind": "linear", "metrics": {"held_out": {"cases": 60, "accuracy": 0.98, "accuracy_low": 0.9,
                "accuracy_high": 0.99}}}  # fmt: skip
        body["result"]["models"] = {
            "digit_reader": {"metrics": {"held_out": {"cases": 60, "accuracy": 0.97}}, "baseline": base}
        }
        path.write_text(json.dumps(body), encoding="utf-8")
        held = review.build(spec)
        [asked] = [question for question in held.questions if "baseline" in question.text]
        assert (asked.text, asked.owner) == (
            "Why `digit_reader`, when its baseline is at least as good?",
            "sorting-team",
        )
        assert "accuracy 0.97 against 0.98" in asked.why
        page = review.render(held, "html")
        assert '<td class="n">0.97</td><td class="n">0.98 (0.9 to 0.99)</td>' in page
        body["result"]["models"]["digit_reader"]["metrics"]["held_out"]["accuracy"] = 0.99
        path.write_text(json.dumps(body), encoding="utf-8")
        assert not [question for question in review.build(spec).questions if "baseline" in question.text]


class TestOtherFormats:
    def test_markdown_fits_into_a_comment_and_names_what_it_leaves_out(self, tmp_path):
        asks = ", ".join(f"c{i}: {{unknown: {'What is it? ' * 20}, owner: Ann, due: 2027-01-31}}" for i in range(400))
        spec = draft(tmp_path, DRAFT.replace("astray.}", f"astray., constants: {{{asks}}}}}"))
        shown = review.render(review.build(spec), "markdown")
        assert len(shown.encode()) < 61_000
        assert "left out here: Gates" in shown
        assert "## The next questions" in shown

    def test_hostile_text_is_text_in_markdown(self, tmp_path):
        text = DRAFT.replace("Fewer letters go astray.", json.dumps(HOSTILE)).replace("Idea", json.dumps(HOSTILE[:90]))
        shown = review.render(review.build(draft(tmp_path, text)), "markdown")
        outside = re.sub(r"```mermaid.*?```", "", shown, flags=re.S)
        assert not re.search(r"<(?!/?(?:details|summary)>)", outside)
        assert not re.search(r"(?<!\\)\]\(", outside)

    def test_json_holds_all_of_it(self, full):
        body = json.loads(review.render(review.build(full), "json"))
        assert [gate["stage"] for gate in body["gates"]] == ["plan", "data", "model", "parallel", "limited", "wide"]
        assert body["audit"]["models"][0]["model"] == "digit_reader"
        assert body["picture"]["mermaid"].startswith("flowchart")
        assert {item["id"] for item in body["items"]} == {item.id for item in checklist.questions(full)}

    def test_sarif_has_a_rule_a_level_and_a_place_for_every_result(self, tmp_path):
        body = json.loads(review.render(review.build(fabricated.project(tmp_path)), "sarif"))
        assert body["version"] == "2.1.0"
        [run] = body["runs"]
        rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
        assert run["results"]
        for result in run["results"]:
            assert result["ruleId"] in rules
            assert result["level"] in ("error", "warning", "note", "none")
            uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert uri in ("drivetrain.yaml", "checklist.yaml") or uri.startswith("evidence/")

    def test_junit_fails_for_what_is_due_and_skips_what_comes_later(self, tmp_path):
        spec = draft(tmp_path, DRAFT.replace("Idea", '"a & <b> \\u0001"'))
        suites = ElementTree.fromstring(review.render(review.build(spec), "junit"))
        plan, wide = suites[0], suites[-1]
        assert int(plan.get("failures")) == len(plan.findall("testcase/failure")) > 0
        assert wide.get("failures") == "0"
        assert len(wide.findall("testcase/skipped")) == int(wide.get("skipped")) > 0

    def test_an_unknown_format_is_refused(self, full):
        with pytest.raises(ValueError, match="no format 'pdf'"):
            review.render(review.build(full), "pdf")


class TestOnboarding:
    def test_the_page_answers_twelve_questions_and_gives_a_sign_for_every_command(self, full):
        page = review.onboarding(full)
        assert len(re.findall(r"^<details><summary>\d+\. ", page, flags=re.M)) == 12
        commands = re.findall(r"^\| `make (\w+)` \| `([^`]+)` \| (.+) \|$", page, flags=re.M)
        assert [name for name, _, _ in commands][:4] == ["install", "sample", "check", "train"]
        assert all(typed.startswith("python -m ") and sign for _, typed, sign in commands)
        for word in ("DataBlock", "DataLoaders", "Learner", "out of domain"):
            assert f"| {word} |" in page

    def test_answers_come_from_the_plan(self, full):
        page = review.onboarding(full)
        for fact in ("EUR/letter", "always manual", "line manager", "Nothing was randomised", "redelivery within a day",
                     "no lever moves it", "depot", "0.25", "name of the file's folder", "stage model"):  # fmt: skip
            assert fact in page, fact

    def test_a_draft_gets_a_page_too(self, tmp_path):
        page = review.onboarding(draft(tmp_path))
        assert "There is no lever yet" in page
