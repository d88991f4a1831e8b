"""Near duplicates among many: pairs of 64-bit hashes that differ in a few bits, without comparing all with all."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from drivetrain.workers import in_turn

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

DISTANCE = 10
"""Bits in which two hashes may differ. Recompression moves 0 to 2 of 64, a crop by 2 % up to 8, other pictures 26."""
CHUNKS = 8
NEIGHBOURS = 4


def candidates(
    hashes: NDArray[np.uint64], distance: int = DISTANCE, executor: Executor | None = None
) -> NDArray[np.int64]:
    """Pairs of hashes that differ in at most `distance` bits.

    The hash is cut into eight bytes. For each choice of three of them the hashes are sorted with these in front, and
    each is compared with the next few. Two hashes that agree in three bytes stand next to each other in one of the 56
    orders, unless many others agree as well; these are then found through them. The work is 56 sorts, whatever the
    data look like: a cluster of ten thousand copies costs no more than ten thousand strangers.

    Args:
        hashes: `(n,)`.
        distance: Bits.
        executor: Threads that share the work.

    Returns:
        `(m, 2)`, sorted, the smaller index first. Of more than a few equal hashes, only a chain of pairs.
    """
    import numpy as np

    found = [np.zeros(0, np.uint64)]
    for some in in_turn(executor, partial(_beside, hashes, distance), combinations(range(CHUNKS), 3)):
        found.append(some)
        if sum(map(len, found)) > 2 * len(hashes) + 1_000_000:
            found = [np.unique(np.concatenate(found))]
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def _beside(hashes: NDArray[np.uint64], distance: int, front: tuple[int, ...]) -> NDArray[np.uint64]:
    """Pairs that differ in at most so many bits among neighbours in one order, each as one number."""
    import numpy as np

    order = np.argsort(_in_front(hashes, front))
    ordered = hashes[order]
    found = [np.zeros(0, np.uint64)]
    for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
        near = np.bitwise_count(ordered[step:] ^ ordered[:-step]) <= distance
        left, right = order[:-step][near], order[step:][near]
        found.append(
            np.minimum(left, right).astype(np.uint64) << np.uint64(32) | np.maximum(left, right).astype(np.uint64)
        )
    return np.concatenate(found)


def _in_front(hashes: NDArray[np.uint64], front: tuple[int, ...]) -> NDArray[np.uint64]:
    """The hashes with some of their bytes moved to the front."""
    import numpy as np

    order = [*front, *(chunk for chunk in range(CHUNKS) if chunk not in front)]
    return np.ascontiguousarray(hashes.view(np.uint8).reshape(-1, CHUNKS)[:, order[::-1]]).view(np.uint64).ravel()


def clusters(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cluster of each item, `(count,)`: the smallest index that a chain of pairs leads to."""
    import numpy as np

    root = np.arange(count)
    if not len(pairs):
        return root
    left, right = pairs[:, 0], pairs[:, 1]
    while True:
        low = np.minimum(root[left], root[right])
        np.minimum.at(root, root[left], low)
        np.minimum.at(root, root[right], low)
        while not np.array_equal(shorter := root[root], root):
            root = shorter
        if np.array_equal(root[left], root[right]):
            return root
