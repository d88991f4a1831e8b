"""What each setting is worth for each case, and which settings are considered at all.

The objective's value with everything that the plan says about it: several periods, scenarios with a weight, the mean
of the worst results. A numeric lever with very many settings is searched: a coarse grid over what the limits allow to
each case, then finer ones around the best, which finds the optimum where value has one peak within a coarse step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.policy.belief import Belief
from drivetrain.policy.choice import best
from drivetrain.policy.horizon import over_time, paths
from drivetrain.policy.modeler import Ask, Cases
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.scenario import shocked
from drivetrain.policy.simulate import allowed, expectation, limits, uses
from drivetrain.spec.formula import Formula, parse, substitute

Floats = NDArray[np.float64]

COARSE = 25
FINE = 7
"""Settings of a searched lever that are tried in the first round, and in each round around the best."""
ABOVE = 1e-6
"""What counts of a result that is not among the worst."""
WINDOW = 2_000_000
"""Cells of (case, setting) in which the limits are looked at at once."""


@dataclass(frozen=True, slots=True)
class Considered:
    """What is known of n cases under k settings, which may differ from case to case.

    Attributes:
        levers: Lever -> setting, shape (k,) or (n, k).
        values: Expected value of the objective, shape (n, k).
        feasible: What the limits allow, shape (n, k).
        uses: Expected use of the hard constraints, shape (m, n, k).
        names: Of these constraints, length m.
        beliefs: What is believed of the outcomes under these settings; empty where a lever was searched.
    """

    levers: Mapping[str, Array]
    values: Floats
    feasible: NDArray[np.bool_]
    uses: Floats
    names: tuple[str, ...]
    beliefs: Mapping[str, Belief] = field(default_factory=dict)

    def choose(self, prices: Mapping[str, float]) -> NDArray[np.int64]:
        """Index of the best feasible setting of each case at these prices; -1 where none is feasible. Shape (n,)."""
        known = np.array([prices.get(name, 0.0) for name in self.names])
        chosen = best(self.values, self.uses, self.feasible, known)
        if not self.feasible.all():
            chosen[~self.feasible.any(axis=1)] = -1
        return chosen

    def action(self, chosen: NDArray[np.int64]) -> dict[str, Array]:
        """Lever -> the chosen setting of each case, shape (n,)."""
        rows = np.arange(len(chosen))
        return {
            lever: settings[chosen] if settings.ndim == 1 else settings[rows, chosen]
            for lever, settings in self.levers.items()
        }


def columns_of(problem: Problem, cases: Cases) -> dict[str, Array]:
    """The columns that formulas read."""
    return {name: np.asarray(cases[name]) for name in problem.columns if name in cases}


def worth(
    problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array], threshold: float | None = None
) -> Floats:
    """Expected value of n cases under each of k settings, as the plan counts it; shape (n, k).

    Args:
        problem: The decision.
        cases: Column -> n values, everything that formulas and models read.
        ask: The models.
        levers: Lever -> shape (k,) or (n, k).
        threshold: Where only the worst results count: the value that the worst share does not exceed. Then the figure
            is `threshold + E[min(0, V - threshold)] / share`, whose mean over cases is at most the mean of the worst
            share, and equal to it at the right threshold (Rockafellar and Uryasev 2000). What lies above counts a
            millionth, so that of settings with the same worst results the better one is taken.
    """
    if problem.ranking is not None and problem.items:
        # What showing an item changes comes about as often as its place is looked at.
        lever = problem.ranking.lever
        others = {name: np.concatenate([v, v], axis=-1) for name, v in levers.items() if name != lever}
        half = max((v.shape[-1] // 2 for v in others.values()), default=1)
        ends = _weighted(problem, cases, ask, {**others, lever: np.repeat([0.0, 1.0], half)}, threshold)
        hidden, shown = ends[:, :half], ends[:, half:]
        return np.asarray(hidden + np.atleast_2d(problem.ranking.seen(levers[lever])) * (shown - hidden))
    return _weighted(problem, cases, ask, levers, threshold)


def _weighted(problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array], threshold: float | None) -> Floats:
    """`worth` in all worlds by their weight, whatever an item's place gets of attention."""
    weight = 1 - sum(shock.weight for shock in problem.scenarios)
    total = weight * _one(problem, cases, ask, levers, threshold) if weight > 0 else np.zeros((1, 1))
    for shock in problem.scenarios:
        if shock.weight:
            total = total + shock.weight * _one(*shocked(problem, shock, cases, ask), levers, threshold)
    return np.asarray(total)


def _one(problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array], threshold: float | None) -> Floats:
    """`worth` in one world."""
    if problem.horizon is None:
        here = problem if threshold is None else replace(problem, value=_tail(problem, threshold))
        return expectation(here, here.value, columns_of(problem, cases), ask(cases, levers), levers)
    if threshold is None:
        return over_time(problem, cases, ask, levers)
    assert problem.tail is not None
    drawn = paths(problem, cases, ask, levers)
    beyond = drawn - threshold
    above = ABOVE * np.maximum(0, beyond).mean(axis=2)
    return np.asarray(threshold + np.minimum(0, beyond).mean(axis=2) / problem.tail + above)


def _tail(problem: Problem, threshold: float) -> Formula:
    beyond = f"(whole - {threshold!r})"
    text = f"{threshold!r} + min(0, {beyond}) / {problem.tail!r} + {ABOVE!r} * max(0, {beyond})"
    return substitute(parse(text), {"whole": problem.value})


def consider(
    problem: Problem,
    cases: Cases,
    ask: Ask,
    prices: Mapping[str, float] | None = None,
    threshold: float | None = None,
) -> Considered:
    """The settings of n cases, with value, use and feasibility of each.

    Args:
        problem: The decision.
        cases: Column -> n values, everything that formulas and models read.
        ask: The models.
        prices: Shadow prices of constraints, by which a searched lever is searched.
        threshold: As for `worth`.
    """
    if problem.searched is None:
        return tried(problem, cases, ask, problem.settings, threshold)
    lever = problem.searched
    grid = np.unique(problem.settings[lever])
    others = others_of(problem, lever)
    low, high = _window(problem, cases, grid, others)
    points = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, COARSE)
    found = tried(problem, cases, ask, _product(lever, _snapped(points, grid), others), threshold)
    width = (high - low) / (COARSE - 1)
    gap = float(np.min(np.diff(grid)))
    rounds = [found]
    while width.max() > gap / 2 and len(rounds) < 5:
        chosen = np.maximum(found.choose(prices or {}), 0)
        centre = found.action(chosen)[lever].astype(float)
        span = np.linspace(-1, 1, FINE) * width[:, None]
        points = np.clip(centre[:, None] + span, low[:, None], high[:, None])
        fresh = tried(problem, cases, ask, _product(lever, _snapped(points, grid), others), threshold)
        rounds.append(fresh)
        found = _joined(rounds)
        width = width * 2 / (FINE - 1)
    return found


def tried(
    problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array], threshold: float | None = None
) -> Considered:
    """What is known of n cases under settings that are named: lever -> shape (k,) or (n, k)."""
    columns = columns_of(problem, cases)
    beliefs = ask(cases, levers)
    hard = [limit for limit in limits(problem, columns) if limit.hard]
    if problem.simple and threshold is None:
        values = expectation(problem, problem.value, columns, beliefs, levers)
    else:
        values = (_weighted if problem.items else worth)(problem, cases, ask, levers, threshold)
    count = len(next(iter(cases.values())))
    values = _spread(values, (count, values.shape[1]))
    feasible = _spread(allowed(problem, columns, beliefs, levers), values.shape)
    used = uses(problem, hard, columns, beliefs, levers)
    used = _spread(used, (len(hard), *values.shape))
    return Considered(levers, values, feasible, used, tuple(limit.name for limit in hard), beliefs)


def _spread(array: Array, shape: tuple[int, ...]) -> Array:
    """`array` in that shape; as it is where it has it, which NumPy takes its time to find out."""
    return array if array.shape == shape else np.broadcast_to(array, shape)


def others_of(problem: Problem, lever: str) -> dict[str, Array]:
    """The joint settings of all other levers, in the order of the plan; of none nothing."""
    first = problem.settings[lever] == problem.settings[lever][0]
    return {name: values[first] for name, values in problem.settings.items() if name != lever}


def _product(lever: str, points: Array, others: Mapping[str, Array]) -> dict[str, Array]:
    """Every point with every joint setting of the other levers; (n, k) for the searched lever."""
    count = len(next(iter(others.values()))) if others else 1
    found = {
        name: np.broadcast_to(np.tile(v, points.shape[1]), (len(points), v.size * points.shape[1]))
        for name, v in others.items()
    }
    return {lever: np.repeat(points, count, axis=1), **found}


def _snapped(points: Array, grid: Array) -> Array:
    """The nearest settings that the lever has."""
    place = np.clip(np.searchsorted(grid, points), 1, len(grid) - 1)
    lower, upper = grid[place - 1], grid[place]
    return np.asarray(np.where(points - lower <= upper - points, lower, upper))


def _window(problem: Problem, cases: Cases, grid: Array, others: Mapping[str, Array]) -> tuple[Floats, Floats]:
    """Lowest and highest allowed setting of each case; the whole range where nothing is allowed."""
    count = len(next(iter(cases.values())))
    low, high = np.empty(count), np.empty(count)
    columns = columns_of(problem, cases)
    assert problem.searched is not None
    step = max(1, WINDOW // len(problem.labels))
    for start in range(0, count, step):
        part = slice(start, min(count, start + step))
        here = {name: values[part] for name, values in columns.items()}
        points = _product(problem.searched, np.broadcast_to(grid, (part.stop - part.start, len(grid))), others)
        settings = points[problem.searched]
        free = np.broadcast_to(allowed(problem, here, None, points), settings.shape)
        some = free.any(axis=1)
        low[part] = np.where(some, np.where(free, settings, np.inf).min(axis=1), grid[0])
        high[part] = np.where(some, np.where(free, settings, -np.inf).max(axis=1), grid[-1])
    return low, high


def _joined(rounds: list[Considered]) -> Considered:
    names = rounds[0].levers
    shape = [part.values.shape for part in rounds]
    return Considered(
        {
            name: np.concatenate(
                [np.broadcast_to(p.levers[name], s) for p, s in zip(rounds, shape, strict=True)], axis=1
            )
            for name in names
        },
        np.concatenate([part.values for part in rounds], axis=1),
        np.concatenate([part.feasible for part in rounds], axis=1),
        np.concatenate([part.uses for part in rounds], axis=2),
        rounds[0].names,
    )
