"""Prices of constraints over all cases: the Lagrangian dual, by cutting planes.

    L(p) = sum_i w_i max_a [q_i(a) - sum_c p_c g_ic(a)],   p >= 0

L is convex and piecewise linear, no feasible policy is worth more than any L(p) (weak duality), and its minimum is the
optimum of the linear relaxation. Each evaluation gives a plane below it; the lowest point of all planes is the next
price (Kelley 1960). The planes that meet there come with shares, which say how much of each plane's choice makes the
optimum of the relaxation (Dantzig and Wolfe 1960): `ties` turns them into a choice for every case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Choice = NDArray[Any]

CELLS = 40_960
"""Cells (case × setting) of one step of a pass: the arrays of a step stay in the processor's cache."""
STEPS = 120
"""Most cutting planes."""
WIDEST = 9
"""How often the region in which prices are looked for may grow tenfold."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One allocation.

    Attributes:
        values: q, shape (n, k).
        uses: g, shape (m, n, k).
        feasible: Shape (n, k); None when everything is allowed.
        weights: Summing to 1 over all cases (not over a part of them), shape (n,).
        value, use: What cases that are not listed add: their value, and their use of each constraint, shape (m,).
    """

    values: Floats
    uses: Floats
    feasible: NDArray[np.bool_] | None
    weights: Floats
    value: float = 0.0
    use: Floats | None = None

    def rows(self, rows: NDArray[np.int64], value: float = 0.0, use: Floats | None = None) -> Instance:
        """Some of the cases."""
        allowed = None if self.feasible is None else self.feasible[rows]
        return Instance(self.values[rows], self.uses[:, rows], allowed, self.weights[rows], value, use)

    @property
    def rest(self) -> Floats:
        """Use of the cases that are not listed, shape (m,)."""
        return np.zeros(len(self.uses)) if self.use is None else self.use.copy()


class Block(NamedTuple):
    """Some cases with their settings side by side in memory: a maximum over few settings is then many times faster.

    Attributes:
        part: Which cases.
        own: Values, shape (k, r).
        uses: Shape (k, r) each.
        forbidden: Shape (k, r); None when everything is allowed.
        weights: Shape (r,).
    """

    part: slice
    own: Floats
    uses: list[Floats]
    forbidden: NDArray[np.bool_] | None
    weights: Floats

    def scores(self, prices: Floats) -> Floats:
        """Values less the priced use, shape (k, r)."""
        found = self.own.copy()
        for price, used in zip(prices, self.uses, strict=True):
            if price:
                found -= price * used
        if self.forbidden is not None:
            np.copyto(found, -np.inf, where=self.forbidden)
        return found

    def taken(self, array: Floats, choice: Choice) -> Floats:
        """The entry of each case's choice, shape (r,)."""
        return np.take(array.ravel(), choice * np.int64(array.shape[1]) + np.arange(array.shape[1]))


def blocks(instance: Instance) -> Iterator[Block]:
    """All cases, some at a time."""
    n, k = instance.values.shape
    step = max(64, CELLS // k)
    for start in range(0, n, step):
        part = slice(start, start + step)
        yield Block(
            part,
            np.ascontiguousarray(instance.values[part].T),
            [np.ascontiguousarray(used[part].T) for used in instance.uses],
            None if instance.feasible is None else ~instance.feasible[part].T,
            instance.weights[part],
        )


def numbers(count: int) -> np.dtype[Any]:
    """The smallest type that numbers so many settings: choices of millions of cases are kept."""
    return np.min_scalar_type(max(0, count - 1))


def first_best(scores: Floats) -> tuple[Choice, Floats]:
    """The greatest score of each column, the first of equal ones, and how great it is; shape (r,)."""
    top = scores[0].copy()
    choice = np.zeros(len(top), dtype=numbers(len(scores)))
    for place, row in enumerate(scores[1:], 1):
        better = row > top
        np.maximum(top, row, out=top)
        np.putmask(choice, better, place)
    return choice, top


@dataclass(frozen=True, slots=True)
class Pass:
    """What one look at all cases gives: prices, shape (m,); choice, shape (n,); L; value; use, shape (m,)."""

    prices: Floats
    choice: Choice
    bound: float
    value: float
    use: Floats


class Least(NamedTuple):
    """Where L is least.

    Attributes:
        prices: Shape (m,).
        bound: L there.
        corners: The looks whose planes meet there.
        shares: How much of each corner's choice makes the optimum of the relaxation, summing to 1.
        seen: Every look.
    """

    prices: Floats
    bound: float
    corners: list[Pass]
    shares: Floats
    seen: list[Pass]


def looks(instance: Instance, prices: Sequence[Floats]) -> list[Pass]:
    """Let every case take its best setting, at several prices in one pass."""
    n, k = instance.values.shape
    choices = np.empty((len(prices), n), dtype=numbers(k))
    values = [instance.value] * len(prices)
    use = [instance.rest for _ in prices]
    for block in blocks(instance):
        for number, price in enumerate(prices):
            choice, _ = first_best(block.scores(price))
            choices[number, block.part] = choice
            values[number] += float(block.weights @ block.taken(block.own, choice))
            for place, used in enumerate(block.uses):
                use[number][place] += block.weights @ block.taken(used, choice)
    return [
        Pass(price, choice, value - float(price @ used), value, used)
        for price, choice, value, used in zip(prices, choices, values, use, strict=True)
    ]


def look(instance: Instance, prices: Floats) -> Pass:
    """Let every case take its best setting at some prices."""
    return looks(instance, [prices])[0]


def minimum(
    look: Callable[[Floats], Pass],
    low: Floats,
    high: Floats,
    start: Floats,
    tolerance: float,
    seen: Sequence[Pass] = (),
) -> Least:
    """The prices between `low` and `high` at which L is least.

    Args:
        look: Lets all cases choose at prices.
        low: Shape (m,).
        high: Shape (m,).
        start: The first prices, where nothing was seen before; shape (m,).
        tolerance: L is at most so much above its least.
        seen: Looks that were had already.
    """
    from scipy.optimize import linprog

    m = len(low)
    span = np.where(high > low, high - low, 1.0)
    bounds = [*((0.0, 1.0 if one > zero else 0.0) for zero, one in zip(low, high, strict=True)), (None, None)]
    known = list(seen)
    at: Floats | None = None if known else start
    shares = np.zeros(0)
    for _ in range(STEPS):
        if at is not None:
            known.append(look(at))
        best = min(known, key=lambda one: one.bound)
        # L(p) >= value - p · use for every p: the planes in units of the region, since the solver's precision is fixed.
        slopes = np.array([one.use * span for one in known])
        heights = np.array([one.value - float(one.use @ low) for one in known])
        unit = float(np.abs(slopes).sum(axis=1).max()) or 1.0
        lowest = linprog(
            np.append(np.zeros(m), 1.0),
            A_ub=np.column_stack([-slopes / unit, -np.ones(len(known))]),
            b_ub=(best.bound - heights) / unit,
            bounds=bounds,
            method="highs",
        )
        if lowest.status != 0:
            break
        shares = np.maximum(-lowest.ineqlin.marginals, 0)
        if -unit * lowest.x[m] <= tolerance:
            break
        at = np.clip(low + span * lowest.x[:m], low, high)
    shares = np.concatenate([shares, np.zeros(len(known) - len(shares))])
    if not shares.any():
        shares = np.array([float(one is best) for one in known])
    met = np.flatnonzero(shares > 1e-12)
    return Least(best.prices, best.bound, [known[place] for place in met], shares[met] / shares[met].sum(), known)


def scale(instance: Instance) -> Floats:
    """A price of each constraint beyond which its use decides everything, shape (m,)."""
    spread = np.array([float(used.max() - used.min()) for used in instance.uses])
    values = instance.values if instance.feasible is None else instance.values[instance.feasible]
    return (float(np.ptp(values)) + 1e-12) / np.where(spread > 0, spread, 1)


def worth(instance: Instance) -> float:
    """How much is at stake in a case: by it the precision of L is measured, whatever the unit of the value."""
    few = instance.values[:: max(1, len(instance.values) // 10_000)]
    if not len(few):
        return 0.0
    return float(np.abs(few).max(axis=1).mean() * instance.weights.sum())


def searched(instance: Instance, tolerance: float = 1e-10) -> tuple[Least, bool]:
    """`minimum` over all prices from 0, in a region that grows until it holds the minimum; False: it has none.

    Then L falls without end, for no choice is feasible.
    """
    m = len(instance.uses)
    values = instance.values if instance.feasible is None else instance.values[instance.feasible]
    high, stake = 2 * scale(instance), worth(instance)
    # No feasible policy is worth less than the worst of everything: L below that proves that there is none.
    lowest = float(values.min())
    worst = instance.value + float(instance.weights.sum()) * lowest - 1e-9 * (stake + abs(lowest))
    found = minimum(partial(look, instance), np.zeros(m), high, np.zeros(m), tolerance * stake)
    for _ in range(WIDEST):
        if found.bound < worst:
            return found, False
        if (found.prices < high * (1 - 1e-9)).all():
            break
        high = high * 10
        found = minimum(partial(look, instance), np.zeros(m), high, found.prices, tolerance * stake, found.seen)
    return found, True
