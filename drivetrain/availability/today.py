"""What today's policy is worth by the data, beside what the plan says it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.availability.formulas import value_of
from drivetrain.availability.look import SPLITS, array, count
from drivetrain.errors import DataError, FormulaError
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.availability.look import Look
    from drivetrain.spec import Spec
    from drivetrain.spec.levers import Lever
    from drivetrain.spec.objective import Measure

    Floats = NDArray[np.float64]

WHERE = "objective.measure.current"
FEW = 30
RESAMPLES = 400
SEED = 42


def today(spec: Spec, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """The measure under `policies.today`, over the rows that policies are judged on, beside `measure.current`.

    Args:
        spec: The plan.
        looks: Sources that could be read.
    """
    from drivetrain.source.columns import case_name

    objective = spec.objective
    measure = objective.measure if objective else None
    if objective is None or measure is None or measure.current is None or objective.value is None:
        return
    if not spec.levers or any(lever.policies.today is None for lever in spec.levers):
        return
    look = looks.get(case_name(spec) or "")
    if look is None:
        return
    try:
        yield _compared(spec, measure, look)
    except _CannotTellError as reason:
        yield Finding("DA213", "note", WHERE, f"cannot be compared with the data yet: {reason}.", reason.advice)


class _CannotTellError(Exception):
    def __init__(self, why: str, advice: str = "`make decide` compares it once models are trained.") -> None:
        super().__init__(why)
        self.advice = advice


def _compared(spec: Spec, measure: Measure, look: Look) -> Finding:
    import numpy as np

    from drivetrain.source.fingerprint import has_samples

    assert measure.current is not None
    values, rows, said = _values(spec, look)
    known = rows & np.isfinite(values)
    if known.sum() < FEW:
        what = f"the outcomes of today's policy are known in {count(int(known.sum()), 'case')} that nothing learns from"
        raise _CannotTellError(what, f"{FEW} are needed; look at the labels and at the split.")
    found, low, high = _figure(spec, measure, look, values, known)
    unit = f" {measure.unit}" if measure.unit else ""
    figure = f"{found:.4g}{unit} ({low:.4g} to {high:.4g}, {count(int(known.sum()), 'case')}{said})"
    facts = {"measured": found, "low": low, "high": high, "current": measure.current, "cases": int(known.sum())}
    if measure.agrees(found, low, high):
        return Finding("DA213", "pass", WHERE, f"is {measure.current:g}, and the data say {figure}.", facts=facts)
    made = has_samples(spec.root)
    return Finding(
        "DA213",
        "note" if made else "warn",
        WHERE,
        f"is {measure.current:g}, and under today's policy the data say {figure}."
        + (" They are sample data, which know nothing of it." if made else ""),
        "Correct the figure, or find what `value` leaves out: gains are counted from here.",
        facts=facts,
    )


def _values(spec: Spec, look: Look) -> tuple[Floats, NDArray[np.bool_], str]:
    """Value of each row under today's policy, the rows that say something about it, and what to add about them."""
    import numpy as np

    objective = spec.objective
    assert objective is not None
    assert objective.value is not None
    if objective.over_time is not None and (objective.over_time.periods or 1) > 1:
        raise _CannotTellError("`value` spans several periods, and the rows show one")
    if any(lever.type == "ranking" for lever in spec.levers):
        raise _CannotTellError("a ranking is worth something for all its places together")
    names: dict[str, Any] = {"period": np.asarray(0.0)}
    for lever in spec.levers:
        names[lever.name] = _setting(spec, lever, look, names)
    for lever in spec.levers:
        names[f"cost({lever.name})"] = _cost(spec, lever, look, names)
    rows = np.isin(look.parts, [SPLITS.index(part) for part in ("test", "hold_out")])
    used = {name for name in spec.derived.expand("value").names if name in spec.derived.makers or _outcome(spec, name)}
    for name in sorted(used):
        rows = rows & ~np.asarray(look.rows.column(name).is_null()) if name in look.rows else rows
    same, said = _as_logged(spec, look, names, used)
    found = value_of(look, objective.value, names)
    if found is None and "area" in spec.derived.expand("value").calls:
        raise _CannotTellError("`value` measures an area, and masks are not read here")
    if found is None:
        raise _CannotTellError("`value` names something that the rows do not have")
    return np.broadcast_to(np.asarray(found, float), (look.rows.count,)), rows & same, said


def _outcome(spec: Spec, name: str) -> bool:
    return any(name in source.outcomes for source in spec.data)


def _setting(spec: Spec, lever: Lever, look: Look, names: Mapping[str, Any]) -> Any:
    """What today's policy sets a lever to, `()` or `(n,)`."""
    import numpy as np

    rule = lever.policies.today
    if isinstance(rule, str | int | float):
        return np.asarray(str(rule) if lever.type == "options" else float(rule))
    column, formula = getattr(rule, "column", None), getattr(rule, "formula", None)
    if column and column in look.rows:
        return array(look.rows.column(column))
    if formula and not any(_outcome(spec, name) for name in spec.derived.expand(formula).names):
        found = value_of(look, formula, dict(names))
        if found is not None:
            return found
    raise _CannotTellError("today's policy asks a model" if formula or not column else f"there is no column `{column}`")


def _cost(spec: Spec, lever: Lever, look: Look, names: Mapping[str, Any]) -> Any:
    """What the setting of each row costs, `()` or `(n,)`."""
    import numpy as np

    from drivetrain.policy.settings import costs

    found = costs(spec, lever)
    setting = np.asarray(names[lever.name])
    if not isinstance(found, dict):
        return value_of(look, str(found), dict(names))
    kinds, place = np.unique(setting, return_inverse=True)
    return np.array([found.get(str(kind), np.nan) for kind in kinds], float)[place].reshape(setting.shape)


def _as_logged(spec: Spec, look: Look, names: Mapping[str, Any], used: set[str]) -> tuple[NDArray[np.bool_], str]:
    """Rows in which what happened is what happens today, and what to say about it.

    An outcome that a lever moves is known only where the setting was used that is used today.
    """
    import numpy as np

    for name in used:
        if spec.outcome(name).event:
            raise _CannotTellError(f"some `{name}` were not seen to their end, and a time that is not over is no label")
    moving = {lever for name in used for lever in spec.outcome(name).affected_by or ()}
    same, chosen = np.ones(look.rows.count, bool), False
    for lever in spec.levers:
        if lever.name not in moving:
            continue
        history = lever.history
        if history is None or not history.column or history.column not in look.rows:
            if history is not None and history.kind in ("never", "constant"):
                continue  # it stood where it stands today
            raise _CannotTellError(f"nothing records how `{lever.name}` was set, and an outcome depends on it")
        if getattr(lever.policies.today, "column", None) == history.column:
            continue
        logged = array(look.rows.column(history.column))
        same &= np.broadcast_to(logged == names[lever.name], same.shape)
        chosen = True
    return same, ", those in which today's setting was used" if chosen else ""


def _figure(
    spec: Spec, measure: Measure, look: Look, values: Floats, known: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """The measure over some rows with its 95 % interval; of a formula, from a bootstrap (Efron and Tibshirani 1993)."""
    import numpy as np

    rows = np.flatnonzero(known)
    weights, name = np.ones(len(rows)), look.source.weight
    if name is not None and name in look.rows:
        weights = np.nan_to_num(array(look.rows.column(name)))[rows]
    if not weights.sum() > 0:
        raise _CannotTellError("all weights are 0", "Look at the column of the weights.")
    sign = -1.0 if measure.direction == "minimize" else 1.0
    if not measure.formula:
        mean = float((weights * values[rows]).sum() / weights.sum())
        each = weights * (values[rows] - mean) / weights.mean()
        error = float(each.std() / np.sqrt(len(rows)))
        low, high = sorted((sign * (mean - 1.96 * error), sign * (mean + 1.96 * error)))
        return sign * mean + 0.0, low + 0.0, high + 0.0
    stream = np.random.default_rng(SEED)
    shares = [weights] + [
        weights * stream.multinomial(len(rows), np.full(len(rows), 1 / len(rows))) for _ in range(RESAMPLES)
    ]
    figures = _population(spec, measure.formula, look, values, rows, shares)
    low, high = np.nanquantile(figures[1:], [0.025, 0.975])
    return figures[0], float(low), float(high)


def _population(
    spec: Spec, formula: str, look: Look, values: Floats, rows: NDArray[np.int64], shares: list[Floats]
) -> list[float]:
    """`measure.formula` for each weighting of the rows."""
    import numpy as np

    from drivetrain.spec.formula import parse, population

    objective, decision = spec.objective, spec.decision
    constants = objective.constants if objective else {}
    batch = decision.batch.cases if decision and decision.batch else None
    kept: dict[str, Floats] = {}

    def each(inner: Any) -> Floats:
        if str(inner) not in kept:
            found = value_of(look, str(inner), {"value": values, "period": np.asarray(0.0)})
            if found is None:
                raise _CannotTellError("`measure.formula` names something that the rows do not have")
            kept[str(inner)] = np.broadcast_to(np.asarray(found, float), (look.rows.count,))[rows]
        return kept[str(inner)]

    numbers = {name: float(c.value) for name, c in constants.items() if c.value is not None}
    try:
        return [population(parse(formula), numbers, weights, batch, expect=each) for weights in shares]
    except (FormulaError, DataError) as error:
        raise _CannotTellError(f"`measure.formula` has no figure here ({error.what.rstrip('.')})") from error
