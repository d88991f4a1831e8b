"""Rows of a plan's sources: keys that match, times in order, and columns that depend on nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.sample import columns as make
from drivetrain.sample.files import name_files, write_source
from drivetrain.sample.folder import named
from drivetrain.sample.hints import hints
from drivetrain.sample.naming import seconds_of
from drivetrain.sample.outcomes import observed, outcomes, rate_of
from drivetrain.sample.world import (
    MEDIA,
    ROW,
    YEAR,
    Frame,
    World,
    detail_of,
    followed,
    is_detail,
    joined,
    recorded,
    span,
)
from drivetrain.source.columns import case_name, join_keys
from drivetrain.spec.duration import seconds

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.spec import Join, Source, Spec

ROWS = 2_000
MOST = 5_000_000
"""Rows that are made up for a source at most: what a machine can hold."""
FILES_PER_CLASS = 60


def make_world(spec: Spec, stage: Path, seed: int) -> Mapping[str, Any]:
    """Write synthetic data for every source of a plan; returns what is known about them."""
    world = World(spec, stage, seed, hints(spec))
    for source in spec.data:
        build(world, source)
    name_files(world)
    for source in spec.data:
        write_source(world, source)
    return {"synthetic": True, "seed": seed, "outcomes": world.truth, "levels": world.levels}


def build(world: World, source: Source) -> Frame:
    """Rows of a source, after those of the sources that they refer to."""
    if source.name in world.frames:
        return world.frames[source.name]
    parent = detail_of(world.spec, source)
    if parent is not None:
        build(world, parent)
        if source.name in world.frames:
            return world.frames[source.name]
    follower = followed(world.spec, source)
    if follower is not None and follower[0].name not in world.frames:
        build(world, follower[0])
        if source.name in world.frames:
            return world.frames[source.name]
    world.frames[source.name] = {}
    for join in source.join:
        if not is_detail(world.spec, join) and followed(world.spec, world.spec.source(str(join.data))) is None:
            build(world, world.spec.source(str(join.data)))
    if source.kind == "ratings":
        frame = _ratings(world, source)
    elif source.kind in MEDIA and not _is_table(source):
        frame = named(world, source, size(world, source))
    else:
        frame = _table(world, source)
    world.frames[source.name] = frame
    outcomes(world, source, joined(world, source))
    for join in source.join:
        if is_detail(world.spec, join):
            _detail(world, source, join)
        elif followed(world.spec, world.spec.source(str(join.data))) is not None:
            build(world, world.spec.source(str(join.data)))
    return frame


def _is_table(source: Source) -> bool:
    """Whether a medium's rows stand in a table that refers to files, or holds texts."""
    where = source.location or ""
    return where.lower().split("?")[0].endswith((".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz"))


def size(world: World, source: Source) -> int:
    """Rows that satisfy the needs of the plan with some to spare."""
    needs = source.needs
    classes = [len(o.values or []) or 2 for o in source.outcomes.values() if o.type in ("category", "binary")]
    most = max(classes, default=1)
    # What seldom happens, or is seldom seen, needs more rows until it was seen often enough.
    seen = min((0.5 if o.observed_when != "True" else 1.0 for o in source.outcomes.values()), default=1.0)
    rate = seen * min((rate_of(world, n) for n, o in source.outcomes.items() if o.type == "binary"), default=0.3)
    groups = max((_values(source, name) for name in source.groups), default=4)
    settings = max((len(world.spec.derived.settings(lever)) for lever in world.spec.levers), default=1)
    pictured = any(column.type in ("image", "audio") for column in source.columns.values())
    media = source.kind in MEDIA and (pictured or not _is_table(source))
    kinds = {outcome.type for outcome in source.outcomes.values()}
    usual = FILES_PER_CLASS * max(most, 4) if media else ROWS
    wanted = [
        usual,
        needs.rows or 0,
        (needs.per_class or 0) * max(most * 2.2 / seen, (1.3 / rate if "binary" in kinds and not media else 0)),
        (needs.events or 0) * 1.8 / rate,
        (needs.per_setting or 0) * max(settings, 1) * 2.2,
        (needs.per_group or 0) * groups * 1.8,
    ]
    rows = math.ceil(max(wanted))
    if rows > MOST:
        raise DataError(
            f"asks for {rows:,} rows of sample data, and {MOST:,} are the most that are made up.",
            "Ask for less until there are real data.",
            f"data.{source.name}.needs",
        )
    return rows


def _values(source: Source, name: str) -> int:
    """How many values a column of groups has."""
    declared = source.columns.get(name)
    return max(len(declared.values or ()) if declared is not None else 0, make.GROUPS)


def _table(world: World, source: Source) -> Frame:
    """Rows of a table: keys, time, and the columns that depend on nothing."""
    import numpy as np

    spec = world.spec
    rows = _rows_of(world, source)
    frame: Frame = {ROW: np.arange(1, rows + 1)}
    start, end = span(source)
    informs = any(join.data == source.name and not join.as_of for other in spec.data for join in other.join)
    if informs and source.name != case_name(spec):
        # Facts must be older than the decisions that they inform.
        start, end = start - (end - start), start
    follower = followed(spec, source)
    if follower is not None and (there := world.frames[follower[0].name]).get(follower[0].time or "") is not None:
        rows = max(rows, len(there[ROW]))
        frame = {ROW: np.arange(1, rows + 1)} | _before(world, source, there, follower, rows)
    if source.time and source.time not in frame:
        frame[source.time] = make.times(rows, start, end, world.draw(source.name, source.time))
    _keys(world, source, frame, rows)
    settings = recorded(spec, source)
    for name, declared in source.columns.items():
        draw = world.draw(source.name, name)
        if name in frame or declared.known == "after" or declared.role == "logged" or name in settings:
            continue
        if declared.type == "time":
            frame[name] = make.times(rows, start - YEAR, start, draw)[draw.permutation(rows)]
        elif name in source.groups and declared.type in ("number", "integer"):
            frame[name] = make.few(declared, rows, draw)
        elif declared.type != "text" or declared.values:
            frame[name] = make.column(name, declared, rows, world.known, draw)
    for name in source.groups:
        if name not in frame and name not in source.columns and not source.join:
            frame[name] = make.category(name, [], rows, world.known, world.draw(source.name, name))
    if source.weight and source.weight not in frame:
        draw = world.draw(source.name, source.weight)
        frame[source.weight] = make.weights(source.columns.get(source.weight), rows, draw)
    if source.entity and source.split.by == "entity":
        # What is held out is held out whole: all rows of one entity say the same there.
        _, first, place = np.unique(frame[source.entity], return_index=True, return_inverse=True)
        for name, held in source.split.hold_out.items():
            joins = any(name in spec.source(str(join.data)).columns for join in source.join)
            if name not in frame and name not in source.columns and not joins:
                words = [*map(str, held), *[f"{name} {letter}" for letter in "abcde"]]
                frame[name] = make.category(name, words, rows, world.known, world.draw(source.name, name))
            if name in frame:
                frame[name] = frame[name][first][place]
    return frame


def _before(world: World, source: Source, there: Frame, follower: tuple[Source, Join], rows: int) -> Frame:
    """Time and keys of rows of which one at least lies within the window before each row that looks back at them."""
    import numpy as np

    other, join = follower
    draw = world.draw(source.name, str(join.as_of))
    count = len(there[ROW])
    looking = np.concatenate([np.arange(count), draw.integers(0, count, rows - count)])
    back = 0.9 * (seconds(join.window) if join.window else 30 * make.DAY)
    time = seconds_of(there[str(other.time)])[looking] - draw.uniform(0.05, 1, rows) * back
    order = np.argsort(time, kind="stable")
    keys = {theirs: there[here][looking][order] for here, theirs in join_keys(join).items() if here in there}
    return {str(join.as_of): np.floor(time[order]), **keys}


def _rows_of(world: World, source: Source) -> int:
    """A table that only others refer to is small: things are fewer than what happens with them."""
    referred = any(join.data == source.name for other in world.spec.data for join in other.join)
    if referred and not source.outcomes and source.name != case_name(world.spec):
        return max(300, source.needs.rows or 0)
    return size(world, source)


def _keys(world: World, source: Source, frame: Frame, rows: int) -> None:
    """Key columns: unique where others refer to the source, else drawn from what there is."""
    import numpy as np

    spec = world.spec
    unique, drawn = set[str](), set[str]()
    for other in spec.data:
        for join in other.join:
            if join.data == source.name:
                (drawn if join.as_of else unique).update(join_keys(join).values())
    for join in source.join:
        (unique if is_detail(spec, join) else drawn).update(join_keys(join))
    # A source that is joined by one of several keys is unique in the first of them.
    if source.entity:
        (drawn if source.time or source.join or source.outcomes else unique).add(source.entity)
    for name in sorted((unique | drawn) - frame.keys()):
        pool = world.key(source.name, name)
        draw = world.draw(source.name, name)
        if name in unique:
            if pool in world.pools and len(world.pools[pool]) >= rows:
                frame[name] = world.pools[pool][:rows]
            else:
                frame[name] = world.pools[pool] = make.ids(pool, rows)
        else:
            if pool not in world.pools:
                world.pools[pool] = make.ids(pool, max(20, rows // 5))
            frame[name] = world.pools[pool][draw.integers(0, len(world.pools[pool]), rows)]
    if source.entity and source.entity not in frame:
        frame[source.entity] = np.asarray(make.ids(source.entity, rows))


def _ratings(world: World, source: Source) -> Frame:
    """Who rated what: each pair once, popular items more often."""
    import numpy as np

    rows = size(world, source) * (3 if not source.needs.rows else 1)
    draw = world.draw(source.name, "pairs")
    names = source.ratings
    if names is None or not names.user or not names.item:
        return _table(world, source)
    pools = []
    for name, count in ((names.user, max(60, rows // 20)), (names.item, max(40, rows // 40))):
        pool = world.key(source.name, name)
        if pool not in world.pools:
            world.pools[pool] = make.ids(pool, count)
        # Of things that a table describes, all that each can be rated some ten times.
        pools.append(world.pools[pool][: max(count, 40, rows // 10)])
    users, items = pools
    rows = min(rows, len(users) * len(items) // 2)
    popular = draw.gamma(2, 1, len(items)) + 0.3
    pairs = np.unique(
        np.stack(
            [draw.integers(0, len(users), rows * 2), draw.choice(len(items), rows * 2, p=popular / popular.sum())]
        ),
        axis=1,
    )
    pairs = pairs[:, np.sort(draw.permutation(pairs.shape[1])[:rows])]
    frame: Frame = {ROW: np.arange(1, pairs.shape[1] + 1)}
    frame[names.user], frame[names.item] = users[pairs[0]], items[pairs[1]]
    if source.time:
        frame[source.time] = make.times(pairs.shape[1], *span(source), world.draw(source.name, source.time))
    for name, declared in source.columns.items():
        if name not in frame and declared.known == "before":
            frame[name] = make.column(name, declared, pairs.shape[1], world.known, world.draw(source.name, name))
    return frame


def _detail(world: World, source: Source, join: Join) -> None:
    """One row of the other source for each row here in which one of its outcomes was observed."""
    import numpy as np

    other = world.spec.source(str(join.data))
    frame = joined(world, source)
    rows = len(next(iter(frame.values())))
    there: Frame = {ROW: np.arange(1, rows + 1)}
    for here, theirs in join_keys(join).items():
        there[theirs] = frame[here]
    for name, declared in other.columns.items():
        if name not in there and declared.known == "before":
            there[name] = make.column(name, declared, rows, world.known, world.draw(other.name, name))
    if other.time and source.time in frame:
        there[other.time] = seconds_of(frame[source.time]) + 30 * make.DAY
    world.frames[other.name] = there
    outcomes(world, other, frame | there)
    keep = np.zeros(rows, bool)
    for outcome in other.outcomes.values():
        keep |= observed(world, outcome, frame | there, rows)
    world.frames[other.name] = {name: values[keep] for name, values in world.frames[other.name].items()}
