"""Any plan survives being written and read; editing one leaves the rest as it was, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.errors import SpecError
from drivetrain.spec import Spec, check_text, dump, edit, load_spec, load_text, save
from drivetrain.spec.check import check_document
from drivetrain.spec.document import build
from drivetrain.spec.reading import Document, read
from drivetrain.spec.writing import rewrite

PLANS = sorted((Path(__file__).parent / "golden" / "plans").glob("*.yaml"))

ODD = [
    "on", "no", "null", "~", "1", "0x1", "1e3", ".5", "2025-01-01", "true", "- a", "? b", "a: b", "a # b", " x ",
    "#", "[x", "{x}", "*x", "&x", "!x", "%x", "@x", "`x`", "'", '"', "''", "\\", "a\nb\n", "\n\na", "tab\there",
    "{{ 7*7 }}", "=", "<<", "é", "😀", "x" * 200, "word " * 60, "a,b", "-", "--- x",
    "...", "\u202etxt", "\xa0", "a\u2028b", "\x85y",
    "\ufeffz", "12:30", "1_000", "Where?", "a, b", "a;b", "50 %", "what (by whom)", "0(", "f(a",
]  # fmt: skip
text = st.one_of(
    st.sampled_from([t for t in ODD if t.strip()]),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), min_size=1, max_size=40).filter(
        lambda t: (
            any(not c.isspace() and c not in "\ufffe\uffff" and ord(c) % 0x10000 < 0xFFFE for c in t)
            and all(ord(c) % 0x10000 < 0xFFFE for c in t)
        )
    ),
)
name = st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z")
number = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 6)))
share = st.floats(0, 0.4, allow_nan=False)
duration = st.sampled_from(["1 day", "30 days", "1.5 hours", "6 months", "2 years"])
question = st.fixed_dictionaries(
    {"unknown": text, "owner": text, "due": st.dates().map(lambda d: d.isoformat()).filter(lambda d: d >= "1000")}
)


def part(required: dict[str, Any], optional: dict[str, Any] | None = None):
    """Fields, of which any that may be unknown sometimes is."""

    def may_ask(fields: dict[str, Any]) -> dict[str, Any]:
        never = ("name", "kind", "type", "task", "how")
        return {
            key: value if key in never else st.one_of(value, value, value, question) for key, value in fields.items()
        }

    return st.fixed_dictionaries(may_ask(required), optional=may_ask(optional or {}))


constraint = st.tuples(
    part(
        {"name": text, "measure": st.sampled_from(["mean(k0)", "sum(k0) / sum(k1)", "quantile(k0, 0.5)"])},
        {"hard": st.booleans()},
    ),
    st.sampled_from(["at_most", "at_least"]),
    number,
).map(lambda t: t[0] | {t[1]: t[2]})


def distinct(items, key="name", most=3):
    return st.lists(items, max_size=most, unique_by=lambda item: item.get(key, json.dumps(item)))


objective = part(
    {"statement": text},
    {
        "measure": part(
            {"name": text, "unit": text, "direction": st.sampled_from(["minimize", "maximize"])},
            {"current": number, "target": number, "minimum_useful": number, "formula": st.just("-mean(value)")},
        ),
        "horizon": duration,
        "terms": st.fixed_dictionaries(
            {}, optional={"t0": st.just("k0 * 2"), "t1": st.just("where(k0 > 1, k1, 0)"), "t2": number}
        ),
        "value": st.sampled_from(["k0", "-k0 + k1 ** 2", 5, True, "min(k0, k1, 3)"]),
        "over_time": part(
            {"periods": st.integers(1, 9), "every": duration}, {"discount": share, "continues": st.just("0.5")}
        ),
        "guardrails": distinct(constraint),
        "proxies": distinct(part({"name": text, "link": text}), most=2),
        "affected": st.lists(st.one_of(part({"who": text, "how": text}, {"recourse": text}), question), max_size=3),
        "if_it_works_really_well": text,
    },
)
constant = st.one_of(number, part({"value": number}, {"unit": text, "source": text}), question)
options = st.one_of(
    st.lists(st.one_of(text, question), min_size=1, max_size=4, unique_by=str),
    st.dictionaries(text, part({}, {"cost": number, "means": text}), min_size=1, max_size=3),
)
about = {"owner": text, "reversible": st.booleans(), "unit": text, "limits": st.just(["k0 > 1"])}
lever = st.one_of(
    part({"type": st.just("options"), "options": options}, about),
    part({"type": st.just("integer"), "minimum": st.just(0), "maximum": st.just(9)}, about | {"cost": st.just("k0")}),
    part(
        {"type": st.just("range"), "minimum": st.just(0.5), "maximum": st.just(9)},
        about | {"step": st.sampled_from(["none", 0.5])},
    ),
    part(
        {"type": st.just("ranking"), "of": st.just("cases")},
        about | {"slots": st.just(2), "attention": st.just([1, 0.5])},
    ),
)
column = st.one_of(
    st.sampled_from(["number", "integer", "boolean", "category", "id", "time", "text"]),
    part(
        {"type": st.just("category")}, {"values": st.lists(text, max_size=3, unique=True), "sensitive": st.booleans()}
    ),
    part({"type": st.just("number")}, {"unit": text, "use": st.just("audit"), "role": st.just("logged")}),
)
outcome = st.one_of(
    part({"column": name, "type": st.just("binary"), "affected_by": st.just([])}, {"delay": duration, "noise": text}),
    part({"column": name, "values": st.lists(text, min_size=1, max_size=4, unique=True), "affected_by": st.just([])}),
)
source = part(
    {"kind": st.just("table"), "location": text},
    {
        "unit": text,
        "owner": text,
        "refresh": duration,
        "split": part({}, {"validation": share, "test": share, "seed": st.integers(0, 99)}),
        "rights": part({"licence": text, "personal": st.booleans()}, {"consent": text, "retention": duration}),
        "collected": part({"how": text}, {"from": st.just("2025-01-01"), "to": st.just("2025-06-30")}),
        "needs": part({}, {"rows": st.integers(1, 10**6), "max_age": duration}),
    },
)
training = part(
    {}, {"epochs": st.integers(0, 50), "learning_rate": st.sampled_from(["auto", 0.01]), "pretrained": st.booleans()}
)


@st.composite
def plans(draw) -> dict[str, Any]:
    """A plan that is whole in its structure and its meaning, as plain data."""
    line = text.map(lambda t: " ".join(t.split())[:100]).filter(lambda t: t.strip() and t.isprintable())
    plan: dict[str, Any] = {
        "drivetrain": 1,
        "project": draw(part({"name": line}, {"summary": text, "owners": st.lists(text, max_size=2)})),
    }
    depth = draw(st.integers(0, 5))
    if depth >= 1:
        plan["objective"] = draw(objective)
        plan["objective"]["constants"] = {"k0": draw(constant), "k1": draw(constant)}
    if depth >= 2:
        plan["levers"] = [{"name": f"lever{i}"} | draw(lever) for i in range(draw(st.integers(0, 3)))]
    if depth >= 3:
        plan["data"] = [{"name": f"source{i}"} | draw(source) for i in range(draw(st.integers(0, 2)))]
        for i, entry in enumerate(plan["data"]):
            entry["columns"] = {f"c{i}_{j}": draw(column) for j in range(draw(st.integers(0, 3)))}
            entry["outcomes"] = {f"y{i}_{j}": draw(outcome) for j in range(draw(st.integers(0, 2)))}
        if len(plan["data"]) > 1:
            plan["decision"] = {"cases": "source0"}
    if depth >= 4:
        made = [y for entry in plan["data"] for y in entry["outcomes"]]
        plan["models"] = [
            {"name": f"model{i}", "task": "table-classification", "predicts": y}
            | ({"training": draw(training)} if draw(st.booleans()) else {})
            for i, y in enumerate(made)
        ]
    if depth >= 5:
        plan["deployment"] = draw(part({"serve": st.just(["api", {"kind": "device", "max_mb": 3}])}, {"scope": text}))
    return plan


def survives(tree: dict[str, Any]) -> None:
    document = check_document(Document("drivetrain.yaml", tree=tree))
    assert [str(f) for f in document.findings if f.level == "fail"] == []
    spec = build(document)
    written = dump(spec)
    again = load_text(written)
    assert again == spec, written
    assert dump(again) == written
    assert again.unknowns == spec.unknowns
    assert rewrite(written, read(written).tree) == written


quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(plans())
@settings(max_examples=50, deadline=None, suppress_health_check=quiet)
def test_any_plan_survives_being_written_and_read(tree: dict[str, Any]) -> None:
    survives(tree)


@pytest.mark.fuzz
@given(plans())
@settings(max_examples=5000, deadline=None, suppress_health_check=quiet)
def test_any_plan_survives_being_written_and_read_at_length(tree: dict[str, Any]) -> None:
    survives(tree)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_that_is_not_changed_keeps_every_byte(path: Path, tmp_path: Path) -> None:
    text_ = path.read_text()
    assert rewrite(text_, read(text_).tree) == text_
    assert edit(text_, {}) == text_
    file = tmp_path / "drivetrain.yaml"
    file.write_text(text_)
    save(load_spec(file), file)
    assert load_spec(file) == load_text(text_)
    comments = [line.split("#", 1)[1] for line in text_.splitlines() if "  #" in line]
    assert all(f"#{comment}" in file.read_text() for comment in comments)


def test_a_changed_value_changes_its_line_and_no_other() -> None:
    before = PLANS[1].read_text()
    after = edit(before, {"objective.measure.target": 0.2, "levers.bin.owner": "night shift"})
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(changed) == 2
    assert "target: 0.2," in changed[0][1]
    assert changed[1][1] == "    owner: night shift"
    assert load_text(after).require("objective.measure.target") == 0.2


def test_fields_and_items_are_added_and_removed_in_place() -> None:
    before = PLANS[1].read_text()
    after = edit(
        before,
        {
            "decision.who": None,
            "data.letters.refresh": "1 week",
            "levers.bin.limits": ["bin != 'x'"],
            "objective.affected[2]": {"who": "auditors", "how": "more work"},
            "models.digit_reader.training.epochs": 2,
        },
    )
    spec = load_text(after.replace("bin != 'x'", "bin != '0'"))
    assert spec.require("decision").who is None
    assert spec.source("letters").refresh == "1 week"
    assert [entry.who for entry in spec.require("objective.affected")] == ["recipients", "desk clerks", "auditors"]
    assert spec.model("digit_reader").training.epochs == 2
    assert "# harmless: digit is not affected_by bin" in after
    assert '# one bin per class: "0" … "9"' in after
    assert after.index("objective:") < after.index("decision:") < after.index("levers:") < after.index("data:")


def test_a_question_is_answered_in_place() -> None:
    before = (PLANS[-1]).read_text()
    after = edit(before, {"objective.constants.missed": {"value": 20, "unit": "points", "source": "panel"}})
    spec = load_text(after)
    assert spec.require("objective").constants["missed"].value == 20
    assert len(spec.unknowns) == len(load_text(before).unknowns) - 1
    assert "# a draft that stops after data" in after


@pytest.mark.parametrize("said", ["5.960464477539063e-08", "1e3", "1.10", "+.5", "5.", "0x1F", "010", "&a 1.50"])
def test_a_number_stays_as_it_was_written(said: str) -> None:
    before = f"drivetrain: 1\nproject: {{name: x}}\nobjective:\n  constants: {{a: {said}, b: 2}}  # both\n"
    assert edit(before, {"objective.constants.b": 3}) == before.replace("b: 2", "b: 3")


def test_what_only_libyaml_reads_is_changed_all_the_same() -> None:
    before = "drivetrain: 1\nproject: {name: x}\nobjective: {statement: a\tb}\n"
    after = load_text(edit(before, {"objective.horizon": "1 day"}))
    assert after.require("objective.statement", "objective.horizon") == ("a\tb", "1 day")


def test_a_path_that_leads_nowhere_is_named() -> None:
    for path in ("levers.bim.owner", "levers[7].owner", "project.name.first"):
        with pytest.raises(SpecError, match="leads nowhere"):
            edit(PLANS[1].read_text(), {path: "x"})


def test_saving_writes_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    file = tmp_path / "drivetrain.yaml"
    file.write_text(PLANS[0].read_text())
    spec = load_spec(file).changed({"stage": "model"})

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        save(spec, file)
    assert file.read_text() == PLANS[0].read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["drivetrain.yaml"]
    monkeypatch.undo()
    save(spec, file)
    assert load_spec(file).stage == "model"
    save(spec, tmp_path / "new.yaml")
    assert load_spec(tmp_path / "new.yaml") == spec


def test_other_yaml_tools_read_what_is_written_alike() -> None:
    """YAML 1.1 tools take on, off, yes and no for truth values, so these are quoted."""
    import yaml

    spec = load_spec(PLANS[0])
    plain = yaml.safe_load(dump(spec))
    assert plain["levers"][0]["options"] == ["on", "off"]
    assert isinstance(spec, Spec)


def test_the_first_line_makes_editors_use_the_schema() -> None:
    written = dump(load_spec(PLANS[0]), schema="drivetrain.schema.json")
    assert written.startswith("# yaml-language-server: $schema=drivetrain.schema.json\ndrivetrain: 1\n")
    assert check_text(written).findings == []
