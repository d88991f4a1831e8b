"""Rows of a source that is a folder: what the names of its files say, no two of them alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.sample import columns as make
from drivetrain.sample.naming import counts, holds, tail, times_of, values_of
from drivetrain.sample.world import ROW, join_names, span
from drivetrain.source.columns import needed

if TYPE_CHECKING:
    from drivetrain.sample.world import Frame, World
    from drivetrain.spec import Source


def named(world: World, source: Source, rows: int) -> Frame:
    """Files of a folder: what their names say."""
    frame: Frame = {ROW: np.arange(1, rows + 1)}
    pattern = source.filename or ""
    named = list(re.compile(pattern).groupindex) if pattern else []
    labels = {outcome.column for outcome in source.outcomes.values()}
    for group in named:
        if group in labels:
            continue
        draw = world.draw(source.name, group)
        declared = source.columns.get(group)
        values = list(declared.values or []) if declared is not None else []
        if declared is not None and declared.type == "time":
            values = times_of(pattern, group, make.times(rows, *span(source), draw), draw)
        elif group in {source.entity, *join_names(source)}:
            values = values_of(pattern, group, max(10, rows // 5), draw)
        words = [word for word in world.known.words.get(group, []) if holds(pattern, group, word)]
        values = values or list(dict.fromkeys([*words, *values_of(pattern, group, 3, draw)]))
        if values:
            frame[group] = np.array(values)[draw.integers(0, len(values), rows)]
    if pattern and not counts(pattern) and not tail(pattern, 1):
        _tell_apart(world, source, pattern, frame)
    for name in [*source.columns, *needed(world.spec, source)]:
        if name not in frame and source.collect is not None and name not in labels:
            declared = source.columns.get(name)
            frame[name] = make.category(
                name, (declared.values if declared else None) or [], rows, world.known, world.draw(source.name, name)
            )
    for key in join_names(source):
        if key not in frame:
            frame[key] = make.ids(world.key(source.name, key), rows)
            world.pools[world.key(source.name, key)] = frame[key]
    return frame


def _tell_apart(world: World, source: Source, pattern: str, frame: Frame) -> None:
    """Draw groups of the file names again until no two names are alike."""
    logged = {name for name, declared in source.columns.items() if declared.role == "logged"}
    groups = [name for name in re.compile(pattern).groupindex if name in frame and name not in logged]
    rows = len(frame[ROW])
    free = [n for n in groups if n not in source.columns or not source.columns[n].values]
    free = [n for n in free if n not in {source.entity, source.time, *source.groups, *join_names(source)}] or free
    if not free:
        return
    name = free[-1]
    draw = world.draw(source.name, name, "apart")
    timed = name in source.columns and source.columns[name].type == "time"
    pool = np.unique(frame[name]) if timed else np.array(values_of(pattern, name, rows, draw))
    for _ in range(50):
        whole = np.array(["\0".join(row) for row in zip(*(frame[n].tolist() for n in groups), strict=True)])
        _, first = np.unique(whole, return_index=True)
        again = np.setdiff1d(np.arange(rows), first)
        if not len(again):
            return
        frame[name] = np.array(frame[name], dtype=object)
        frame[name][again] = pool[draw.integers(0, len(pool), len(again))]
        frame[name] = frame[name].astype(str)
