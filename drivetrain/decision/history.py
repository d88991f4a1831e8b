"""What past decisions say about each policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision import logged
from drivetrain.decision.evaluate import Figure, interval
from drivetrain.decision.world import Log, World

Array = NDArray[Any]
Floats = NDArray[np.float64]


def judged_by_log(
    problem: policy.Problem, world: World, actions: Mapping[str, policy.Action]
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Estimates of every policy from logged decisions: policy -> figures, and policy -> doubly robust scores."""
    log = world.log
    if log is None or world.models is None or log.propensity is None:
        return {}, {}
    plain = replace(problem, horizon=None, scenarios=(), tail=None)
    reward, known = rewards(plain, world, log)
    if not known.any():
        return {}, {}
    if not known.all():
        log = replace(
            log,
            rows=log.rows[known],
            used={lever: values[known] for lever, values in log.used.items()},
            propensity=log.propensity[known],
        )
    assert log.propensity is not None
    numeric = any(values.dtype.kind == "f" for values in log.used.values())
    logged.check(log.propensity, density=numeric)
    part = {name: _rows(values, log.rows) for name, values in world.cases.items()}

    def expected(action: Mapping[str, Array]) -> Floats:
        levers = {lever: np.asarray(values)[:, None] for lever, values in action.items()}
        return policy.worth(plain, part, world.ask, levers)[:, 0]

    before = expected(log.used)
    share = world.weights[log.rows] / world.weights[log.rows].sum()
    rows, scores = {}, {}
    for name, action in actions.items():
        here = {lever: np.asarray(values)[log.rows] for lever, values in action.items()}
        weight = logged.weights(log.used, here, log.propensity)
        if _is_the_log(log.used, here):
            # What was done, as it was logged: its outcomes are there, and nothing has to be weighed.
            weight = np.ones(len(log.rows))
        each = logged.scores(weight, reward[known], expected(here), before, share)
        seen = logged.overlap(weight)
        rows[name] = {
            "estimates": {method: interval(figure(logged.mean(each[method], share))) for method in logged.METHODS},
            "matched": seen.matched,
            "effective_size": seen.size,
            "largest_weight": seen.largest,
            "logged_cases": seen.cases,
            "enough": seen.enough,
        }
        # Unrecorded rewards leave rows out, so that scores would not pair with the world's cases.
        if known.all():
            scores[name] = each["dr"]
    return rows, scores


def _is_the_log(used: Mapping[str, Array], chosen: Mapping[str, Array]) -> bool:
    """Whether a policy is what was logged: the same in every case, though more than one setting was used."""
    same = all((np.asarray(chosen[lever]) == values).all() for lever, values in used.items())
    return same and any(len(np.unique(values)) > 1 for values in used.values())


def rewards(problem: policy.Problem, world: World, log: Log) -> tuple[Floats, NDArray[np.bool_]]:
    """What each logged case came to, and whether that is known: an outcome that does not matter may be missing."""
    columns = {name: values[log.rows] for name, values in world.columns.items()}
    known = np.ones(len(log.rows), dtype=bool)
    tries = []
    for fill in (0.0, 1.0):
        outcomes = {}
        for name, values in world.truth.items():
            there = world.observed.get(name, np.ones(len(values), dtype=bool))[log.rows]
            stand_in: Any = bool(fill) if name in problem.binary else fill
            if problem.classes[name] and name not in problem.binary:
                stand_in = problem.classes[name][int(fill) % len(problem.classes[name])]
            outcomes[name] = np.where(there, values[log.rows], np.asarray(stand_in, dtype=values.dtype))
        if set(problem.outcomes) - outcomes.keys():
            return np.zeros(len(log.rows)), np.zeros(len(log.rows), dtype=bool)
        tries.append(policy.realised(problem, problem.value, columns, outcomes, log.used))
    known &= np.isfinite(tries[0]) & (tries[0] == tries[1])
    return tries[0], known


def _rows(values: Any, rows: NDArray[np.int64]) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]


def figure(estimate: logged.Estimate) -> Figure:
    """An estimate as the report takes it."""
    return Figure(estimate.value, estimate.low, estimate.high)
