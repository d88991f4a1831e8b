"""What past decisions say about each policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision import logged, selection
from drivetrain.decision.evaluate import Figure, interval
from drivetrain.decision.log import Log
from drivetrain.decision.world import World

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
    ranked = problem.ranking.lever if problem.ranking else ""
    numeric = any(values.dtype.kind == "f" for lever, values in log.used.items() if lever != ranked)
    # One by one first: a product hides a wrong factor.
    for lever, chance in log.chances.items():
        logged.check(chance, density=False, where=f"levers.{lever}.history.propensity")
    logged.check(log.propensity, density=numeric)
    part = {name: _rows(values, log.rows) for name, values in world.cases.items()}
    # Whose reward was not observed counts through those whose was, and through what the models expect.
    chances = selection.chance({name: v for name, v in {**part, **log.used}.items() if name}, known, problem.seed)
    reward, standing_in = np.where(known, reward, 0.0), known / chances

    def expected(action: Mapping[str, Array]) -> Floats:
        levers = {lever: np.asarray(values)[:, None] for lever, values in action.items()}
        return policy.worth(plain, part, world.ask, levers)[:, 0]

    def direct(action: Mapping[str, Array], here: Mapping[str, Array]) -> Floats:
        """What is expected of the policy in each logged row: of items, what their whole case is worth."""
        if world.width == 1:
            return expected(here)
        levers = {lever: np.asarray(values)[:, None] for lever, values in action.items()}
        return world.by_case(policy.worth(plain, world.cases, world.ask, levers)[:, 0])[log.rows // world.width]

    # A case is worth the sum of its items, so a logged item stands for all of them.
    before, came = expected(log.used) * world.width, reward * world.width
    share, entity = world.shares_of(log), world.entities_of(log)
    rows, scores = {}, {}
    for name, action in actions.items():
        here = {lever: np.asarray(values)[log.rows] for lever, values in action.items()}
        weight = logged.weights(log.used, here, log.propensity, exact=ranked)
        if _is_the_log(log.used, here):
            # What was done, as it was logged: its outcomes are there, and nothing has to be weighed.
            weight = np.ones(len(log.rows))
        weight = weight * standing_in
        each = logged.scores(weight, came, direct(action, here), before, share)
        # Of items nearly all are not shown, by any policy: those that are shown tell one from another.
        shown = here[ranked] > 0 if problem.items else np.ones(len(weight), bool)
        seen = logged.overlap(weight[shown] if shown.any() else weight)
        rows[name] = {
            "estimates": {
                method: interval(figure(logged.mean(each[method], share, entity))) for method in logged.METHODS
            },
            "matched": seen.matched,
            "effective_size": seen.size,
            "largest_weight": seen.largest,
            "logged_cases": seen.cases,
            "enough": seen.enough,
            "mean_weight": seen.total,
            "impossible": seen.impossible and not problem.items,
            "thin": seen.thin and not problem.items,
            "observed": float(known.mean()),
        }
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
        for name, came in (_of_log(world.truth, log) if log.truth is None else log.truth).items():
            seen = _of_log(world.observed, log) if log.observed is None else log.observed
            there = seen.get(name, np.ones(len(came), dtype=bool))
            stand_in: Any = bool(fill) if name in problem.binary else fill
            if problem.classes[name] and name not in problem.binary:
                stand_in = problem.classes[name][int(fill) % len(problem.classes[name])]
            outcomes[name] = np.where(there, came, np.asarray(stand_in, dtype=came.dtype))
        if set(problem.outcomes) - outcomes.keys():
            return np.zeros(len(log.rows)), np.zeros(len(log.rows), dtype=bool)
        tries.append(policy.realised(problem, problem.value, columns, outcomes, log.used))
    known &= np.isfinite(tries[0]) & (tries[0] == tries[1])
    return tries[0], known


def _of_log(values: Mapping[str, Array], log: Log) -> dict[str, Array]:
    return {name: array[log.rows] for name, array in values.items()}


def _rows(values: Any, rows: NDArray[np.int64]) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]


def figure(estimate: logged.Estimate) -> Figure:
    """An estimate as the report takes it."""
    return Figure(estimate.value, estimate.low, estimate.high)
