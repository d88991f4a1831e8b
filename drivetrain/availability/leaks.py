"""What makes a test look better than the world: rows on both sides, time that overlaps, columns that know too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.availability.formulas import array
from drivetrain.availability.look import SPLITS, Look, count, some
from drivetrain.availability.skill import skill

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.findings import Finding
    from drivetrain.spec.data import Column

SURE = 0.95
"""A column that alone explains this share of the label hardly is a fact known before."""
SUSPECT = 0.9


def leaks(look: Look) -> Iterator[Finding]:
    """Findings about leaks between parts of the split and from the label."""
    yield from _entities(look)
    yield from _time(look)
    yield from _late_inputs(look)
    yield from _late_times(look)
    yield from _late_joins(look)
    yield from _single_columns(look)
    if look.source.kind in ("table", "ratings"):
        yield from _repeated_rows(look)


def sides(parts: NDArray[np.str_], unit: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows whose unit stands in more than one part of the split, `(n,)`.

    Args:
        parts: Part of each row, `(n,)`; rows that belong to no part do not count.
        unit: Number of each row's unit, `(n,)`; -1 where it has none.
    """
    import numpy as np

    use = (unit >= 0) & (parts != "")
    code = np.searchsorted(np.sort(SPLITS), parts)
    pairs = np.unique(np.stack([unit[use], code[use]]), axis=1)
    units, times = np.unique(pairs[0], return_counts=True)
    both: NDArray[np.bool_] = use & np.isin(unit, units[times > 1])
    return both


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(column).combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    return np.asarray(pc.fill_null(encoded.indices, -1), np.int64)


def _entities(look: Look) -> Iterator[Finding]:
    import numpy as np

    name = look.source.entity
    if not name or name not in look.rows.column_names:
        return
    unit, parts = _codes(look.rows[name]), look.split()
    both = sides(parts, unit)
    if not both.any():
        yield look.finding("DA301", "pass", f"no `{name}` is on two sides of the split.", at="entity")
        return
    by_time = (look.source.split.by or "") == "time"
    rows = np.flatnonzero(both)
    shared = len(np.unique(unit[both]))
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
    if not name or name not in look.rows.column_names:
        return
    time, parts = in_seconds(look.rows[name]), look.split()
    train, test = time[parts == "train"], time[parts == "test"]
    if not np.isfinite(train).any() or not np.isfinite(test).any():
        return
    late = np.flatnonzero((parts == "train") & (time >= np.nanmin(test)))
    if not len(late):
        yield look.finding("DA302", "pass", "all training rows are older than the test.", at="split")
        return
    yield look.finding(
        "DA302",
        "warn",
        f"{count(len(late), 'training row')} ({len(late) / len(train):.0%}) are not older than the oldest test row.",
        "In service the model meets the future: split by time, or say why the order does not matter.",
        at="split",
        affected=look.names(late),
        facts={"rows": len(late), "share": len(late) / len(train)},
    )


def inputs(look: Look) -> dict[str, list[str]]:
    """Columns of a source that models take in -> the models; those of text and media left out."""
    found: dict[str, list[str]] = {}
    for model in look.spec.models:
        try:
            if look.spec.derived.model_data(model.name) != look.source.name:
                continue
            names = look.spec.derived.model_inputs(model.name)
        except Exception:  # a draft whose model refers to what is not there yet; validate says so
            continue
        for name in names:
            found.setdefault(name, []).append(model.name)
    return found


def _column(look: Look, name: str) -> Column | None:
    sources = [look.source, *[look.spec.source(join.data) for join in look.source.join if join.data]]
    return next((source.columns[name] for source in sources if name in source.columns), None)


def _late_inputs(look: Look) -> Iterator[Finding]:
    import numpy as np

    from drivetrain.source.join import in_seconds

    for name, models in inputs(look).items():
        column = _column(look, name)
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
        if known and time and {known, time} <= set(look.rows.column_names):
            late = np.flatnonzero(in_seconds(look.rows[known]) > in_seconds(look.rows[time]))
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
    if not time or time not in look.rows.column_names:
        return
    for name, column in look.source.columns.items():
        if column.type != "time" or column.known == "after" or name == time or name not in look.rows.column_names:
            continue
        late = np.flatnonzero(in_seconds(look.rows[name]) > in_seconds(look.rows[time]))
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


def _late_joins(look: Look) -> Iterator[Finding]:
    """Rows of joined sources that are younger than the decision they are to inform."""
    import numpy as np

    from drivetrain import source as sources
    from drivetrain.source.columns import join_keys
    from drivetrain.source.join import all_matches, in_seconds, key_codes

    time = look.source.time
    if not time or time not in look.own.column_names:
        return
    for place, join in enumerate(look.source.join):
        other = look.spec.source(str(join.data))
        features = [n for n, c in other.columns.items() if c.role == "feature" and c.known == "before"]
        if join.as_of or not other.time or not features:
            continue
        there = sources.table(look.spec, other.name)
        left, right = all_matches(*key_codes(look.own, there, join_keys(join), look.where))
        younger = in_seconds(there[other.time])[right] > in_seconds(look.own[time])[left]
        rows = np.unique(left[younger])
        if len(rows):
            yield look.finding(
                "DA305",
                "fail",
                f"brings rows of `{other.name}` that are younger than the decision to {count(len(rows), 'row')}: "
                f"{some(features)}.",
                f"Take only earlier ones: `as_of: {other.time}`.",
                at=f"join[{place}]",
                affected=look.names(rows) if "path" in look.own.column_names else [f"row {r + 1}" for r in rows],
                facts={"rows": len(rows)},
            )


def _single_columns(look: Look) -> Iterator[Finding]:
    """Columns from which the label can be read off."""
    candidates = {
        name: array(look.rows[name])
        for name, column in look.source.columns.items()
        if name in look.rows.column_names
        and column.role == "feature"
        and column.known == "before"
        and column.use == "both"
        and column.type in ("number", "integer", "boolean", "category", "time", "id")
    }
    for join in look.source.join:
        for name, column in look.spec.source(str(join.data)).columns.items():
            usable = column.role == "feature" and column.known == "before" and column.use == "both"
            if usable and name in look.rows.column_names and column.type not in ("text", "path", "image", "audio"):
                candidates.setdefault(name, array(look.rows[name]))
    for outcome in look.source.outcomes:
        if outcome not in look.rows.column_names:
            continue
        label = look.rows[outcome]
        best, found = ("", 0.0), []
        for name, values in candidates.items():
            score = skill(values, label)
            if score > best[1]:
                best = (name, score)
            if score >= SUSPECT:
                found.append((name, score))
        for name, score in sorted(found, key=lambda item: -item[1]):
            yield look.finding(
                "DA306",
                "fail" if score >= SURE else "warn",
                f"alone explains {score:.1%} of `{outcome}`.",
                "Find out when it is written down; if that is after the outcome, write `known: after`."
                if score >= SURE
                else "Make sure that it is known before the decision.",
                at=f"columns.{name}",
                affected=[name],
                facts={"outcome": outcome, "skill": score},
            )
        if candidates and not found:
            yield look.finding(
                "DA306",
                "pass",
                f"no single column gives `{outcome}` away; the best, `{best[0]}`, explains {best[1]:.0%}."
                if best[0]
                else f"no single column gives `{outcome}` away.",
                at=f"outcomes.{outcome}",
                facts={"best": best[0], "skill": best[1]},
            )


def _repeated_rows(look: Look) -> Iterator[Finding]:
    import numpy as np

    skip = {"split", "case", "path", "folder", "stem", "suffix"}
    names = [name for name in look.own.column_names if name not in skip]
    mixed = np.zeros(look.own.num_rows, np.uint64)
    telling = False
    for name in names:
        codes = _codes(look.own[name])
        telling = telling or len(np.unique(codes)) > 0.5 * len(codes)
        with np.errstate(over="ignore"):
            mixed = (mixed ^ (codes + 2).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    _, unit, sizes = np.unique(mixed, return_inverse=True, return_counts=True)
    again = sizes[unit] > 1
    if not again.any():
        yield look.finding("DA307", "pass", "no row is repeated.")
        return
    if not telling:
        yield look.finding(
            "DA307",
            "note",
            f"{count(int(again.sum()), 'row')} are like another one; columns this coarse cannot tell copies apart.",
            "Name an `entity` or `time`, if there is one.",
        )
        return
    across = sides(look.own_split, np.asarray(unit, np.int64))
    rows = np.flatnonzero(again)
    if across.any():
        yield look.finding(
            "DA307",
            "fail",
            f"{count(int(across.sum()), 'row')} stand in several parts of the split, copied whole.",
            "Take the copies out.",
            affected=[f"row {row + 1}" for row in np.flatnonzero(across)],
            facts={"rows": int(across.sum()), "repeated": len(rows)},
        )
    else:
        yield look.finding(
            "DA307",
            "warn",
            f"{count(len(rows), 'row')} are repeated, within one part of the split.",
            "Take the copies out: they count double.",
            affected=[f"row {row + 1}" for row in rows],
            facts={"repeated": len(rows)},
        )
