"""The best ranking at some prices, and with it the best setting of the levers beside it.

Joint settings are a product: under each setting a of the other levers there is a best ranking, and the best pair is
taken.

Items. A case is worth the sum over its items, so for every a the best places are found as if a were given, and that a
is taken whose items come to the most, less what the constraints charge. Exact, case by case.

Queues. Which setting is best depends on the place, and the place on what the others lose by waiting. At place p a case
is worth max_a q(a, p), and the best order of these is an assignment (Kuhn 1955): exact for a queue of up to `EXACT`
cases. A longer one goes by the cµ rule on that maximum, and every case takes the setting that is best at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.policy.choice import best
from drivetrain.policy.modeler import Ask, Cases
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.ranking import assigned, parts, places, queue
from drivetrain.policy.simulate import allowed, expectation, inside, limits
from drivetrain.policy.worth import Considered, columns_of, consider, others_of, tried

Floats = NDArray[np.float64]

EXACT = 400
"""Cases in one queue up to which its best order is found exactly."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking of rows (case × item, or the cases of queues) with what is set beside it.

    Attributes:
        action: Lever -> setting of each row, shape (rows,): of the ranking its place, of another lever its case's.
        values: Expected value of each row under it, shape (rows,).
        uses: Expected use of the hard constraints, shape (m, rows).
        beside: Which joint setting of the other levers each case takes, shape (n,); 0 where there is no other lever.
        totals: What each case comes to under each of these, with its best items or at its place, shape (n, others).
        free: Which of these the limits allow, shape (n, others).
        places: Place of each row under each of these, shape (rows, others).
        rate: Of cases in a queue: what the first place is worth over the last; else 0. Shape (n,).
    """

    action: Mapping[str, Array]
    values: Floats
    uses: Floats
    beside: NDArray[np.int64]
    totals: Floats
    free: NDArray[np.bool_]
    places: Floats
    rate: Floats


@dataclass(frozen=True, slots=True)
class Rankable:
    """What is known of some rows before they are ranked.

    Attributes:
        found: Their values and uses.
        exact: Whether no ranking is better at the prices at which it is made.
        at: Prices of the constraints, in the order of `found.names` -> the ranking.
    """

    found: Considered
    exact: bool
    at: Callable[[Floats], Ranked]

    def priced(self, prices: Mapping[str, float]) -> Ranked:
        """The ranking at prices by name; a constraint that has none costs nothing."""
        return self.at(np.array([prices.get(name, 0.0) for name in self.found.names]))


def rankable(problem: Problem, cases: Cases, ask: Ask, width: int, groups: NDArray[np.int64] | None = None) -> Rankable:
    """Everything about some rows that does not depend on prices.

    Args:
        problem: The decision; it has a ranking.
        cases: What formulas and models read of the rows: case × item, case after case, or cases.
        ask: The models.
        width: Items of each case; 1 where cases are ranked.
        groups: Where cases are ranked: which of them wait together; None: all.
    """
    if problem.items:
        return _items(problem, cases, ask, width)
    assert problem.ranking is not None
    count = len(next(iter(cases.values())))
    longest = max(map(len, parts(groups, count)), default=0)
    # A lone lever goes by the cµ rule whatever the length: of equal rates those who came first are first.
    if len(problem.levers) > 1 and longest <= EXACT:
        return _short(problem, cases, ask, groups, longest)
    return _long(problem, cases, ask, groups)


def _items(problem: Problem, cases: Cases, ask: Ask, width: int) -> Rankable:
    ranking = problem.ranking
    assert ranking is not None
    known = _shared(problem, cases, consider(problem, cases, ask), width)
    others = others_of(problem, ranking.lever)
    shelf = problem.settings[ranking.lever]
    pairs = list(zip(np.flatnonzero(shelf == 0), np.flatnonzero(shelf == 1), strict=True))
    shape = (-1, width)
    rows = np.arange(len(known.values))

    def at(prices: Floats) -> Ranked:
        found, worth, used = [], [], []
        broken = np.empty((len(rows) // width, len(pairs)))
        for which, (out, on) in enumerate(pairs):
            burden = np.tensordot(prices, known.uses[:, :, on] - known.uses[:, :, out], 1)
            gain = known.values[:, on] - known.values[:, out]
            may = known.feasible[:, on]
            must = ~known.feasible[:, out] & may
            place = places(
                ranking, gain.reshape(shape), burden.reshape(shape), may.reshape(shape), must.reshape(shape)
            ).ravel()
            shown = place > 0
            found.append(place)
            worth.append(known.values[:, out] + ranking.seen(place) * gain)
            used.append(np.where(shown, known.uses[:, :, on], known.uses[:, :, out]))
            kept = np.where(shown, may, known.feasible[:, out])
            broken[:, which] = (~kept).reshape(shape).sum(axis=1)
        totals = np.stack([one.reshape(shape).sum(axis=1) for one in worth], axis=1)
        sums = np.stack([one.reshape(len(one), len(broken), width).sum(axis=2) for one in used], axis=2)
        # Where no setting keeps every limit, one that breaks the fewest.
        chosen = best(totals, sums, broken == broken.min(axis=1, keepdims=True), prices)
        each = np.repeat(chosen, width)
        every = np.stack(found, axis=1)
        return Ranked(
            {**_taken(others, each), ranking.lever: every[rows, each]},
            np.stack(worth, axis=1)[rows, each],
            np.stack(used, axis=2)[:, rows, each],
            chosen,
            totals,
            broken == 0,
            every,
            np.zeros(len(chosen)),
        )

    return Rankable(known, True, at)


def _shared(problem: Problem, cases: Cases, found: Considered, width: int) -> Considered:
    """A mean over cases counts each case once, however many items it has: each item bears its share of the bound."""
    columns = columns_of(problem, cases)
    hard = [limit for limit in limits(problem, columns) if limit.hard]
    if width == 1 or not any(not limit.denominator.names for limit in hard):
        return found
    uses = np.array(found.uses)
    for row, limit in zip(uses, hard, strict=True):
        if not limit.denominator.names:
            below = expectation(problem, limit.denominator, columns, {}, found.levers)
            spared = limit.bound * below * (width - 1) / width * (1 if limit.upper else -1)
            row += spared * inside(limit, columns, found.levers)
    return replace(found, uses=uses)


def _short(problem: Problem, cases: Cases, ask: Ask, groups: NDArray[np.int64] | None, longest: int) -> Rankable:
    """Queues in which every place is looked at for every case."""
    ranking = problem.ranking
    assert ranking is not None
    others = others_of(problem, ranking.lever)
    width = len(next(iter(others.values())))
    slots = min(ranking.slots or longest, longest)
    waiting = [0.0] if slots < longest else []
    line = np.array([*waiting, *range(1, slots + 1)], dtype=float)
    known = tried(problem, cases, ask, _product(ranking.lever, line, others))
    count = len(known.values)
    shape = (count, len(line), width)
    values, free = known.values.reshape(shape), known.feasible.reshape(shape)
    uses = known.uses.reshape(-1, *shape)
    may = np.asarray(free.any(axis=2))
    rows = np.arange(count)

    def at(prices: Floats) -> Ranked:
        flat = (count * len(line), width)
        which = best(values.reshape(flat), uses.reshape(-1, *flat), free.reshape(flat), prices).reshape(shape[:2])
        taken = np.take_along_axis(values, which[:, :, None], 2)[:, :, 0]
        spent = np.take_along_axis(uses, which[None, :, :, None], 3)[..., 0]
        score = taken - np.tensordot(prices, spent, 1)
        column = np.empty(count, dtype=np.int64)
        for here in parts(groups, count):
            dealt = min(slots, len(here))
            # Whoever is not dealt with waits in a place that is no place.
            columns = np.array([*range(len(waiting), len(waiting) + dealt), *[0] * (len(here) - dealt)])
            column[here] = columns[assigned(score[np.ix_(here, columns)], may[np.ix_(here, columns)])]
        chosen = which[rows, column]
        return Ranked(
            {**_taken(others, chosen), ranking.lever: line[column]},
            taken[rows, column],
            spent[:, rows, column],
            chosen,
            values[rows, column],
            free[rows, column],
            np.repeat(line[column][:, None], width, axis=1),
            taken[:, len(waiting)] - taken[:, 0 if waiting else -1],
        )

    return Rankable(known, True, at)


def _long(problem: Problem, cases: Cases, ask: Ask, groups: NDArray[np.int64] | None) -> Rankable:
    """Queues in the order of what waiting costs from the first place to the last."""
    ranking = problem.ranking
    assert ranking is not None
    others = others_of(problem, ranking.lever)
    width = max((len(values) for values in others.values()), default=1)
    line = np.unique(problem.settings[ranking.lever])
    # The first place and the last one (or none) say at which rate waiting costs.
    ends = line[[1, 0]] if line[0] == 0 else line[[0, -1]]
    known = tried(problem, cases, ask, _product(ranking.lever, ends, others))
    count = len(known.values)
    shape = (count, 2, width)
    rows = np.arange(count)
    latest = _latest(problem, cases, known, line, others)

    def at(prices: Floats) -> Ranked:
        score = (known.values - np.tensordot(prices, known.uses, 1)).reshape(shape)
        if width > 1:
            score = np.where(known.feasible.reshape(shape), score, score.min())
        top = score.max(axis=2)
        rate = top[:, 0] - top[:, 1]
        place = np.empty(count)
        for here in parts(groups, count):
            place[here] = queue(rate[here], None if latest is None else latest[here], ranking.slots)
        settings: dict[str, Array] = {name: np.tile(values, (count, 1)) for name, values in others.items()}
        settings[ranking.lever] = np.repeat(place[:, None], width, axis=1)
        there = tried(problem, cases, ask, settings)
        chosen = best(there.values, there.uses, there.feasible, prices)
        return Ranked(
            {**_taken(others, chosen), ranking.lever: place},
            there.values[rows, chosen],
            there.uses[:, rows, chosen],
            chosen,
            np.asarray(there.values),
            np.asarray(there.feasible),
            settings[ranking.lever],
            rate,
        )

    return Rankable(known, False, at)


def _latest(
    problem: Problem, cases: Cases, known: Considered, line: Array, others: Mapping[str, Array]
) -> NDArray[np.int64] | None:
    """Last place that the limits allow each case under some setting of the other levers; None: they say nothing."""
    ranking = problem.ranking
    assert ranking is not None
    if not problem.allowed and not problem.seen:
        return None
    count, width = len(known.values), max((len(values) for values in others.values()), default=1)
    columns = columns_of(problem, cases)
    may = np.zeros((count, len(line)), dtype=bool)
    for which in range(width):
        first = {name: belief.under(which) for name, belief in known.beliefs.items()}
        settings = {name: np.repeat(values[which], len(line)) for name, values in others.items()}
        may |= allowed(problem, columns, first, {**settings, ranking.lever: line})
    # Who may stand nowhere waits like those who may stand anywhere.
    latest = np.where(may, line, 0).max(axis=1).astype(np.int64)
    return np.where(latest == 0, count, np.where(may[:, -1], count, latest))


def _product(lever: str, line: Array, others: Mapping[str, Array]) -> dict[str, Array]:
    """Every place with every joint setting of the other levers, place after place; shape (k,) each."""
    width = max((len(values) for values in others.values()), default=1)
    return {**{name: np.tile(values, len(line)) for name, values in others.items()}, lever: np.repeat(line, width)}


def _taken(others: Mapping[str, Array], chosen: NDArray[np.int64]) -> dict[str, Any]:
    """Lever -> setting of each row, for the levers beside the ranking."""
    return {name: values[chosen] for name, values in others.items()}
