"""Many cases of few kinds: where scores are rounded or come from a tree, the same row stands there again and again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivetrain.decision.dual import Instance

MANY = 40_000
"""Cases up to which nobody looks."""
TRIED = 20_000
"""Cases that tell whether it is worth while."""


class Kinds(NamedTuple):
    """One case of each kind, with the weight of all of that kind; and the kind of each case, shape (n,)."""

    instance: Instance
    of: NDArray[np.int32]


def kinds(instance: Instance) -> Kinds | None:
    """The kinds of many cases; None where most cases are of their own kind."""
    n, k = instance.values.shape
    if n <= MANY:
        return None
    stream = np.random.default_rng(1)
    tried = instance.rows(stream.integers(0, n, TRIED))
    arrays = [(tried.values, instance.values), *zip(tried.uses, instance.uses, strict=True)]
    # A row is told by its sum under random weights, of which each array gets its own, in its own unit.
    marks = [stream.random(k) / (float(np.abs(part).max()) or 1.0) for part, _ in arrays]
    allowed = stream.random(k)

    def marked(rows: Instance) -> NDArray[np.float64]:
        found = sum((array @ mark for array, mark in zip([rows.values, *rows.uses], marks, strict=True)), np.zeros(1))
        return found if rows.feasible is None else found + rows.feasible @ allowed

    # The share of those seen once is the chance that another case is of a new kind (Good 1953).
    if np.count_nonzero(np.unique(marked(tried), return_counts=True)[1] == 1) > len(tried.values) / 10:
        return None
    mark = marked(instance)
    order = np.argsort(mark)
    mark = mark[order]
    new = np.concatenate([[True], mark[1:] != mark[:-1]])
    of = np.empty(n, dtype=np.int32)
    of[order] = np.cumsum(new, dtype=np.int32) - 1
    count = int(of[order[-1]]) + 1
    if count > n // 4:
        return None
    one = instance.rows(order[new])
    weights = np.asarray(np.bincount(of, instance.weights, count), dtype=float)
    return Kinds(Instance(one.values, one.uses, one.feasible, weights), of)
