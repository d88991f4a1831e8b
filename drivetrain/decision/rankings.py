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


def action(problem: policy.Problem, world: World, prices: Mapping[str, float]) -> policy.Action:
    """Lever -> setting of each row under the priced policy: its place, and what is set beside it."""
    ready = policy.rankable(problem, world.cases, world.ask, world.width, world.groups)
    return dict(ready.priced(prices).action)


def fit(problem: policy.Problem, world: World) -> tuple[dict[str, float], float | None]:
    """Shadow prices of the hard constraints, and what a better policy could at most gain, in value per case.

    How much a longer queue could gain by another order is not known (None): only that of short ones is found exactly.

    Raises:
        PolicyError: No ranking fulfils the constraints; it names them.
    """
    ready = policy.rankable(problem, world.cases, world.ask, world.width, world.groups)
    found = ready.found
    names = list(found.names)
    if len(problem.levers) > 1 and not ready.at(np.zeros(len(names))).free.any():
        raise PolicyError(
            "the limits allow no setting for any case, whatever the order.",
            "Look at the levers' `limits`; where what is not shown is free of one, write `(… == 0) | …`.",
            where="levers",
        )
    look = _looker(world, ready)
    zero = np.zeros(len(names))
    free = look(zero)
    tolerance = 1e-9 * (1 + np.abs(found.uses).max(axis=(1, 2), initial=0.0)) if names else zero
    if not names or (free.use <= tolerance).all():
        return dict.fromkeys(names, 0.0), _gap(_bound(problem, world, ready, zero, free), free.value)
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
    bound = _bound(problem, world, ready, prices, seen)
    return dict(zip(names, prices.tolist(), strict=True)), _gap(bound, seen.value)


def _gap(bound: float, value: float) -> float | None:
    return max(0.0, bound - value) if np.isfinite(bound) else None


def _looker(world: World, ready: policy.Rankable) -> Any:
    """Prices -> value and use of the ranking at these prices."""

    def look(prices: Floats) -> Pass:
        found = ready.at(prices)
        value = float(world.weights @ found.values)
        use = found.uses @ world.weights
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


def _bound(problem: policy.Problem, world: World, ready: policy.Rankable, prices: Floats, seen: Pass) -> float:
    """No feasible ranking is worth more: the priced one if it is exact, of queues the best order; NaN: unknown."""
    if ready.exact:
        return seen.bound
    sizes = np.bincount(world.groups) if world.groups is not None else np.array([world.count])
    if sizes.max() > policy.EXACT or prices.any():
        return float("nan")
    ranking = problem.ranking
    assert ranking is not None
    total = 0.0
    every = policy.worth(problem, world.cases, world.ask, problem.settings)
    every = np.broadcast_to(every, (world.count, every.shape[1])) * world.weights[:, None]
    may = np.broadcast_to(policy.allowed(problem, world.columns, world.ask(world.cases, problem.settings)), every.shape)
    first = 1 if problem.settings[ranking.lever][0] == 0 else 0
    for group in range(len(sizes)):
        rows = np.flatnonzero(world.groups == group) if world.groups is not None else np.arange(world.count)
        dealt = min(len(rows), every.shape[1] - first)
        columns = np.array([*range(first, first + dealt), *[0] * (len(rows) - dealt)])
        here = every[np.ix_(rows, columns)]
        chosen = policy.assigned(here, may[np.ix_(rows, columns)])
        total += float(here[np.arange(len(rows)), chosen].sum())
    return total
