"""Value over several periods: what a case is worth until it leaves.

    V = sum_{t < periods} S_t v(x_t, a_t, Y_t, period=t) / (1 + discount)^t
    S_0 = 1,   S_{t+1} = S_t continues(x_t, a_t, Y_t)

Outcomes are drawn anew each period. Where the next period's columns and levers do not depend on outcomes, S_t and v_t
are independent, and the expectation of V is exact wherever those of v and of `continues` are. Else, and where the
distribution of V is asked for, paths are drawn with common random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief, common_numbers
from drivetrain.policy.modeler import Ask, Beliefs, Cases
from drivetrain.policy.problem import Array, Horizon, Problem
from drivetrain.policy.simulate import evaluate_case, expectation

Floats = NDArray[np.float64]

ROWS = 200_000
"""Cases are taken in chunks of so many (case, setting, path) rows, so that memory stays flat."""


def over_time(problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array]) -> Floats:
    """The expectation of V for n cases under each of k settings, shape (n, k).

    Args:
        problem: The decision; it has a horizon.
        cases: Column -> n values, everything that formulas and models read.
        ask: The models.
        levers: Lever -> shape (k,) or (n, k), the settings of the first period.
    """
    assert problem.horizon is not None
    known = frozenset().union(*(formula.names for formula in problem.horizon.next.values()))
    if not known & problem.classes.keys():
        return _chunked(problem, cases, ask, levers, 1)[:, :, 0]
    return np.asarray(paths(problem, cases, ask, levers).mean(axis=2))


def paths(problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array]) -> Floats:
    """V along drawn paths, shape (n, k, draws); the same random numbers for all cases and settings."""
    return _chunked(problem, cases, ask, levers, problem.draws, drawing=True)


def _chunked(
    problem: Problem, cases: Cases, ask: Ask, levers: Mapping[str, Array], width: int, *, drawing: bool = False
) -> Floats:
    count = len(next(iter(cases.values())))
    settings = next(iter(levers.values())).shape[-1]
    result = np.empty((count, settings, width))
    step = max(1, ROWS // (settings * width))
    for start in range(0, count, step):
        part = slice(start, min(count, start + step))
        size = part.stop - part.start
        # One row for each (case, setting, path), so that a column may differ between all three.
        rows: dict[str, Array] = {}
        for name, values in cases.items():
            rows[name] = np.repeat(_column(values)[part], settings * width)
        moves = {
            name: np.repeat(np.broadcast_to(a if a.ndim == 1 else a[part], (size, settings)).ravel(), width)
            for name, a in levers.items()
        }
        value = _drawn(problem, rows, ask, moves, width) if drawing else _exact(problem, rows, ask, moves)
        result[part] = value.reshape(size, settings, width)
    return result


def _column(values: object) -> Array:
    return values if isinstance(values, np.ndarray) else np.array(values, dtype=object)


def _exact(problem: Problem, rows: dict[str, Array], ask: Ask, moves: dict[str, Array]) -> Floats:
    horizon = problem.horizon
    assert horizon is not None
    total: Floats = np.zeros(len(next(iter(moves.values()))))
    alive = np.ones_like(total)
    for period in range(horizon.periods):
        here = _at(problem, period)
        tried = {name: values[:, None] for name, values in moves.items()}
        beliefs = ask(_in_period(rows, period), tried)
        columns = _columns(problem, rows)
        total += (
            alive * expectation(here, problem.value, columns, beliefs, tried)[:, 0] / (1 + horizon.discount) ** period
        )
        if period + 1 < horizon.periods:
            lasting = expectation(here, horizon.continues, columns, beliefs, tried)[:, 0]
            alive = alive * _share(lasting)
            rows, moves = _next(here, horizon, rows, moves, {})
    return total


def _drawn(problem: Problem, rows: dict[str, Array], ask: Ask, moves: dict[str, Array], draws: int) -> Floats:
    horizon = problem.horizon
    assert horizon is not None
    count = len(next(iter(moves.values())))
    total: Floats = np.zeros(count)
    alive = np.ones_like(total)
    for period in range(horizon.periods):
        here = _at(problem, period)
        beliefs = ask(_in_period(rows, period), {name: values[:, None] for name, values in moves.items()})
        numbers = common_numbers(beliefs, draws, problem.seed + 1000 * period)
        outcomes = _outcomes(problem, beliefs, {name: np.tile(u, count // draws) for name, u in numbers.items()})
        columns = _columns(problem, rows)
        value = evaluate_case(here, problem.value, columns, moves, _spread(outcomes))
        if not np.isfinite(value.astype(float)).all():
            raise PolicyError(f"`{problem.value}` is no finite number in period {period}.", "Guard it with where(…).")
        total += alive * value / (1 + horizon.discount) ** period
        alive = alive * _share(evaluate_case(here, horizon.continues, columns, moves, _spread(outcomes)).astype(float))
        rows, moves = _next(here, horizon, rows, moves, outcomes)
    return total


def _outcomes(problem: Problem, beliefs: Beliefs, numbers: Mapping[str, Array]) -> dict[str, Array]:
    """One draw a row; where one model feeds another, the branch is drawn first."""
    known: Mapping[str, Belief] = beliefs
    if beliefs.branches:
        chance = np.stack(
            [np.broadcast_to(branch.weight, (len(branch.weight), 1))[:, 0] for branch in beliefs.branches]
        )
        fed = sorted(beliefs.branches[0].given)
        level = numbers[fed[0]]
        which = np.minimum((level > chance.cumsum(axis=0)).sum(axis=0), len(chance) - 1)
        found = {}
        for name in beliefs:
            each = [_row_draws(branch.beliefs[name], numbers[name]) for branch in beliefs.branches]
            found[name] = np.stack(each)[which, np.arange(len(which))]
        return found
    return {name: _row_draws(belief, numbers[name]) for name, belief in known.items()}


def _row_draws(belief: Belief, uniforms: Array) -> Array:
    """One draw for each row by inversion; shape (rows,)."""
    if belief.quantiles is not None:
        levels = belief.quantiles.shape[2]
        row = np.arange(len(uniforms)) if belief.cases > 1 else np.zeros(len(uniforms), dtype=int)
        if belief.joint:
            return np.asarray(belief.quantiles[row, 0, (uniforms * levels).astype(int)])
        position = np.clip(uniforms * levels - 0.5, 0, levels - 1)
        below = np.floor(position).astype(int)
        low = belief.quantiles[row, 0, below]
        high = belief.quantiles[row, 0, np.minimum(below + 1, levels - 1)]
        return np.asarray(low + (position - below) * (high - low))
    assert belief.probabilities is not None
    edges = belief.probabilities[:, 0].cumsum(axis=1)[:, :-1]
    return np.asarray(belief.states[(uniforms[:, None] > edges).sum(axis=1)])


def _next(
    here: Problem, horizon: Horizon, rows: dict[str, Array], moves: dict[str, Array], outcomes: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Columns and levers of the next period; unnamed ones stay."""
    columns = {name: values for name, values in rows.items() if values.dtype.kind != "O"}
    changed = {
        name: np.broadcast_to(
            evaluate_case(here, formula, columns, moves, _spread(outcomes)), (len(next(iter(moves.values()))),)
        )
        for name, formula in horizon.next.items()
    }
    new_moves = {name: changed.get(name, values) for name, values in moves.items()}
    return {**rows, **{name: v for name, v in changed.items() if name not in moves}}, new_moves


def _at(problem: Problem, period: int) -> Problem:
    """The decision in one period; `period` is a constant there."""
    return replace(problem, constants={**problem.constants, "period": float(period)})


def _in_period(rows: Mapping[str, Array], period: int) -> dict[str, Array]:
    """What the models are told of: a term that one of them reads may name the period."""
    return {**rows, "period": np.full(len(next(iter(rows.values()))), float(period))}


def _columns(problem: Problem, rows: Mapping[str, Array]) -> dict[str, Array]:
    return {name: rows[name] for name in problem.columns & rows.keys()}


def _spread(outcomes: Mapping[str, Array]) -> dict[str, Array]:
    return {name: values[:, None, None] for name, values in outcomes.items()}


def _share(lasting: Floats) -> Floats:
    if ((lasting < -1e-9) | (lasting > 1 + 1e-9)).any():
        raise PolicyError(
            f"gives {lasting.min():.4g} to {lasting.max():.4g}, and is a probability.",
            "Keep it between 0 and 1, e.g. with clip(…, 0, 1).",
            where="objective.over_time.continues",
        )
    return np.clip(lasting, 0, 1)
