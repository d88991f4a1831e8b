"""Is there enough? Rows, labels, classes, parts of the split, groups, age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.availability.look import SPLITS, Look, count, some
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec.data import Outcome

SMALL_GROUP = 30
"""Below this many rows of a group in the test, an interval around its results says next to nothing."""


def counts(look: Look) -> Iterator[Finding]:
    """Findings about amounts."""
    yield from _rows(look)
    yield from _parts(look)
    yield from _age(look)
    for name, outcome in look.source.outcomes.items():
        yield from _label(look, name, outcome)
    yield from _values(look)
    yield from _groups(look)


def _rows(look: Look) -> Iterator[Finding]:
    needs, have = look.source.needs, look.own.num_rows
    need = needs.rows
    facts = {"measured": have, "need": need}
    stated = any((needs.per_class, needs.per_setting, needs.per_group, needs.events))
    if need is None and (stated or not look.source.outcomes):
        yield look.finding("DA110", "pass", f"{count(have, 'row')}.", at="needs.rows", facts=facts)
    elif need is None:
        yield look.finding(
            "DA110",
            "unknown",
            f"{count(have, 'row')}; the plan does not say how many it needs.",
            "Write `needs: {rows: …}` or `{per_class: …}`, from a learning curve or the smallest gain that matters.",
            at="needs.rows",
            facts=facts,
        )
    elif have < need:
        yield look.finding(
            "DA110",
            "fail",
            f"{count(have, 'row')}, {need:,} are needed.",
            f"Collect {need - have:,} more, or say why fewer are enough.",
            at="needs.rows",
            facts=facts,
        )
    else:
        yield look.finding("DA110", "pass", f"{count(have, 'row')}, {need:,} are needed.", at="needs.rows", facts=facts)


def _parts(look: Look) -> Iterator[Finding]:
    import numpy as np

    parts = look.split()
    sizes = {part: int(np.sum(parts == part)) for part in SPLITS}
    split = look.source.split
    wanted = ["train"]
    if split.column or split.validation > 0:
        wanted.append("validation")
    if split.column or split.test > 0:
        wanted.append("test")
    empty = [part for part in wanted if not sizes[part]]
    shown = ", ".join(f"{part} {sizes[part]:,}" for part in SPLITS if sizes[part])
    if empty:
        yield look.finding(
            "DA111",
            "fail",
            f"no row is in {some(empty)} ({shown or 'all are empty'}).",
            "Use smaller units to split by, other shares, or more data.",
            at="split",
            facts=sizes,
        )
    else:
        yield look.finding("DA111", "pass", f"rows by part: {shown}.", at="split", facts=sizes)
    lost = np.flatnonzero(parts == "")
    if len(lost):
        yield look.finding(
            "DA112",
            "warn",
            f"{count(len(lost), 'row')} of {len(parts):,} belong to no case and are not used.",
            "Check the keys of the join; the cases may be incomplete.",
            at="join",
            affected=look.names(lost),
            facts={"rows": len(lost)},
        )


def _age(look: Look) -> Iterator[Finding]:
    from datetime import UTC, datetime

    from drivetrain.source.join import in_seconds
    from drivetrain.spec import seconds

    need, collected = look.source.needs.max_age, look.source.collected
    newest = None
    if look.source.time and look.source.time in look.own.column_names:
        import pyarrow as pa

        if pa.types.is_timestamp(look.own[look.source.time].type):
            import numpy as np

            times = in_seconds(look.own[look.source.time])
            newest = float(np.nanmax(times)) if np.isfinite(times).any() else None
    if newest is None and collected is not None and collected.to is not None:
        newest = datetime(collected.to.year, collected.to.month, collected.to.day, tzinfo=UTC).timestamp()
    if need is None:
        return
    if newest is None:
        yield look.finding(
            "DA113",
            "unknown",
            f"at most {need} old is needed, and nothing says how old the data are.",
            "Name the `time` column, or write `collected: {to: …}`.",
            at="needs.max_age",
        )
        return
    age = datetime.now(UTC).timestamp() - newest
    day = datetime.fromtimestamp(newest, UTC).date().isoformat()
    old = age > seconds(need)
    yield look.finding(
        "DA113",
        "fail" if old else "pass",
        f"the newest row is of {day}, {age / 86400:,.0f} days ago; at most {need} are allowed.",
        "Fetch newer data." if old else "",
        at="needs.max_age",
        facts={"age_seconds": round(age), "need_seconds": seconds(need), "newest": day},
    )


def _label(look: Look, name: str, outcome: Outcome) -> Iterator[Finding]:
    import numpy as np

    at = f"outcomes.{name}"
    if name not in look.rows.column_names:
        yield look.finding(
            "DA120",
            "unknown",
            "the plan does not say in which column the label is.",
            "Name its column, or say who finds out.",
            at=at,
        )
        return
    labels = look.rows[name]
    due = _observed(look, outcome)
    there = np.asarray(labels.is_valid())
    lacking = np.flatnonzero(~there & due)
    asked = int(due.sum())
    facts = {"labelled": int(np.sum(there & due)), "rows": asked}
    if not there.any():
        yield look.finding(
            "DA120", "fail", "no row has a label.", "Fill in its column, or name another one.", at=at, facts=facts
        )
        return
    if len(lacking):
        share = len(lacking) / asked
        yield look.finding(
            "DA120",
            "warn" if share < 0.5 else "fail",
            f"{count(len(lacking), 'row')} of {asked:,} ({share:.1%}) have no label.",
            "Label them, or say with `observed_when` in which rows it is observed.",
            at=at,
            affected=look.names(lacking),
            facts=facts,
        )
    else:
        yield look.finding("DA120", "pass", f"all {count(asked, 'row')} are labelled.", at=at, facts=facts)
    if outcome.type in ("binary", "category"):
        yield from _classes(look, name, outcome)
    if outcome.type == "number":
        yield from _spread(look, name)


def _observed(look: Look, outcome: Outcome) -> NDArray[np.bool_]:
    """Rows in which a label is due: `observed_when`, as far as it can be evaluated on the columns that are there."""
    import numpy as np

    from drivetrain.availability.formulas import rows_where

    found = rows_where(look, outcome.observed_when)
    return np.ones(look.rows.num_rows, bool) if found is None else found


def _classes(look: Look, name: str, outcome: Outcome) -> Iterator[Finding]:
    import numpy as np

    at = f"outcomes.{name}"
    labels = np.array([_class(value) for value in look.rows[name].to_pylist()], dtype=object)
    declared = ["false", "true"] if outcome.type == "binary" else list(outcome.values or [])
    seen = sorted({label for label in labels if label is not None})
    sizes = {label: int(np.sum(labels == label)) for label in dict.fromkeys([*declared, *seen])}
    need = look.source.needs.per_class
    facts: dict[str, Any] = {"counts": sizes, "need": need}
    missing = [label for label in declared if not sizes[label]]
    if missing:
        yield look.finding(
            "DA121",
            "fail",
            f"the data have no row of {some(missing)}.",
            "Collect some, or take the class out of the plan.",
            at=at,
            affected=missing,
            facts=facts,
        )
    strange = [label for label in seen if label not in declared] if declared else []
    if strange:
        rows = np.flatnonzero(np.isin(labels, strange))
        yield look.finding(
            "DA122",
            "fail",
            f"the data have {some(strange)} ({count(len(rows), 'row')}), which the plan does not name.",
            "Correct the labels, or add the class to `values`.",
            at=at,
            affected=look.names(rows),
            facts=facts | {"classes": strange},
        )
    thin = {label: size for label, size in sizes.items() if need and 0 < size < need}
    listed = ", ".join(f"`{label}` {size:,}" for label, size in sorted(sizes.items(), key=lambda item: item[1])[:10])
    if thin:
        yield look.finding(
            "DA123",
            "fail",
            f"{need:,} rows of each class are needed; too few of {some(list(thin))} (rows: {listed}).",
            "Collect more of these classes.",
            at=at,
            affected=[f"{label}: {size:,}" for label, size in thin.items()],
            facts=facts,
        )
    elif not missing:
        enough = f"at least {need:,} rows of each class" if need else "rows of each class"
        yield look.finding("DA123", "pass", f"{enough}: {listed}.", at=at, facts=facts)
    yield from _class_by_part(look, name, labels, list(sizes))
    events = look.source.needs.events
    if events and sizes:
        rarer = min(sizes, key=lambda label: sizes[label])
        reached = sizes[rarer] >= events
        yield look.finding(
            "DA124",
            "pass" if reached else "fail",
            f"the rarer outcome `{rarer}` happened {sizes[rarer]:,} times; {events:,} are needed.",
            "" if reached else "Wait, or collect where it happens more often.",
            at=at,
            facts={"measured": sizes[rarer], "need": events},
        )


def _class(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _class_by_part(look: Look, name: str, labels: NDArray[np.object_], classes: list[str]) -> Iterator[Finding]:
    import numpy as np

    parts = look.split()
    table = {
        part: {label: int(np.sum((parts == part) & (labels == label))) for label in classes}
        for part in SPLITS
        if np.any(parts == part)
    }
    total = {label: sum(row[label] for row in table.values()) for label in classes}
    gaps = [
        f"{part}: {label}"
        for part, row in table.items()
        for label in classes
        if not row[label] and total[label] and part != "hold_out"
    ]
    if gaps:
        yield look.finding(
            "DA125",
            "fail" if any(gap.startswith("train:") for gap in gaps) else "warn",
            f"a part of the split lacks a class that the others have: {some(gaps)}.",
            "Use more data, another seed, or other units to split by.",
            at=f"outcomes.{name}",
            affected=gaps,
            facts={"counts": table},
        )
    else:
        least = {part: min(row.values(), default=0) for part, row in table.items()}
        shown = ", ".join(f"{part} {size:,}" for part, size in least.items())
        yield look.finding(
            "DA125",
            "pass",
            f"each part has each class; rows of its rarest: {shown}.",
            at=f"outcomes.{name}",
            facts={"counts": table},
        )


def _spread(look: Look, name: str) -> Iterator[Finding]:
    import numpy as np

    numbers = np.asarray(look.rows[name].to_numpy(), float)
    numbers = numbers[np.isfinite(numbers)]
    distinct = len(np.unique(numbers))
    if distinct <= 1:
        yield look.finding(
            "DA126",
            "fail",
            f"is the same in all rows ({numbers[0]:g})." if len(numbers) else "has no finite value.",
            "Nothing can be learned from it; check the column.",
            at=f"outcomes.{name}",
        )
    else:
        low, middle, high = np.quantile(numbers, [0, 0.5, 1])
        yield look.finding(
            "DA126",
            "pass",
            f"from {low:g} to {high:g}, half of them below {middle:g}.",
            at=f"outcomes.{name}",
            facts={"minimum": low, "median": middle, "maximum": high, "distinct": distinct},
        )


def _values(look: Look) -> Iterator[Finding]:
    """Categories and limits that columns declare, against what is there."""
    import numpy as np

    for name, column in look.source.columns.items():
        if name not in look.own.column_names:
            continue
        at = f"columns.{name}"
        values = look.own[name]
        if column.values:
            words = np.array(values.to_pylist(), dtype=object)
            seen = sorted({word for word in words if word is not None})
            strange = [word for word in seen if word not in column.values]
            absent = [word for word in column.values if word not in seen]
            if strange:
                rows = np.flatnonzero(np.isin(words, strange))
                yield look.finding(
                    "DA127",
                    "warn",
                    f"has {some(strange)} ({count(len(rows), 'row')}), which the plan does not name.",
                    "Correct the values, or add them to `values`.",
                    at=at,
                    affected=look.names(rows),
                    facts={"values": strange},
                )
            if absent:
                yield look.finding(
                    "DA127", "warn", f"never has {some(absent)}.", "Collect such rows.", at=at, affected=absent
                )
        if column.minimum is not None or column.maximum is not None:
            numbers = np.asarray(values.cast("float64").to_numpy(), float)
            low = -np.inf if column.minimum is None else column.minimum
            high = np.inf if column.maximum is None else column.maximum
            outside = np.flatnonzero((numbers < low) | (numbers > high))
            if len(outside):
                yield look.finding(
                    "DA128",
                    "warn",
                    f"{count(len(outside), 'row')} outside of {low:g} to {high:g}.",
                    "Correct the values, or the limits.",
                    at=at,
                    affected=look.names(outside),
                    facts={"rows": len(outside)},
                )


def _groups(look: Look) -> Iterator[Finding]:
    import numpy as np

    if not look.source.groups:
        yield look.finding(
            "DA130",
            "note",
            "no groups are recorded, so results by group cannot be audited.",
            "If people or places differ, name the columns under `groups`.",
            at="groups",
        )
        return
    parts = look.split()
    for group in look.source.groups:
        if group not in look.rows.column_names:
            continue
        values = np.array(["(missing)" if v is None else str(v) for v in look.rows[group].to_pylist()], dtype=object)
        sizes = {str(value): int(number) for value, number in zip(*np.unique(values, return_counts=True), strict=True)}
        tested = {value: int(np.sum((values == value) & np.isin(parts, ("test", "hold_out")))) for value in sizes}
        facts = {"counts": sizes, "tested": tested, "positives": _positives(look, values, list(sizes))}
        need = look.source.needs.per_group
        at = f"groups.{group}"
        thin = [value for value, size in sizes.items() if need and size < need and value != "(missing)"]
        if thin:
            yield look.finding(
                "DA131",
                "fail",
                f"{need:,} rows of each group are needed; too few of {some(thin)}.",
                "Collect more of these.",
                at=at,
                affected=[f"{value}: {sizes[value]:,}" for value in thin],
                facts=facts,
            )
        small = [value for value in sizes if tested[value] < SMALL_GROUP]
        if small:
            yield look.finding(
                "DA132",
                "warn",
                f"fewer than {SMALL_GROUP} rows to test on, too few to audit: {some(small)}.",
                "Collect more of these, or join groups for which that is fair.",
                at=at,
                affected=[f"{value}: {tested[value]:,}" for value in small],
                facts=facts,
            )
        if "(missing)" in sizes:
            yield look.finding(
                "DA133",
                "warn",
                f"{count(sizes['(missing)'], 'row')} have no value; they are audited as a group of their own.",
                "Find out what they are.",
                at=at,
                affected=look.names(np.flatnonzero(values == "(missing)")),
                facts=facts,
            )
        if not thin and not small and "(missing)" not in sizes:
            shown = ", ".join(f"`{value}` {size:,}" for value, size in sorted(sizes.items(), key=lambda i: i[1])[:8])
            yield look.finding("DA131", "pass", f"rows by group: {shown}.", at=at, facts=facts)


def _positives(look: Look, values: NDArray[np.object_], groups: list[str]) -> dict[str, dict[str, int]]:
    """Rows with a true label, for each binary outcome and group."""
    import numpy as np

    found = {}
    for name, outcome in look.source.outcomes.items():
        if outcome.type == "binary" and name in look.rows.column_names:
            true = np.array([value is True for value in look.rows[name].to_pylist()])
            found[name] = {group: int(np.sum(true & (values == group))) for group in groups}
    return found
