"""Which of many pictures are the same one in another form? Those that resemble each other are looked at closely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drivetrain.availability.crowd import Closest, closest
from drivetrain.availability.images import Seen
from drivetrain.availability.near import clusters
from drivetrain.availability.thumbs import leaves, reduced, resembling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 32
"""Shorter side, in pixels, below which copies cannot be told from pictures that merely look alike."""
FLAT = 2.5
"""Spread of the brightness (0 to 255) below which there is too little to compare."""
DOUBT = 0.9
"""Share of its worst place that is explained, below which a copy is doubted when another picture fits better."""
CROWD = 1_000
"""Pictures of a crowd that are looked at together; of more, parts that are alike, in two ways."""
Compare = Callable[[list[tuple[str, str]]], list[float]]
Finer = Callable[[list[str]], "NDArray[np.uint8]"]


def near_pairs(seen: Seen, paths: Sequence[str], compare: Compare, look: Finer) -> list[tuple[int, int, float]]:
    """Pairs of pictures that are the same one in another form, exact copies left out.

    Args:
        seen: What the pictures show, `(n,)`.
        paths: Their files, `(n,)`.
        compare: Takes pairs of files, gives how much of one the other explains at its worst place; 0 for strangers.
        look: Takes files, gives squares of 96 x 96 brightnesses; asked for those that resemble many others.

    Returns:
        Place, place and that share. Of a cluster of many only as many pairs as hold it together.
    """
    from threadpoolctl import threadpool_limits

    # The threads of a numerical library wait for each other in a circle, and take the cores from whoever works.
    with threadpool_limits(1, "blas"):
        return _near_pairs(seen, paths, compare, look)


def _near_pairs(seen: Seen, paths: Sequence[str], compare: Compare, look: Finer) -> list[tuple[int, int, float]]:
    import numpy as np

    facts = seen.facts
    fit = (np.minimum(facts["width"], facts["height"]) >= LEAST) & (facts["spread"] >= FLAT)
    _, first = np.unique(facts["digest"], return_index=True)
    chosen = np.intersect1d(np.flatnonzero(fit), first)
    near = resembling(facts["thumb"], facts["hash"], chosen)
    finer = _in_crowds(near.crowd, facts["thumb"], paths, look)
    every = np.concatenate([near.pairs, finer.pairs[~finer.spare]])
    closeness = np.concatenate([near.close, finer.close[~finer.spare]])
    every = every[np.argsort(-closeness, kind="stable")]
    pairs = every[np.sort(np.unique(every[:, 0] << 32 | every[:, 1], return_index=True)[1])].tolist()
    found: dict[tuple[int, int], float] = {}
    while asked := [pair for pair in _forest(pairs) if pair not in found]:
        refused = set()
        for pair, score in zip(asked, compare([(paths[a], paths[b]) for a, b in asked]), strict=True):
            if score > 0:
                found[pair] = score
            else:
                refused.add(pair)
        pairs = [pair for pair in pairs if tuple(pair) not in refused]
    found |= _better(found, finer.pairs[finer.spare], paths, compare)
    for pair in _doubtful(found, paths, compare):
        del found[pair]
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


def _better(
    found: dict[tuple[int, int], float], spare: NDArray[np.int64], paths: Sequence[str], compare: Compare
) -> dict[tuple[int, int], float]:
    """Pairs of pictures that found nothing but doubtful copies with what is certainly the same."""
    sure = {item for pair, score in found.items() if score >= DOUBT for item in pair}
    unsure = {item for pair, score in found.items() if score < DOUBT for item in pair} - sure
    asked = {(min(a, b), max(a, b)) for a, b in spare.tolist() if a in unsure or b in unsure} - found.keys()
    questions = sorted(asked)
    scores = compare([(paths[a], paths[b]) for a, b in questions])
    return {pair: score for pair, score in zip(questions, scores, strict=True) if score >= DOUBT}


def _doubtful(found: dict[tuple[int, int], float], paths: Sequence[str], compare: Compare) -> set[tuple[int, int]]:
    """Pairs to take back: copies of two strangers are no copies of each other, nor is one of them of the other's.

    A small picture of a page hardly shows its numbers, and would be a copy of two pages that differ in these alone.
    """
    partners: dict[int, list[tuple[float, int]]] = {}
    for (a, b), score in found.items():
        partners.setdefault(a, []).append((score, b))
        partners.setdefault(b, []).append((score, a))
    best = {item: max(others) for item, others in partners.items()}
    asked: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (a, b), score in found.items():
        if score >= DOUBT:
            continue
        # What each of the two is closest to, if that is not the other.
        ones, others = ([item] + ([best[item][1]] if best[item][0] > score else []) for item in (a, b))
        for one in ones:
            for other in others:
                if one != other and (one, other) != (a, b):
                    asked.setdefault((min(one, other), max(one, other)), []).append((a, b))
    questions = [pair for pair in asked if pair not in found]
    scores = compare([(paths[a], paths[b]) for a, b in questions])
    return {pair for question, score in zip(questions, scores, strict=True) if not score for pair in asked[question]}


def _in_crowds(crowd: NDArray[np.int64], thumbs: NDArray[np.uint8], paths: Sequence[str], look: Finer) -> Closest:
    """Of pictures in crowds the few that are most likely the same."""
    import numpy as np

    places, pairs = np.unique(crowd, return_inverse=True)
    unit = clusters(len(places), pairs.reshape(-1, 2))
    found = [Closest(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), np.zeros(0, bool))]
    for group in np.split(np.argsort(unit, kind="stable"), np.cumsum(np.unique(unit, return_counts=True)[1])[:-1]):
        for part in leaves(reduced(thumbs, places[group]), CROWD, CROWD, 2) if len(group) > 2 else ():
            here = places[group[part]]
            one = closest(look([paths[place] for place in here]))
            found.append(one._replace(pairs=np.sort(here[one.pairs], axis=1)))
    return Closest(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


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
