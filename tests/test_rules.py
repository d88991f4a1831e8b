"""What a coherent plan obeys: bad plans get exactly their findings, good ones none that matter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import examples
from drivetrain.errors import FormulaError
from drivetrain.findings import LEVELS
from drivetrain.rules import RULES, fields, judge, questions, verdict
from drivetrain.rules.capabilities import again, dated
from drivetrain.rules.rule import Rule, stands
from drivetrain.rules.secrets import kind_of
from drivetrain.rules.worth import compute
from drivetrain.spec import load_spec, load_text
from drivetrain.spec.formula import evaluate, parse
from drivetrain.spec.models import Task
from drivetrain.stages import STAGES, reached

GOLDEN = Path(__file__).parent / "golden" / "rules"
BAD = sorted(examples.bad())
PARAGRAPH = """\
drivetrain: 1
project: {name: Fewer missed appointments}
objective:
  statement: Patients come to their appointments, or call in time so that somebody else can have them.
"""


def ids(text: str, stage=None) -> set[str]:
    return {finding.id for finding in judge(load_text(text), stage)}


# ---- the rules themselves --------------------------------------------------------------------------------------------


def test_ids_are_unique_and_name_the_part_of_the_approach():
    assert len({rule.id for rule in RULES}) == len(RULES)
    rooms = {
        "objective": "1",
        "levers": "2",
        "rankings": "2",
        "data": "3",
        "coverage": "3",
        "models": "4",
        "optimizer": "5",
        "deployment": "6",
    }
    for rule in RULES:
        assert rule.id[2] == rooms[type(rule).__module__.rsplit(".", 1)[1]]
        assert rule.level in LEVELS
        assert rule.stage in STAGES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_it_is_what_to_do_and_what_to_ask(rule):
    assert rule.text.endswith(".")
    assert rule.advice.rstrip(".)`").strip()
    assert rule.question.endswith("?")
    assert type(rule).faults is not Rule.faults


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_plan_that_keeps_it_and_a_bad_plan_that_breaks_it(rule):
    good = [load_spec(examples.path(name)) for name in examples.names()]
    bad = [load_spec(examples.bad()[name]) for name in BAD]
    asked = [spec for spec in [*good, *bad] if all(stands(spec, part) for part in rule.needs)]
    keeps = [spec for spec in asked if not any(f.id == rule.id for f in judge(spec, "wide"))]
    assert keeps, "no plan keeps it"
    found = any(rule.id == finding.id for spec in bad for finding in judge(spec))
    assert found, f"no plan in drivetrain/examples/bad/ breaks {rule.id}: change one of them so that it does"


# ---- plans -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", examples.names())
def test_a_plan_of_the_gallery_is_free_of_faults_at_every_stage(name):
    grave = [str(f) for f in judge(load_spec(examples.path(name)), "wide") if f.level not in ("pass", "note")]
    assert not grave


def test_there_are_bad_plans_and_predictive_policing_is_one():
    assert len(BAD) >= 8
    assert "predictive-policing" in BAD


def findings(name: str) -> str:
    """What a bad plan is told, a line each; `python tests/test_rules.py` writes it into the golden files."""
    found = judge(load_spec(examples.bad()[name]))
    return "".join(f"{f.level:<7} {f.id}  {f.facts['stage']:<8}  {f.facts['path']}: {f.what}\n" for f in found)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plan_gets_exactly_its_findings(name):
    assert findings(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), "meant? python tests/test_rules.py"


def test_predictive_policing_is_told_what_is_wrong_with_it():
    found = {f.id: f for f in reversed(judge(load_spec(examples.bad()["predictive-policing"])))}
    assert "nothing is planned against it" in found["DT304"].what  # the loop: labels from where police were sent
    assert "nobody confirms anything" in found["DT608"].what
    assert found["DT110"].level == "fail"  # residents have no recourse
    assert "not dependable as of" in found["DT405"].what


def test_findings_come_gravest_first_and_then_by_the_stage_at_which_they_matter():
    for name in BAD:
        found = judge(load_spec(examples.bad()[name]))
        order = [(-LEVELS.index(f.level), STAGES.index(f.facts["stage"])) for f in found]
        assert order == sorted(order)


@pytest.mark.parametrize("name", BAD)
def test_a_gate_hears_what_matters_there_and_no_more(name):
    spec = load_spec(examples.bad()[name])
    heard: set[str] = set()
    for stage in STAGES:
        now = {str(finding) for finding in judge(spec, stage)}
        assert heard <= now
        assert all(reached(stage, finding.facts["stage"]) for finding in judge(spec, stage))
        heard = now


def test_a_finding_names_the_line_of_the_file():
    path = examples.bad()["predictive-policing"]
    (found,) = [f for f in judge(load_spec(path)) if f.id == "DT110"]
    line = int(found.where.split(":")[1])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].lstrip().startswith("affected")


@pytest.mark.parametrize(
    ("limit", "level", "advice"),
    [
        ("measure: mean(alarm == 'on'), at_most: 5", "warn", "Write `at_most: 0.05` if 5 % is meant."),
        ("measure: mean(alarm == 'on'), at_least: 95", "fail", "Write `at_least: 0.95` if 95 % is meant."),
        ("measure: \"mean(bear == 'none', alarm == 'on')\", at_most: -1", "fail", "Correct the limit."),
        ("measure: mean(alarm == 'on'), at_most: 1", None, ""),
        ("measure: \"mean(where(alarm == 'on', 3, 0))\", at_most: 5", None, ""),
    ],
)
def test_a_share_is_limited_between_none_and_all(limit, level, advice):
    text = examples.path("bear-warning").read_text(encoding="utf-8")
    spec = load_text(re.sub(r"(  guardrails:.*\n)", rf"\1    - {{name: noise, {limit}}}\n", text))
    found = [(f.level, f.advice) for f in judge(spec) if f.id == "DT502" and "share" in f.what]
    assert found == ([(level, advice)] if level else [])


# ---- drafts and questions --------------------------------------------------------------------------------------------


def test_a_paragraph_gets_three_questions_in_the_order_of_the_approach():
    asked = questions(load_text(PARAGRAPH))
    assert [question.path for question in asked] == ["objective.measure", "objective.value", "levers"]
    assert all(question.text.endswith("?") and question.why for question in asked)


def test_a_paragraph_is_not_drowned():
    found = judge(load_text(PARAGRAPH))
    assert len(found) <= 3
    assert not [finding for finding in found if finding.level == "fail"]


def test_what_is_asked_already_is_asked_first_with_who_finds_out_and_by_when():
    plan = PARAGRAPH + "  measure: {unknown: What does an empty hour cost?, owner: practice manager, due: 2027-02-01}\n"
    first = questions(load_text(plan))[0]
    assert str(first) == "What does an empty hour cost? (practice manager, by 2027-02-01)"


def test_what_is_unknown_is_no_finding():
    question = "{unknown: Who may?, owner: me, due: 2027-01-01}"
    plan = PARAGRAPH + f"levers:\n  - {{name: reminder, type: options, options: [none, call], owner: {question}}}\n"
    assert "DT202" not in ids(plan)
    assert "DT202" in ids(plan.replace(f", owner: {question}", ""))


def test_a_wrong_plan_is_asked_about_what_is_wrong_before_what_comes_later():
    asked = questions(load_spec(examples.bad()["dashboard"]))
    assert "perfect tomorrow" not in asked[0].text  # a warning; the levers that reach nothing weigh more
    assert asked[0].path.startswith("levers")


# ---- whether a model is needed ---------------------------------------------------------------------------------------

ROOF = """\
drivetrain: 1
project: {{name: Roof}}
objective:
  statement: Seedlings stay dry.
  value: "{value}"
  {more}
levers:
  - {{name: roof, type: options, options: {{open: {{}}, shut: {{cost: 1}}}}, owner: gardener}}
data:
  - name: nights
    kind: table
    location: nights.csv
    columns: {{cloud: number}}
    outcomes:
      rain: {{column: rain, type: binary, affected_by: []}}
      flooded: {{column: wet, type: binary, affected_by: [roof]}}
"""


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("where(roof == 'open', -100 * rain, 0) - cost(roof)", "needed"),
        ("where(roof == 'open', -100 * rain - 2, 0) - cost(roof)", "not needed"),  # shut is better even when dry
        (
            "-100 * flooded - cost(roof)",
            "needed",
        ),  # shut costs more, whatever happens, and shutting changes what happens
        ("-0.5 * flooded - cost(roof)", "not needed"),  # even a flood costs less than the roof
        ("where(cloud > 5, 0, 3) - cost(roof)", "not needed"),  # nothing is to be found out
        ("-100 * snow", "open"),  # what is snow?
    ],
)
def test_the_verdict_may_be_that_no_model_is_needed(value, model):
    text = ROOF.format(value=value, more="")
    text = text.split("data:")[0] if model == "open" else text
    found = verdict(load_text(text))
    assert found.model == model
    assert found.why.endswith(".")
    assert ("DT403" in ids(text)) == (model == "not needed")


@pytest.mark.parametrize(("gives_way", "model"), [("", "needed"), (", hard: false", "not needed")])
def test_with_a_limit_that_must_hold_a_dominant_setting_does_not_settle_it(gives_way, model):
    guard = f"guardrails: [{{name: light, measure: \"mean(roof == 'shut', rain)\", at_most: 0.5{gives_way}}}]"
    text = ROOF.format(value="where(roof == 'open', -100 * rain - 2, 0) - cost(roof)", more=guard)
    assert verdict(load_text(text)).model == model


NAMES = {"a": 2.0, "b": -1.5, "t": True, "s": "x"}
NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "0.5", "3", "t"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda p: f"where({p[0]} > 0, {p[1]}, {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"min({p[0]}, {p[1]})"),
        inner.map(lambda p: f"abs({p})"),
        inner.map(lambda p: f"clip({p}, -1, 1)"),
        inner.map(lambda p: f"exp(min({p}, 3))"),
        inner.map(lambda p: f"where(s == 'x', {p}, 1)"),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(NUMBERS)
def test_plain_arithmetic_agrees_with_the_evaluator(text):
    import numpy as np

    names = {"a": np.array([2.0]), "b": np.array([-1.5]), "t": np.array([True]), "s": np.array(["x"])}
    try:
        with np.errstate(all="ignore"):
            wanted = float(np.asarray(evaluate(parse(text), names), float).ravel()[0])
    except (FormulaError, ArithmeticError, ValueError):
        return
    found = compute(parse(text), NAMES)
    if found is not None and np.isfinite(wanted):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


# ---- capabilities and secrets ----------------------------------------------------------------------------------------


def test_the_table_of_capabilities_is_dated_and_has_every_task_once():
    from typing import get_args

    assert dated() < again()
    tasks = [task for field in fields() for task in field.tasks]
    assert sorted(tasks) == sorted(get_args(Task))


@pytest.mark.parametrize("text", [
    "a forecast of sales", "the patient's temperature", "which team solves the ticket", "opens the letter",
    "customers are won back in peace", "the write-up of reports",
])  # fmt: skip
def test_ordinary_aims_are_not_taken_for_fates(text):
    assert not [field.name for field in fields() if field.named_in(text)]


@pytest.mark.parametrize(("outcome", "asked"), [("days_left", False), ("customer_left", True), ("time_left", False)])
def test_time_that_is_left_is_not_taken_for_somebody_who_left(outcome, asked):
    plan = f"""
drivetrain: 1
project: {{name: A}}
objective: {{statement: Serve in time., value: "where(visit == 'now', -1, 0) - {outcome}"}}
levers: [{{name: visit, type: options, options: [now, later]}}]
data:
  - name: d
    kind: table
    location: d.csv
    outcomes: {{{outcome}: {{column: {outcome}, type: number, affected_by: []}}}}
"""
    assert ("DT303" in {finding.id for finding in judge(load_text(plan))}) is asked


@pytest.mark.parametrize("text", [
    "postgres://app:s3cret@db/cases", "password=hunter22", "AKIAIOSFODNN7EXAMPLE", "token: abc123def456ghi789jkl0",
])  # fmt: skip
def test_secrets_are_found_and_not_repeated(text):
    plan = PARAGRAPH.replace("{name: Fewer missed appointments}", f'{{name: Fewer, summary: "{text}"}}')
    (found,) = [finding for finding in judge(load_text(plan)) if finding.id == "DT603"]
    assert text not in str(found.as_json())
    assert found.facts["path"] == "project.summary"


def test_no_other_finding_repeats_a_secret():
    plan = examples.bad()["triage-at-once"].read_text(encoding="utf-8")
    plan = plan.replace("scope: all wards", "scope: all wards password=hunter2secret")
    found = judge(load_text(plan))
    assert any(finding.id == "DT602" for finding in found)
    assert not [finding for finding in found if "hunter2" in str(finding.as_json())]


@pytest.mark.parametrize("text", [
    "postgres://app:${DB_PASSWORD}@db/cases", "password=${PASSWORD}", "https://data.example/letters.csv",
    "token=$TOKEN",
    "the secret of good bread", "passwords are kept by the clinic", "a signature: yes", "s3://bucket/data/*.parquet",
])  # fmt: skip
def test_references_and_prose_are_no_secrets(text):
    assert not kind_of(text)


@pytest.mark.parametrize("run", ["x", "pass", "token ", "eyJ", "a://", "a://b:", "-----BEGIN "])
def test_a_megabyte_without_an_end_is_read_in_a_moment(run):
    """Read once for each of its letters, it would take hours."""
    text = run * (1_000_000 // len(run))
    assert not kind_of(text)
    assert kind_of(f"{text} AKIAIOSFODNN7EXAMPLE")


# ---- robustness ------------------------------------------------------------------------------------------------------


def test_judging_needs_no_numpy():
    code = (
        "import sys; from drivetrain import examples, load_spec, rules;"
        "s = load_spec(examples.path('insurance-pricing'));"
        "rules.judge(s, 'wide'); rules.questions(s); rules.verdict(s); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", [*examples.names(), *BAD])
def test_a_plan_cut_off_anywhere_is_judged_without_a_fault(name):
    text = (examples.bad()[name] if name in BAD else examples.path(name)).read_text(encoding="utf-8")
    parts = [
        "decision:",
        "levers:",
        "uncontrollable:",
        "data:",
        "models:",
        "simulator:",
        "optimizer:",
        "deployment:",
        "maintenance:",
    ]
    for part in parts:
        head, cut, _ = text.partition(f"\n{part}")
        if cut:
            draft = load_text(head + "\n")
            assert len(questions(draft)) <= 3
            judge(draft, "wide")
            verdict(draft)


# ---- the command -----------------------------------------------------------------------------------------------------


def validate(*arguments: str):
    from click.testing import CliRunner

    from drivetrain.cli import main

    return CliRunner().invoke(main, ["validate", *arguments])


def test_validate_says_what_is_incoherent_and_asks_the_next_questions():
    done = validate(str(examples.bad()["dashboard"]))
    assert done.exit_code == 1
    assert "DT401" in done.output
    assert "The next questions:" in done.output
    assert validate(str(examples.path("mail-sorting"))).exit_code == 0


def test_validate_gives_coherence_as_json_too():
    import json

    found = json.loads(validate(str(examples.bad()["dashboard"]), "--format", "json").output)["findings"]
    assert {entry["id"] for entry in found} >= {"DT201", "DT202", "DT203", "DT401"}
    assert all(entry["facts"]["stage"] for entry in found if entry["id"].startswith("DT"))


def test_an_outcome_that_is_unknown_as_a_whole_leaves_the_verdict_to_later():
    whole = "outcomes: {rain: {unknown: Is it recorded?, owner: me, due: 2027-01-01}}"
    text = ROOF.format(value="where(roof == 'open', -100 * rain - 2, 0) - cost(roof)", more="")
    text = text.split("    outcomes:")[0] + f"    {whole}\n"
    assert verdict(load_text(text)).model == "needed"
    assert "DT403" not in ids(text, "wide")


if __name__ == "__main__":
    for bad in BAD:
        (GOLDEN / f"{bad}.txt").write_text(findings(bad), encoding="utf-8")
