"""The prices of an allocation of any size.

Of many cases a seeded sample gives first prices. Mostly few cases could change their mind near them: one pass over all
tells which, and only these are looked at again. Where many hesitate, because they are alike or their values are
multiples of what they use, no circle of prices is narrow enough to leave few of them; but then the sample knows the
prices at which they hesitate so well that a handful of looks at all cases settles the rest.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivetrain.decision.dual import (
    Choice,
    Floats,
    Instance,
    Least,
    Pass,
    blocks,
    first_best,
    look,
    looks,
    minimum,
    numbers,
    scale,
    searched,
    worth,
)

SAMPLE = 10_000
"""Cases from which the first prices come when there are more than four times as many."""
LARGER, LARGEST = 50_000, 120_000
"""Cases by which these prices are made better, twice, before all cases are looked at."""
SHARE = 12
"""At most one in so many cases is copied to be looked at again: memory is bounded."""
FEW = 30
"""Where more than one in so many of a sample hesitates at its prices, as many of all cases will."""
ENOUGH = 2e-5
"""What L may be above its least where all cases must be looked at each time, as a share of L."""
AROUND = (-3e-3, 3e-3, 5e-2)
"""How far from the prices that hold for a sample those that hold for all cases are looked for, as shares of them."""
BETWEEN = (1e-3, 0.1, 0.5)
"""Where they are looked for between two prices, if many cases hesitate between these."""
ZOOMS = 8
"""How often."""
KEPT = 1e-6
"""What may be left unused at prices, as a share of L, before better ones are looked for."""


class Near(NamedTuple):
    """The cases that could change their mind near some prices, their numbers, and what all cases take at these."""

    instance: Instance
    rows: NDArray[np.int64]
    choice: Choice


class Found(NamedTuple):
    """Prices at which L is least.

    Attributes:
        least: What `minimum` found, for the cases that are `close`.
        bounded: False when L falls without end, for then no choice is feasible.
        close: The cases whose choice depends on prices near these, the others as what they add.
        near: A wider circle of such cases, and how far prices may move within it, shape (m,); None: all cases count.
    """

    least: Least
    bounded: bool
    close: Instance
    near: tuple[Near, Floats, Floats] | None = None


def prices_of(instance: Instance, seed: int) -> Found:
    """Prices at which L is least."""
    n = len(instance.values)
    if n <= 4 * SAMPLE:
        return Found(*searched(instance), instance)
    sample = sampled(instance, SAMPLE, seed)
    first, bounded = searched(sample, 1e-5)
    if not bounded:
        return Found(*searched(instance), instance)
    centre = first.prices
    larger = sampled(instance, min(LARGER, n), seed + 1)
    apart = np.any([one.choice != first.corners[0].choice for one in first.corners], axis=0)
    if np.count_nonzero(apart) > len(apart) // FEW:
        return _hesitating(instance, larger, first)
    # The small sample tells how use answers to prices, larger ones where it stands, and in the end all cases: each
    # time one step of Newton's method, so that few cases are left whose choice is in question.
    centre = np.maximum(centre + _newton(sample, centre, look(larger, centre).use), 0)
    step = _newton(larger, centre, look(sampled(instance, min(LARGEST, n), seed + 2), centre).use)
    centre = np.maximum(centre + step, 0)
    width = 0.3 * np.abs(step) + 2e-3 * np.maximum(centre, 1e-3 * scale(sample))
    for _ in range(2):
        # What the larger sample says of the circle costs a twentieth of what all cases would say.
        if narrowed(larger, centre, width, len(larger.values) // SHARE) is None:
            break
        near = narrowed(instance, centre, width, n // SHARE)
        if near is None:
            break
        low, high = np.maximum(centre - width, 0), centre + width
        prices = minimum(partial(look, near.instance), low, high, centre, 1e-7 * worth(sample)).prices
        if inside(prices, low, high):
            return _sharpened(near, centre, width, prices, worth(sample))
        # The minimum lies beyond: another step from there, whose use is known by now.
        step = _newton(larger, prices, look(near.instance, prices).use)
        centre, width = np.maximum(prices + step, 0), 4 * width + 0.5 * np.abs(step)
    return _hesitating(instance, larger, first)


def inside(prices: Floats, low: Floats, high: Floats) -> bool:
    """Whether a minimum is one of L, and not of the region in which it was looked for."""
    return not (((prices <= low) & (low > 0)) | (prices >= high)).any()


def _sharpened(near: Near, centre: Floats, width: Floats, prices: Floats, stake: float) -> Found:
    """What `prices_of` returns, to the last digits, by the few cases whose choice depends on prices so near."""
    active, fine = near.instance, 0.25 * width
    narrow = narrowed(active, prices, fine)
    few = narrow.instance if narrow else active
    low, high = np.maximum(prices - fine, 0), prices + fine
    found = minimum(partial(look, few), low, high, prices, 1e-12 * stake)
    if not inside(found.prices, low, high):
        few = active
        low, high = np.maximum(centre - width, 0), centre + width
        found = minimum(partial(look, few), low, high, found.prices, 1e-12 * stake)
    return Found(found, True, few, (near, centre, width))


def _hesitating(instance: Instance, larger: Instance, first: Least) -> Found:
    """What `prices_of` returns where many cases hesitate: all of them are looked at, at few prices."""
    zero = np.zeros(len(first.prices))
    enough = max(ENOUGH * abs(first.bound), 1e-7 * worth(larger))
    wide = 0.25 * first.prices + 0.01 * scale(larger)
    low, high = np.maximum(first.prices - wide, 0), first.prices + wide
    known = minimum(partial(look, larger), low, high, first.prices, 0.1 * enough)
    if not inside(known.prices, low, high):
        low, high = zero, 3 * first.prices + scale(larger)
        known = minimum(partial(look, larger), low, high, known.prices, 0.1 * enough, known.seen)
    # Where all cases stand beside the larger sample is not known, so it is asked for a little more and a little less
    # of everything: between the prices of these lies what all cases want.
    error = _error(larger, known)
    tried = list(known.corners)
    for short in [*np.diag(error), -error]:
        moved = replace(larger, use=short)
        seen = [_moved(one, short) for one in known.seen]
        there = minimum(partial(look, moved), low, high, known.prices, enough, seen).prices
        tried.append(look(larger, there))
    different = {one.use.tobytes(): one.prices for one in tried}
    all_seen = looks(instance, list(different.values()))
    least = minimum(partial(look, instance), low, high, known.prices, enough, all_seen)
    if inside(least.prices, low, high):
        return Found(least, True, instance)
    return Found(*searched(instance, 1e-7), instance)


def _error(sample: Instance, known: Least) -> Floats:
    """Twice how far the use of all cases may be from that of a sample, shape (m,)."""
    chosen = known.corners[0].choice.astype(np.int64)
    taken = sample.uses[:, np.arange(len(chosen)), chosen]
    return np.asarray(2 * taken.std(axis=1) / np.sqrt(len(chosen)))


def _moved(one: Pass, short: Floats) -> Pass:
    """A look as it would have been, had the rest used more."""
    use = one.use + short
    return Pass(one.prices, one.choice, one.value - float(one.prices @ use), one.value, use)


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
    rest = instance.rest / (instance.weights.sum() or 1.0)
    return replace(instance.rows(rows, use=rest), weights=times / times.sum())


def _newton(sample: Instance, prices: Floats, use: Floats) -> Floats:
    """The change of prices that would bring the use of the priced constraints to 0, shape (m,)."""
    priced = np.flatnonzero(prices > 0)
    step = np.zeros(len(prices))
    if not len(priced):
        return step
    moves = 0.05 * np.diag(prices)[priced]
    seen = looks(sample, [*(prices + moves), *(prices - moves)])
    answers = np.array([up.use - down.use for up, down in zip(seen[: len(priced)], seen[len(priced) :], strict=True)])
    answers = answers[:, priced].T / (0.1 * prices[priced])
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
    n, k = instance.values.shape
    near = []
    choice = np.empty(n, dtype=numbers(k))
    value, use = instance.value, instance.rest
    count = 0
    for block in blocks(instance):
        scores = block.scores(prices)
        best, top = first_best(scores)
        value += float(block.weights @ block.taken(block.own, best))
        for place, (much, used) in enumerate(zip(width, block.uses, strict=True)):
            taken = block.taken(used, best)
            use[place] += block.weights @ taken
            if much:
                away = used - taken
                np.abs(away, out=away)
                away *= much
                scores += away
        # The best itself is among those that reach its score.
        reach = np.count_nonzero(scores >= top - 1e-12 * np.abs(top), axis=0)
        few = np.flatnonzero(reach > 1)
        near.append(few + block.part.start)
        choice[block.part] = best
        count += len(few)
        if most is not None and count > most:
            return None
    rows = np.concatenate(near) if near else np.zeros(0, dtype=np.int64)
    chosen, weights = choice[rows], instance.weights[rows]
    value -= float(weights @ instance.values[rows, chosen])
    return Near(instance.rows(rows, value, use - instance.uses[:, rows, chosen] @ weights), rows, choice)


def settled(instance: Instance, least: Pass) -> Floats:
    """The nearest prices found at which the choice fulfils the constraints; the given ones where none is found.

    The least L has cases that hesitate between two settings; a price a hair higher decides them.
    """
    count, prices, tolerance = len(instance.values), least.prices, _rounding(instance)
    unit = 1e-6 * scale(instance) if count else np.full(len(prices), 1e-9)
    if count > 4 * SAMPLE:
        found = _beyond(instance, least, unit, tolerance)
        if found is not None:
            return found
    elif count > SAMPLE // 10:
        for width in (1e-5, 1e-4, 1e-3):
            step = width * np.maximum(prices, unit)
            near = narrowed(instance, prices, step, count // 4)
            if near is None:
                break
            tried = _raised(near.instance, prices, unit)
            if (np.abs(tried - prices) <= step).all() and _holds(look(near.instance, tried), tolerance):
                return tried
    return _raised(instance, prices, unit)


def _beyond(instance: Instance, least: Pass, unit: Floats, tolerance: Floats) -> Floats | None:
    """What `settled` returns for very many cases; None where it finds none.

    A sample tells where its constraints hold, and prices on a line through there are tried on all cases. Whoever
    chooses alike at two prices chooses so everywhere between them, so that few decide the rest.
    """
    sample = _raised(sampled(instance, SAMPLE, 0), least.prices, unit)
    around = [np.maximum(sample + share * np.maximum(sample, unit), least.prices) for share in AROUND]
    around = [prices for prices in around if (prices != least.prices).any()]
    between = _holding(instance, least, around, tolerance)
    return None if between is None else _closer(instance, *between, tolerance)


def kept(instance: Instance, least: Least, prices: Floats) -> Floats:
    """Prices beside these, at which constraints hold, that leave less unused.

    The planes that meet at the least L are those of choices that use too much and of others that use too little: on the
    line between the prices of two such looks the constraints begin to hold.
    """
    tolerance = _rounding(instance)
    own = look(instance, prices)
    over = [one for one in least.corners if not _holds(one, tolerance)]
    if not over or not _holds(own, tolerance) or least.bound - own.value <= KEPT * abs(least.bound):
        return prices
    tried = [_closer(instance, one, own, np.flatnonzero(one.choice != own.choice), tolerance) for one in over]
    held = [one for one in looks(instance, tried) if _holds(one, tolerance)]
    return max([own, *held], key=lambda one: one.value).prices


def _closer(instance: Instance, low: Pass, high: Pass, rows: NDArray[np.int64], tolerance: Floats) -> Floats:
    """Where on the line between two looks the constraints begin to hold; they do at the second one.

    Args:
        instance: All cases.
        low: A look at which they do not hold.
        high: One at which they do.
        rows: The cases that choose otherwise at the two.
        tolerance: By how much a constraint may be missed, shape (m,).
    """
    for _ in range(ZOOMS):
        apart = (np.abs(high.prices - low.prices) > 1e-7 * np.maximum(high.prices, low.prices)).any()
        if len(rows) <= len(instance.values) // SHARE or not apart:
            break
        nearer = _holding(instance, low, [*(_on(low, high, share) for share in BETWEEN), high.prices], tolerance)
        if nearer is None:
            break
        low, high, rows = nearer
    if len(rows) > len(instance.values) // SHARE:
        return high.prices
    taken = high.choice[rows].astype(np.int64)
    part = instance.rows(rows, use=high.use - instance.uses[:, rows, taken] @ instance.weights[rows])
    inner, outer = 0.0, 1.0
    for _ in range(30):
        middle = (inner + outer) / 2
        if _holds(look(part, _on(low, high, middle)), tolerance):
            outer = middle
        else:
            inner = middle
    return _on(low, high, outer)


def _holding(
    instance: Instance, low: Pass, tried: list[Floats], tolerance: Floats
) -> tuple[Pass, Pass, NDArray[np.int64]] | None:
    """The first prices tried at which the constraints hold, those before them, and the cases that choose otherwise."""
    for high in looks(instance, tried):
        if _holds(high, tolerance):
            return low, high, np.flatnonzero(low.choice != high.choice)
        low = high
    return None


def _on(low: Pass, high: Pass, share: float) -> Floats:
    """Prices on the line from one look to another, shape (m,)."""
    return np.asarray(low.prices + share * (high.prices - low.prices))


def _holds(seen: Pass, tolerance: Floats) -> bool:
    return bool((seen.use <= tolerance).all())


def _rounding(instance: Instance) -> Floats:
    """A constraint holds when it is missed by no more than this, shape (m,)."""
    if not len(instance.values):
        return np.full(len(instance.uses), 1e-9)
    return np.array([1e-9 * (1 + max(float(used.max()), -float(used.min()))) for used in instance.uses])


def _raised(instance: Instance, prices: Floats, least: Floats) -> Floats:
    """The prices, raised until the constraints hold, and each back as far as they still do."""
    tolerance = _rounding(instance)
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
                if (look(instance, middle).use <= tolerance).all():
                    high = at[place] = middle[place]
                else:
                    low = middle[place]
    return np.asarray(at)
