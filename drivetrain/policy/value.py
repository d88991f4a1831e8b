"""The expected value of each setting for each case.

    q_i(a) = E_{Y ~ F(. | x_i, a)} v(x_i, a, Y)

Expectations are exact where they can be: by enumeration when all outcomes are discrete, by means where the formula is
of degree one in each outcome; else they are averages over common random numbers, the same for all settings. Never
v(E[Y]).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief, common_numbers, drawn
from drivetrain.spec.derived import MOST_COMBINATIONS
from drivetrain.spec.formula import Formula, evaluate, exact_with_means

Array = NDArray[Any]
Payoffs = dict[tuple[Formula, tuple[Any, ...]], Array]
"""A formula and the classes of its outcomes -> what it comes to under each setting in each state, shape (1, k, s)."""

CELLS = 2_000_000
"""Cases are taken in chunks of so many (case, setting, state) cells, so that memory stays flat."""


def expected(
    formula: Formula,
    constants: Mapping[str, float],
    columns: Mapping[str, Array],
    levers: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    *,
    draws: int = 256,
    seed: int = 42,
    payoffs: Payoffs | None = None,
) -> NDArray[np.float64]:
    """The expectation of a case formula for every case and setting.

    Args:
        formula: A case formula with its terms written out.
        constants: Name -> number; `period` among them.
        columns: Name -> shape (n,).
        levers: Name, and `cost(name)`, -> shape (k,) for settings that all cases share, or (n, k).
        beliefs: Outcome -> what is believed of it.
        draws: Random numbers per outcome where no exact expectation exists.
        seed: Of these.
        payoffs: What was worked out earlier with these constants and settings, and is added to here.

    Returns:
        Shape (n, k).

    Raises:
        PolicyError: A name is missing, a prediction is not a number, or the value is NaN or infinite.
    """
    used = {name: beliefs[name] for name in sorted(formula.names & beliefs.keys())}
    for name, belief in used.items():
        _check(name, belief)
    lengths = {len(np.atleast_1d(column)) for name, column in columns.items() if name in formula.names}
    lengths |= {belief.cases for belief in used.values()}
    lengths |= {len(lever) for name, lever in levers.items() if lever.ndim == 2}
    if len(lengths) > 1:
        raise PolicyError(f"The cases differ in number: {sorted(lengths)}.", "Give every column one value a case.")
    cases = lengths.pop() if lengths else max((len(c) for c in columns.values()), default=1)
    settings = max((lever.shape[-1] for lever in levers.values()), default=1)
    states, weights, fixed = _states(formula, used, draws, seed)
    # What no column tells apart pays the same in every case: a service need not work it out anew for each.
    alike = not formula.names & columns.keys() and all(lever.ndim == 1 for lever in levers.values())
    memory = payoffs if fixed and alike else None
    key = (formula, tuple((name, belief.classes, belief.binary) for name, belief in used.items()))
    step = max(1, CELLS // max(1, settings * states))
    result = np.empty((cases, settings))
    for start in range(0, cases, step):
        stop = min(cases, start + step)
        part = used if step >= cases else {name: belief.rows(start, stop) for name, belief in used.items()}
        outcome_names, weight = weights(part)
        values = memory.get(key) if memory is not None else None
        if values is None:
            names: dict[str, Array] = {name: np.asarray(value) for name, value in constants.items()}
            for name in formula.names & columns.keys():
                names[name] = np.asarray(columns[name])[start:stop, None, None]
            for name, lever in levers.items():
                names[name] = lever[None, :, None] if lever.ndim == 1 else lever[start:stop, :, None]
            values = evaluate(formula, names | outcome_names).astype(float)
            if memory is not None:
                memory[key] = values
        if values.ndim < 3:
            pass
        elif weight is None:
            values = values[:, :, 0] if values.shape[2] == 1 else values.mean(axis=2)
        else:
            values = (values * weight).sum(axis=2)
        result[start:stop] = values
    if not np.isfinite(result).all():
        bad = np.argwhere(~np.isfinite(result))
        raise PolicyError(
            f"`{formula}` is no finite number for {len(np.unique(bad[:, 0]))} of {cases} cases (first: {bad[0, 0]}).",
            "A missing value in a column, a division by zero or a logarithm of zero does this; guard it with where(…).",
        )
    return result


def _states(formula: Formula, used: Mapping[str, Belief], draws: int, seed: int) -> tuple[int, Any, bool]:
    """How many states of the world are averaged over, and a function that gives outcomes and weights for a chunk.

    The third is whether the states are the same for every case, only their weights differing.
    """
    if not used:
        return 1, lambda part: ({}, None), True
    discrete = all(belief.classes is not None for belief in used.values())
    sizes = [len(belief.classes or ()) for belief in used.values()]
    if discrete and prod(sizes) <= MOST_COMBINATIONS:
        grid = _grid(*sizes)
        return grid.shape[1], lambda part: _enumerate(part, grid), True
    if exact_with_means(formula, used.keys()) and all(b.classes is None or b.binary for b in used.values()):
        return 1, lambda part: ({name: belief.mean() for name, belief in part.items()}, None), False
    uniforms = common_numbers(used, draws, seed)
    return draws, lambda part: ({name: drawn(belief, uniforms[name]) for name, belief in part.items()}, None), False


@lru_cache
def _grid(*sizes: int) -> Array:
    """Every combination of classes, shape (outcomes, combinations)."""
    return np.indices(sizes).reshape(len(sizes), -1)


def _enumerate(part: Mapping[str, Belief], grid: Array) -> tuple[dict[str, Array], Array]:
    """Every combination of classes, with its probability under independence."""
    names: dict[str, Array] = {}
    weight: Array = np.ones((1, 1, 1))
    for row, (name, belief) in zip(grid, part.items(), strict=True):
        assert belief.probabilities is not None
        names[name] = belief.states[row][None, None, :]
        # A single outcome's states stand in the order of its classes.
        weight = belief.probabilities if len(grid) == 1 else weight * belief.probabilities[:, :, row]
    return names, weight


def _check(name: str, belief: Belief) -> None:
    """Refuse predictions that are no distribution: a NaN would otherwise choose an action."""
    array = belief.probabilities if belief.probabilities is not None else belief.quantiles
    assert array is not None
    # The usual case, in as few steps as it takes: no comparison with a NaN is true, and of parts that are not negative
    # none is above their sum.
    if belief.probabilities is not None and array.size and array.min() >= -1e-9:
        sums = array.sum(axis=2)
        if sums.min() >= 1 - 1e-4 and sums.max() <= 1 + 1e-4:
            return
    bad = ~np.isfinite(array)
    what = "NaN or infinite"
    if belief.probabilities is not None and not bad.any():
        bad = (array < -1e-9) | (array > 1 + 1e-9) | (np.abs(array.sum(axis=2, keepdims=True) - 1) > 1e-4)
        what = "no probability (outside [0, 1], or not summing to 1)"
    if bad.any():
        rows = np.unique(np.argwhere(bad)[:, 0])
        raise PolicyError(
            f"the prediction is {what} for {len(rows)} of {array.shape[0]} cases (first: {rows[0]}).",
            "Look at the model's inputs for these cases; no action is chosen from such a number.",
            where=name,
        )
