"""Going through the files of a source: those that changed are read, by whatever executor there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from typing import TYPE_CHECKING, TypeVar

from drivetrain.availability.cache import Cache, keys
from drivetrain.availability.images import Seen, look_at_all, record

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.availability.engine import Progress

CHUNK = 128
"""Files that one task reads."""

S = TypeVar("S")
T = TypeVar("T")


def spread(work: Callable[[list[S]], T], items: Sequence[S], executor: Executor | None) -> Iterator[tuple[int, T]]:
    """What `work` gives for each chunk of the items, with the place of its first, as they get done.

    Args:
        work: Takes a list of items.
        items: `(n,)`.
        executor: Any executor; None works in this process.
    """
    starts = range(0, len(items), CHUNK)
    if executor is None:
        for start in starts:
            yield start, work(list(items[start : start + CHUNK]))
        return
    futures = {executor.submit(work, list(items[start : start + CHUNK])): start for start in starts}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def look_at_files(
    root: Path, name: str, paths: Sequence[str], executor: Executor | None, progress: Progress, cached: bool
) -> tuple[Seen, Callable[[list[tuple[str, str]]], list[float]]]:
    """What the pictures of a source show, and a way to compare pairs of them.

    Unchanged files are not read again; when the run is stopped, what was read so far is kept.

    Args:
        root: Folder of the plan, where the cache lies.
        name: The source.
        paths: Its files.
        executor: Where files are read.
        progress: Told as files are read.
        cached: Whether to use what an earlier run found out.
    """
    import numpy as np

    from drivetrain.availability.alike import compare_all

    cache = Cache(root, name, record())
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
        for start, part in spread(look_at_all, [paths[place] for place in todo], executor):
            places = todo[start : start + len(part.facts)]
            facts[places] = part.facts
            errors |= {places[place]: error for place, error in part.errors.items()}
            known[places] = True
            done += len(part.facts)
            progress(name, done, len(paths))
    except BaseException:
        cache.keep(np.where(known, wanted, 0).astype(np.uint64), facts, errors)
        raise
    if len(todo):
        cache.keep(wanted, facts, errors)
    digest = {path: f"{int(number):x}" for path, number in zip(paths, facts["digest"], strict=True)}

    def compare(pairs: list[tuple[str, str]]) -> list[float]:
        names = ["-".join(sorted((digest[a], digest[b]))) for a, b in pairs]
        fresh = [pair for pair, name in zip(pairs, names, strict=True) if not cached or name not in cache.scores]
        for start, scores in spread(compare_all, fresh, executor):
            for pair, score in zip(fresh[start:], scores, strict=False):
                cache.scores["-".join(sorted((digest[pair[0]], digest[pair[1]])))] = score
        if fresh:
            cache.keep(wanted, facts, errors)
        return [cache.scores[name] for name in names]

    return Seen(facts, errors), compare
