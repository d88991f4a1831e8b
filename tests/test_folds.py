"""Pooled out-of-fold predictions: is the optimized policy worth as much as those that look at accuracy alone?"""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import load_spec, policy
from drivetrain.artifact import Distribution
from drivetrain.decision import World, compare
from drivetrain.spec.levers import Confident

FOLDS = 5


def pooled(example: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[policy.Problem, World]:
    """Every case of an example, predicted by a model that has not seen it: five folds, the project's own training."""
    for command in (["new", "--example", example, "-o", str(into)], ["sample", str(into / example)]):
        subprocess.run([sys.executable, "-m", "drivetrain", *command], check=True, capture_output=True)
    spec = load_spec(into / example)
    monkeypatch.syspath_prepend(str(into / example))
    monkeypatch.chdir(into / example)
    from drivetrain import training

    train = importlib.import_module(f"{spec.package}.train")

    def trained(plan, model, cases):
        learn = train.make_learner(plan, model, cases)
        with learn.no_bar(), learn.no_logging():
            train.fit(learn, model)
        return learn

    [model] = spec.models
    [outcome] = model.predicts
    cases = training.rows(spec, model).reset_index(drop=True)
    probabilities = training.cross_fit(spec, model, cases, trained, folds=FOLDS)
    problem = policy.problem(spec)
    known = tuple(training.classes(spec, outcome, cases))
    truth = cases[outcome].to_numpy()
    world = World(
        case=np.arange(len(cases)),
        split=np.full(len(cases), "test"),
        columns={name: cases[name].to_numpy() for name in problem.columns & set(cases.columns)},
        beliefs={outcome: policy.belief(problem, outcome, Distribution(known, probabilities))},
        truth={outcome: truth.astype(str) if outcome not in problem.binary else truth.astype(str) == "true"},
        weights=np.full(len(cases), 1 / len(cases)),
    )
    return problem, world


@pytest.mark.full
@pytest.mark.train
@pytest.mark.parametrize(
    ("example", "cautious", "surely"),
    [("mail-sorting", "manual", "today"), ("clinic-triage", "refer", "accuracy_first")],
)
def test_the_optimized_policy_is_worth_at_least_as_much_as_accuracy_and_a_threshold(
    example: str, cautious: str, surely: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    problem, world = pooled(example, tmp_path, monkeypatch)
    [lever], [outcome] = problem.levers, problem.outcomes
    threshold = Confident(confident=outcome, at_least=0.5, **{"else": cautious})
    problem = replace(problem, policies={**problem.policies, "simple_rule": {lever: threshold}})
    result = compare(problem, world, world).result
    gains = {row["against"]: row for row in result["differences"]}
    ahead = {name: gains[name]["value"] for name in ("accuracy_first", "simple_rule")}
    likely = gains["accuracy_first"]
    said = f"{likely['value']:.3g} ({likely['low']:.3g} to {likely['high']:.3g}) and {ahead['simple_rule']:.3g} ahead"
    record_property("figure", f"{example}: {said} ({problem.unit})")
    assert result["cases"] == {"mail-sorting": 1797, "clinic-triage": 569}[example]
    assert gains["accuracy_first"]["value"] >= 0
    assert gains["simple_rule"]["value"] >= 0
    assert gains["today"]["value"] > 0
    assert gains[surely]["low"] > 0, "by more than chance"
