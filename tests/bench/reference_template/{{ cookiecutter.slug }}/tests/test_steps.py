"""The steps, one after another, on sample data. Add your own tests beside this file."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from conftest import PACKAGE, PLAN, Step

complete = pytest.mark.skipif(not (PLAN.models and PLAN.levers), reason="the plan has no levers and models yet")


@pytest.mark.parametrize("name", [model.name for model in PLAN.models])
def test_each_model_of_the_plan_has_its_learner(name: str) -> None:
    learner = import_module(f"{PACKAGE}.learners.{name}")
    assert callable(learner.get_dls)
    assert callable(learner.get_learner)


@pytest.mark.skipif(not PLAN.data, reason="the plan names no data yet")
def test_the_sample_data_pass_the_data_check(project: Path, until: Step) -> None:
    done = until("check_data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert evidence(project, "check")["synthetic"] in (True, False)


@complete
def test_training_leaves_a_model_and_its_record(project: Path, until: Step) -> None:
    done = until("train")
    assert done.returncode == 0, done.stdout + done.stderr
    for model in PLAN.models:
        manifest = json.loads((project / "artifacts" / model.name / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["predicts"] == model.predicts


@complete
def test_the_decision_compares_the_policies_in_the_unit_of_the_objective(project: Path, until: Step) -> None:
    done = until("decide")
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: after one epoch a guardrail may not hold
    assert evidence(project, "decide")["result"]


@complete
def test_the_audit_runs_on_the_decisions(project: Path, until: Step) -> None:
    done = until("audit")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert evidence(project, "audit")["result"]


def evidence(project: Path, step: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((project / "evidence" / f"{step}.json").read_text(encoding="utf-8"))
    return loaded
