"""A plan whose value uses nothing that is to be found out needs no models, and goes all the way to a decision."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain import decision, review, sample, serving, source
from drivetrain.errors import MissingPartError
from drivetrain.spec import load_spec
from drivetrain.training import start

PLAN = """\
drivetrain: 1
project: {name: Garden taps, owners: [allotment]}
objective:
  statement: Plots are watered when it is dry.
  measure: {name: harvest, unit: EUR/plot, direction: maximize}
  value: "8 * (1 - max(clip((30 - rain) / 30, 0, 1) - 0.1 * litres, 0)) - 0.3 * litres"
levers:
  - {name: litres, type: integer, minimum: 0, maximum: 10, owner: gardener,
     policies: {do_nothing: 0, today: 3, simple_rule: {formula: "where(rain < 10, 6, 0)"}}}
data:
  - name: plots
    kind: table
    location: data/plots.csv
    columns: {rain: {type: number, minimum: 0, maximum: 60}}
models: []
deployment: {serve: [api]}
"""


def test_what_can_be_computed_is_decided_without_training(tmp_path, capsys):
    (tmp_path / "drivetrain.yaml").write_text(PLAN, encoding="utf-8")
    spec = load_spec(tmp_path)
    sample.write(spec)
    with start(spec) as run:
        assert not list(run.jobs())
    assert "nothing to train" in capsys.readouterr().err
    decided = decision.decide(spec)
    table = source.cases(spec)
    rain = np.array(table["rain"].to_pylist())[np.array(table["split"].to_pylist()) == "test"]
    litres = np.arange(11)
    worth = 8 * (1 - np.maximum(np.clip((30 - rain) / 30, 0, 1)[:, None] - 0.1 * litres, 0)) - 0.3 * litres
    found = {row["name"]: row["value"] for row in decided.result["policies"]}
    assert found["optimized"] == pytest.approx(worth.max(axis=1).mean())
    assert found["today"] == pytest.approx(worth[:, 3].mean())
    assert found["simple_rule"] == pytest.approx(np.where(rain < 10, worth[:, 6], worth[:, 0]).mean())
    assert "Computed from the cases alone" in " ".join(decided.result["notes"])
    (answer,) = serving.Engine.open(spec).assess([{"rain": 3.0}])
    assert answer.recommendation == "9"
    assert "models" not in {missing.where for gate in review.build(spec).gates for missing in gate.missing}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("optimizer: {risk: {cvar: 0.2}}", "9"),
        ("simulator: {scenarios: [{name: flood, set: {rain: 60 + rain}, weight: 1}]}", "0"),
        ("simulator: {scenarios: [{name: drought, set: {rain: rain - 3}, weight: 1}]}", "10"),
    ],
)
def test_what_can_be_computed_is_served_with_risk_and_scenarios_too(tmp_path, more, expected):
    (tmp_path / "drivetrain.yaml").write_text(PLAN.replace("deployment", f"{more}\ndeployment"), encoding="utf-8")
    spec = load_spec(tmp_path)
    sample.write(spec)
    with start(spec) as run:
        assert not list(run.jobs())
    decision.decide(spec)
    answers = serving.Engine.open(spec).assess([{"rain": 3.0}, {"rain": 3.0}])
    assert [answer.recommendation for answer in answers] == [expected, expected]


def test_a_plan_that_waits_for_an_outcome_still_needs_its_models(tmp_path):
    outcome = "outcomes: {grown: {column: grown, type: binary, affected_by: []}}\n    columns"
    text = PLAN.replace("columns", outcome, 1).replace("- 0.3 * litres", "+ grown - 0.3 * litres")
    (tmp_path / "drivetrain.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MissingPartError, match="models"):
        start(load_spec(tmp_path))
