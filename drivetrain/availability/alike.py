"""Are two pictures the same one, compressed, resized, darkened or cropped? A close look at the few that may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drivetrain.availability.images import Seen
from drivetrain.availability.near import candidates, clusters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 64
SHIFT = 2
"""Pixels of 64 by which one picture may be moved against the other: what a crop by 2 % on one side does, and a bit."""
CROPS = ((1.0, 1.0), (0.98, 1.0), (1.0, 0.98), (0.98, 0.98), (0.96, 0.96))
LEAST = 32
"""Shorter side, in pixels, below which copies cannot be told from pictures that merely look alike."""
FLAT = 8.0
"""Spread of the brightness (0 to 255) below which there is too little to compare."""
FAR = 14
"""Bits in which the hashes of two pictures of one origin may differ at most."""
ALIKE, CLOSE, SURE = 0.92, 10, 0.96
"""Correlation from which on two pictures whose hashes differ in at most CLOSE bits, or in more, are the same."""
STRANGE = 0.6
"""Correlation of the whole pictures below which no crop is tried: a crop by 2 % leaves 0.85 and more."""
PLACE = 0.7
"""Correlation of the least alike place of two pictures: forms and X-rays look alike as a whole, copies everywhere."""
FINE, MARGIN, TILE = 128, 8, 16
"""Pixels of the square in which places are compared, of its edge that is left out, and of the side of a place."""
PLAIN = 2.0
"""Spread of the brightness (0 to 255) below which a place of both pictures shows nothing to compare."""
ROUNDS = 12


def near_pairs(
    seen: Seen, paths: Sequence[str], compare: Callable[[list[tuple[str, str]]], list[float]]
) -> list[tuple[int, int, float]]:
    """Pairs of pictures that are the same one in another form, exact copies left out.

    Args:
        seen: What the pictures show, `(n,)`.
        paths: Their files, `(n,)`.
        compare: Takes pairs of files, gives the correlation of each.

    Returns:
        Place, place and correlation. Of a cluster of many only as many pairs as hold it together.
    """
    import numpy as np

    facts = seen.facts
    fit = (np.minimum(facts["width"], facts["height"]) >= LEAST) & (facts["spread"] >= FLAT)
    _, first = np.unique(facts["digest"], return_index=True)
    chosen = np.intersect1d(np.flatnonzero(fit), first)
    pairs: NDArray[np.int64] = chosen[candidates(np.ascontiguousarray(facts["hash"][chosen]), FAR)]
    pairs = _resembling(facts["thumb"], pairs.reshape(-1, 2))
    bits = {(int(a), int(b)): int(np.bitwise_count(facts["hash"][a] ^ facts["hash"][b])) for a, b in pairs}
    found: dict[tuple[int, int], float] = {}
    for _ in range(ROUNDS):
        asked = [pair for pair in _forest(len(facts), pairs) if pair not in found]
        if not asked:
            break
        scores = compare([(paths[a], paths[b]) for a, b in asked])
        refused = set()
        for pair, score in zip(asked, scores, strict=True):
            if score >= (ALIKE if bits[pair] <= CLOSE else SURE):
                found[pair] = score
            else:
                refused.add(pair)
        pairs = np.array([p for p in pairs.tolist() if tuple(p) not in refused], np.int64).reshape(-1, 2)
    return [(a, b, score) for (a, b), score in sorted(found.items())]


def groups(count: int, pairs: Sequence[tuple[int, int, float]]) -> NDArray[np.int64]:
    """The group of each picture, `(count,)`."""
    import numpy as np

    return clusters(count, np.array([(a, b) for a, b, _ in pairs], np.int64).reshape(-1, 2))


def _forest(count: int, pairs: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The first of the pairs that hold all together."""
    root: dict[int, int] = {}

    def top(item: int) -> int:
        while root.get(item, item) != item:
            root[item] = root.get(root[item], root[item])
            item = root[item]
        return item

    kept = []
    for a, b in pairs.tolist():
        one, other = top(a), top(b)
        if one != other:
            root[max(one, other)] = min(one, other)
            kept.append((a, b))
    return kept


def _resembling(thumbs: NDArray[np.uint8], pairs: NDArray[np.int64], least: float = 0.85) -> NDArray[np.int64]:
    """Pairs whose 16 x 16 pixels go together, the closest first; most pairs that merely share a hash end here."""
    import numpy as np

    close = np.zeros(len(pairs))
    for start in range(0, len(pairs), 100_000):
        block = pairs[start : start + 100_000]
        a, b = (thumbs[block[:, side]].astype(np.float32) for side in (0, 1))
        a -= a.mean(1, keepdims=True)
        b -= b.mean(1, keepdims=True)
        size = np.sqrt((a * a).sum(1) * (b * b).sum(1)) + 1e-6
        close[start : start + 100_000] = (a * b).sum(1) / size
    order = np.argsort(-close, kind="stable")
    return pairs[order[close[order] >= least]]


def compare_all(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Correlation of each pair of files; 0 where one of them cannot be read any more."""
    scores = []
    for one, other in pairs:
        try:
            scores.append(_score(one, other))
        except Exception:  # a file that changed meanwhile must not end the run
            scores.append(0.0)
    return scores


def _score(one: str, other: str) -> float:
    """The best correlation of one picture, whole, with any crop of the other; 0 when a place of them differs."""
    whole = (*_best(_view(one, 0), _view(other, 0)), (0, 0))
    if whole[0] < STRANGE:
        return whole[0]
    tried = [(0, crop) for crop in range(1, len(CROPS))] + [(crop, 0) for crop in range(1, len(CROPS))]
    found = [(*_best(_view(one, a), _view(other, b)), (a, b)) for a, b in tried]
    score, shift, crops = max([whole, *found])
    if score >= ALIKE and _least_place(_fine(one, crops[0]), _fine(other, crops[1]), shift) < PLACE:
        return 0.0
    return score


def _fine(path: str, crop: int) -> NDArray[np.float32]:
    """Brightness of a crop of a picture, without its finest grain, `(FINE, FINE)`."""
    import numpy as np

    soft = _soft()
    return np.asarray(soft @ _cropped(path, crop, FINE) @ soft)


@lru_cache(maxsize=1)
def _soft() -> NDArray[np.float32]:
    """Multiplied from both sides it blurs by a pixel."""
    import numpy as np

    steps = np.arange(FINE)
    near = np.exp(-((steps[:, None] - steps) ** 2) / (2 * 1.2**2))
    return np.asarray(near / near.sum(1, keepdims=True), np.float32)


def _least_place(one: NDArray[np.float32], other: NDArray[np.float32], shift: tuple[int, int]) -> float:
    """The smallest correlation of any place of two pictures that shows something in at least one of them."""
    import numpy as np

    side = (FINE - 2 * MARGIN) // TILE
    inner = slice(MARGIN, FINE - MARGIN)
    places = [
        picture[inner, inner].reshape(side, TILE, side, TILE).swapaxes(1, 2).reshape(side * side, -1)
        for picture in (one, np.roll(other, shift, (0, 1)))
    ]
    a, b = (place - place.mean(1, keepdims=True) for place in places)
    spread_a, spread_b = a.std(1), b.std(1)
    shows = (spread_a > PLAIN) | (spread_b > PLAIN)
    if not shows.any():
        return 1.0
    return float(((a * b).mean(1) / (spread_a * spread_b + 1e-6))[shows].min())


@lru_cache(maxsize=1)
def _band() -> tuple[NDArray[Any], NDArray[Any]]:
    """A window over the picture, and how much each wave counts: neither slow changes of light nor the finest grain."""
    import numpy as np

    rate = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    band = np.exp(-(np.log(np.maximum(rate, 1e-3) / 0.09) ** 2) / (2 * 0.75**2))
    band[rate < 0.02] = 0
    edge = np.hanning(SIDE + 2)[1:-1]
    return np.sqrt(np.outer(edge, edge)), band


@lru_cache(maxsize=256)
def _grey(path: str) -> NDArray[np.uint8]:
    """The picture in grey, no larger than comparing needs."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as opened:
        opened.draft("L", (2 * SIDE, 2 * SIDE))
        return np.asarray(opened.convert("L"))


def _cropped(path: str, crop: int, side: int) -> NDArray[np.float32]:
    """A crop of a picture as a square."""
    import numpy as np
    from PIL import Image

    across, down = CROPS[crop]
    grey = Image.fromarray(_grey(path))
    left, top = grey.width * (1 - across) / 2, grey.height * (1 - down) / 2
    box = (left, top, grey.width - left, grey.height - top)
    return np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR, box=box), np.float32)


@lru_cache(maxsize=1024)
def _view(path: str, crop: int) -> NDArray[Any]:
    """Spectrum of a crop of a picture, with unit energy."""
    import numpy as np

    window, band = _band()
    view = _cropped(path, crop, SIDE)
    waves = np.fft.rfft2((view - view.mean()) * window) * band
    energy = (np.abs(waves[:, [0, -1]]) ** 2).sum() + 2 * (np.abs(waves[:, 1:-1]) ** 2).sum()
    return np.asarray(waves / (np.sqrt(energy) + 1e-6))


def _best(one: NDArray[Any], other: NDArray[Any]) -> tuple[float, tuple[int, int]]:
    """The largest correlation over small shifts, and the shift, in half pixels of SIDE."""
    import numpy as np

    both = one * np.conj(other)
    fine = np.zeros((2 * SIDE, SIDE + 1), complex)
    fine[: SIDE // 2, : SIDE // 2 + 1] = both[: SIDE // 2]
    fine[-SIDE // 2 :, : SIDE // 2 + 1] = both[SIDE // 2 :]
    shifted = np.fft.irfft2(fine, s=(2 * SIDE, 2 * SIDE)) * (2 * SIDE) ** 2
    reach = np.r_[-2 * SHIFT : 2 * SHIFT + 1]
    near = shifted[np.ix_(reach, reach)]
    down, across = np.unravel_index(near.argmax(), near.shape)
    return float(near.max()), (int(reach[down]), int(reach[across]))
