"""The prices at which rankings fulfil the constraints, and how good the ranked policy can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision.dual import Pass, minimum
from drivetrain.decision.world import World
from drivetrain.errors import PolicyError

Floats = NDArray[np.float64]

EXACT = 400
"""Cases in one queue up to which its best order is found as well, to say how far the policy is from it."""


def places(problem: policy.Problem, world: World, prices: Mapping[str, float]) -> Floats:
    """The place of each row under the priced policy."""
    found = policy.consider(problem, world.cases, world.ask)
    return policy.ranked(problem, world.cases, found, prices, world.width, world.groups)


def fit(problem: policy.Problem, world: World) -> tuple[dict[str, float], float | None]:
    """Shadow prices of the hard constraints, and what a better policy could at most gain, in value per case.

    How much a longer queue could gain by another order is not known (None): only that of short ones is found exactly.

    Raises:
        PolicyError: No ranking fulfils the constraints; it names them.
    """
    found = policy.consider(problem, world.cases, world.ask)
    names = list(found.names)
    look = _looker(problem, world, found)
    zero = np.zeros(len(names))
    free = look(zero)
    tolerance = 1e-9 * (1 + np.abs(found.uses).max(axis=(1, 2), initial=0.0)) if names else zero
    if not names or (free.use <= tolerance).all():
        return dict.fromkeys(names, 0.0), _gap(_bound(problem, world, zero, free), free.value)
    spread = np.array([float(np.ptp(used)) for used in found.uses])
    scale = (float(np.ptp(found.values)) + 1e-12) / np.where(spread > 0, spread, 1)
    high = 4 * world.width * scale
    prices = minimum(look, zero, high, zero, 1e-9 * (1 + abs(free.value))).prices
    prices = _settled(look, prices, tolerance, 1e-6 * scale)
    seen = look(prices)
    if (seen.use > tolerance).any():
        broken = [name for name, use, most in zip(names, seen.use, tolerance, strict=True) if use > most]
        raise PolicyError(
            f"no ranking fulfils {', '.join(broken)}.",
            "Relax the constraint, or declare it `hard: false`.",
            where="optimizer",
        )
    bound = _bound(problem, world, prices, seen)
    return dict(zip(names, prices.tolist(), strict=True)), _gap(bound, seen.value)


def _gap(bound: float, value: float) -> float | None:
    return max(0.0, bound - value) if np.isfinite(bound) else None


def _looker(problem: policy.Problem, world: World, found: policy.Considered) -> Any:
    """Prices -> value and use of the ranking at these prices."""
    ranking = problem.ranking
    assert ranking is not None
    hard = [limit for limit in policy.limits(problem, world.columns) if limit.hard]

    def look(prices: Floats) -> Pass:
        taken = policy.ranked(
            problem,
            world.cases,
            found,
            dict(zip(found.names, prices.tolist(), strict=True)),
            world.width,
            world.groups,
        )
        if problem.items:
            shown = taken > 0
            gain = found.values[:, 1] - found.values[:, 0]
            value = float(world.weights @ (found.values[:, 0] + ranking.seen(taken) * gain))
            used = np.where(shown, found.uses[:, :, 1], found.uses[:, :, 0])
        else:
            levers = {ranking.lever: taken[:, None]}
            value = float(world.weights @ policy.worth(problem, world.cases, world.ask, levers)[:, 0])
            beliefs = world.ask(world.cases, levers)
            used = policy.uses(problem, hard, world.columns, beliefs, levers)[:, :, 0]
        use = np.broadcast_to(used, (len(hard), len(taken))) @ world.weights
        for place, limit in enumerate(hard):
            if world.width > 1 and not limit.denominator.names:
                # A mean over cases counts each case once, and its bound stands at every item.
                sign = 1 if limit.upper else -1
                use[place] += sign * limit.bound * (world.width - 1)
        return Pass(prices, np.zeros(0, dtype=np.uint8), value - float(prices @ use), value, use)

    return look


def _settled(look: Any, prices: Floats, tolerance: Floats, least: Floats) -> Floats:
    """The nearest prices found at which the constraints hold: the least L leaves some case undecided."""
    at, step = prices, 1e-6
    for _ in range(48):
        over = look(at).use > tolerance
        if not over.any():
            return at
        at = np.where(over, at + step * np.maximum(at, least), at)
        step *= 1.6
    return prices


def _bound(problem: policy.Problem, world: World, prices: Floats, seen: Pass) -> float:
    """No feasible ranking is worth more: for items the priced one, for queues the best order; NaN: unknown."""
    if problem.items:
        return seen.bound
    sizes = np.bincount(world.groups) if world.groups is not None else np.array([world.count])
    if sizes.max() > EXACT or prices.any():
        return float("nan")
    from scipy.optimize import linear_sum_assignment

    ranking = problem.ranking
    assert ranking is not None
    total = 0.0
    every = policy.worth(problem, world.cases, world.ask, problem.settings)
    every = np.broadcast_to(every, (world.count, every.shape[1])) * world.weights[:, None]
    allowed = np.broadcast_to(
        policy.allowed(problem, world.columns, world.ask(world.cases, problem.settings)), every.shape
    )
    every = np.where(allowed, every, every.min() - np.ptp(every) * len(every) - 1)
    first = 1 if problem.settings[ranking.lever][0] == 0 else 0
    for group in range(len(sizes)):
        rows = np.flatnonzero(world.groups == group) if world.groups is not None else np.arange(world.count)
        here = every[rows, first : first + len(rows)]
        if here.shape[1] < len(rows):
            here = np.concatenate([here, np.repeat(every[rows, :1], len(rows) - here.shape[1], axis=1)], axis=1)
        chosen = linear_sum_assignment(here, maximize=True)
        total += float(here[chosen].sum())
    return total
