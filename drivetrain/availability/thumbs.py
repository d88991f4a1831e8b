"""Which of a million thumbs resemble each other: without comparing all with all, and in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.availability.images import THUMB
from drivetrain.availability.near import candidates
from drivetrain.workers import cores, in_turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALL = 4_000
"""Pictures up to which each is held against each; more are split into leaves, in several ways."""
LEAF, TREES = 750, 4
ROWS = 750
"""Pictures of a leaf that are held against all of it at once."""
WAITING = 50_000
"""Pairs that are looked at closely together."""
SAMPLE, MIXED = 2_500, 8
"""Thumbs from which the main components are taken, and how many of these are mixed to split."""
HALF = 0.004
"""By how much half precision may be off."""
LEFT = 0.5
"""Share of its variance that the components that are kept may leave out, for nine thumbs in ten."""
RESEMBLING, FAINTLY = 0.82, 0.7
"""Correlation of 16 x 16 pixels from which on two pictures resemble each other. Of what resembles a picture but
faintly, as thin lines that were cropped do, only the one that does most is looked at."""
FITTING, UNFIT, MOVED = 0.9, 0.78, 0.86
"""The same when the edges were moved a little: from the first on two pictures are looked at closely, below the second
never, and between both where the correlation reaches the third once one is really laid over the other."""
NEAREST, LISTED, GLUE = 10, 30, 2
"""A picture that more than NEAREST others resemble stands in a crowd: here only the closest of these are named, and
a finer look (`crowd`) ranks the others. LISTED are held against it exactly."""
FAR = 14
"""Bits in which the hashes of two pictures of one origin may differ at most."""
REACH = 0.8
"""Pixels of a thumb by which an edge may be moved: a crop of 2 % is a third of one."""


class Resembling(NamedTuple):
    """What resembles what.

    Attributes:
        pairs: Places, `(m, 2)`, the smaller first.
        close: How much, `(m,)`.
        crowd: Pairs of places that stand in a crowd together, `(k, 2)`.
    """

    pairs: NDArray[np.int64]
    close: NDArray[np.float32]
    crowd: NDArray[np.int64]


def resembling(thumbs: NDArray[np.uint8], hashes: NDArray[np.uint64], chosen: NDArray[np.int64]) -> Resembling:
    """Pairs of pictures that resemble each other; of each picture only the closest.

    Of at most ALL pictures each is held against each; by their main components first, with what these leave out as a
    further coordinate, so that no pair is missed (Cauchy and Schwarz). More are split in halves along random mixtures
    of the main components, four times in different ways, until leaves are small (Dasgupta and Freund 2008); pairs that
    all four separate are caught by their hashes, if at all. The work of a picture grows with the logarithm of their
    number alone.

    Args:
        thumbs: Of all pictures, `(n, 256)`.
        hashes: Of all pictures, `(n,)`.
        chosen: Places of those to look at, `(m,)`, sorted.
    """
    import numpy as np

    none = np.zeros((0, 2), np.int64)
    if len(chosen) < 2:
        return Resembling(none, np.zeros(0, np.float32), none)
    components = reduced(thumbs, chosen)
    # Memory that is asked for again for each product takes longer to come than the product.
    rooms = SimpleQueue[Any]()
    for _ in range(cores()):
        rooms.put(np.empty(ROWS * min(len(chosen), ALL), np.float32))

    def within(block: NDArray[np.int64]) -> Resembling:
        room = rooms.get()
        try:
            return _within(thumbs, chosen, components, block, room)
        finally:
            rooms.put(room)

    found, waiting, count = [], list[Resembling](), 0
    # NumPy leaves other threads alone while it counts.
    with ThreadPoolExecutor(cores()) as threads:
        for part in in_turn(threads, within, leaves(components)):
            waiting.append(part)
            count += len(part.pairs)
            if count > WAITING:
                found.append(_looked_at(thumbs, chosen, waiting))
                waiting, count = [], 0
        many = len(chosen) > ALL
        hashed = candidates(hashes[chosen], FAR, threads) if many else none
    found.append(_looked_at(thumbs, chosen, waiting))
    pairs, close, crowd = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if many:
        near = _exact(thumbs, chosen, hashed)
        best = _best(hashed[near >= FAINTLY], near[near >= FAINTLY], NEAREST)
        hashed, near = _fitting(thumbs, chosen, *best)
        pairs, close = np.concatenate([pairs, hashed]), np.concatenate([close, near])
    pairs, close = _best(*_once(pairs, close), NEAREST)
    return Resembling(chosen[pairs], close, np.unique(chosen[np.sort(crowd, axis=1)], axis=0))


def leaves(components: NDArray[np.float16], leaf: int = LEAF, most: int = ALL, trees: int = TREES) -> Iterator[Any]:
    """Blocks of places, each of at most `leaf`, in which what resembles each other mostly stands together."""
    import numpy as np

    count = len(components)
    if count <= most:
        yield np.arange(count)
        return
    random = np.random.default_rng(0)
    main = components[:, :MIXED].astype(np.float32)
    for _ in range(trees):
        blocks = [np.arange(count)]
        while len(blocks[0]) > leaf:
            along = main @ np.asarray(random.normal(size=main.shape[1]), np.float32)
            halves = []
            for block in blocks:
                order = block[np.argpartition(along[block], len(block) // 2)]
                halves += [order[: len(block) // 2], order[len(block) // 2 :]]
            # The larger half first: when it is small enough, all are.
            blocks = sorted(halves, key=len, reverse=True)
        yield from (np.sort(block) for block in blocks)


def normal(thumbs: NDArray[Any]) -> NDArray[np.float32]:
    """Thumbs without their mean, of length one, `(n, 256)`."""
    import numpy as np

    found = thumbs.astype(np.float32)
    found -= found.mean(1, keepdims=True)
    found /= np.sqrt(np.einsum("ij,ij->i", found, found))[:, None] + 1e-6
    return np.asarray(found)


def reduced(thumbs: NDArray[np.uint8], chosen: NDArray[np.int64]) -> NDArray[np.float16]:
    """The main components of each thumb, and the length of what they leave out, `(m, k + 1)`."""
    import numpy as np

    some = normal(thumbs[chosen[:: len(chosen) // SAMPLE + 1]])
    _, axes = np.linalg.eigh(some.T @ some)
    axes = axes[:, ::-1]
    # Soft pictures have few components, grainy ones many; without enough of them the bound bounds nothing.
    left = np.quantile(1 - np.cumsum((some[::4] @ axes[:, :128]) ** 2, axis=1), 0.9, axis=0)
    main = np.ascontiguousarray(
        axes[:, : max(4 * MIXED, int(np.argmax(left <= LEFT)) + 1 if left[-1] <= LEFT else 128)]
    )
    found = np.empty((len(chosen), main.shape[1] + 1), np.float16)
    for start in range(0, len(chosen), 50_000):
        part = normal(thumbs[chosen[start : start + 50_000]]) @ main
        found[start : start + len(part), :-1] = part
        found[start : start + len(part), -1] = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", part, part), 0))
    return found


def _within(
    thumbs: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    components: NDArray[np.float16],
    block: NDArray[np.int64],
    room: NDArray[np.float32],
) -> Resembling:
    """What resembles what inside a block, at a first look."""
    import numpy as np

    inside = components[block].astype(np.float32)
    found, crowds = [], []
    for start in range(0, len(block), ROWS):
        some = inside[start : start + ROWS]
        bound = np.matmul(some, inside.T, out=room[: len(some) * len(block)].reshape(len(some), len(block)))
        rows = np.arange(len(bound))
        bound[rows, start + rows] = -1
        over = bound >= RESEMBLING - HALF
        best = bound.argmax(1)
        over[rows, best] |= bound[rows, best] >= FAINTLY
        # A fifth of the time that `nonzero` of two axes takes.
        row, column = np.divmod(np.flatnonzero(over.ravel()), len(block))
        many = np.flatnonzero(np.bincount(row, minlength=len(bound)) > LISTED)
        if len(many):
            least = -np.partition(-bound[many], LISTED - 1, axis=1)[:, LISTED - 1 : LISTED]
            over[many] = bound[many] >= least
            row, column = np.divmod(np.flatnonzero(over.ravel()), len(block))
        pairs = np.stack([block[start + row], block[column]], axis=1)
        close = _exact(thumbs, chosen, pairs)
        fits = (close >= RESEMBLING) | ((close >= FAINTLY) & (column == best[row]))
        row, pairs, close = row[fits], pairs[fits], close[fits]
        crowded = (np.bincount(row, minlength=len(bound)) > NEAREST)[row]
        crowds.append(pairs[crowded])
        order = np.lexsort((-close, row))
        first = np.searchsorted(row[order], row[order], "left")
        place = np.empty(len(row), np.int64)
        place[order] = np.arange(len(row)) - first
        kept = ~crowded | (place < GLUE)
        found.append(_once(np.sort(pairs[kept], axis=1), close[kept]))
    pairs, close = _once(np.concatenate([p for p, _ in found]), np.concatenate([c for _, c in found]))
    return Resembling(pairs, close, np.concatenate(crowds))


def _looked_at(thumbs: NDArray[np.uint8], chosen: NDArray[np.int64], found: Sequence[Resembling]) -> Resembling:
    """What was found in several blocks, without pairs that do not fit when they are looked at closely."""
    import numpy as np

    none = Resembling(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), np.zeros((0, 2), np.int64))
    pairs, close, crowd = (np.concatenate(parts) for parts in zip(none, *found, strict=True))
    return Resembling(*_fitting(thumbs, chosen, *_once(pairs, close)), crowd)


def _exact(thumbs: NDArray[np.uint8], chosen: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """The correlation of each pair, `(m,)`."""
    import numpy as np

    close = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 20_000):
        a, b = (normal(thumbs[chosen[side]]) for side in pairs[start : start + 20_000].T)
        close[start : start + len(a)] = np.einsum("ij,ij->i", a, b)
    return close


def _fitting(
    thumbs: NDArray[np.uint8], chosen: NDArray[np.int64], pairs: NDArray[np.int64], close: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs that fit when the edges of one are moved a little, and how well.

    First what moving its edges would change in a thumb does not count (tangent distance: Simard, LeCun and Denker
    1993); where that leaves a doubt, one thumb is laid over the other.
    """
    import numpy as np

    close = close.copy()
    for start in range(0, len(pairs), 5_000):
        a, b = (normal(thumbs[chosen[side]]) for side in pairs[start : start + 5_000].T)
        fits = close[start : start + len(a)]
        unsure = np.flatnonzero(fits < FITTING)
        fits[unsure] = np.maximum(_moved(a[unsure], b[unsure]), _moved(b[unsure], a[unsure]))
        unsure = unsure[(fits[unsure] < FITTING) & (fits[unsure] >= UNFIT)]
        fits[unsure] = np.maximum(_laid(a[unsure], b[unsure]), _laid(b[unsure], a[unsure]))
    fit = close >= MOVED
    return pairs[fit], close[fit]


def _moves(square: NDArray[np.float32]) -> NDArray[np.float32]:
    """What moving each of the four edges changes in thumbs, `(n, 4, 256)`."""
    import numpy as np

    down, across = np.asarray(np.gradient(square, axis=1)), np.asarray(np.gradient(square, axis=2))
    ramp = (np.arange(THUMB, dtype=np.float32) + 0.5) / THUMB
    moves = [across * (1 - ramp), -across * ramp, down * (1 - ramp[:, None]), -down * ramp[:, None]]
    found = np.stack([move.reshape(-1, THUMB * THUMB) for move in moves], axis=1)
    return np.asarray(found - found.mean(2, keepdims=True), np.float32)


def _moved(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The correlation of each pair without what moving the edges of the first would change, `(m,)`."""
    import numpy as np

    moves = _moves(a.reshape(-1, THUMB, THUMB))
    # Along stripes nothing changes: what is left there is noise, and no direction to leave out.
    inner = moves @ moves.swapaxes(1, 2) + 0.01 * np.eye(4, dtype=np.float32)
    along = moves @ (b - a)[..., None]
    return np.asarray(np.einsum("ij,ij->i", a, b) + (along * np.linalg.solve(inner, along)).sum((1, 2)) / 2, np.float32)


def _laid(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The correlation of each pair once the first is laid over the second, its edges moved (Lucas and Kanade 1981)."""
    import numpy as np

    edges = np.zeros((4, len(a)), np.float32)
    square, fits = a.reshape(-1, THUMB, THUMB), np.einsum("ij,ij->i", a, b)
    shown = a
    for _ in range(3):
        moves = _moves(shown.reshape(-1, THUMB, THUMB))
        moves -= (moves @ shown[..., None]) * shown[:, None]
        inner = moves @ moves.swapaxes(1, 2) + 0.01 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(inner, moves @ (b - fits[:, None] * shown)[..., None])[..., 0].T
        edges = np.clip(edges + step, -REACH, REACH).astype(np.float32)
        shown = normal(shifted(square, edges).reshape(-1, THUMB * THUMB))
        fits = np.einsum("ij,ij->i", shown, b)
    return np.asarray(fits, np.float32)


def shifted(square: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures with their left, right, upper and lower edge moved inwards.

    Args:
        square: `(n, s, s)`.
        edges: Pixels, `(4, n)`.
    """
    import numpy as np

    side = square.shape[1]
    middle = np.arange(side, dtype=np.float32) + 0.5
    every = np.arange(len(square))[:, None]
    for low, high in (edges[2:], edges[:2]):
        at = np.clip(low[:, None] + (side - low - high)[:, None] * middle / side - 0.5, 0, side - 1)
        first = np.minimum(at.astype(np.int64), side - 2)
        part = (at - first)[..., None].astype(np.float32)
        before = square[every, first]
        square = (before + (square[every, first + 1] - before) * part).swapaxes(1, 2)
    return np.asarray(square)


def _once(pairs: NDArray[np.int64], close: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each pair once."""
    import numpy as np

    if not len(pairs):
        return pairs.reshape(-1, 2), close
    _, first = np.unique(pairs[:, 0] << 32 | pairs[:, 1], return_index=True)
    return pairs[first], close[first]


def _best(
    pairs: NDArray[np.int64], close: NDArray[np.float32], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs that are among the closest of one of their two."""
    import numpy as np

    if not len(pairs):
        return pairs, close
    item, score = pairs.T.ravel(), np.tile(close, 2)
    order = np.lexsort((-score, item))
    first = np.searchsorted(item[order], item[order], "left")
    kept = np.zeros(len(item), bool)
    kept[order] = np.arange(len(item)) - first < most
    both = kept[: len(pairs)] | kept[len(pairs) :]
    return pairs[both], close[both]
