"""What a plan must mean: every sentence of the language that can be checked without data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec import check_text

GOLDEN = Path(__file__).parent / "golden" / "meaning"
PLAN = (GOLDEN / "shop.yaml").read_text()
SENTENCES = yaml.safe_load((GOLDEN / "sentences.yaml").read_text())


def check(text: str) -> list[Finding]:
    try:
        return check_text(text).findings
    except SpecError as error:
        return list(error.findings)


def place(finding: Finding) -> str:
    return str(finding.facts["path"])


def changed(was: str, now: str) -> str:
    assert PLAN.count(was) == 1, f"{was!r} stands {PLAN.count(was)} times in the plan"
    return PLAN.replace(was, now)


def test_the_plan_that_the_other_tests_break_is_whole() -> None:
    assert check(PLAN) == []


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: f"{s['now'][:40]}→{s.get('at', 'fine')}")
def test_a_sentence_of_the_language(sentence: dict[str, str]) -> None:
    found = check(changed(sentence["was"], sentence["now"]))
    if "at" not in sentence:
        assert found == []
        return
    here = [str(finding) for finding in found if place(finding) == sentence["at"]]
    assert any(sentence["says"] in line for line in here), [str(finding) for finding in found]


def test_all_problems_come_at_once_in_the_order_of_the_approach() -> None:
    text = PLAN
    for was, now in (
        ("predicts: bought,", "predicts: bougt,"),
        ("do_nothing: nothing", "do_nothing: nothin"),
        ("value: bought * net", "value: boght * net"),
        ("serve: [api]", "serve: [apy]"),
        ("age: number", "age: numbr"),
        ("project: {name: Shop}", "project: {nam: Shop}"),
    ):
        text = text.replace(was, now)
    found = check(text)
    assert [finding.id[:3] for finding in found] == ["DS1", "DS1", "DS2", "DS3", "DS4", "DS5", "DS6"]
    lines = text.splitlines()
    for finding in found:
        line = lines[finding.facts["line"] - 1]
        word = place(finding).split(".")[-1].split("[")[0]
        assert word in line or finding.id == "DS101", (line, str(finding))


def test_a_fault_in_one_field_does_not_hide_or_breed_others() -> None:
    """A column of an unknown type is still a column, a lever without settings still a lever."""
    text = PLAN.replace("age: number", "age: numbr").replace("{nothing: {}, call: {cost: 6}}", "[0, 1]")
    found = check(text)
    assert {place(f) for f in found} == {"data[0].columns.age", "levers[0].options[0]", "levers[0].options[1]"}


def test_an_unknown_value_is_neither_wrong_nor_a_reason_for_other_findings() -> None:
    question = "{unknown: What?, owner: me, due: 2027-01-01}"
    for was in (
        "{value: 2, low: 1, high: 3}",
        "maximize",
        "mean(complained)",
        "visits.csv",
        "bought,",
        "[offer, price]",
    ):
        text = PLAN.replace(f" {was}", f" {question}{',' if was == 'bought,' else ''}", 1)
        assert check(text) == [], was


HEAD = "drivetrain: 1\nproject: {name: Draft}\n"
PARTS = {
    "objective": "{statement: s}",
    "decision": "{unit: letter}",
    "levers": "[]",
    "uncontrollable": "[]",
    "data": "[]",
    "models": "[]",
    "simulator": "{}",
    "optimizer": "{}",
    "deployment": "{serve: [api]}",
    "maintenance": "{owner: me, retrain_when: []}",
}


def draft(*parts: str) -> list[Finding]:
    return check(HEAD + "".join(f"{part}: {PARTS[part]}\n" for part in parts))


@pytest.mark.parametrize("end", range(len(PARTS) + 1))
def test_a_draft_may_stop_after_any_part(end: int) -> None:
    assert draft(*list(PARTS)[:end]) == []


@pytest.mark.parametrize("left_out", ["decision", "uncontrollable", "simulator", "optimizer"])
def test_four_parts_may_be_left_out(left_out: str) -> None:
    assert draft(*(part for part in PARTS if part != left_out)) == []


@pytest.mark.parametrize("left_out", ["objective", "levers", "data", "models", "deployment"])
def test_a_part_without_those_before_it_is_an_error(left_out: str) -> None:
    found = draft(*(part for part in PARTS if part != left_out))
    assert found
    assert {finding.id[3:] for finding in found} == {"19"}
    assert all(f"`{left_out}`" in finding.what for finding in found)


def test_a_part_that_is_unknown_counts_as_asked_for() -> None:
    question = "{unknown: Which?, owner: me, due: 2027-01-01}"
    assert check(f"{HEAD}objective: {PARTS['objective']}\nlevers: {question}\ndata: []\n") == []


def test_in_a_draft_a_name_that_is_not_defined_yet_is_a_note_and_later_an_error() -> None:
    objective = (
        "objective: {statement: s, value: sold * margin, guardrails: [{name: g, measure: mean(late), at_most: 1}]}\n"
    )
    for more in ("", "levers: []\n"):
        found = check(HEAD + objective + more)
        assert {finding.level for finding in found} == {"note"}
        assert {finding.what for finding in found} == {f"`{n}` is not defined yet." for n in ("sold", "margin", "late")}
    found = check(HEAD + objective + "levers: []\ndata: []\n")
    assert {finding.level for finding in found} == {"fail"}
    assert len(found) == 3


def test_built_in_names_may_be_used_and_media_columns_are_there() -> None:
    assert check(PLAN.replace("value: bought * net", "value: where(period == 0, bought, 0) * net")) == []
    images = """
levers: [{name: a, type: options, options: [x]}]
data: [{name: d, kind: images, location: d, outcomes: {y: {column: folder, values: [x], affected_by: []}}}]
"""
    assert check(HEAD + "objective: {statement: s, value: \"(folder == 'x') + (suffix == 'png')\"}" + images) == []
    found = check(HEAD + "objective: {statement: s, value: image + 1}" + images)
    assert ["a file and cannot be calculated with" in f.what for f in found] == [True]


def test_groups_entities_and_join_columns_are_columns_without_being_declared() -> None:
    text = PLAN.replace(
        "location: visits.csv", "location: visits.csv\n    groups: [city]\n    filename: '(?P<depot>[a-z]+)'"
    )
    for name in ("city", "depot"):
        assert check(text.replace("by: [region]", f"by: [{name}]")) == []
    assert check(text.replace("join: [{data: shops, on: shop}]", "join: [{data: shops, on: {seller: shop}}]")) == []


def test_the_same_column_may_recur_in_joined_sources_only() -> None:
    again = PLAN.replace("columns: {size: number}", "columns: {size: number, age: number}")
    assert check(again) == []
    (found,) = check(again.replace("    join: [{data: shops, on: shop}]\n", ""))
    assert "no join ties the two sources" in found.what


def test_informs_is_a_promise_while_there_is_no_value_and_checked_once_there_is() -> None:
    promise = "predicts: complained, informs: [offer, simulator]}"
    assert check(PLAN.replace("predicts: complained}", promise)) == []
    idle = "predicts: mood, informs: [offer]}"
    (found,) = check(PLAN.replace("predicts: complained}", idle))
    assert "does not inform `offer`" in found.what
    value = "  value: bought * net - cost(offer)\n"
    guardrails = "  guardrails: [{name: complaints, measure: mean(complained), at_most: 0.1, by: [region]}]\n"
    open_ = PLAN.replace(value, "").replace(guardrails, "").replace("predicts: complained}", idle)
    assert [f for f in check(open_) if "informs" in place(f)] == []


def test_models_must_not_wait_for_each_other() -> None:
    text = PLAN.replace("monotone: {price: decreasing}", "inputs: [complained]").replace(
        "predicts: complained}", "predicts: complained, inputs: [bought]}"
    )
    (found,) = check(text)
    assert "`buying` → `complaining` → `buying`" in found.what


def test_a_long_chain_of_terms_is_typed_without_running_out_of_stack() -> None:
    terms = ", ".join(f"t{i}: t{i - 1} + 1" for i in range(1, 900))
    found = check(PLAN.replace("terms: {net: margin - fee}", f"terms: {{net: margin - fee, t0: net, {terms}}}"))
    assert {f.id for f in found} <= {"DS210"}
    around = f"terms: {{net: margin - fee, t0: t900, {terms}, t900: t899}}"
    (circle,) = check(PLAN.replace("terms: {net: margin - fee}", around))
    assert circle.id == "DS220"


def test_a_file_name_pattern_that_python_will_read_otherwise_is_refused_at_its_line(recwarn) -> None:
    text = (
        "drivetrain: 1\nproject: {name: Odd}\nobjective: {statement: S.}\nlevers:\n"
        "  - {name: a, type: options, options: [x, y]}\ndata:\n"
        "  - {name: d, kind: images, location: d, filename: '(?P<a1>[[a-z]--x])'}\n"
    )
    [fault] = [finding for finding in check_text(text).findings if finding.level == "fail"]
    assert "drivetrain.yaml:7: data[0].filename: is no regular expression" in str(fault)
    assert not [warning for warning in recwarn if issubclass(warning.category, FutureWarning)]


def test_every_sentence_of_the_semantics_has_a_test() -> None:
    chapters = yaml.safe_load((GOLDEN / "semantics.yaml").read_text())
    missing = []
    for sentence, held in [pair for chapter in chapters.values() for pair in chapter.items()]:
        for one in held:
            if isinstance(one, dict):
                there = any(one["now"] in case["now"] for case in SENTENCES)
            else:
                file, name = one.split("::")
                there = f"def {name}(" in (Path(__file__).parent / file).read_text()
            missing += [] if there else [f"{sentence}: {one}"]
    assert not missing, "\n".join(missing)
