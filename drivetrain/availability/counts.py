"""Is there enough? Rows, labels, classes, parts of the split, age."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drivetrain.availability.formulas import rows_where
from drivetrain.availability.look import SPLITS, Coded, Look, count, listed, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding
    from drivetrain.spec import Outcome

BEYOND = 0.01
"""Share of the numbers that may lie beyond the bins, as slips of the pen do."""


def counts(look: Look) -> Iterator[Finding]:
    """Findings about amounts."""
    yield from _rows(look)
    yield from _parts(look)
    yield from _age(look)
    for name, outcome in look.source.outcomes.items():
        yield from _label(look, name, outcome)


def _rows(look: Look) -> Iterator[Finding]:
    needs, have = look.source.needs, look.own.count
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

    from drivetrain.source.columns import case_name

    sizes = {part: int(np.sum(look.parts == place)) for place, part in enumerate(SPLITS)}
    split = look.source.split
    facts_only = not look.source.outcomes and look.source.name != case_name(look.spec)
    # Facts that joins bring serve the cases of every part; nothing is learned or judged on them alone.
    wanted = [] if facts_only else ["train"]
    if not facts_only and (split.column or split.validation > 0):
        wanted.append("validation")
    if not facts_only and (split.column or split.test > 0):
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
    lost = np.flatnonzero(look.own_parts < 0)
    if len(lost):
        yield look.finding(
            "DA112",
            "warn",
            f"{count(len(lost), 'row')} of {look.own.count:,} belong to no case and are not used.",
            "Check the keys of the join; the cases may be incomplete.",
            at="join",
            affected=look.own_names(lost),
            facts={"rows": len(lost)},
        )
    for column, values in split.hold_out.items():
        there = set(look.coded(column).values) if column in look.rows else set()
        absent = [str(value) for value in values if str(value) not in there and f"{value!s}".lower() not in there]
        if absent:
            yield look.finding(
                "DA114",
                "fail",
                f"no row has {some(absent)} in `{column}`, so that nothing is held out for it.",
                "Correct the value, or hold out one that occurs.",
                at="split.hold_out",
                affected=absent,
            )


def newest(look: Look) -> float | None:
    """Time of a source's newest row in seconds since 1970: its time column, else when collecting ended."""
    import numpy as np
    import pyarrow as pa

    from drivetrain.source.join import in_seconds

    if look.source.time and look.source.time in look.own:
        column = look.own.column(look.source.time)
        if pa.types.is_timestamp(column.type):
            times = in_seconds(column)
            return float(np.nanmax(times)) if np.isfinite(times).any() else None
    collected = look.source.collected
    if collected is not None and collected.to is not None:
        return datetime(collected.to.year, collected.to.month, collected.to.day, tzinfo=UTC).timestamp()
    return None


def _age(look: Look) -> Iterator[Finding]:
    from drivetrain.spec import seconds

    need, last = look.source.needs.max_age, newest(look)
    now = datetime.now(UTC).timestamp()
    if last is not None and last > now + 86400:
        yield look.finding(
            "DA115",
            "warn",
            f"the newest row is of {datetime.fromtimestamp(last, UTC):%Y-%m-%d}, which is in the future.",
            "Check the clock or the format of the time.",
            at="time",
        )
    if need is None:
        return
    if last is None:
        yield look.finding(
            "DA113",
            "unknown",
            f"at most {need} old is needed, and nothing says how old the data are.",
            "Name the `time` column, or write `collected: {to: …}`.",
            at="needs.max_age",
        )
        return
    age, day = now - last, f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d}"
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
    if name not in look.rows:
        yield look.finding(
            "DA120",
            "unknown",
            "the plan does not say in which column the label is.",
            "Name its column, or say who finds out.",
            at=at,
        )
        return
    known = ~np.asarray(look.rows.column(name).is_null())
    observed = rows_where(look, outcome.observed_when)
    due = np.ones(len(known), bool) if observed is None else observed
    lacking = np.flatnonzero(~known & due)
    asked = int(due.sum())
    facts = {"labelled": int(np.sum(known & due)), "rows": asked}
    if not known.any():
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
        yield look.finding("DA120", "pass", f"all {count(asked, 'row', verb='are')} labelled.", at=at, facts=facts)
    yield from _too_new(look, name, outcome, known)
    if outcome.type in ("binary", "category"):
        yield from _classes(look, name, outcome)
    if outcome.type == "number":
        yield from _spread(look, name)


def _too_new(look: Look, name: str, outcome: Outcome, known: NDArray[np.bool_]) -> Iterator[Finding]:
    """Labels on rows that are younger than the label's delay: they cannot have been known yet."""
    import numpy as np
    import pyarrow as pa

    from drivetrain.source.join import in_seconds
    from drivetrain.spec import seconds

    time, delay = look.source.time, seconds(outcome.delay)
    if not time or time not in look.rows or not delay or not pa.types.is_timestamp(look.rows.column(time).type):
        return
    young = in_seconds(look.rows.column(time)) + delay > datetime.now(UTC).timestamp()
    early = np.flatnonzero(known & young)
    if len(early):
        yield look.finding(
            "DA116",
            "warn",
            f"{count(len(early), 'row', verb='are')} labelled though the label is known only {outcome.delay} later.",
            "Leave labels empty until they are final: an early `no` may still become a `yes`.",
            at=f"outcomes.{name}",
            affected=look.names(early),
            facts={"rows": len(early)},
        )


def _classes(look: Look, name: str, outcome: Outcome) -> Iterator[Finding]:
    at = f"outcomes.{name}"
    labels = look.coded(name)
    declared = ["false", "true"] if outcome.type == "binary" else list(outcome.values or [])
    sizes = dict.fromkeys(declared, 0) | {value: size for value, size in labels.sizes().items() if size}
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
    strange = [label for label in sizes if label not in declared] if declared else []
    if strange:
        import numpy as np

        rows = np.flatnonzero(labels.having(strange))
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
    if thin:
        yield look.finding(
            "DA123",
            "fail",
            f"{need:,} rows of each class are needed; too few of {some(list(thin))} (rows: {listed(sizes)}).",
            "Collect more of these classes.",
            at=at,
            affected=[f"{label}: {size:,}" for label, size in thin.items()],
            facts=facts,
        )
    elif not missing:
        enough = f"at least {need:,} rows of each class" if need else "rows of each class"
        yield look.finding("DA123", "pass", f"{enough}: {listed(sizes)}.", at=at, facts=facts)
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


def _class_by_part(look: Look, name: str, labels: Coded, classes: list[str]) -> Iterator[Finding]:
    import numpy as np

    table: dict[str, dict[str, int]] = {}
    for place, part in enumerate(SPLITS):
        inside = look.parts == place
        if np.any(inside):
            table[part] = dict.fromkeys(classes, 0) | labels.sizes(inside)
    gaps = [
        f"{part}: {label}"
        for part, row in table.items()
        for label in classes
        if not row[label] and part != "hold_out" and any(other[label] for other in table.values())
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

    numbers = np.asarray(look.rows.column(name).to_numpy(), float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or numbers.min() == numbers.max():
        yield look.finding(
            "DA126",
            "fail",
            f"is the same in all rows ({numbers[0]:g})." if len(numbers) else "has no finite value.",
            "Nothing can be learned from it; check the column.",
            at=f"outcomes.{name}",
        )
        return
    low, middle, high = numbers.min(), np.median(numbers), numbers.max()
    yield look.finding(
        "DA126",
        "pass",
        f"from {low:g} to {high:g}, half of them below {middle:g}.",
        at=f"outcomes.{name}",
        facts={"minimum": float(low), "median": float(middle), "maximum": float(high)},
    )
    outcome = look.source.outcomes[name]
    yield from _outside(look, name, outcome)
    if not outcome.bins:
        return
    first = outcome.bins[0] if outcome.minimum is None else min(outcome.bins[0], outcome.minimum)
    last = outcome.bins[-1] if outcome.maximum is None else max(outcome.bins[-1], outcome.maximum)
    beyond = float(np.mean((numbers < first) | (numbers > last)))
    shares = f"{beyond:.1%} of the numbers lie beyond its `bins`, below {first:g} or above {last:g}"
    if beyond > BEYOND:
        yield look.finding(
            "DA134",
            "warn",
            f"{shares}, and count as the outermost bin.",
            "Add an edge to `bins`: what they are worth is lost otherwise.",
            at=f"outcomes.{name}",
            facts={"share": beyond},
        )
    else:
        yield look.finding("DA134", "pass", f"{shares}.", at=f"outcomes.{name}", facts={"share": beyond})


def _outside(look: Look, name: str, outcome: Outcome) -> Iterator[Finding]:
    """Labels beyond the limits that the plan states: eleven stars of five."""
    import numpy as np

    low = -np.inf if outcome.minimum is None else outcome.minimum
    high = np.inf if outcome.maximum is None else outcome.maximum
    numbers = np.asarray(look.rows.column(name).to_numpy(), float)
    rows = np.flatnonzero((numbers < low) | (numbers > high))
    if len(rows):
        yield look.finding(
            "DA128",
            "warn",
            f"{count(len(rows), 'label', verb='lie')} outside of what the plan allows ({low:g} to {high:g}).",
            "Correct the labels, or the limits.",
            at=f"outcomes.{name}",
            affected=look.names(rows),
            facts={"rows": len(rows)},
        )
