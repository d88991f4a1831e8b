"""The check itself: every source of a plan, whatever is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from typing import TYPE_CHECKING, TypeVar

from drivetrain.availability.look import Look
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from drivetrain.availability.own import OwnCheck
    from drivetrain.spec import Source, Spec

Progress = Callable[[str, int, int], None]
"""Told what is going on: a source, what is done and how much there is."""

CHUNK = 128
"""Files that one task reads."""

T = TypeVar("T")


def check(
    spec: Spec,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    own: Iterable[OwnCheck] = (),
) -> list[Finding]:
    """Say whether the data of a plan are there, and enough for it.

    Args:
        spec: The plan.
        executor: Where files are read; in this process when None. The findings are the same either way.
        progress: Told as files are read.
        own: The team's own checks.

    Returns:
        Findings in the order of the plan, passes included.

    Raises:
        MissingPartError: The plan has no data yet.
    """
    spec.require("data")
    found: list[Finding] = []
    looks: dict[str, Look] = {}
    for source in spec.data:
        found += _source(spec, source, looks, executor, progress or (lambda *_: None))
    from drivetrain.availability.overlap import levers

    found += levers(spec, looks)
    found += _own(spec, looks, own)
    return found


def _source(
    spec: Spec, source: Source, looks: dict[str, Look], executor: Executor | None, progress: Progress
) -> Iterator[Finding]:
    from drivetrain.availability.counts import counts
    from drivetrain.availability.leaks import leaks
    from drivetrain.availability.said import said

    progress(source.name, 0, 1)
    yield from said(spec, source)
    try:
        look = _look(spec, source)
    except DrivetrainError as error:
        yield _not_there(source, error)
        return
    looks[source.name] = look
    files = f"{look.own.num_rows:,} rows"
    yield look.finding("DA101", "pass", f"it is there and can be read: {files}.", facts={"rows": look.own.num_rows})
    yield from counts(look)
    yield from leaks(look)
    if source.kind.startswith("images") and "path" in look.rows.column_names:
        from drivetrain.availability.images import look_at_all
        from drivetrain.availability.pictures import pictures

        paths = [str(spec.root / path) for path in look.rows["path"].to_pylist()]
        yield from pictures(look, spread(look_at_all, paths, executor, lambda n: progress(source.name, n, len(paths))))
    progress(source.name, 1, 1)


def _look(spec: Spec, source: Source) -> Look:
    import numpy as np

    from drivetrain import source as sources
    from drivetrain.source.split import names, split_of

    own = sources.table(spec, source.name)
    return Look(
        spec,
        source,
        sources.cases(spec, source.name),
        own,
        np.asarray(names(split_of(spec, source.name)).to_pylist(), dtype=str),
    )


def _not_there(source: Source, error: DrivetrainError) -> Finding:
    """A source that cannot be read; one that is still to be collected is an open question, no fault."""
    where = error.where or f"data.{source.name}"
    if source.collect is not None and isinstance(error, DataError) and "is not there" in error.what:
        return Finding("DA107", "unknown", where, "is still to be collected.", "`drivetrain collect` fetches it.")
    if "location" in source.unknown:
        open_ = source.unknown["location"]
        return Finding("DA107", "unknown", where, f"{open_.unknown} ({open_.owner}, by {open_.due})")
    return Finding("DA101", "fail", where, error.what or error.message, error.advice)


def spread(
    work: Callable[[list[str]], list[T]], items: Sequence[str], executor: Executor | None, done: Callable[[int], None]
) -> list[T]:
    """What `work` gives for each item, in their order, a chunk a task.

    Args:
        work: Takes a list and gives a list of the same length.
        items: `(n,)`.
        executor: Any executor; None works here.
        done: Told how many items are done.
    """
    chunks = [list(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
    results: list[list[T]] = [[] for _ in chunks]
    finished = 0
    if executor is None:
        for place, chunk in enumerate(chunks):
            results[place] = work(chunk)
            finished += len(chunk)
            done(finished)
    else:
        futures = {executor.submit(work, chunk): place for place, chunk in enumerate(chunks)}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            finished += len(results[futures[future]])
            done(finished)
    return [result for part in results for result in part]


def _own(spec: Spec, looks: dict[str, Look], own: Iterable[OwnCheck]) -> Iterator[Finding]:
    from drivetrain.availability.own import judged
    from drivetrain.source.columns import case_name

    for one in own:
        name = one.source or case_name(spec) or ""
        if name in looks:
            yield from judged(one, looks[name].rows, f"data.{name}")
        else:
            where = f"data.{name}" if name else "data"
            yield Finding("DA901", "unknown", where, f"`{one.name}` could not run: its source could not be read.")
