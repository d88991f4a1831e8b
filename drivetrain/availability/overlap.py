"""Levers: what can be learned about a setting depends on how often, and where, it was pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.availability.contexts import allowed, context_columns, crossed, in_tenths, places
from drivetrain.availability.formulas import rows_where
from drivetrain.availability.look import Coded, Look, array, count, listed, some
from drivetrain.availability.lots import lots
from drivetrain.availability.tried import OFTEN, gaps, parts, placed
from drivetrain.errors import DataError
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.levers import History, IntegerLever, Lever, OptionsLever, RangeLever, RankingLever

FEW = 30
"""A setting with fewer rows says next to nothing about what it does."""


def levers(spec: Spec, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Findings about each lever, from the source that logged its settings.

    Args:
        spec: The plan.
        looks: Sources that could be read.
    """
    for lever in spec.levers:
        try:
            yield from _lever(spec, lever, looks)
        except DataError as error:  # cells of the record do not fit, which its source's findings say in full
            yield Finding("DA203", "fail", f"levers.{lever.name}.history", error.what, error.advice)


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
    if history.column not in look.rows:
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
    rows = np.ones(look.rows.count, bool) if chosen is None else chosen
    if chosen is None:
        yield Finding(
            "DA203",
            "unknown",
            where,
            f"`rows: {history.rows}` names something that `{look.source.name}` does not have.",
            "Name columns of the source that logged the settings.",
        )
    rows = rows & ~np.asarray(look.rows.column(str(history.column)).is_null())
    if not rows.any():
        yield Finding(
            "DA203", "fail" if needed else "warn", where, "no row has a setting on record.", "Check column and `rows`."
        )
        return
    if lever.type == "options":
        yield from _settings(spec, lever, history, look, rows, moved if needed else ())
    elif lever.type == "ranking":
        yield from _places(lever, history, look, rows, needed)
    else:
        yield from _range(lever, history, look, rows, needed)
    if history.kind == "randomised":
        yield from lots(spec, lever, history, look, rows, needed)


def _settings(
    spec: Spec, lever: OptionsLever, history: History, look: Look, rows: NDArray[np.bool_], moved: Sequence[str]
) -> Iterator[Finding]:
    import numpy as np

    where, needed = f"levers.{lever.name}.history", bool(moved)
    settings = spec.derived.settings(lever)
    logged = look.coded(str(history.column))
    counted = logged.sizes(rows)
    sizes = {setting: counted.get(setting, 0) for setting in settings}
    total = int(rows.sum())
    contexts = by_context(look, lever, logged, rows, settings)
    facts: dict[str, Any] = {
        "counts": sizes,
        "shares": {setting: size / total for setting, size in sizes.items()},
        "rows": total,
        "by": contexts,
    }
    never = [setting for setting, size in sizes.items() if not size]
    if len(never) == len(settings) - 1 > 0:
        only = next(setting for setting in settings if setting not in never)
        yield Finding(
            "DA202",
            "fail" if needed else "note",
            where,
            f"it never moved: `{only}` in all {count(total, 'row')}"
            + (f", and it is to change {some(moved)}." if needed else "."),
            "Its effect cannot be learned from these data: try the other settings in an experiment." if needed else "",
            facts=facts,
        )
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
        yield Finding("DA204", "pass", where, f"rows of each setting: {listed(sizes)}.", facts=facts)
    strange = sorted(value for value, size in counted.items() if size and value not in sizes)
    if strange:
        affected = np.flatnonzero(rows & logged.having(strange))
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
        yield from _contexts(lever, contexts, [s for s in settings if s not in never])


def by_context(
    look: Look,
    lever: Lever,
    logged: Coded,
    rows: NDArray[np.bool_],
    settings: Sequence[str],
    ends: Sequence[tuple[float, ...]] = (),
) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """Where each setting was pulled: column -> value (numbers in tenths) -> setting -> `{"pulled", "allowed"}`.

    `allowed` counts the rows in which the limits of the plan leave that setting open; where settings are parts of a
    range, both of their `ends`.
    """
    import numpy as np

    taken = places(logged, settings, rows)
    asked: Sequence[tuple[Any, ...]] = ends or [(setting,) for setting in settings]
    free = [
        rows & np.logical_and.reduce([allowed(look, lever, end) for end in both]) if lever.limits else rows
        for both in asked
    ]
    found: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for name, column in context_columns(look).items():
        context = in_tenths(look, name, column)
        if context is None or not 1 < len(context.values) <= 20:
            continue
        top = len(context.values)
        pulled = np.bincount(crossed(taken, context, top), minlength=(len(settings) + 1) * (top + 1))
        pulled = pulled.reshape(len(settings) + 1, top + 1)[1:, 1:]
        may = [np.bincount(context.codes[there] + 1, minlength=top + 1)[1:] for there in _different(free)]
        may = may * (len(settings) // len(may))
        found[name] = {
            value: {s: {"pulled": int(pulled[at, k]), "allowed": int(may[at][k])} for at, s in enumerate(settings)}
            for k, value in enumerate(context.values)
        }
    return found


def _different(masks: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """The first of masks that are one and the same, else all."""
    return masks[:1] if all(mask is masks[0] for mask in masks) else masks


def _contexts(
    lever: Lever, by: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]], settings: Sequence[str]
) -> Iterator[Finding]:
    """Contexts in which a setting that was pulled elsewhere never, or hardly ever, was, though it was allowed."""
    never, few = [], []
    for column, values in by.items():
        for value, sizes in values.items():
            for setting in settings:
                # Among fewer rows an empty cell may be chance.
                pulled, open_rows = sizes[setting]["pulled"], sizes[setting]["allowed"]
                line = f"{column} = {value}: {setting} ({pulled:,} of {open_rows:,})"
                if open_rows >= 50 and not pulled:
                    never.append(line)
                elif open_rows >= 100 and pulled < max(5, 0.01 * open_rows):
                    few.append(line)
    for id, found, word in (("DA207", never, "never"), ("DA208", few, "hardly ever")):
        if found:
            yield Finding(
                id,
                "warn",
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
    logged = array(look.rows.column(str(history.column))).astype(float)[rows]
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
    whole = array(look.rows.column(str(history.column))).astype(float)
    cut = parts(lever, whole)
    if cut is None:
        return
    edges, names = cut
    tried = placed(edges, names, whole)
    yield from gaps(lever, look, tried, rows, needed)
    sizes = tried.sizes(rows)
    often = [place for place, name in enumerate(names) if sizes[name] >= OFTEN * rows.sum()]
    if needed and len(often) > 1:
        ends = [(edges[place], edges[place + 1]) for place in often]
        if len(edges) > 1 and names[0] == f"{(edges[0] + edges[1]) / 2:g}":
            ends = [((low + high) / 2,) * 2 for low, high in ends]
        chosen = [names[place] for place in often]
        yield from _contexts(lever, by_context(look, lever, tried, rows, chosen, ends), chosen)


def _places(
    lever: RankingLever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    import numpy as np

    where = f"levers.{lever.name}.history"
    logged = array(look.rows.column(str(history.column))).astype(float)[rows]
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
