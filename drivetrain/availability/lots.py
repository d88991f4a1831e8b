"""Was it really drawn by lot? Settings that are claimed to be random, against their logged probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.availability.contexts import allowed, context_columns, crossed, in_tenths, places
from drivetrain.availability.look import Coded, Look, array, count
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.levers import History, IntegerLever, Lever, OptionsLever, RangeLever

SURPRISE = 5.0
"""Standard errors: by chance alone, one figure in two million lies further off."""
ROWS, STEPS = 4_000, 101
"""Rows and settings on which the allowed width of a range is measured."""


def lots(
    spec: Spec, lever: Lever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    """Findings about a lever whose settings are claimed to be randomised.

    Of each row only the probability p of the setting that was used is logged. If it is right, the sum of 1/p over the
    rows with a setting estimates in how many rows it could have been used (Horvitz and Thompson 1952), overall and
    within each context.

    Args:
        spec: The plan.
        lever: The lever.
        history: How it was set.
        look: The source with the log.
        rows: Rows in which it was set by lot, `(n,)`.
        needed: Whether an outcome depends on it.
    """
    import numpy as np

    where = f"levers.{lever.name}.history"
    probability = _probability(history, look)
    if probability is None:
        if lever.type == "options":
            yield from _independent(spec, lever, history, look, rows, needed)
        return
    limit = 1.0 if lever.type in ("options", "ranking") else np.inf
    wrong = np.flatnonzero(rows & ~((probability > 0) & (probability <= limit + 1e-9)))
    if len(wrong):
        yield Finding(
            "DA210",
            "fail" if needed else "warn",
            f"{where}.propensity",
            f"{count(len(wrong), 'row', verb='have')} a propensity that is none: not above 0"
            + (" and at most 1." if limit == 1.0 else "."),
            "Log the probability with which the setting that was used had been drawn.",
            affected=tuple(look.names(wrong)),
            facts={"rows": len(wrong)},
        )
        rows = rows & (probability > 0) & (probability <= limit + 1e-9)
    if lever.type == "options":
        yield from _matches(spec, lever, history, look, rows, probability, needed)
    elif lever.type in ("integer", "range"):
        yield from _width(lever, look, rows, probability, needed)


def _probability(history: History, look: Look) -> NDArray[np.float64] | None:
    import numpy as np

    if history.propensity is None:
        return None
    if isinstance(history.propensity, str):
        return array(look.rows.column(history.propensity)).astype(float) if history.propensity in look.rows else None
    return np.full(look.rows.count, float(history.propensity))


def _matches(
    spec: Spec,
    lever: OptionsLever,
    history: History,
    look: Look,
    rows: NDArray[np.bool_],
    probability: NDArray[np.float64],
    needed: bool,
) -> Iterator[Finding]:
    import numpy as np

    logged = look.coded(str(history.column))
    checked = 0
    contexts = {"": None} | {
        name: found
        for name, column in context_columns(look).items()
        if (found := in_tenths(look, name, column)) is not None
    }
    settings = spec.derived.settings(lever)
    taken = places(logged, settings, rows)
    free = [rows & allowed(look, lever, setting) for setting in settings]
    off: list[list[str]] = [[] for _ in settings]
    some = probability[rows]
    # With one probability for all, rows need only be counted.
    even = float(some[0]) if len(some) and (some == some[0]).all() else None
    weight = np.zeros(0) if even else 1 / np.where(probability > 0, probability, 1)
    usual = np.zeros((len(settings), 1))
    for name, context in contexts.items():
        values = ["all rows"] if context is None else [f"{name} = {value}" for value in context.values]
        if len(values) > 20:
            continue
        if context is None:
            context = Coded(np.zeros(len(taken), np.int8), [""])
        size, shape = len(values), (len(settings) + 1, len(values) + 1)
        key = crossed(taken, context, size)

        def total(each: NDArray[np.float64] | None, key: Any = key, shape: tuple[int, int] = shape) -> NDArray[Any]:
            return np.bincount(key, each, shape[0] * shape[1]).reshape(shape)[1:, 1:]

        used = total(None)
        claimed = used / even if even else total(weight)
        could = np.stack([np.bincount(context.codes[there] + 1, minlength=size + 1)[1:] for there in free])
        # If the claim is right, each open row adds (1 - p) / p to the variance. Few uses tell too little of it: what
        # they say is scaled to the open rows, and where there are none it is as everywhere.
        spread = claimed * (1 - even) / even if even else total((1 - probability) * weight**2)
        each = np.where(claimed > 0, spread / np.maximum(claimed, 1e-9), usual)
        usual = each if not name else usual
        # Where nothing varies (probability 1), any difference counts.
        noise = np.maximum(np.sqrt(np.maximum(spread, each * could)), 1.0)
        for at, setting in enumerate(settings):
            for place, value in enumerate(values):
                checked += 1
                off_by = abs(claimed[at, place] - could[at, place])
                if could[at, place] >= 30 and off_by > SURPRISE * noise[at, place] + 0.01 * could[at, place]:
                    off[at].append(
                        f"{value}: `{setting}` used {int(used[at, place]):,} times, propensities stand for "
                        f"{claimed[at, place]:,.0f} rows, it was open in {int(could[at, place]):,}"
                    )
    yield _verdict(lever, look, [line for lines in off for line in lines], checked, needed)


def _verdict(lever: Lever, look: Look, off: list[str], checked: int, needed: bool) -> Finding:
    where = f"levers.{lever.name}.history.propensity"
    if not off:
        return Finding("DA211", "pass", where, f"logged propensities match what was used ({checked} figures compared).")
    return Finding(
        "DA211",
        "fail" if needed else "warn",
        where,
        f"logged propensities do not match what was used: {_first(off)}.",
        "Find out how settings really were drawn; until then this history counts as `human`, not as `randomised`.",
        affected=tuple(off),
    )


def _first(lines: list[str]) -> str:
    return lines[0] + (f"; and {len(lines) - 1:,} more like it" if len(lines) > 1 else "")


def _independent(
    spec: Spec, lever: OptionsLever, history: History, look: Look, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    """Without logged probabilities, a lot must fall the same way in every context.

    Only rows in which all settings were open count: where a limit closes one, the others are used more often.
    """
    import numpy as np

    logged = look.coded(str(history.column))
    off: list[str] = []
    checked = 0
    settings = spec.derived.settings(lever)
    base = rows & np.logical_and.reduce([allowed(look, lever, setting) for setting in settings])
    for setting in settings:
        used = base & logged.having([setting])
        total = int(base.sum())
        if total < 100 or not 0 < used.sum() < total:
            continue
        share = used.sum() / total
        for name, column in context_columns(look).items():
            context = in_tenths(look, name, column)
            if context is None or not 1 < len(context.values) <= 20:
                continue
            for place, value in enumerate(context.values):
                inside = base & (context.codes == place)
                size = int(inside.sum())
                if size < 30 or size == total:
                    continue
                checked += 1
                found = int(np.sum(used & inside))
                noise = float(np.sqrt(size * share * (1 - share) * (1 - size / total)))
                if abs(found - size * share) > SURPRISE * max(noise, 1.0):
                    off.append(
                        f"{name} = {value}: `{setting}` in {found / size:.1%} of {size:,} rows, {share:.1%} overall"
                    )
    where = f"levers.{lever.name}.history"
    if off:
        yield Finding(
            "DA212",
            "fail" if needed else "warn",
            where,
            f"it is called randomised, but depends on what was known: {_first(off)}.",
            "Log the probabilities (`propensity`), or call it `human` or `rule`.",
            affected=tuple(off),
        )
    elif checked:
        yield Finding("DA212", "pass", where, f"settings fell alike in all contexts ({checked} figures compared).")


def _width(
    lever: IntegerLever | RangeLever,
    look: Look,
    rows: NDArray[np.bool_],
    probability: NDArray[np.float64],
    needed: bool,
) -> Iterator[Finding]:
    """The mean of 1/density estimates how wide the range of allowed settings is, or, of whole numbers, how many."""
    import numpy as np

    from drivetrain.availability.formulas import value_of

    if lever.minimum is None or lever.maximum is None or rows.sum() < 100:
        return
    steps = np.linspace(lever.minimum, lever.maximum, STEPS) if lever.type == "range" else None
    if steps is None:
        step = lever.step if isinstance(lever.step, int | float) and lever.step > 0 else 1
        steps = np.arange(lever.minimum, lever.maximum + step / 2, step)
    few = np.flatnonzero(rows)[:: int(rows.sum()) // ROWS + 1]
    fits = np.ones((len(few), len(steps)), bool)
    for limit in lever.limits:
        for place, step in enumerate(steps):
            value: Any = value_of(look, limit, {lever.name: np.asarray(float(step))})
            if value is not None:
                fits[:, place] &= np.broadcast_to(np.asarray(value, bool), (look.rows.count,))[few]
    unit = (lever.maximum - lever.minimum) / STEPS if lever.type == "range" else 1.0
    width = float(fits.mean() * len(steps) * unit)
    weight = 1 / probability[rows]
    mean, error = float(weight.mean()), float(weight.std() / np.sqrt(len(weight)))
    where = f"levers.{lever.name}.history.propensity"
    facts = {"claimed": mean, "width": width, "standard_error": error}
    drawn, per = ("density", ", per unit of the lever") if lever.type == "range" else ("probability", "")
    if abs(mean - width) > SURPRISE * error + 0.05 * width:
        yield Finding(
            "DA211",
            "fail" if needed else "warn",
            where,
            f"logged densities stand for a range {mean:,.4g} wide, the limits leave {width:,.4g}."
            if lever.type == "range"
            else f"logged propensities stand for {mean:,.4g} settings, the limits leave {width:,.4g}.",
            f"Log the {drawn} with which the setting was drawn{per}; until then this history counts as `human`, not as "
            "`randomised`.",
            facts=facts,
        )
    else:
        what = "densities match the range" if lever.type == "range" else "propensities match the settings"
        yield Finding("DA211", "pass", where, f"logged {what} that the limits leave.", facts=facts)
