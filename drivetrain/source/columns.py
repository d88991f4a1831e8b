"""Which columns of a source the plan needs, and what type each has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Join, Source

BUILT_IN = ("path", "folder", "stem", "suffix")
"""What every file gives, beside its medium."""

MEDIUM = {"images": "image", "images+text": "image", "audio": "audio", "text": "text", "series": "series"}


def case_name(spec: Spec) -> str | None:
    """Name of the source of the decision's cases; None while a plan with several sources does not say."""
    if spec.decision is not None and spec.decision.cases:
        return spec.decision.cases
    return spec.data[0].name if len(spec.data) == 1 else None


def join_keys(join: Join) -> dict[str, str]:
    """Columns that must be equal: here -> there."""
    return {join.on: join.on} if isinstance(join.on, str) else dict(join.on or {})


def declared(source: Source) -> dict[str, str]:
    """Columns that the plan types itself."""
    return {name: column.type for name, column in source.columns.items()}


def needed(spec: Spec, source: Source) -> dict[str, str]:
    """Columns that the plan uses without typing them -> the type their use implies.

    Keys are text, so that the same key read from two files is equal; a time is a time; a weight is a number.
    """
    wanted: dict[str, str] = {}
    for name, kind in ((source.entity, "id"), (source.time, "time"), (source.weight, "number")):
        if isinstance(name, str):
            wanted[name] = kind
    if source.ratings is not None:
        wanted |= {name: "id" for name in (source.ratings.user, source.ratings.item) if name}
    for join in source.join:
        wanted |= dict.fromkeys(join_keys(join), "id")
    for other in spec.data:
        for join in other.join:
            if join.data == source.name:
                wanted |= dict.fromkeys(join_keys(join).values(), "id")
    for outcome in source.outcomes.values():
        if outcome.event:
            wanted.setdefault(outcome.event, "boolean")
    for lever in spec.levers:
        history = lever.history
        if history is not None and (history.data or case_name(spec)) == source.name:
            if history.column:
                wanted.setdefault(history.column, "category" if lever.type == "options" else "number")
            if isinstance(history.propensity, str):
                wanted.setdefault(history.propensity, "number")
    for column in source.columns.values():
        if column.known_at:
            wanted.setdefault(column.known_at, "time")
    for group in source.groups:
        wanted.setdefault(group, "category")
    for name in split_columns(source):
        wanted.setdefault(name, "category")
    given = declared(source)
    return {name: kind for name, kind in wanted.items() if name not in given}


def optional(spec: Spec, source: Source) -> dict[str, str]:
    """Columns that are read where they are: `as_of` may name a time on either side of a join."""
    ties = [join for other in spec.data for join in other.join if source.name in (other.name, join.data)]
    given = declared(source)
    return {join.as_of: "time" for join in ties if join.as_of and join.as_of not in given}


def may_come_from_a_join(source: Source) -> frozenset[str]:
    """Needed columns that need not stand in the source's own files, because a join may bring them."""
    if not source.join:
        return frozenset()
    used = {*source.groups, *split_columns(source), source.entity, source.time}
    keys = {key for join in source.join for key in join_keys(join)}
    return frozenset(name for name in used if isinstance(name, str)) - keys - frozenset(declared(source))


def split_columns(source: Source) -> list[str]:
    """Columns that the split reads, apart from entity and time."""
    split = source.split
    names = [split.column] if split.column else []
    if split.by and split.by not in ("random", "entity", "time"):
        names.append(split.by)
    return names + list(split.hold_out)
