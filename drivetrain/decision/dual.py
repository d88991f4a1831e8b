"""Prices of constraints over all cases: the Lagrangian dual, by cutting planes, at any number of cases.

    L(p) = sum_i w_i max_a [q_i(a) - sum_c p_c g_ic(a)],   p >= 0

L is convex and piecewise linear, no feasible policy is worth more than any L(p) (weak duality), and its minimum is the
optimum of the linear relaxation. Each evaluation gives a plane below it; the lowest point of all planes is the next
price (Kelley 1960). Of many cases a seeded sample gives first prices; one pass over all cases then tells which of them
could change their mind near those prices, and only these are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLE = 10_000
"""Cases from which the first prices come when there are more than four times as many."""
LARGER, LARGEST = 50_000, 200_000
"""Cases by which these prices are made better, twice, before all cases are looked at."""
CHUNK = 4_096
"""Rows of one step of a pass: the arrays of a step stay in the processor's cache."""
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


@dataclass(frozen=True, slots=True)
class Pass:
    """What one look at all cases gives: choice and margin to the next best setting, shape (n,); L; use, shape (m,)."""

    choice: NDArray[np.int64]
    margin: Floats
    bound: float
    value: float
    use: Floats


class Near(NamedTuple):
    """The cases that could change their mind near some prices, their numbers, and what all cases take at these."""

    instance: Instance
    rows: NDArray[np.int64]
    choice: NDArray[np.int64]


class Found(NamedTuple):
    """Prices at which L is least.

    Attributes:
        prices: Shape (m,).
        bound: L there.
        bounded: False when L falls without end, for then no choice is feasible.
        close: The cases whose choice depends on prices near these, the others as what they add.
        near: A wider circle of such cases, and how far prices may move within it, shape (m,); None: all cases count.
    """

    prices: Floats
    bound: float
    bounded: bool
    close: Instance
    near: tuple[Near, Floats, Floats] | None = None


def look(instance: Instance, prices: Floats, *, margins: bool = False) -> Pass:
    """Let every case take its best setting at some prices."""
    n = len(instance.values)
    choice = np.empty(n, dtype=np.int64)
    margin = np.empty(n if margins else 0)
    value, use = instance.value, np.zeros(len(prices)) if instance.use is None else instance.use.copy()
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        own = instance.values[part]
        scores = own.copy()
        for price, used in zip(prices, instance.uses, strict=True):
            if price:
                scores -= price * used[part]
        if instance.feasible is not None:
            scores[~instance.feasible[part]] = -np.inf
        best = scores.argmax(axis=1)
        rows = np.arange(len(best))
        choice[part] = best
        weights = instance.weights[part]
        value += float(weights @ own[rows, best])
        for place, used in enumerate(instance.uses):
            use[place] += weights @ used[part][rows, best]
        if margins:
            top = scores[rows, best]
            scores[rows, best] = -np.inf
            # Settings side by side in memory: the maximum over few of them is then ten times faster.
            margin[part] = top - np.ascontiguousarray(scores.T).max(axis=0)
    return Pass(choice, margin, value - float(prices @ use), value, use)


def minimum(
    look: Callable[[Floats], Pass], low: Floats, high: Floats, start: Floats, tolerance: float = 1e-10
) -> tuple[Floats, float]:
    """The prices between `low` and `high` at which L is least, and L there; `look` lets all cases choose at prices."""
    from scipy.optimize import linprog

    m = len(low)
    span = np.where(high > low, high - low, 1.0)
    planes: list[tuple[Floats, float]] = []
    at, best_at, best = start, start, np.inf
    for _ in range(STEPS):
        seen = look(at)
        if seen.bound < best:
            best, best_at = seen.bound, at
        # L(p) >= value - p · use for every p: the plane through this point, in units of the region, since the solver's
        # precision is fixed.
        planes.append((seen.use * span, seen.value - float(seen.use @ low)))
        unit = max(float(np.abs(slope).sum()) for slope, _ in planes) or 1.0
        lowest = linprog(
            np.append(np.zeros(m), 1.0),
            A_ub=np.array([np.append(-slope / unit, -1.0) for slope, _ in planes]),
            b_ub=np.array([(best - height) / unit for _, height in planes]),
            bounds=[*((0.0, 1.0 if one > zero else 0.0) for zero, one in zip(low, high, strict=True)), (None, None)],
            method="highs",
        )
        if lowest.status != 0 or -unit * lowest.x[m] <= tolerance * (1 + abs(best)):
            break
        at = np.clip(low + span * lowest.x[:m], low, high)
    return best_at, best


def prices_of(instance: Instance, seed: int) -> Found:
    """Prices at which L is least."""
    n = len(instance.values)
    if n <= 4 * SAMPLE:
        return Found(*_searched(instance), instance)
    sample = sampled(instance, SAMPLE, seed)
    centre, _, bounded = _searched(sample, 1e-4)
    if not bounded:
        return Found(*_searched(instance), instance)
    # The small sample tells how use answers to prices, larger ones where it stands, and in the end all cases: each
    # time one step of Newton's method, so that few cases are left whose choice is in question.
    larger = sampled(instance, min(LARGER, n), seed + 1)
    centre = np.maximum(centre + _newton(sample, centre, look(larger, centre).use), 0)
    step = _newton(larger, centre, look(sampled(instance, min(LARGEST, n), seed + 2), centre).use)
    centre = np.maximum(centre + step, 0)
    width = 0.3 * np.abs(step) + 2e-3 * np.maximum(centre, 1e-3 * _scale(sample))
    for _ in range(4):
        near = narrowed(instance, centre, width, n // 3)
        if near is None:
            break
        low, high = np.maximum(centre - width, 0), centre + width
        prices, _ = minimum(partial(look, near.instance), low, high, centre, 1e-7)
        if not (((prices <= low) & (low > 0)) | (prices >= high)).any():
            return _sharpened(near, centre, width, prices)
        # The minimum lies beyond: another step from there, whose use is known by now.
        step = _newton(larger, prices, look(near.instance, prices).use)
        centre, width = np.maximum(prices + step, 0), 4 * width + 0.5 * np.abs(step)
    # Too many cases are in question for a circle of them: a large sample first, then all from there.
    high = 3 * centre + _scale(sample)
    part = sampled(instance, min(LARGEST, n), seed + 3)
    prices, _ = minimum(partial(look, part), np.zeros(len(centre)), high, centre, 1e-7)
    width = 0.05 * prices + 1e-3 * _scale(sample)
    low, high = np.maximum(prices - width, 0), prices + width
    prices, bound = minimum(partial(look, instance), low, high, prices, 1e-6)
    if not (((prices <= low) & (low > 0)) | (prices >= high)).any():
        return Found(prices, bound, True, instance)
    return Found(*_searched(instance, 1e-7), instance)


def _sharpened(near: Near, centre: Floats, width: Floats, prices: Floats) -> Found:
    """What `prices_of` returns, to the last digits, by the few cases whose choice depends on prices so near."""
    active, fine = near.instance, 0.25 * width
    narrow = narrowed(active, prices, fine)
    few = narrow.instance if narrow else active
    low, high = np.maximum(prices - fine, 0), prices + fine
    found, bound = minimum(partial(look, few), low, high, prices, 1e-12)
    if (((found <= low) & (low > 0)) | (found >= high)).any():
        few = active
        found, bound = minimum(partial(look, few), np.maximum(centre - width, 0), centre + width, found, 1e-12)
    return Found(found, bound, True, few, (near, centre, width))


def sampled(instance: Instance, size: int, seed: int) -> Instance:
    """Some of the cases, drawn by their weight, which they then share evenly: a few heavy ones are not missed."""
    n = len(instance.values)
    stream = np.random.default_rng(seed)
    if (instance.weights == instance.weights[0]).all():
        # One of each so many neighbours: as good as a lot, and without shuffling all cases.
        rows = ((np.arange(size) + stream.random(size)) * (n / size)).astype(np.int64)
        times = np.ones(size, dtype=np.int64)
    else:
        # Systematic sampling: the cumulated weights, met by an even comb with a random start.
        steps = np.cumsum(instance.weights)
        at = (np.arange(size) + stream.random()) * steps[-1] / size
        rows, times = np.unique(np.minimum(np.searchsorted(steps, at), n - 1), return_counts=True)
    part = instance.rows(rows)
    return Instance(part.values, part.uses, part.feasible, times / times.sum())


def _newton(sample: Instance, prices: Floats, use: Floats) -> Floats:
    """The change of prices that would bring the use of the priced constraints to 0, shape (m,)."""
    priced = np.flatnonzero(prices > 0)
    step = np.zeros(len(prices))
    if not len(priced):
        return step
    answers = np.empty((len(priced), len(priced)))
    for column, place in enumerate(priced):
        move = np.zeros(len(prices))
        move[place] = 0.05 * prices[place]
        change = look(sample, prices + move).use - look(sample, prices - move).use
        answers[:, column] = change[priced] / (2 * move[place])
    solved = np.linalg.lstsq(answers, -use[priced], rcond=1e-6)[0]
    step[priced] = np.clip(solved, -prices[priced], 0.3 * prices[priced])
    return step


def narrowed(instance: Instance, prices: Floats, width: Floats, most: int | None = None) -> Near | None:
    """The cases that could change their mind at prices within `width` of these; the others as what they add.

    A setting's score moves against that of the best by no more than width · |its use - the use of the best|.

    Args:
        instance: All cases.
        prices: Shape (m,).
        width: How far each of them may move, shape (m,).
        most: Cases beyond which nothing is gained: then None is returned.
    """
    n = len(instance.values)
    near = []
    choice = np.empty(n, dtype=np.int64)
    value, use = instance.value, np.zeros(len(prices)) if instance.use is None else instance.use.copy()
    count = 0
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        own = instance.values[part]
        scores = own.copy()
        for price, used in zip(prices, instance.uses, strict=True):
            if price:
                scores -= price * used[part]
        if instance.feasible is not None:
            scores[~instance.feasible[part]] = -np.inf
        best = scores.argmax(axis=1)
        rows = np.arange(len(best))
        top = scores[rows, best]
        weights = instance.weights[part]
        value += float(weights @ own[rows, best])
        for place, (much, used) in enumerate(zip(width, instance.uses, strict=True)):
            taken = used[part][rows, best]
            use[place] += weights @ taken
            if much:
                away = used[part] - taken[:, None]
                np.abs(away, out=away)
                away *= much
                scores += away
        # The best itself is among those that reach its score.
        reach = np.count_nonzero(scores >= (top - 1e-12 * np.abs(top))[:, None], axis=1)
        few = np.flatnonzero(reach > 1)
        near.append(few + start)
        choice[part] = best
        count += len(few)
        if most is not None and count > most:
            return None
    rows = np.concatenate(near)
    taken, weights = choice[rows], instance.weights[rows]
    value -= float(weights @ instance.values[rows, taken])
    return Near(instance.rows(rows, value, use - instance.uses[:, rows, taken] @ weights), rows, choice)


def _scale(instance: Instance) -> Floats:
    """A price of each constraint beyond which its use decides everything, shape (m,)."""
    spread = np.array([float(used.max() - used.min()) for used in instance.uses])
    values = instance.values if instance.feasible is None else instance.values[instance.feasible]
    return (float(np.ptp(values)) + 1e-12) / np.where(spread > 0, spread, 1)


def _searched(instance: Instance, tolerance: float = 1e-10) -> tuple[Floats, float, bool]:
    """`minimum` over all prices from 0, in a region that grows until it holds the minimum."""
    m = len(instance.uses)
    values = instance.values if instance.feasible is None else instance.values[instance.feasible]
    high = 2 * _scale(instance)
    # No feasible policy is worth less than the worst of everything: L below that proves that there is none.
    worst = float(instance.weights.sum() * values.min()) - 1e-9 * (1 + abs(float(values.min())))
    at, bound = np.zeros(m), np.inf
    for _ in range(WIDEST):
        at, bound = minimum(partial(look, instance), np.zeros(m), high, at, tolerance)
        if bound < worst:
            return at, bound, False
        if (at < high * (1 - 1e-9)).all():
            break
        high = high * 10
    return at, bound, True


def settled(instance: Instance, prices: Floats) -> Floats:
    """The nearest prices found at which the choice fulfils the constraints; the given ones where none is found.

    The least L has cases that hesitate between two settings; a price a hair higher decides them.
    """
    m = len(prices)
    tolerance = np.array([1e-9 * (1 + float(np.abs(used).max(initial=0.0))) for used in instance.uses])
    least = 1e-6 * _scale(instance) if len(instance.values) else np.full(m, 1e-9)
    if len(instance.values) > SAMPLE // 10:
        for width in (1e-5, 1e-4, 1e-3):
            close = narrowed(instance, prices, width * np.maximum(prices, least), len(instance.values) // 4)
            if close is None:
                break
            found = settled(close.instance, prices)
            inside = np.abs(found - prices) <= width * np.maximum(prices, least)
            if inside.all() and (look(close.instance, found).use <= tolerance).all():
                return found

    def holds(at: Floats) -> bool:
        return bool((look(instance, at).use <= tolerance).all())

    at, step = prices.copy(), 1e-8
    for _ in range(64):
        over = look(instance, at).use > tolerance
        if not over.any():
            break
        at = np.where(over, at + step * np.maximum(at, least), at)
        step *= 1.6
    else:
        return prices
    # Each price back as far as the constraints still hold: where one was raised, another may fall.
    for _ in range(2):
        for place in np.argsort(-at * (tolerance - look(instance, at).use)):
            high = at[place]
            low = max(0.0, min(prices[place], high) - 1e-3 * max(high, least[place]))
            for _ in range(10 if high > low else 0):
                middle = at.copy()
                middle[place] = (low + high) / 2
                if holds(middle):
                    high = at[place] = middle[place]
                else:
                    low = middle[place]
    return np.asarray(at)
