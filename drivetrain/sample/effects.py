"""Outcomes that depend on inputs and on levers, in a way that is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError, SpecError
from drivetrain.sample import columns as make
from drivetrain.sample.settings import log_levers
from drivetrain.sample.world import Frame, World, recorded, value_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Outcome, Source
    from drivetrain.spec.data import Ratings

STRENGTH = 1.4
"""Standard deviation of the part of a logit that inputs explain: an AUROC of about 0.8."""
EFFECT = 0.9
"""What a setting of a lever does to a logit."""
RESPONSE = "0.5 - 1.5 tanh(0.7 score + 0.7 response)"
"""By which factor cases differ in what a setting does to them."""


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
    for name, outcome in source.outcomes.items():
        _shape(world, source, name, outcome, frame)
        own[name] = frame[name]
        if outcome.event and outcome.event not in own:
            own[outcome.event] = world.draw(source.name, outcome.event).random(len(frame[name])) < 0.8
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
    score, weights = _score(world, source, name, frame, rows)
    effects = _effects(world, source, name, outcome, frame, score)
    if outcome.type == "binary":
        rate = rate_of(world, name)
        logit = STRENGTH * score + effects["logit"]
        shift = _shift(logit, rate)
        world.truth[name] = {
            "type": "binary",
            "logit": {"intercept": shift, "inputs": {n: STRENGTH * w for n, w in weights.items()}} | effects["said"],
        }
        happened: NDArray[np.bool_] = draw.random(rows) < 1 / (1 + np.exp(-(logit + shift)))
        return happened
    return _number(world, name, outcome, score, weights, effects, draw)


def _number(
    world: World,
    name: str,
    outcome: Outcome,
    score: NDArray[np.float64],
    weights: dict[str, float],
    effects: dict[str, Any],
    draw: np.random.Generator,
) -> NDArray[np.float64]:
    """A number whose mean depends on inputs: skewed when it cannot be negative, else normal."""
    import numpy as np

    low, high = outcome.minimum, outcome.maximum
    move = 0.35 * score + 0.3 * effects["logit"]
    if low is not None and high is not None:
        mean = low + (high - low) / (1 + np.exp(-2 * move))
        values = mean + 0.08 * (high - low) * draw.standard_normal(len(mean))
        how = "minimum + range x logistic(2 x move)"
    else:
        scale = world.known.scales.get(outcome.unit or "", 100.0) * 0.6
        mean = (low or 0.0) + scale * np.exp(move - np.var(move) / 2)
        values = (low or 0.0) + (mean - (low or 0.0)) * draw.gamma(3, 1 / 3, len(mean))
        how = "minimum + scale x exp(move), gamma with shape 3 around it"
    world.truth[name] = {
        "type": "number",
        "mean": how,
        "move": {"inputs": {n: 0.35 * w for n, w in weights.items()}} | effects["said"],
    }
    bounded: NDArray[np.float64] = np.clip(values, -np.inf if low is None else low, np.inf if high is None else high)
    return bounded.round(4)


def _inputs(world: World, name: str, frame: Frame) -> list[str]:
    """Columns that move an outcome: what its model takes in, else what is known before."""
    features: list[str] = []
    for model in world.spec.models:
        if name in (model.predicts or []):
            try:
                features += world.spec.derived.model_inputs(model.name)
            except SpecError:
                continue
    declared = {n: c for s in world.spec.data for n, c in s.columns.items()}
    usable = [
        n
        for n, c in declared.items()
        if n in frame
        and c.role == "feature"
        and c.known == "before"
        and c.use == "both"
        and c.type not in ("id", "text", "path", "image", "audio")
    ]
    chosen = [n for n in dict.fromkeys(features) if n in usable or (n in frame and n in world.truth)]
    return chosen or usable


def _score(
    world: World, source: Source, name: str, frame: Frame, rows: int, kind: str = "weights"
) -> tuple[NDArray[np.float64], dict[str, float]]:
    """A sum of standardised inputs with mean 0 and standard deviation 1, and the weight of each."""
    import numpy as np

    draw = world.draw(source.name, name, kind)
    total, weights = np.zeros(rows), dict[str, float]()
    for place, column in enumerate(_inputs(world, name, frame)):
        weight = float(draw.choice([-1, 1]) * draw.uniform(0.6, 1.0) / (1 + place // 3))
        if column in world.known.ranges:
            continue
        total = total + weight * standard(frame[column], world.draw(column, "levels"))
        weights[column] = weight
    spread = float(total.std()) or 1.0
    return total / spread, {column: weight / spread for column, weight in weights.items()}


def standard(values: NDArray[Any], draw: np.random.Generator) -> NDArray[np.float64]:
    """A column with mean 0 and standard deviation 1; categories get a level each."""
    import numpy as np

    if values.dtype.kind in "UO":
        kinds, place = np.unique(values.astype(str), return_inverse=True)
        numbers = draw.uniform(-1, 1, len(kinds))[place]
    else:
        numbers = values.astype(float)
    numbers = np.where(np.isfinite(numbers), numbers, 0.0)
    centred: NDArray[np.float64] = numbers - numbers.mean()
    return centred / (float(numbers.std()) or 1.0)


def _effects(
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
            own, weights = _score(world, source, name, frame, rows, "response")
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
    for column in _inputs(world, name, frame):
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
            own[name] = own[source.time] + draw.integers(1, 30, rows) * make.DAY
        elif declared.type == "boolean":
            own[name] = happened if happened is not None else draw.random(rows) < 0.5
        elif declared.type in ("category", "text"):
            words = make.category(name, declared.values or [], rows, world.known, draw).astype(object)
            if happened is not None:
                words[~np.asarray(happened, bool)] = None
            own[name] = words
        else:
            own[name] = make.column(name, declared, rows, world.known, draw)
