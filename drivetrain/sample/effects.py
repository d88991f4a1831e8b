"""What levers do to an outcome, in a way that is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.sample.scores import scored
from drivetrain.sample.world import Frame, World, value_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Outcome, Source

EFFECT = 0.9
"""What a setting of a lever does to a logit."""
RESPONSE = "0.5 - 1.5 tanh(0.7 score + 0.7 response)"
"""By which factor cases differ in what a setting does to them."""


def effects(
    world: World, source: Source, name: str, outcome: Outcome, frame: Frame, score: NDArray[np.float64]
) -> dict[str, Any]:
    """What levers do to an outcome: the change of the logit in each row, and how that is written down."""
    import numpy as np

    rows = len(score)
    logit, said = np.zeros(rows), dict[str, Any]()
    falls = any(v == "decreasing" for m in world.spec.models for v in m.monotone.values())
    sign = -1.0 if falls else _sign(world, name, frame)
    for lever_name in outcome.affected_by or []:
        lever = world.spec.lever(lever_name)
        column = lever.history.column if lever.history else None
        if column is None or column not in frame:
            said[lever_name] = "the data have no record of its settings"
            continue
        values = frame[column]
        if lever.type == "options":
            settings = world.spec.derived.settings(lever)
            nothing = lever.policies.do_nothing if isinstance(lever.policies.do_nothing, str) else settings[0]
            others = [setting for setting in settings if setting != nothing]
            size = {s: sign * EFFECT * (1 - 0.35 * k) for k, s in enumerate(others)}
            # The effect differs between cases, or there would be nothing to choose; and it turns round mostly for those
            # to whom the outcome happens anyway, so that acting on the likeliest is not acting where it helps.
            own, weights = scored(world, source, name, frame, rows, "response")
            factor = 0.5 - 1.5 * np.tanh(0.7 * score + 0.7 * own)
            for setting, amount in size.items():
                logit = logit + np.where(values == setting, amount * factor, 0.0)
            said[lever_name] = {"settings": {nothing: 0.0} | size, "times": RESPONSE, "response": weights}
        elif lever.type == "ranking":
            places = lever.attention or [1.0] * (lever.slots or 5)
            seen = np.array([0.0, *places])
            place = np.clip(values.astype(int), 0, len(places))
            logit = logit + 1.8 * seen[place]
            said[lever_name] = {"logit": "1.8 x attention of the place, 0 when not shown"}
        else:
            middle, scale = _reference(world, lever_name, frame, values)
            sign = -1.0 if falls else _trade_off(world, lever_name, name, frame)
            logit = logit + sign * 1.2 * (values - middle) / scale
            said[lever_name] = {"slope": sign * 1.2 / scale, "around": "its reference column, or its mean"}
    return {"logit": logit, "said": {"levers": said} if said else {}}


def _reference(
    world: World, lever: str, frame: Frame, values: NDArray[Any]
) -> tuple[NDArray[np.float64] | float, float]:
    """What a setting is compared with by those who feel it: the column that `do_nothing` names, else the mean."""
    column = getattr(world.spec.lever(lever).policies.do_nothing, "column", None)
    middle = frame[column].astype(float) if column in frame else float(values.mean())
    return middle, float((values - middle).std()) or 1.0


def _sign(world: World, name: str, frame: Frame) -> float:
    """Whether the lever should make a binary outcome likelier for the objective's sake: +1, or -1 if it should not."""
    import numpy as np

    objective = world.spec.objective
    if objective is None or not objective.value:
        return 1.0
    names: dict[str, Any] = {other: np.asarray(False) for source in world.spec.data for other in source.outcomes}
    for lever in world.spec.levers:
        settings = world.spec.derived.settings(lever)
        nothing = lever.policies.do_nothing
        start = settings[0] if settings else getattr(lever, "minimum", None) or 0.0
        names[lever.name] = np.asarray(nothing if isinstance(nothing, str) and settings else start)
    both = [value_of(world, objective.value, {**names, **frame, name: np.asarray(truth)}) for truth in (False, True)]
    if both[0] is None or both[1] is None:
        return 1.0
    return -1.0 if float(np.mean(both[1])) < float(np.mean(both[0])) else 1.0


def _trade_off(world: World, lever_name: str, name: str, frame: Frame) -> float:
    """Which way a number pushes an outcome: against what it does to the value itself, or there is nothing to weigh.

    A higher price earns more from each sale, so it makes sales rarer; a longer visit costs more, so it helps.
    """
    import numpy as np

    objective = world.spec.objective
    helps = _sign(world, name, frame)
    lever = world.spec.lever(lever_name)
    low, high = getattr(lever, "minimum", None), getattr(lever, "maximum", None)
    if objective is None or not objective.value or low is None or high is None:
        return helps
    names: dict[str, Any] = {other: np.asarray(1.0) for source in world.spec.data for other in source.outcomes}
    for other in world.spec.levers:
        settings = world.spec.derived.settings(other)
        names[other.name] = np.asarray(settings[0] if settings else getattr(other, "minimum", None) or 0.0)
    names |= frame
    both = [value_of(world, objective.value, {**names, name: np.asarray(1.0), lever_name: np.asarray(float(setting)),
                                              f"cost({lever_name})": 0.0}) for setting in (low, high)]  # fmt: skip
    if both[0] is None or both[1] is None:
        return helps
    gain = float(np.mean(both[1]) - np.mean(both[0]))
    return -helps if gain > 0 else helps
