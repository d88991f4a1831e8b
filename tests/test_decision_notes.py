"""What is said beside the figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drivetrain.decision.notes import outdone, said

SHARES = np.array([0.25, 0.25, 0.25, 0.25])
VALUES = {"today": np.zeros(4), "simple_rule": np.array([0, 0, 4, 8.0]), "optimized": np.array([0, 0, 4, 0.0])}
CALLED = {"today": np.zeros(4), "simple_rule": np.array([0, 0, 1, 1.0]), "optimized": np.array([0, 0, 1, 0.0])}


def limit(**other: Any) -> Any:
    return SimpleNamespace(**({"name": "calls", "upper": True, "bound": 0.25, "hard": True} | other))


def parts(name: str, _: Any) -> tuple[Any, Any]:
    return CALLED[name], np.ones(4)


def test_a_policy_that_looks_better_by_breaking_a_limit_is_named_with_its_figure():
    assert outdone([limit()], VALUES, SHARES, parts) == [
        "`simple_rule` looks better than the optimized policy and breaks a limit that this one keeps: calls would be "
        "0.5, at most 0.25."
    ]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(limit(bound=0.5), id="both keep it"),
        pytest.param(limit(bound=0.1), id="both break it"),
        pytest.param(limit(hard=False), id="it may be broken"),
        pytest.param(limit(upper=False, bound=0.1), id="more is allowed"),
    ],
)
def test_otherwise_nothing_is_said(kept):
    assert outdone([kept], VALUES, SHARES, parts) == []


def test_a_policy_that_is_worth_less_needs_no_excuse():
    assert outdone([limit()], VALUES | {"optimized": np.full(4, 9.0)}, SHARES, parts) == []


def test_models_that_miss_what_came_of_today_are_not_passed_over_in_silence():
    from drivetrain.decision.notes import _at_odds

    came = {"value": 100.0, "low": 97.0, "high": 103.0}
    [note] = _at_odds({"direct": {"value": 57.0, "low": 55.0, "high": 59.0}, "dr": came})
    assert "models expect 57 of `today`, and the log shows 100 (97 to 103)" in note
    assert not _at_odds({"direct": {"value": 95.0, "low": 94.0, "high": 96.0}, "dr": came}), "five in a hundred"
    assert not _at_odds({"dr": came})


def test_a_log_that_speaks_for_no_policy_is_not_called_causal():
    log = SimpleNamespace(propensity=np.ones(3), causal=True, strange="", kind="randomised")
    problem = SimpleNamespace(censored=(), horizon=None, scenarios=(), outcomes=("quits",))
    row = {"matched": 0.1, "observed": 1.0, "impossible": False, "thin": False, "enough": False, "estimates": {}}
    notes = said(problem, SimpleNamespace(log=log), False, {"today": row, "optimized": row})
    assert notes == ["Model-based: settings were randomised, but too few logged cases took those of any policy."]
    one = said(problem, SimpleNamespace(log=log), False, {"today": row | {"enough": True}, "optimized": row})
    assert [note.split(":")[0] for note in one] == ["Causal", "Model-based for optimized"]


TWO = """
drivetrain: 1
project: {name: Gym}
objective: {statement: Members stay., value: "where(quits, 0, fee)"}
levers:
  - {name: offer, type: options, options: [nothing, call], history: {kind: randomised, column: got, propensity: p}}
  - name: fee
    type: integer
    minimum: 20
    maximum: 30
    step: 5
    history: {kind: randomised, column: paid, propensity: 0.33}
data:
  - name: people
    kind: table
    location: p.csv
    columns: {got: {type: category, role: logged}, paid: {type: integer, role: logged}, p: {type: number, role: logged}}
    outcomes: {quits: {column: quits, type: binary, affected_by: [offer, fee]}}
models: [{name: m, task: table-classification, predicts: quits}]
"""


def test_a_wrong_probability_of_one_lever_does_not_hide_in_the_product_with_another():
    import pyarrow as pa

    from drivetrain import policy
    from drivetrain.decision import logged
    from drivetrain.decision.log import log_of
    from drivetrain.errors import DataError
    from drivetrain.spec import load_text

    spec = load_text(TWO)
    table = pa.table({"got": ["call", "nothing", "call"], "paid": [20, 25, 30], "p": [0.5, 1.5, 0.5]})
    log = log_of(spec, policy.problem(spec), table)
    assert log is not None
    logged.check(log.propensity, density=False)
    with pytest.raises(DataError, match=r"levers.offer.history.propensity: the propensity is above 1 in 1 of 3"):
        logged.check(log.chances["offer"], density=False, where="levers.offer.history.propensity")
