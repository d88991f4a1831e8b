"""Outcomes that depend on inputs and on levers, each with what is known about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError
from drivetrain.sample import columns as make
from drivetrain.sample.effects import effects
from drivetrain.sample.naming import seconds_of
from drivetrain.sample.scores import STRENGTH, inputs_of, scored, standard
from drivetrain.sample.settings import log_levers
from drivetrain.sample.world import Frame, World, recorded, value_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Outcome, Source
    from drivetrain.spec.data import Ratings


def outcomes(world: World, source: Source, frame: Frame) -> None:
    """Add the outcomes of a source to its rows, the settings that were used before, and what is known only after."""
    own = world.frames[source.name]
    later = {}
    for name, outcome in source.outcomes.items():
        if not outcome.affected_by:
            frame[name] = own[name] = _outcome(world, source, name, outcome, frame)
        else:
            later[name] = outcome
    log_levers(world, source, frame)
    own |= {name: frame[name] for name in _logged(world, source) if name in frame}
    for name, outcome in later.items():
        frame[name] = own[name] = _outcome(world, source, name, outcome, frame)
    columns = {outcome.column: name for name, outcome in source.outcomes.items()}
    for name, outcome in source.outcomes.items():
        _shape(world, source, name, outcome, frame)
        own[name] = frame[name]
        if outcome.event and outcome.event in columns:  # one outcome is whether the other has ended
            own[outcome.event] = frame[columns[outcome.event]]
        elif outcome.event and outcome.event not in own:
            own[outcome.event] = world.draw(source.name, outcome.event).random(len(frame[name])) < 0.8
        if outcome.event and outcome.type == "number":
            _under_way(world, source, name, outcome, frame)
            own[name] = frame[name]
    for name, outcome in source.outcomes.items():
        seen = observed(world, outcome, frame, len(frame[name]))
        own[name] = _emptied(own[name], seen)
    _after(world, source)


def observed(world: World, outcome: Outcome, frame: Frame, rows: int) -> NDArray[np.bool_]:
    """Rows in which an outcome was observed, `(n,)`."""
    import numpy as np

    value = value_of(world, outcome.observed_when, frame)
    return np.ones(rows, bool) if value is None else np.broadcast_to(value.astype(bool), (rows,))


def _logged(world: World, source: Source) -> list[str]:
    """Columns that record what was done."""
    from drivetrain.source.columns import needed

    logged = [name for name, declared in source.columns.items() if declared.role == "logged"]
    return [*logged, *needed(world.spec, source), *recorded(world.spec, source)]


def _outcome(world: World, source: Source, name: str, outcome: Outcome, frame: Frame) -> NDArray[Any]:
    import numpy as np

    draw = world.draw(source.name, name, "outcome")
    rows = len(next(iter(frame.values())))
    if source.kind == "ratings" and source.ratings is not None:
        return _rating(world, source, source.ratings, name, outcome, frame, draw)
    if outcome.type in ("category", "labels", "mask"):
        return _class(world, source, name, outcome, frame, rows, draw)
    score, weights = scored(world, source, name, frame, rows)
    pulled = effects(world, source, name, outcome, frame, score)
    if outcome.type == "binary":
        rate = rate_of(world, name)
        logit = STRENGTH * score + pulled["logit"]
        shift = _shift(logit, rate)
        world.truth[name] = {
            "type": "binary",
            "logit": {"intercept": shift, "inputs": {n: STRENGTH * w for n, w in weights.items()}} | pulled["said"],
        }
        happened: NDArray[np.bool_] = draw.random(rows) < 1 / (1 + np.exp(-(logit + shift)))
        return happened
    return _number(world, name, outcome, score, weights, pulled, draw)


def _number(
    world: World,
    name: str,
    outcome: Outcome,
    score: NDArray[np.float64],
    weights: dict[str, float],
    pulled: dict[str, Any],
    draw: np.random.Generator,
) -> NDArray[np.float64]:
    """A number whose mean depends on inputs: skewed when it cannot be negative, else normal."""
    import numpy as np

    low, high = outcome.minimum, outcome.maximum
    if edges := outcome.bins:
        low, high = edges[0] if low is None else low, edges[-1] if high is None else high
    move = 0.35 * score + 0.3 * pulled["logit"]
    if low is not None and high is not None:
        mean = low + (high - low) / (1 + np.exp(-2 * move))
        values = mean + 0.08 * (high - low) * draw.standard_normal(len(mean))
        how = "minimum + range x logistic(2 x move)"
    else:
        marks = [abs(mark - (low or 0.0)) for mark in world.known.thresholds.get(name, ()) if mark != low]
        scale = sum(marks) / len(marks) if any(marks) else world.known.scales.get(outcome.unit or "", 100.0) * 0.6
        mean = (low or 0.0) + scale * np.exp(move - np.var(move) / 2)
        values = (low or 0.0) + (mean - (low or 0.0)) * draw.gamma(3, 1 / 3, len(mean))
        how = f"minimum + {scale * math.exp(-np.var(move) / 2):.6g} x exp(move), gamma with shape 3 around it"
    world.truth[name] = {
        "type": "number",
        "mean": how,
        "move": {"inputs": {n: 0.35 * w for n, w in weights.items()}} | pulled["said"],
    }
    bounded: NDArray[np.float64] = np.clip(values, -np.inf if low is None else low, np.inf if high is None else high)
    return bounded.round(4)


def rate_of(world: World, name: str) -> float:
    """How often a binary outcome happens: rarely if a guardrail limits it and value does not name it."""
    from drivetrain.sample.hints import ast_names

    objective = world.spec.objective
    if objective is None:
        return 0.3
    named = set[str]()
    for text in [objective.value, *objective.terms.values()]:
        try:
            named |= ast_names(text) if text else set()
        except FormulaError:
            continue
    for limit in objective.guardrails:
        try:
            limited = limit.measure is not None and name in ast_names(limit.measure)
        except FormulaError:
            continue
        if limited and limit.at_most is not None and name not in named:
            return max(0.002, min(0.3, limit.at_most / 4))
    return 0.3


def _shift(logit: NDArray[np.float64], rate: float) -> float:
    """The intercept at which an outcome happens at this rate, by bisection."""
    import numpy as np

    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if float(np.mean(1 / (1 + np.exp(-(logit + middle))))) < rate:
            low = middle
        else:
            high = middle
    return round((low + high) / 2, 6)


def _class(
    world: World, source: Source, name: str, outcome: Outcome, frame: Frame, rows: int, draw: np.random.Generator
) -> NDArray[Any]:
    """Classes: equally frequent where files show them, else moved by the inputs."""
    import numpy as np

    values = np.array(outcome.values or ["a", "b"])
    if outcome.type == "labels":
        shown = draw.random((rows, len(values))) < 0.4
        shown[np.arange(rows), draw.integers(0, len(values), rows)] = True
        world.truth[name] = {"type": "labels", "signal": "each label is a mark in the medium"}
        return np.array([";".join(values[row]) for row in shown], dtype=object)
    if outcome.type == "mask":
        # What the disc of each picture shows; around it is the first class.
        world.truth[name] = {"type": "mask", "signal": f"a disc of one class on `{values[0]}`"}
        return np.asarray(values[min(1, len(values) - 1) :][np.arange(rows) % max(1, len(values) - 1)])
    if source.kind in ("images", "audio", "series", "images+text", "text"):
        world.truth[name] = {"type": "category", "signal": "the medium shows the class"}
        return np.asarray(values[draw.permutation(np.arange(rows) % len(values))])
    scores = np.zeros((rows, len(values)))
    weights: dict[str, list[float]] = {}
    for column in inputs_of(world, name, frame):
        weight = draw.normal(0, 1, len(values))
        scores += np.outer(standard(frame[column], world.draw(column, "levels")), weight)
        weights[column] = [round(float(w), 4) for w in weight]
    scores = STRENGTH * scores / max(1.0, float(scores.std())) + draw.gumbel(0, 1, scores.shape) * 0.5
    # Every class about equally often, or a plan that needs so many of each would not get them.
    level = np.zeros(len(values))
    for _ in range(60):
        share = np.bincount((scores + level).argmax(1), minlength=len(values)) / rows
        level += 0.5 * np.log((1 / len(values) + 0.01) / (share + 0.01))
    scores = scores + level.round(4)
    world.truth[name] = {
        "type": "category",
        "scores": weights,
        "level": dict(zip(values.tolist(), level.round(4).tolist(), strict=True)),
        "classes": values.tolist(),
    }
    return np.asarray(values[scores.argmax(1)])


def _rating(
    world: World, source: Source, pair: Ratings, name: str, outcome: Outcome, frame: Frame, draw: np.random.Generator
) -> NDArray[Any]:
    """What a user thinks of an item: how good it is, how generous the user, and whether the two fit."""
    import numpy as np

    taste = []
    for column in (pair.user, pair.item):
        names, place = np.unique(frame[str(column)], return_inverse=True)
        mine = make.generator(world.seed, "taste", world.key(source.name, str(column)))
        taste.append(mine.normal(0, 1, (len(names), 4))[place])
    user, item = taste
    liking = 0.5 * user[:, 0] + 0.8 * item[:, 0] + (user[:, 1:] * item[:, 1:]).sum(1) * 0.6
    liking = liking + draw.normal(0, 0.3, len(liking))
    low = 1.0 if outcome.minimum is None else outcome.minimum
    high = low + 4.0 if outcome.maximum is None else outcome.maximum
    world.truth[name] = {"type": "rating", "signal": "0.5 user + 0.8 item + 0.6 (fit in three dimensions) + noise 0.3"}
    values = (low + high) / 2 + liking * (high - low) / 6
    return np.asarray(liking > 0 if outcome.type == "binary" else np.clip(np.rint(values), low, high))


def _shape(world: World, source: Source, name: str, outcome: Outcome, frame: Frame) -> None:
    """Labels that past settings formed: one in eight became what the lever was set to."""
    import numpy as np

    for lever_name in outcome.shaped_by:
        lever = world.spec.lever(lever_name)
        column = lever.history.column if lever.history else None
        if column not in frame or outcome.type != "category":
            continue
        setting = frame[column]
        formed = (world.draw(source.name, name, "shaped").random(len(setting)) < 0.125) & np.isin(
            setting, outcome.values or []
        )
        frame[name] = np.where(formed, setting, frame[name])
        world.truth[name]["shaped"] = "one label in eight is what the lever was set to, if that is a class"


def _under_way(world: World, source: Source, name: str, outcome: Outcome, frame: Frame) -> None:
    """A censored number is what had passed when somebody looked: some part of what it came to be."""
    import numpy as np

    ended = np.asarray(world.frames[source.name][str(outcome.event)], bool)
    low = outcome.minimum if outcome.minimum is not None else (outcome.bins or [0.0])[0]
    passed = low + (frame[name] - low) * world.draw(source.name, name, "under way").random(len(ended))
    frame[name] = np.where(ended, frame[name], passed.round(4))
    world.truth[name]["censored"] = "rows that have not ended hold a random part of it, each part as likely"


def _emptied(values: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[Any]:
    if keep.all():
        return values
    emptied = values.astype(object)
    emptied[~keep] = None
    return emptied


def _after(world: World, source: Source) -> None:
    """Columns that are known only after the decision: they follow from an outcome."""
    import numpy as np

    own = world.frames[source.name]
    rows = len(next(iter(own.values())))
    happened = next((own[n] == True for n, o in source.outcomes.items() if o.type == "binary"), None)  # noqa: E712
    for name, declared in source.columns.items():
        if declared.known == "before" or name in own:
            continue
        draw = world.draw(source.name, name)
        if declared.type == "time" and source.time in own:
            own[name] = seconds_of(own[source.time]) + draw.integers(1, 30, rows) * make.DAY
        elif declared.type == "boolean":
            own[name] = happened if happened is not None else draw.random(rows) < 0.5
        elif declared.type in ("category", "text"):
            words = make.category(name, declared.values or [], rows, world.known, draw).astype(object)
            if happened is not None:
                words[~np.asarray(happened, bool)] = None
            own[name] = words
        else:
            own[name] = make.column(name, declared, rows, world.known, draw)
