"""Which of many pictures are the same one in another form? Those that resemble each other are looked at closely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drivetrain.availability.images import THUMB, Seen
from drivetrain.availability.near import candidates, clusters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 32
"""Shorter side, in pixels, below which copies cannot be told from pictures that merely look alike."""
FLAT = 2.5
"""Spread of the brightness (0 to 255) below which there is too little to compare."""
FAR, SIDES = 14, 6
"""Bits in which the hashes, and the sides of planes, of two pictures of one origin may differ at most."""
RESEMBLING, FAINTLY = 0.85, 0.7
"""Correlation of 16 x 16 pixels from which on two pictures are looked at. Of what resembles a picture but faintly, as
thin lines that were cropped do, only the one that does most is."""
ALL = 4_000
"""Pictures up to which each is held against each; of more, those whose hashes are close."""
NEAREST, FEWEST, ASKED = 10, 4, 5_000
"""Of the pictures that resemble one most, how many are looked at: forms resemble hundreds. Of many pictures fewer, so
that 1,000 forms do not take an hour."""


def near_pairs(
    seen: Seen, paths: Sequence[str], compare: Callable[[list[tuple[str, str]]], list[float]]
) -> list[tuple[int, int, float]]:
    """Pairs of pictures that are the same one in another form, exact copies left out.

    Args:
        seen: What the pictures show, `(n,)`.
        paths: Their files, `(n,)`.
        compare: Takes pairs of files, gives how much of one the other explains at its worst place; 0 for strangers.

    Returns:
        Place, place and that share. Of a cluster of many only as many pairs as hold it together.
    """
    import numpy as np

    facts = seen.facts
    fit = (np.minimum(facts["width"], facts["height"]) >= LEAST) & (facts["spread"] >= FLAT)
    _, first = np.unique(facts["digest"], return_index=True)
    chosen = np.intersect1d(np.flatnonzero(fit), first)
    pairs = chosen[_resembling(facts["thumb"][chosen], facts["hash"][chosen])].tolist()
    found: dict[tuple[int, int], float] = {}
    while asked := [pair for pair in _forest(pairs) if pair not in found]:
        refused = set()
        for pair, score in zip(asked, compare([(paths[a], paths[b]) for a, b in asked]), strict=True):
            if score > 0:
                found[pair] = score
            else:
                refused.add(pair)
        pairs = [pair for pair in pairs if tuple(pair) not in refused]
    return [(a, b, score) for (a, b), score in sorted(found.items())]


def groups(count: int, pairs: Sequence[tuple[int, int, float]]) -> NDArray[np.int64]:
    """The group of each picture, `(count,)`."""
    import numpy as np

    return clusters(count, np.array([(a, b) for a, b, _ in pairs], np.int64).reshape(-1, 2))


def compare_all(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """How much of each pair's worst place is explained; 0 for strangers, and for files that cannot be read any more."""
    from drivetrain.availability.same import likeness

    scores = []
    for one, other in pairs:
        try:
            fits = likeness(one, other)
        except Exception:  # a file that changed meanwhile must not end the run
            scores.append(0.0)
            continue
        scores.append(1 - fits.shape if fits.same else 0.0)
    return scores


def _forest(pairs: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The first of the pairs that hold all together."""
    root: dict[int, int] = {}

    def top(item: int) -> int:
        while root.get(item, item) != item:
            root[item] = root.get(root[item], root[item])
            item = root[item]
        return item

    kept = []
    for a, b in pairs:
        one, other = top(a), top(b)
        if one != other:
            root[max(one, other)] = min(one, other)
            kept.append((a, b))
    return kept


def _resembling(thumbs: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pairs whose 16 x 16 pixels go together, `(m, 2)`, the closest first; of each picture only the nearest."""
    import numpy as np

    found = [
        (blocked[pairs], close)
        for blocked in _blocks(thumbs, hashes)
        for pairs, close in [_nearest(_normal(thumbs[blocked]))]
    ]
    if not found:
        return np.zeros((0, 2), np.int64)
    pairs, close = np.concatenate([p for p, _ in found]), np.concatenate([c for _, c in found])
    pairs, first = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    return np.asarray(pairs[np.argsort(-close[first], kind="stable")])


def _blocks(thumbs: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Groups of at most ALL pictures among which copies are looked for."""
    import numpy as np

    count = len(thumbs)
    if count <= ALL:
        if count > 1:
            yield np.arange(count)
        return
    pairs = np.concatenate([candidates(np.ascontiguousarray(hashes), FAR), candidates(_signs(thumbs), SIDES)])
    unit = clusters(count, pairs)
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(unit[order]) > 0]))
    for group in np.split(order, starts[1:]):
        if 1 < len(group) <= ALL:
            yield group
        elif len(group) > ALL:
            # Thousands that all look alike: copies lie next to each other in whatever direction one looks.
            normal = _normal(thumbs[group])
            for direction in _directions()[:, :3].T:
                along = group[np.argsort(normal @ direction)]
                for start in range(0, len(along) - ALL // 2, ALL // 2):
                    yield along[start : start + ALL]


def _nearest(normal: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each picture those that resemble it most, as pairs, and how much.

    Among forms and X-rays a crop changes a thumb more than another form does. So what moving the edges of a picture a
    little would change in its thumb does not count (tangent distance: Simard, LeCun and Denker 1993).
    """
    import numpy as np

    pairs, close = [], []
    for start in range(0, len(normal), 500):
        some = normal[start : start + 500]
        rows = np.arange(len(some))
        alike = some @ normal.T
        for tangent in np.moveaxis(_tangents(some), 1, 0):
            along = tangent @ normal.T
            along -= along[rows, start + rows][:, None]
            along *= along
            alike += along / 2
        alike[rows, start + rows] = -1
        best = min(max(FEWEST, min(NEAREST, ASKED // len(normal))), len(normal))
        columns = np.argpartition(-alike, best - 1, axis=1)[:, :best]
        score = np.take_along_axis(alike, columns, axis=1)
        most = score == score.max(axis=1, keepdims=True)
        row, column = np.nonzero((score >= RESEMBLING) | (most & (score >= FAINTLY)))
        pairs.append(np.stack([start + row, columns[row, column]], axis=1))
        close.append(score[row, column])
    return np.concatenate(pairs), np.concatenate(close)


def _tangents(normal: NDArray[np.float32]) -> NDArray[np.float32]:
    """What moving each of the four edges changes in a thumb, made orthonormal, `(n, 4, 256)`."""
    import numpy as np

    square = normal.reshape(-1, THUMB, THUMB)
    down, across = np.asarray(np.gradient(square, axis=1)), np.asarray(np.gradient(square, axis=2))
    ramp = (np.arange(THUMB, dtype=np.float32) + 0.5) / THUMB
    moves = [across * (1 - ramp), across * ramp, down * (1 - ramp[:, None]), down * ramp[:, None]]
    tangents = np.stack([move.reshape(len(normal), -1) for move in moves], axis=1)
    tangents -= tangents.mean(2, keepdims=True)
    # Along stripes nothing changes: what is left there is noise, and no direction to leave out.
    inner = tangents @ tangents.swapaxes(1, 2) + 0.01 * np.eye(4, dtype=np.float32)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(inner), tangents), np.float32)


def _normal(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbs without their mean, of length one, `(n, 256)`."""
    import numpy as np

    normal = thumbs.astype(np.float32)
    normal -= normal.mean(1, keepdims=True)
    normal /= np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None] + 1e-6
    return np.asarray(normal)


def _signs(thumbs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A second hash: on which side of 64 planes a thumb lies (Charikar 2002); the first fails for stripes."""
    import numpy as np

    found = [
        np.packbits(_normal(thumbs[start : start + 50_000]) @ _directions() > 0, axis=1).view(np.uint64)[:, 0]
        for start in range(0, len(thumbs), 50_000)
    ]
    return np.concatenate(found)


@lru_cache(maxsize=1)
def _directions() -> NDArray[Any]:
    """Sixty-four directions in the space of thumbs, `(256, 64)`."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(THUMB * THUMB, 64)).astype(np.float32)
