"""Going through the files of a source: those that changed are read, by whatever executor there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from typing import TYPE_CHECKING, Any, TypeVar

from drivetrain.availability.cache import Cache, keys
from drivetrain.availability.images import Seen
from drivetrain.workers import cores

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.availability.engine import Progress

FILES, BYTES, PAIRS = 256, 16_000_000, 16
"""Most files that one task reads, about the most bytes of them (what is not done when a run is stopped is lost, and the
bar moves once a task), and most pairs that one compares."""

S = TypeVar("S")
T = TypeVar("T")


def spread(
    work: Callable[[list[S]], T], items: Sequence[S], executor: Executor | None, at_once: int
) -> Iterator[tuple[int, T]]:
    """What `work` gives for each chunk of the items, with the place of its first, as they get done.

    Args:
        work: Takes a list of items.
        items: `(n,)`.
        executor: Any executor; None works in this process.
        at_once: Items of a chunk.
    """
    starts = range(0, len(items), at_once)
    if executor is None:
        for start in starts:
            yield start, work(list(items[start : start + at_once]))
        return
    futures = {executor.submit(work, list(items[start : start + at_once])): start for start in starts}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def facts_of(
    root: Path,
    name: str,
    paths: Sequence[str],
    layout: np.dtype[Any],
    work: Callable[[list[str]], Seen],
    executor: Executor | None,
    progress: Progress,
    cached: bool,
) -> tuple[Seen, Cache]:
    """What `work` notes of each file of a source.

    Unchanged files are not read again; when the run is stopped, what was read so far is kept. After it, the caller
    keeps the cache.

    Args:
        root: Folder of the plan, where the cache lies.
        name: The source.
        paths: Its files, `(n,)`.
        layout: Of the records that `work` gives.
        work: Reads a list of files.
        executor: Where files are read.
        progress: Told as files are read.
        cached: Whether to use what an earlier run found out.

    Returns:
        The records in the order of the files, and the cache.
    """
    import numpy as np

    cache = Cache(root, name, layout)
    wanted = keys(paths)
    known, facts = cache.look_up(wanted)
    if not cached:
        known[:] = False
    said = {int(key): error for key, error in cache.errors.items()} if known.any() else {}
    errors = {int(place): said[int(wanted[place])] for place in np.flatnonzero(known) if int(wanted[place]) in said}
    todo = np.flatnonzero(~known).tolist()
    done = len(paths) - len(todo)
    progress(name, done, len(paths))
    try:
        fresh = [paths[place] for place in todo]
        for start, part in spread(work, fresh, executor, _at_once(fresh)):
            places = todo[start : start + len(part.facts)]
            facts[places] = part.facts
            errors |= {places[place]: error for place, error in part.errors.items()}
            known[places] = True
            done += len(part.facts)
            progress(name, done, len(paths))
    except BaseException:
        cache.learn(np.where(known, wanted, 0).astype(np.uint64), facts, errors)
        cache.keep()
        raise
    if len(todo):
        cache.learn(wanted, facts, errors)
    return Seen(facts, errors), cache


def _at_once(paths: Sequence[str]) -> int:
    """Files that one task reads, by the size of some of them."""
    sizes = [1]
    for path in paths[:: len(paths) // 20 + 1]:
        with contextlib.suppress(OSError, ValueError):
            sizes.append(os.path.getsize(path))
    return max(1, min(FILES, BYTES * len(sizes) // sum(sizes)))


def alike(
    seen: Seen, cache: Cache, paths: Sequence[str], executor: Executor | None, cached: bool
) -> list[tuple[int, int, float]]:
    """Pairs of pictures that are the same one in another form (`near_pairs`); what was compared before is not again."""
    import numpy as np
    from xxhash import xxh3_64_hexdigest

    from drivetrain.availability.alike import compare_all, near_pairs
    from drivetrain.availability.crowd import finer

    of = xxh3_64_hexdigest(seen.facts.tobytes())
    if cached and of in cache.alike:
        cache.keep()
        return cache.alike[of]
    digest = dict(zip(paths, seen.facts["digest"].tolist(), strict=True))

    def name_of(pair: tuple[str, str]) -> str:
        return "-".join(sorted(f"{digest[path]:x}" for path in pair))

    def compare(pairs: list[tuple[str, str]]) -> list[float]:
        fresh = [pair for pair in pairs if not cached or name_of(pair) not in cache.scores]
        for start, scores in spread(compare_all, fresh, executor, min(PAIRS, -(-len(fresh) // cores()) or 1)):
            for pair, score in zip(fresh[start : start + len(scores)], scores, strict=True):
                cache.scores[name_of(pair)] = score
                cache.fresh = True
        return [cache.scores[name_of(pair)] for pair in pairs]

    def look(files: list[str]) -> NDArray[np.uint8]:
        parts = dict(spread(finer, files, executor, _at_once(files)))
        return np.concatenate([parts[start] for start in sorted(parts)])

    try:
        pairs = near_pairs(seen, paths, compare, look)
        cache.alike, cache.fresh = {of: pairs}, True
    finally:  # when the run is stopped, what was compared so far is kept
        cache.keep()
    return pairs
