"""Rankings: which items stand in which place, and in which order the cases wait.

Items. What a case is worth is the sum over its items, and a place lets the share `attention` of what showing an item
changes come about:

    q_i(item at place j) = q_i(not shown) + attention_j · (q_i(shown) - q_i(not shown))

so the best ranking gives the places with the most attention to the items that gain the most by being shown. A priced
constraint takes its price from every item that is shown, whatever its place; then the best choice is found exactly, by
dynamic programming over items and places that are both in descending order.

Queues. Cases wait in the order of the rate at which waiting costs value: (q(first place) - q(last place)) / places, the
cµ rule (Cox and Smith 1961), which is optimal where waiting costs each case a rate of its own.

Here are the arrays' sides of it; `ranked` says what is put in them, also where other levers are set beside the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy.problem import Array, Problem, Ranking

Floats = NDArray[np.float64]

LEAST = 1e-12
"""An item that gains no more than this by being shown is not shown."""
CELLS = 4_000_000
"""Cells (case × item × place) that the dynamic programme holds at once."""


def crossed(cases: Mapping[str, Any], items: Mapping[str, Any]) -> dict[str, Any]:
    """Every case with every item: case after case; a name that both have is the case's.

    Args:
        cases: Column -> n values.
        items: Column -> m values.

    Returns:
        Column -> n · m values, arrays where arrays came in.
    """
    n, m = (len(next(iter(side.values()))) if side else 0 for side in (cases, items))

    def each(values: Any) -> Any:
        return np.repeat(values, m) if isinstance(values, np.ndarray) else [v for v in values for _ in range(m)]

    def tiled(values: Any) -> Any:
        return np.tile(values, n) if isinstance(values, np.ndarray) else list(values) * n

    found = {name: tiled(values) for name, values in items.items() if name not in cases}
    return found | {name: each(values) for name, values in cases.items()}


def places(
    ranking: Ranking, gain: Floats, burden: Floats, may: NDArray[np.bool_], must: NDArray[np.bool_] | None = None
) -> Floats:
    """The best place of every item; 0 where it is not shown.

    Args:
        ranking: Places and their attention.
        gain: What showing an item in full view changes, shape (n, items).
        burden: What the constraints charge for showing it at all, shape (n, items).
        may: Which items may be shown, shape (n, items).
        must: Which items must be shown; None: none.

    Returns:
        Shape (n, items): 1 to the number of places.
    """
    weights = ranking.weights(gain.shape[1])
    order = np.argsort(-weights, kind="stable")
    seen = weights[order]
    if must is not None and must.any():
        # More than everything else together, so that leaving it out never pays.
        burden = burden - must * (4 * (np.abs(gain).sum(axis=1) + np.abs(burden).sum(axis=1) + 1))[:, None]
    found = np.zeros(gain.shape)
    if not burden.any():
        by_gain = np.argsort(np.where(may, -gain, np.inf), axis=1, kind="stable")[:, : len(seen)]
        rows = np.arange(len(gain))
        for step, weight in enumerate(seen[: gain.shape[1]]):
            # The k-th best item takes the k-th most seen place, as long as being seen there gains anything.
            item = by_gain[:, step]
            shown = may[rows, item] & (weight * gain[rows, item] > LEAST)
            found[rows[shown], item[shown]] = order[step] + 1
        return found
    chunk = max(1, CELLS // (gain.shape[1] * (len(seen) + 1)))
    for start in range(0, len(gain), chunk):
        part = slice(start, start + chunk)
        kept = _candidates(gain[part], burden[part], may[part], seen)
        found[part, kept] = _programmed(gain[part, kept], burden[part, kept], may[part, kept], order, seen)
    return found


def _candidates(gain: Floats, burden: Floats, may: NDArray[np.bool_], seen: Floats) -> NDArray[np.int64]:
    """Items that are among the best for some place of some case: no other stands in a best ranking."""
    slots = len(seen)
    if gain.shape[1] <= 4 * slots:
        return np.arange(gain.shape[1])
    kept = np.zeros(gain.shape[1], dtype=bool)
    for weight in np.unique(seen):
        worth = np.where(may, weight * gain - burden, -np.inf)
        kept[np.argpartition(-worth, slots - 1, axis=1)[:, :slots].ravel()] = True
    return np.flatnonzero(kept)


def _programmed(gain: Floats, burden: Floats, may: NDArray[np.bool_], order: Array, seen: Floats) -> Floats:
    """Items in descending gain meet places in descending attention; either may be passed over. Exact."""
    n, items = gain.shape
    slots, rows = len(seen), np.arange(n)
    by_gain = np.argsort(np.where(may, -gain, np.inf), axis=1, kind="stable")
    place = np.arange(slots + 1)
    # reach[:, k]: the most that the items so far and the first k places can give.
    reach = np.zeros((n, slots + 1))
    first = np.zeros((items, n, slots + 1), dtype=np.int32)
    taken = np.zeros((items, n, slots + 1), dtype=bool)
    for step in range(items):
        item = by_gain[:, step]
        worth = seen * gain[rows, item][:, None] - burden[rows, item][:, None]
        worth[~may[rows, item]] = -np.inf
        with_it = reach[:, :-1] + worth
        better = with_it > reach[:, 1:] + LEAST
        taken[step, :, 1:] = better
        reach[:, 1:] = np.where(better, with_it, reach[:, 1:])
        most = np.maximum.accumulate(reach, axis=1)
        fresh = np.ones((n, slots + 1), dtype=bool)
        fresh[:, 1:] = most[:, 1:] > most[:, :-1] + LEAST
        # Fewest places that reach as much: the others stay empty.
        first[step] = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
        reach = np.take_along_axis(most, first[step].astype(np.int64), axis=1)
    found = np.zeros((n, items))
    at = np.full(n, slots)
    for step in range(items - 1, -1, -1):
        at = first[step, rows, at]
        takes = taken[step, rows, at]
        found[rows[takes], by_gain[takes, step]] = order[at[takes] - 1] + 1
        at = at - takes
    return found


def queue(rate: Floats, latest: NDArray[np.int64] | None = None, slots: int | None = None) -> Floats:
    """The place of every case in one queue, shape (n,): the highest rate first, equal rates as they came.

    Args:
        rate: What a place further back costs, in value, shape (n,).
        latest: Last place that the limits allow to each case; None: any. Of the cases that may stand last the one with
            the lowest rate does, and so on forward (Lawler 1973), so that limits hold wherever they can.
        slots: Number of places; cases behind them get 0.
    """
    n = len(rate)
    order = np.argsort(-rate, kind="stable")
    if latest is not None and (latest < n).any():
        waiting = order[::-1].tolist()
        backwards = []
        for place in range(n, 0, -1):
            chosen = next((case for case in waiting if latest[case] >= place), waiting[0])
            waiting.remove(chosen)
            backwards.append(chosen)
        order = np.array(backwards[::-1])
    found = np.empty(n)
    found[order] = np.arange(1, n + 1)
    if slots is not None:
        found[found > slots] = 0
    return found


def assigned(worth: Floats, may: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which column each case takes so that the sum is greatest, every column being taken once; shape (n,).

    Args:
        worth: Of each case in each column, shape (n, n).
        may: What the limits allow, shape (n, n). As few cases as can be stand where they may not.
    """
    from scipy.optimize import linear_sum_assignment

    if not may.all():
        # More than all that an order can gain, so that a forbidden place never pays.
        worth = np.where(may, worth, worth.min() - (np.ptp(worth) + 1) * len(worth))
    return np.asarray(linear_sum_assignment(worth, maximize=True)[1])


def scored(
    problem: Problem, name: str, score: Array, may: NDArray[np.bool_], groups: NDArray[np.int64] | None
) -> Floats:
    """Places by score, highest first; what the limits forbid is not shown. Shape of `score`, (rows,).

    Args:
        problem: The decision; it has a ranking.
        name: The policy, for messages.
        score: Of each row: case × item, or case.
        may: What the limits allow, shape (rows,).
        groups: Rows of one ranking have one number; None: all rows are one.

    Raises:
        PolicyError: A score is no number.
    """
    ranking = problem.ranking
    assert ranking is not None
    numbers = np.asarray(score, dtype=float)
    if not np.isfinite(numbers).all():
        raise PolicyError(
            f"`{name}` gives no score for {int((~np.isfinite(numbers)).sum())} of {len(numbers)} rows.",
            "Guard missing values in its formula or column.",
            where=f"levers.{ranking.lever}.policies.{name}",
        )
    found = np.zeros(len(numbers))
    for rows in parts(groups, len(numbers)):
        here = rows[may[rows]]
        by_score = here[np.argsort(-numbers[here], kind="stable")]
        shown = by_score[: ranking.slots or len(by_score)]
        found[shown] = np.arange(1, len(shown) + 1)
    return found


def parts(groups: NDArray[np.int64] | None, count: int) -> Sequence[NDArray[np.int64]]:
    """Row numbers of each group, in the order of the groups' numbers."""
    if groups is None:
        return [np.arange(count)]
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
