"""The check itself: every source of a plan, whatever is wrong with the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from drivetrain.availability.look import Look, count
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.findings import Finding

if TYPE_CHECKING:
    import pyarrow as pa

    from drivetrain.availability.own import OwnCheck
    from drivetrain.spec import Source, Spec

Progress = Callable[[str, int, int], None]
"""Told what is going on: a source, what is done and how much there is."""


def check(
    spec: Spec,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    own: Iterable[OwnCheck] = (),
    cached: bool = True,
) -> list[Finding]:
    """Say whether the data of a plan are there, and enough for it.

    Args:
        spec: The plan.
        executor: Where files are read; in this process when None. The findings are the same either way.
        progress: Told as files are read.
        own: The team's own checks.
        cached: Whether files that did not change since the last check are left unread.

    Returns:
        Findings in the order of the plan, passes included.

    Raises:
        MissingPartError: The plan has no data yet.
    """
    from drivetrain.availability.curve import curves
    from drivetrain.availability.overlap import levers
    from drivetrain.availability.policies import policies
    from drivetrain.availability.today import today
    from drivetrain.source.read import opened_once

    spec.require("data")
    found: list[Finding] = []
    looks: dict[str, Look] = {}
    with opened_once():
        for source in spec.data:
            found += _source(spec, source, looks, executor, progress or (lambda *_: None), cached)
        found += levers(spec, looks)
        found += policies(spec, looks)
        found += today(spec, looks)
        found += curves(spec)
        found += _own(spec, looks, own)
    return found


def _source(
    spec: Spec,
    source: Source,
    looks: dict[str, Look],
    executor: Executor | None,
    progress: Progress,
    cached: bool,
) -> Iterator[Finding]:
    from drivetrain.availability.counts import counts
    from drivetrain.availability.groups import groups
    from drivetrain.availability.leaks import leaks
    from drivetrain.availability.names import names
    from drivetrain.availability.said import said
    from drivetrain.availability.sheet import Sheet

    progress(source.name, 0, 1)
    yield from said(spec, source)
    try:
        look, faults = _look(spec, source)
    except DrivetrainError as error:
        yield _not_there(source, error)
        return
    looks[source.name] = look
    yield from faults
    rows = count(look.own.count, "row")
    yield look.finding("DA101", "pass", f"it is there and can be read: {rows}.", facts={"rows": look.own.count})
    judges = (counts, groups, leaks, names, lambda one: Sheet(one).findings())
    said_before = set[tuple[str, str]]()
    for judge in (*judges, lambda one: _media(one, executor, progress, cached)):
        for finding in _guarded(look, judge):
            # Several judges may stumble over the same column.
            if finding.id != "DA101" or (finding.where, finding.what) not in said_before:
                yield finding
            if finding.id == "DA101":
                said_before.add((finding.where, finding.what))
    progress(source.name, 1, 1)


def _guarded(look: Look, judge: Callable[[Look], Iterator[Finding]]) -> Iterator[Finding]:
    """What a judge finds; a column that cannot be read ends this judge, and no other."""
    try:
        yield from judge(look)
    except DataError as error:
        yield Finding("DA101", "fail", error.where or look.where, error.what, error.advice)


def _media(look: Look, executor: Executor | None, progress: Progress, cached: bool) -> Iterator[Finding]:
    """What only reading the media themselves can tell."""
    kind, root, name = look.source.kind, look.spec.root, look.source.name
    if kind == "ratings":
        from drivetrain.availability.stars import stars

        yield from stars(look)
    if any(column.type == "text" for column in look.source.columns.values()) or "text" in kind:
        from drivetrain.availability.words import words

        yield from words(look)
    if "path" not in look.own or look.own.files or not (kind.startswith("images") or kind == "audio"):
        return
    from drivetrain.availability.watch import alike, facts_of

    above = os.path.join(root, "")
    paths = [above + path for path in look.own.column("path").to_pylist()]
    if kind == "audio":
        from drivetrain.availability import sounds

        heard, cache = facts_of(root, name, paths, sounds.record(), sounds.listen_to_all, executor, progress, cached)
        cache.keep()
        yield from sounds.sounds(look, heard)
        return
    from drivetrain.availability.images import look_at_all, record
    from drivetrain.availability.pictures import pictures

    seen, cache = facts_of(root, name, paths, record(), look_at_all, executor, progress, cached)
    yield from pictures(look, seen, alike(seen, cache, paths, executor, cached))


def _look(spec: Spec, source: Source) -> tuple[Look, list[Finding]]:
    """A source with its split; a split that cannot be made is a finding, and the rest is still looked at."""
    import numpy as np
    import pyarrow as pa

    from drivetrain.source.join import joined
    from drivetrain.source.read import open_rows
    from drivetrain.source.split import split_of

    own = open_rows(spec, source.name)
    faults: list[Finding] = []
    try:
        rows, row = joined(spec, source.name)
    except DataError as error:
        faults.append(Finding("DA101", "fail", error.where, error.what, error.advice))
        rows, row = own, np.arange(own.count)
    try:
        parts = split_of(spec, source.name)
    except DataError as error:
        faults.append(Finding("DA111", "fail", error.where, error.what, error.advice))
        parts = np.full(own.count, -1, np.int64)
    pa.default_memory_pool().release_unused()
    return Look(spec, source, rows, own, row, parts if rows is own else parts[row], parts), faults


def _not_there(source: Source, error: DrivetrainError) -> Finding:
    """A source that cannot be read; one that is still to be collected is an open question, no fault."""
    where = error.where or f"data.{source.name}"
    if source.collect is not None and isinstance(error, DataError) and "is not there" in error.what:
        return Finding("DA107", "unknown", where, "is still to be collected.", "`drivetrain collect` fetches it.")
    if "location" in source.unknown:
        open_ = source.unknown["location"]
        return Finding("DA107", "unknown", where, f"{open_.unknown} ({open_.owner}, by {open_.due})")
    return Finding("DA101", "fail", where, error.what or error.message, error.advice)


def _own(spec: Spec, looks: dict[str, Look], own: Iterable[OwnCheck]) -> Iterator[Finding]:
    from drivetrain.availability.own import judged
    from drivetrain.source.columns import case_name

    for one in own:
        name = one.source or case_name(spec) or ""
        if name in looks:
            try:
                rows = _cases(looks[name])
            except DataError as error:  # a cell that does not fit has a finding of its own
                yield Finding("DA901", "unknown", f"data.{name}", f"`{one.name}` could not run: {error.what}")
                continue
            yield from judged(one, rows, f"data.{name}")
        else:
            where = f"data.{name}" if name else "data"
            yield Finding("DA901", "unknown", where, f"`{one.name}` could not run: its source could not be read.")


def _cases(look: Look) -> pa.Table:
    """The rows of a source as `source.cases` gives them, for the team's own checks."""
    import numpy as np
    import pyarrow as pa

    from drivetrain.source.split import names

    table = look.rows.table()
    return table.append_column("split", names(look.parts)).append_column("case", pa.array(np.arange(look.rows.count)))
