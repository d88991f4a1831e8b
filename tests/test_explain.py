"""Anything that a plan, a finding or a review speaks of can be explained."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import drivetrain
from drivetrain import examples
from drivetrain.cli import main
from drivetrain.errors import DrivetrainError
from drivetrain.explain import explain, topics
from drivetrain.spec import load_spec, schema

PACKAGE = Path(drivetrain.__file__).parent


def run(*arguments: str):
    return CliRunner().invoke(main, ["explain", *arguments])


def test_every_topic_that_is_listed_has_an_explanation():
    for kind, names in topics().items():
        assert names, kind
        for name in names:
            found = explain(name)
            assert any(entry.kind == kind for entry in found), f"{kind} {name}"
            assert all(entry.text.strip() for entry in found)


def test_every_id_in_the_code_can_be_explained():
    ids = set()
    for path in PACKAGE.rglob("*.py"):
        ids |= set(re.findall(r'"(D[A-Z]\d{3})"', path.read_text(encoding="utf-8")))
    assert len(ids) > 100
    listed = topics()
    assert not ids - {*listed["finding"], *listed["rule"]} - {"DS100"}


def test_every_finding_of_a_judging_room_has_a_meaning_of_its_own():
    means = tomllib.loads((PACKAGE / "findings.toml").read_text(encoding="utf-8"))
    judged = {name for name in topics()["finding"] if not name.startswith("DS")}
    assert set(means) == judged
    assert len(set(means.values())) == len(means)
    for name, text in means.items():
        assert text.endswith("."), name
        assert explain(name)[0].text == text


def test_every_field_of_the_language_is_a_topic():
    listed = set(topics()["field"])
    root = schema()
    assert set(root["properties"]) <= listed
    for part, prefix in (
        ("Outcome", "data.outcomes"),
        ("Measure", "objective.measure"),
        ("Guards", "deployment.guards"),
    ):
        assert {f"{prefix}.{name}" for name in root["$defs"][part]["properties"]} <= listed


def test_a_field_is_found_by_its_last_step_and_says_how_it_is_written():
    (found,) = [entry for entry in explain("action_rate_change") if entry.kind == "field"]
    assert found.name == "deployment.monitoring.action_rate_change"
    assert dict(found.more)["when absent"] == "2.0"
    assert "affected_by: [price]" in dict(explain("data.outcomes.affected_by")[0].more)["example"]


@pytest.mark.parametrize("topic", ["DT205", "dt205", "effect can be learned"])
def test_a_rule_says_why_what_to_do_and_from_when_it_matters(topic):
    (found,) = explain(topic)
    about = dict(found.more)
    assert "experiment" in about["do"]
    assert about["ask"].endswith("?")
    assert about["level"] == "a fault, from stage `plan` on"


def test_a_question_of_the_checklist_says_what_in_this_plan_sets_it_off():
    spec = load_spec(examples.path("skin-screening"))
    named = [explain(name, spec)[0] for name in topics()["question"]]
    reasons = [dict(entry.more)["set off in this plan by"] for entry in named]
    assert any("search" in reason for reason in reasons)
    assert any("not on its list" in reason for reason in reasons)


def test_the_table_of_capabilities_has_its_date():
    assert re.search(r"judged in [A-Z][a-z]+ 20\d\d", explain("capabilities")[0].text)


def test_what_is_unknown_gets_the_nearest():
    with pytest.raises(DrivetrainError, match="Did you mean `ratings`"):
        explain("rattings")
    done = run("affected_bye")
    assert done.exit_code == 2
    assert "affected_by" in done.output
    for hostile in ("", "../../etc/passwd", "{{ 7*7 }}", "x" * 5000):
        with pytest.raises(DrivetrainError):
            explain(hostile)


def test_the_command_lists_explains_and_speaks_json():
    listed = run()
    assert listed.exit_code == 0
    assert "rule: DT101" in listed.output
    told = run("lever", "has", "owner")
    assert told.exit_code == 0
    assert "DT202" in told.output
    entries = json.loads(run("DA110", "--format", "json").output)
    assert entries[0]["kind"] == "finding"
    assert json.loads(run("--format", "json").output).keys() == topics().keys()


@pytest.mark.parametrize(("asked", "nearest"), [("DT999", "DT608"), ("uplifts", "uplift"), ("guard rail", "guardrail")])
def test_what_is_not_there_gets_the_nearest(asked, nearest):
    with pytest.raises(DrivetrainError, match=f"Did you mean `{nearest}`"):
        explain(asked)


@pytest.mark.parametrize("word", ["overlap", "uplift", "confounding", "leakage", "calibration", "recall", "propensity"])
def test_words_that_reports_use_are_explained(word):
    assert "word" in {found.kind for found in explain(word)}


def test_a_topic_as_long_as_a_page_is_not_repeated_whole():
    with pytest.raises(DrivetrainError) as error:
        explain("a" * 5000)
    assert len(str(error.value)) < 200
