"""The bias checklist: questions that fit the plan, answers with evidence, and what is open."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain import checklist, evidence
from drivetrain.checklist import answers
from drivetrain.checklist.measured import MEASUREMENTS
from drivetrain.checklist.triggers import TRIGGERS
from drivetrain.errors import DrivetrainError, EvidenceError
from drivetrain.findings import passes
from drivetrain.spec import load_spec
from drivetrain.stages import STAGES
from tests import fabricated

TODAY = date(2026, 11, 23)
WORKS_WELL = "  if_it_works_really_well: Manual desks close; who then reads what the model cannot?\n"

SKIN = """
drivetrain: 1
project: {name: Skin advice, owners: [app-team]}
objective: {statement: People who need care seek it sooner.}
levers: [{name: advice, type: options, options: [nothing, doctor], reversible: false}]
data:
  - name: searched
    kind: images
    collect: {how: image-search, queries: {healthy: [skin]}, per_query: 10, licences: [cc0]}
    outcomes: {condition: {column: query, values: [healthy, ill], affected_by: []}}
    columns: {sex: {type: category, sensitive: true, use: audit}}
    groups: [sex]
    rights: {licence: per image, personal: true}
"""


def asked(spec) -> dict[str, tuple[str, ...]]:
    return {item.id: item.reasons for item in checklist.questions(spec)}


def with_answers(root: Path, text: str) -> Path:
    (root / "checklist.yaml").write_text("drivetrain_checklist: 1\nitems:\n" + text, encoding="utf-8")
    return root


def open_ids(root: Path, item: str, **options) -> set[str]:
    found = checklist.open_items(root, today=TODAY, **options)
    return {f.id for f in found if f.facts.get("item") == item}


class TestBank:
    def test_every_question_is_complete_and_has_its_own_id(self):
        ids = [question.id for question in checklist.bank()]
        assert len(ids) == len(set(ids)) >= 40
        for q in checklist.bank():
            assert re.fullmatch(r"[a-z][a-z_]*", q.id)
            assert q.question.endswith("?"), q.id
            assert q.stage in STAGES
            assert q.when
            assert q.mitigations
            assert all((q.title, q.why, q.source, q.evidence, q.kind)), q.id
            assert set(q.when) <= TRIGGERS.keys(), q.id
            assert set(q.contradicted) <= MEASUREMENTS.keys(), q.id

    def test_every_trigger_and_measurement_is_used_and_explained(self):
        assert {name for q in checklist.bank() for name in q.when} == TRIGGERS.keys()
        assert {name for q in checklist.bank() for name in q.contradicted} == MEASUREMENTS.keys()
        assert all(trigger.__doc__ for trigger in TRIGGERS.values())

    def test_the_subjects_of_the_field_are_covered(self):
        kinds = {question.kind for question in checklist.bank()}
        assert kinds >= {
            "historical", "measurement", "aggregation", "representation", "evaluation", "deployment", "feedback",
            "domain", "privacy", "proxy", "recourse", "audit", "team", "use", "power", "oversight", "success",
        }  # fmt: skip

    def test_every_item_of_deon_is_covered(self):
        parts = {"A": 4, "B": 3, "C": 5, "D": 5, "E": 4}
        items = {f"{part}.{i}" for part, number in parts.items() for i in range(1, number + 1)}
        assert {item for question in checklist.bank() for item in question.deon} == items

    def test_more_varied_data_are_advised_only_where_they_help(self):
        for q in checklist.bank():
            advised = any("varied data" in text for text in q.mitigations)
            assert advised == (q.id == "representation"), q.id
        refused = {q.kind for q in checklist.bank() if any("ore data" in t or "varied data" in t for t in q.no_help)}
        assert {"historical", "measurement", "aggregation", "feedback"} <= refused

    def test_an_unknown_question_is_refused(self):
        with pytest.raises(DrivetrainError, match="no question `nonsense`"):
            checklist.question("nonsense")


class TestQuestionsChosenByThePlan:
    def test_searched_images_of_people_ask_what_the_search_shows(self, tmp_path):
        found = asked(fabricated.project(tmp_path, SKIN))
        assert found["searched_images"] == ("data.searched.collect: files come from a search",)
        assert "data.searched.rights.personal: there are people in the data" in found["consent"]
        assert found["irreversible"] == ("levers.advice.reversible: false",)
        assert any("sensitive" in reason for reason in found["proxy_discrimination"])

    def test_letters_are_not_asked_about_consent_or_feedback(self, tmp_path):
        found = asked(fabricated.project(tmp_path))
        assert not {"consent", "retention", "erasure", "feedback_loop", "searched_images", "visibility"} & found.keys()
        assert {"recourse", "least_power", "oversight", "fair_results", "success"} <= found.keys()

    def test_labels_shaped_by_actions_ask_about_feedback(self, tmp_path):
        text = fabricated.MAIL.replace("affected_by: []", "affected_by: [], shaped_by: [bin]")
        assert asked(fabricated.project(tmp_path, text))["feedback_loop"] == (
            "data.letters.outcomes.digit.shaped_by: bin",
        )

    def test_without_groups_it_asks_whether_they_can_be_recorded(self, tmp_path):
        text = fabricated.MAIL.replace("    groups: [depot]\n", "").replace(", by: [depot]", "")
        found = asked(fabricated.project(tmp_path, text))
        assert "groups_recorded" in found
        assert "fair_results" not in found

    def test_five_questions_to_start_with_are_of_different_kinds_and_due_now(self, tmp_path):
        spec = fabricated.project(tmp_path)
        first = checklist.first(spec)
        assert len(first) == 5
        assert len({item.question.kind for item in first}) == 5
        assert all(item.question.stage in ("plan", "data", "model") for item in first)

    def test_every_reason_names_a_place_of_the_plan(self, tmp_path):
        for reasons in asked(fabricated.project(tmp_path, SKIN)).values():
            assert all(reason == "every plan" or re.match(r"[a-z_.]+: ", reason) for reason in reasons)


class TestAnswers:
    def test_the_first_checklist_asks_everything_and_answers_nothing(self, tmp_path):
        spec = fabricated.project(tmp_path)
        text = checklist.initial_yaml(spec)
        found = answers.parse(text)
        assert list(found) == list(asked(spec))
        assert {answer.status for answer in found.values()} == {"unknown"}
        assert {answer.owner for answer in found.values()} == {"sorting-team"}

    def test_a_line_break_in_the_plan_does_not_break_out_of_a_comment(self, tmp_path):
        text = fabricated.MAIL.replace("who: recipients", 'who: "recipients\\n  evil: {status: yes}\\nitems: {}"')
        found = answers.parse(checklist.initial_yaml(fabricated.project(tmp_path, text)))
        assert "evil" not in found
        assert "recourse" in found

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("yes", "yes"),
            ("true", "yes"),
            ("No", "no"),
            ("n/a", "not applicable"),
            ("not_applicable", "not applicable"),
            ("", "unknown"),
        ],
    )
    def test_statuses_are_read_as_people_write_them(self, written, meant):
        assert answers.parse(f"items:\n  success:\n    status: {written}\n")["success"].status == meant

    @pytest.mark.parametrize(
        "entry",
        [
            "status: maybe",
            "date: tomorrow",
            "evidence: [{path: ../secret}]",
            "evidence: [{path: /etc/passwd}]",
            "evidence: [3]",
            "owner: [a]",
            "answer: yes",
        ],
    )
    def test_a_slip_in_one_answer_is_named_and_hides_no_other(self, tmp_path, entry):
        fabricated.project(tmp_path)
        with_answers(
            tmp_path, f"  success: {{{entry}, note: x}}\n  team: {{status: yes, owner: a, note: asked them}}\n"
        )
        assert "DC108" in open_ids(tmp_path, "success")
        assert open_ids(tmp_path, "team") == {"DC100"}

    @pytest.mark.parametrize("text", ["", "- a\n- b\n", "items: 3\n", "items: [", "a: &a [*a, *a]\nitems: \t}"])
    def test_what_is_no_checklist_is_refused_with_one_line(self, tmp_path, text):
        spec = fabricated.project(tmp_path)
        (tmp_path / "checklist.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(EvidenceError, match=r"^checklist\.yaml") as error:
            checklist.judge(spec)
        assert "\n" not in error.value.message

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text):
        for whole in (text, f"items:\n  success:\n    {text}"):
            with suppress(EvidenceError):
                answers.parse(whole)

    def test_an_answer_can_be_written_and_comments_stay(self, tmp_path):
        text = checklist.initial_yaml(fabricated.project(tmp_path))
        changed = answers.write_answer(
            text, checklist.question("team"), {"status": "yes", "owner": "Ann: x", "note": "n"}
        )
        assert answers.parse(changed)["team"].owner == "Ann: x"
        assert [line for line in changed.splitlines() if line.lstrip().startswith("#")] == [
            line for line in text.splitlines() if line.lstrip().startswith("#")
        ]
        assert answers.parse(changed) | {"team": 0} == answers.parse(text) | {"team": 0}


class TestWhatIsOpen:
    def test_blank_expired_contradicted_and_changed_items_are_each_found_and_close_the_gate(self, tmp_path):
        fabricated.project(tmp_path, fabricated.MAIL.replace(WORKS_WELL, ""))
        proof = tmp_path / "docs" / "minutes.md"
        proof.parent.mkdir()
        proof.write_text("We asked the clerks.", encoding="utf-8")
        digest = hashlib.sha256(b"We asked nobody.").hexdigest()
        with_answers(
            tmp_path,
            f"""
  needed: {{status: unknown, owner: a}}
  left_out: {{status: yes, owner: a, note: discussed, expires: 2026-11-22}}
  success: {{status: yes, owner: a, note: we talked about it}}
  team: {{status: yes, owner: a, evidence: [{{path: docs/minutes.md, sha256: {digest}}}]}}
""",
        )
        assert open_ids(tmp_path, "needed") == {"DC101"}
        assert open_ids(tmp_path, "left_out") == {"DC102"}
        assert open_ids(tmp_path, "success") == {"DC103"}
        assert open_ids(tmp_path, "team") == {"DC105"}
        assert not passes(checklist.open_items(tmp_path, today=TODAY))

    def test_when_everything_is_answered_the_gate_may_open(self, tmp_path):
        spec = fabricated.project(tmp_path)
        with_answers(
            tmp_path,
            "".join(f"  {item.id}: {{status: yes, owner: a, note: done}}\n" for item in checklist.questions(spec)),
        )
        found = checklist.open_items(tmp_path, today=TODAY)
        assert passes(found), [str(f) for f in found if f.level in ("fail", "unknown")]

    def test_a_yes_that_a_measurement_speaks_against_is_found(self, tmp_path):
        fabricated.project(tmp_path, fabricated.MAIL.replace(WORKS_WELL, ""))
        with_answers(tmp_path, "  success: {status: yes, owner: a, note: we talked}\n")
        [finding] = [f for f in checklist.open_items(tmp_path, today=TODAY) if f.facts.get("item") == "success"]
        assert finding.id == "DC103"
        assert "if_it_works_really_well is empty" in finding.what

    @pytest.mark.parametrize(
        ("entry", "fault"),
        [
            ("status: yes, owner: a", "DC104"),
            ("status: not applicable, owner: a", "DC104"),
            ("status: no, owner: a", "DC104"),
            ("status: yes, note: done", "DC106"),
            ("status: yes, owner: a, note: n, evidence: [{path: docs/gone.md, sha256: 0}]", "DC105"),
            ("status: yes, owner: a, note: n, evidence: [drivetrain.yaml]", "DC105"),
            ("status: no, owner: a, note: we know", "DC107"),
            ("status: yes, owner: a, note: n, date: 2027-01-01", "DC108"),
        ],
    )
    def test_each_fault_has_its_id(self, tmp_path, entry, fault):
        fabricated.project(tmp_path)
        with_answers(tmp_path, f"  team: {{{entry}}}\n")
        assert fault in open_ids(tmp_path, "team")

    def test_an_answer_on_its_last_day_still_holds(self, tmp_path):
        fabricated.project(tmp_path)
        with_answers(tmp_path, "  team: {status: yes, owner: a, note: n, expires: 2026-11-23}\n")
        assert open_ids(tmp_path, "team") == {"DC100"}

    def test_what_a_later_gate_asks_is_a_note_until_then(self, tmp_path):
        fabricated.project(tmp_path)
        found = {f.facts["item"]: f.level for f in checklist.open_items(tmp_path, today=TODAY)}
        assert found["success"] == "unknown"
        assert found["rollback"] == "note"
        later = {f.facts["item"]: f.level for f in checklist.open_items(tmp_path, stage="limited", today=TODAY)}
        assert later["rollback"] == "unknown"

    def test_a_step_that_measures_the_same_again_has_not_changed_its_evidence(self, tmp_path):
        fabricated.project(tmp_path)
        path = evidence.record(tmp_path, "check", {"n": 1}, reads={}, data={})
        proof = f"{{path: evidence/check.json, sha256: {answers.digests(path)[-1]}}}"
        with_answers(tmp_path, f"  team: {{status: yes, owner: a, evidence: [{proof}]}}\n")
        body = json.loads(path.read_text(encoding="utf-8")) | {"created": "2030-01-01T00:00:00+00:00"}
        path.write_text(json.dumps(body), encoding="utf-8")
        assert open_ids(tmp_path, "team") == {"DC100"}
        path.write_text(json.dumps(body | {"result": {"n": 2}}), encoding="utf-8")
        assert open_ids(tmp_path, "team") == {"DC105"}

    def test_evidence_that_is_a_link_out_of_the_project_is_not_read(self, tmp_path):
        fabricated.project(tmp_path / "p")
        (tmp_path / "secret").write_text("x", encoding="utf-8")
        (tmp_path / "p" / "link").symlink_to(tmp_path / "secret")
        digest = hashlib.sha256(b"x").hexdigest()
        with_answers(
            tmp_path / "p", f"  team: {{status: yes, owner: a, evidence: [{{path: link, sha256: {digest}}}]}}\n"
        )
        assert open_ids(tmp_path / "p", "team") == {"DC105"}


class TestDocument:
    def test_hostile_text_of_plan_and_answers_shows_as_text(self, tmp_path):
        text = fabricated.MAIL.replace(
            "who: recipients", 'who: "<script>alert(1)</script> [x](javascript:y) @all | *b*"'
        )
        spec = fabricated.project(tmp_path, text)
        with_answers(tmp_path, '  team: {status: yes, owner: "<b>a</b>", note: "`x` <img src=x>"}\n')
        shown = checklist.as_markdown(load_spec(tmp_path), today=TODAY)
        assert not re.search(r"<(script|img|b)\b", shown)
        assert "](javascript" not in shown.replace("\\]", "").replace("\\[", "")
        assert spec.slug == "mail-sorting"

    def test_it_says_how_many_are_closed_and_where_to_answer(self, tmp_path):
        spec = fabricated.project(tmp_path)
        shown = checklist.as_markdown(spec, today=TODAY)
        assert "0 of " in shown
        assert "`checklist.yaml`" in shown
        assert all(item.question.question in shown for item in checklist.questions(spec))
