"""What makes a test look better than the world: rows on both sides, time that overlaps, facts from the future."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drivetrain.availability.look import Look, count, ranges, some
from drivetrain.errors import DataError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding
    from drivetrain.spec.data import Column


def leaks(look: Look) -> Iterator[Finding]:
    """Findings about leaks between parts of the split and from the future."""
    yield from _entities(look)
    yield from _time(look)
    yield from _late_inputs(look)
    yield from _late_times(look)
    yield from _joins(look)


def sides(parts: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows whose unit stands in more than one part of the split, `(n,)`.

    Args:
        parts: Part of each row, `(n,)`; rows that belong to no part (-1) do not count.
        unit: Number of each row's unit, `(n,)`; -1 where it has none.
    """
    import numpy as np

    use = (unit >= 0) & (parts >= 0)
    top = int(unit.max(initial=-1)) + 1
    seen = np.zeros(top, np.uint8)
    for part in range(4):
        there = np.zeros(top, bool)
        there[unit[use & (parts == part)]] = True
        seen += there
    both = np.zeros(len(unit), bool)
    both[use] = seen[unit[use]] > 1
    return both


def _entities(look: Look) -> Iterator[Finding]:
    import numpy as np

    name = look.source.entity
    if not name or name not in look.rows:
        return
    unit = look.coded(name).codes.astype(np.int64)
    both = sides(look.parts, unit)
    if not both.any():
        yield look.finding("DA301", "pass", f"no `{name}` is on two sides of the split.", at="entity")
        return
    by_time = look.source.split.by == "time"
    rows = np.flatnonzero(both)
    shared = int(np.count_nonzero(np.bincount(unit[both])))
    yield look.finding(
        "DA301",
        "warn" if by_time else "fail",
        f"{count(shared, 'value')} of `{name}` ({count(len(rows), 'row')}) are on both sides of the split.",
        "The test then also rewards recognising them; split by entity, unless the same ones come back in service."
        if by_time
        else "Split by entity (`split: {by: entity}`): the test rewards recognising them.",
        at="entity",
        affected=look.names(rows),
        facts={"entities": shared, "rows": len(rows)},
    )


def _time(look: Look) -> Iterator[Finding]:
    import numpy as np

    from drivetrain.source.join import in_seconds

    name = look.source.time
    if not name or name not in look.rows:
        return
    time = in_seconds(look.rows.column(name))
    train, test = look.parts == 0, look.parts == 2
    if not np.isfinite(time[train]).any() or not np.isfinite(time[test]).any():
        return
    oldest = float(np.nanmin(time[test]))
    late = int(np.sum(train & (time >= oldest)))
    if not late:
        yield look.finding("DA302", "pass", "all training rows are older than the test.", at="split")
        return
    share = late / int(train.sum())
    since = f"{datetime.fromtimestamp(oldest, UTC):%Y-%m-%d %H:%M}" if abs(oldest) < 1e11 else f"{oldest:g}"
    yield look.finding(
        "DA302",
        "warn",
        f"{count(late, 'training row')} ({share:.0%}) are not older than the oldest test row.",
        "In service the model meets the future: split by time, or say why the order does not matter.",
        at="split",
        affected=[f"training rows with `{name}` from {since} on"],
        facts={"rows": late, "share": share},
    )


def inputs(look: Look) -> dict[str, list[str]]:
    """Columns of a source that models take in -> the models."""
    found: dict[str, list[str]] = {}
    for model in look.spec.models:
        try:
            if look.spec.derived.model_data(model.name) != look.source.name:
                continue
            names = look.spec.derived.model_inputs(model.name)
        except SpecError:  # a draft whose model refers to what is not there yet
            continue
        for name in names:
            found.setdefault(name, []).append(model.name)
    return found


def declared(look: Look, name: str) -> Column | None:
    """What the plan says about a column of the source, or of one that is joined."""
    sources = [look.source, *[look.spec.source(join.data) for join in look.source.join if join.data]]
    return next((source.columns[name] for source in sources if name in source.columns), None)


def _late_inputs(look: Look) -> Iterator[Finding]:
    import numpy as np

    from drivetrain.source.join import in_seconds

    for name, models in inputs(look).items():
        column = declared(look, name)
        if column is None:
            continue
        if column.known == "after":
            yield look.finding(
                "DA303",
                "fail",
                f"is known only after the decision, and {some(models)} takes it in.",
                "Take it out of `inputs`: it will not be there when a decision is made.",
                at=f"columns.{name}",
                affected=[f"models.{model}" for model in models],
            )
        known, time = column.known_at, look.source.time
        if known and time and known in look.rows and time in look.rows:
            late = np.flatnonzero(in_seconds(look.rows.column(known)) > in_seconds(look.rows.column(time)))
            if len(late):
                yield look.finding(
                    "DA303",
                    "fail",
                    f"became known after the decision in {count(len(late), 'row')} (`{known}` later than `{time}`).",
                    "Use the value as it stood at the decision, or take the column out of `inputs`.",
                    at=f"columns.{name}",
                    affected=look.names(late),
                    facts={"rows": len(late)},
                )


def _late_times(look: Look) -> Iterator[Finding]:
    """Times that are declared as known before, and lie after the decision."""
    import numpy as np

    from drivetrain.source.join import in_seconds

    time = look.source.time
    if not time or time not in look.rows:
        return
    moment = in_seconds(look.rows.column(time))
    for name, column in look.source.columns.items():
        if column.type != "time" or column.known == "after" or name == time or name not in look.rows:
            continue
        try:
            late = np.flatnonzero(in_seconds(look.rows.column(name)) > moment)
        except DataError:  # cells that are no times have a finding of their own
            continue
        if len(late):
            yield look.finding(
                "DA304",
                "fail" if column.role == "feature" and column.use == "both" else "note",
                f"lies after the decision in {count(len(late), 'row')}, and is declared as known before it.",
                "Write `known: after` if it is written down later; a date that is only planned is none (`use: audit`).",
                at=f"columns.{name}",
                affected=look.names(late),
                facts={"rows": len(late)},
            )


def _joins(look: Look) -> Iterator[Finding]:
    """Keys without a match, keys that are there twice, and rows that are younger than what they are to inform."""
    import numpy as np

    from drivetrain.source.columns import join_keys
    from drivetrain.source.join import all_matches, in_seconds, joined, key_codes

    for place, join in enumerate(look.source.join):
        at = f"join[{place}]"
        other = look.spec.source(str(join.data))
        there, _ = joined(look.spec, other.name)
        if any(here not in look.own for here in join_keys(join)):
            continue
        mine, theirs = key_codes(look.own, there, join_keys(join), f"{look.where}.{at}")
        values, times = np.unique(theirs[theirs >= 0], return_counts=True)
        twice = np.flatnonzero(np.isin(theirs, values[times > 1])) if not join.as_of else np.array([], int)
        if len(twice):
            yield look.finding(
                "DA505",
                "warn",
                f"{count(int((times > 1).sum()), 'key')} of `{other.name}` ({count(len(twice), 'row')}) are there more "
                "than once, so that rows here are repeated.",
                "Keep one row for each key, or take the latest before the decision with `as_of`.",
                at=at,
                affected=[f"data.{other.name}: {entry}" for entry in ranges(twice)],
                facts={"keys": int((times > 1).sum()), "rows": len(twice)},
            )
        alone = np.flatnonzero(~np.isin(mine, values))
        if len(alone) and not other.outcomes:
            yield look.finding(
                "DA506",
                "warn" if join.how == "inner" or len(alone) > 0.01 * len(mine) else "note",
                f"{count(len(alone), 'row')} of {len(mine):,} find nothing in `{other.name}`"
                + (" and are dropped." if join.how == "inner" else "; its columns are empty there."),
                "Check how the keys are written on both sides.",
                at=at,
                affected=look.own_names(alone),
                facts={"rows": len(alone)},
            )
        features = [n for n, c in other.columns.items() if c.role == "feature" and c.known == "before"]
        time = look.source.time
        if join.as_of or not other.time or not features or not time or time not in look.own or other.time not in there:
            continue
        left, right = all_matches(mine, theirs)
        younger = in_seconds(there.column(other.time))[right] > in_seconds(look.own.column(time))[left]
        rows = np.unique(left[younger])
        if len(rows):
            yield look.finding(
                "DA305",
                "fail",
                f"brings rows of `{other.name}` that are younger than the decision to {count(len(rows), 'row')}: "
                f"{some(features)}.",
                f"Take only earlier ones: `as_of: {other.time}`.",
                at=at,
                affected=look.own_names(rows),
                facts={"rows": len(rows)},
            )
