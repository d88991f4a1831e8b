"""Levers: what can be learned about a setting depends on how often, and where, it was pulled."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from drivetrain.availability.formulas import array, rows_where
from drivetrain.availability.look import Look, count, some
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.levers import History, IntegerLever, Lever, RangeLever, RankingLever

FEW = 30
"""A setting with fewer rows says next to nothing about what it does."""


def levers(spec: Spec, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Findings about each lever, from the source that logged its settings.

    Args:
        spec: The plan.
        looks: Sources that could be read.
    """
    for lever in spec.levers:
        yield from _lever(spec, lever, looks)


def moved_outcomes(spec: Spec, lever: str) -> list[str]:
    """Outcomes that a lever changes, as the plan claims."""
    return [
        name
        for source in spec.data
        for name, outcome in source.outcomes.items()
        if lever in (outcome.affected_by or [])
    ]


def _lever(spec: Spec, lever: Lever, looks: Mapping[str, Look]) -> Iterator[Finding]:
    where, moved = f"levers.{lever.name}.history", moved_outcomes(spec, lever.name)
    history = lever.history
    experiment = any(s.collect is not None and getattr(s.collect, "lever", None) == lever.name for s in spec.data)
    needed = bool(moved) and not experiment
    if history is None:
        yield Finding(
            "DA201",
            "unknown" if needed else "note",
            where,
            "the plan does not say how the lever was set in the past.",
            "Write `history: {kind: randomised|rule|human|constant|never}`.",
        )
        return
    if history.kind in ("constant", "never") and not history.column:
        never = "was never pulled" if history.kind == "never" else "never moved"
        if needed:
            yield Finding(
                "DA202",
                "fail",
                where,
                f"it {never}, and it is to change {some(moved)}: its effect cannot be learned from these data.",
                "Plan an experiment (`collect: {how: experiment, …}`), or claim and defend `affected_by: []`.",
            )
        else:
            yield Finding("DA202", "pass", where, f"it {never}; no outcome depends on it, so that does no harm.")
        return
    look = looks.get(history.data or _cases(spec))
    if look is None or not history.column:
        yield Finding(
            "DA201",
            "unknown" if needed else "note",
            where,
            "there is no record of its settings." if not history.column else "its record could not be read.",
            "Name the source and the column that logged them (`history: {data: …, column: …}`).",
        )
        return
    if history.column not in look.rows.column_names:
        return
    yield from _record(spec, lever, history, look, needed, moved)


def _cases(spec: Spec) -> str:
    from drivetrain.source.columns import case_name

    return case_name(spec) or ""


def _record(
    spec: Spec, lever: Lever, history: History, look: Look, needed: bool, moved: Sequence[str]
) -> Iterator[Finding]:
    import numpy as np

    where = f"levers.{lever.name}.history"
    chosen = rows_where(look, history.rows)
    rows = np.ones(look.rows.num_rows, bool) if chosen is None else chosen
    if chosen is None:
        yield Finding(
            "DA203",
            "unknown",
            where,
            f"`rows: {history.rows}` names something that `{look.source.name}` does not have.",
            "Name columns of the source that logged the settings.",
        )
    rows = rows & np.asarray(look.rows[str(history.column)].is_valid())
    if not rows.any():
        yield Finding(
            "DA203", "fail" if needed else "warn", where, "no row has a setting on record.", "Check column and `rows`."
        )
        return
    if lever.type == "options":
        yield from _settings(spec, lever, history, look, rows, needed)
    elif lever.type == "ranking":
        yield from _places(lever, history, look, rows, needed)
    else:
        yield from _range(lever, history, look, rows, needed)


def _settings(
    spec: Spec, lever: Lever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    import numpy as np

    where = f"levers.{lever.name}.history"
    settings = spec.derived.settings(lever)
    logged = np.array([str(value) for value in array(look.rows[str(history.column)])])
    sizes = {setting: int(np.sum(rows & (logged == setting))) for setting in settings}
    total = int(rows.sum())
    facts: dict[str, Any] = {
        "counts": sizes,
        "shares": {setting: size / total for setting, size in sizes.items()},
        "rows": total,
        "by": _by_context(look, logged, rows, settings),
    }
    never = [setting for setting, size in sizes.items() if not size]
    if never:
        yield Finding(
            "DA204",
            "fail" if needed else "note",
            where,
            f"{some(never)} never pulled in {count(total, 'row')}.",
            "Nothing can be said about what it does: try it in an experiment, or take the setting out."
            if needed
            else "",
            affected=tuple(never),
            facts=facts,
        )
    need = look.source.needs.per_setting
    few = [setting for setting, size in sizes.items() if 0 < size < (need or FEW)]
    if few:
        yield Finding(
            "DA205",
            ("fail" if need else "warn") if needed else "note",
            where,
            f"{some(few)}: fewer than {need or FEW:,} rows ({', '.join(f'{sizes[s]:,}' for s in few)}).",
            "Collect more rows of these settings, best by lot." if needed else "",
            affected=tuple(f"{setting}: {sizes[setting]:,}" for setting in few),
            facts=facts,
        )
    elif not never:
        shown = ", ".join(f"`{setting}` {size:,}" for setting, size in sizes.items())
        yield Finding("DA204", "pass", where, f"rows of each setting: {shown}.", facts=facts)
    strange = sorted(set(logged[rows]) - set(settings))
    if strange:
        affected = np.flatnonzero(rows & np.isin(logged, strange))
        yield Finding(
            "DA206",
            "warn",
            where,
            f"the record has {some(strange)} ({count(len(affected), 'row')}), which the plan does not offer.",
            "Correct the record, or add the setting.",
            affected=tuple(look.names(affected)),
            facts={"settings": strange},
        )
    if needed:
        yield from _contexts(lever, look, facts["by"], [s for s in settings if s not in never])


def _by_context(
    look: Look, logged: NDArray[np.str_], rows: NDArray[np.bool_], settings: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Rows of each setting in each context: column -> value (numbers in fifths) -> setting -> rows."""
    import numpy as np

    found: dict[str, dict[str, dict[str, int]]] = {}
    for name, column in look.source.columns.items():
        if column.role != "feature" or column.known != "before" or name not in look.rows.column_names:
            continue
        context = _context(look, name)
        values = [str(value) for value in np.unique(context[rows])] if context is not None else []
        if context is not None and 1 < len(values) <= 20:
            found[name] = {
                value: {s: int(np.sum(rows & (context == value) & (logged == s))) for s in settings} for value in values
            }
    return found


def _context(look: Look, name: str) -> NDArray[np.str_] | None:
    import numpy as np

    values = array(look.rows[name])
    if values.dtype.kind == "U":
        return np.where(values == "", "(missing)", values)
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    finite = values[np.isfinite(values)]
    if look.source.columns[name].type not in ("number", "integer") or not len(finite):
        return None
    edges = np.unique(np.quantile(finite, [0.2, 0.4, 0.6, 0.8]))
    place = np.searchsorted(edges, values, side="right")
    bounds = [-np.inf, *edges, np.inf]
    names = np.array([f"{low:g} to {high:g}" for low, high in pairwise(bounds)])
    return np.where(np.isfinite(values), names[np.minimum(place, len(edges))], "(missing)")


def _contexts(
    lever: Lever, look: Look, by: Mapping[str, Mapping[str, Mapping[str, int]]], settings: Sequence[str]
) -> Iterator[Finding]:
    """Contexts in which a setting that was pulled elsewhere never, or hardly ever, was."""
    allowed = bool(lever.limits)
    never, few = [], []
    for column, values in by.items():
        for value, sizes in values.items():
            total = sum(sizes.values())
            for setting in settings:
                # Below the need, an empty cell may be chance: with 1 % of the pulls one expects none in 100 rows.
                if total >= 100 and not sizes[setting]:
                    never.append(f"{column} = {value}: {setting} (0 of {total:,})")
                elif total >= 100 and sizes[setting] < max(5, 0.01 * total):
                    few.append(f"{column} = {value}: {setting} ({sizes[setting]:,} of {total:,})")
    for id, found, word in (("DA207", never, "never"), ("DA208", few, "hardly ever")):
        if found:
            yield Finding(
                id,
                "note" if allowed and word == "never" else "warn",
                f"levers.{lever.name}.history",
                f"in {count(len(found), 'context')} a setting was {word} pulled: {some(found, 3)}.",
                "What it does there is a guess: draw settings there, or forbid them with `limits`.",
                affected=tuple(found),
            )
    if not never and not few:
        yield Finding(
            "DA207",
            "pass",
            f"levers.{lever.name}.history",
            "each setting was pulled in each context that was looked at.",
        )


def _range(
    lever: IntegerLever | RangeLever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    import numpy as np

    where = f"levers.{lever.name}.history"
    logged = array(look.rows[str(history.column)]).astype(float)[rows]
    logged = logged[np.isfinite(logged)]
    if not len(logged) or logged.min() == logged.max():
        yield Finding(
            "DA202",
            "fail" if needed else "note",
            where,
            f"it never moved: {logged[0]:g} in all rows." if len(logged) else "no setting is a number.",
            "Its effect cannot be learned from these data: vary it in an experiment.",
        )
        return
    low, high = float(logged.min()), float(logged.max())
    inner = [float(value) for value in np.quantile(logged, [0.01, 0.99])]
    # A hundredth of the range is no gap: draws hardly ever hit the very ends.
    near = 0.01 * ((lever.maximum or high) - (lever.minimum or low))
    facts = {"observed": [low, high], "observed_98_percent": inner, "planned": [lever.minimum, lever.maximum]}
    beyond = [
        f"{name} {planned:g} (observed {seen:g})"
        for name, planned, seen, out in (
            ("minimum", lever.minimum, low, lever.minimum is not None and lever.minimum < low - near),
            ("maximum", lever.maximum, high, lever.maximum is not None and lever.maximum > high + near),
        )
        if out
    ]
    if beyond and needed:
        yield Finding(
            "DA209",
            "warn",
            where,
            f"the planned range goes beyond what was ever tried: {', '.join(beyond)}.",
            "The optimizer stays within the observed range unless `optimizer.extrapolate` is set.",
            facts=facts,
        )
    else:
        yield Finding(
            "DA209",
            "pass",
            where,
            f"observed from {low:g} to {high:g}, 98 % between {inner[0]:g} and {inner[1]:g}.",
            facts=facts,
        )


def _places(
    lever: RankingLever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    import numpy as np

    where = f"levers.{lever.name}.history"
    logged = array(look.rows[str(history.column)]).astype(float)[rows]
    slots = lever.slots or int(np.nanmax(logged))
    sizes = {str(place): int(np.sum(logged == place)) for place in range(slots + 1)}
    never = [place for place, size in sizes.items() if not size]
    if never:
        yield Finding(
            "DA204",
            "fail" if needed else "note",
            where,
            f"place {some(never)} never used in {count(len(logged), 'row')}"
            + (", so that what is not shown cannot be compared." if "0" in never else "."),
            "Log what was not shown as well (place 0), and draw some places by lot." if needed else "",
            affected=tuple(never),
            facts={"counts": sizes},
        )
    else:
        shown = ", ".join(f"{place}: {size:,}" for place, size in sizes.items())
        yield Finding("DA204", "pass", where, f"rows of each place: {shown}.", facts={"counts": sizes})
