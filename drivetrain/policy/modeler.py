"""The modeler: what the models say about every outcome, as a function of context and lever settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact import Distribution
from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief
from drivetrain.policy.problem import Array, Problem
from drivetrain.spec.formula import Formula, evaluate

POINTS = 16
"""Equally likely values by which a predicted number is passed on to the model that takes it as input."""
MOST_BRANCHES = 1024

Cases = Mapping[str, Sequence[Any] | Array]
Ask = Callable[[Cases, Mapping[str, Array]], "Beliefs"]
"""From n cases and the settings to try, lever -> (k,) or (n, k), to what is believed."""


class Predicts(Protocol):
    """What the modeler needs of a trained model; `artifact.Predictor` is one."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""

    def predict(self, cases: Mapping[str, Sequence[Any]]) -> dict[str, Distribution]:
        """The distribution of each outcome, for n cases."""


class Branch(NamedTuple):
    """One way in which the outcomes that feed other models can come out.

    Attributes:
        weight: Its probability, shape (n, 1 or k).
        given: Outcome -> its value in this branch, broadcasting to (n, k).
        beliefs: What is believed of all outcomes then; of the given ones with certainty.
    """

    weight: Array
    given: Mapping[str, Array]
    beliefs: dict[str, Belief]


class Beliefs(dict[str, Belief]):
    """Outcome -> what is believed of it on its own.

    Attributes:
        branches: Where one model feeds another, outcomes are independent within a branch only; else empty.
    """

    branches: tuple[Branch, ...] = ()


def belief(problem: Problem, outcome: str, distribution: Distribution, settings: int = 1) -> Belief:
    """A model's distribution in the shape that the simulator takes.

    Args:
        problem: The decision.
        outcome: Its name.
        distribution: For n cases, or for n · k (case after case) when a lever is among the inputs.
        settings: k.
    """
    if distribution.quantiles is not None and distribution.quantiles.ndim == 2:
        quantiles = np.asarray(distribution.quantiles, dtype=float)
        return Belief(None, None, quantiles.reshape(len(quantiles) // settings, settings, quantiles.shape[1]))
    classes = problem.classes.get(outcome, ())
    if classes and tuple(distribution.classes) != classes:
        raise PolicyError(
            f"the model knows the classes {', '.join(distribution.classes)}, the plan {', '.join(classes)}.",
            "Train again after a change of classes: make train.",
            where=outcome,
        )
    probabilities = np.asarray(distribution.probabilities, dtype=float)
    shape = (len(probabilities) // settings, settings, probabilities.shape[1])
    return Belief(tuple(distribution.classes), probabilities.reshape(shape), binary=outcome in problem.binary)


def believed(problem: Problem, outcome: str, distribution: Distribution, settings: int = 1) -> dict[str, Belief]:
    """`belief`, and of labels and masks what is believed of each part that formulas ask for.

    Raises:
        PolicyError: The model does not know the label or class, or was made before areas had a spread.
    """
    found = {outcome: belief(problem, outcome, distribution, settings)}
    for name, part in problem.parts.items():
        if part.outcome != outcome:
            continue
        if part.which not in distribution.classes:
            raise PolicyError(
                f"the model knows {', '.join(distribution.classes)}, and the plan asks for `{name}`.",
                "Train again after a change of classes: make train.",
                where=outcome,
            )
        place = distribution.classes.index(part.which)
        if part.function == "has":
            yes = np.asarray(distribution.probabilities[:, place], dtype=float)
            pair = np.stack([1 - yes, yes], axis=1)
            found[name] = Belief(("false", "true"), pair.reshape(-1, settings, 2), binary=True)
        elif distribution.quantiles is None:
            raise PolicyError(
                "the model does not say how far its areas may be off.", "Train it again: make train.", where=outcome
            )
        else:
            area = np.asarray(distribution.quantiles[:, place], dtype=float)
            found[name] = Belief(None, None, area.reshape(-1, settings, area.shape[1]), joint=outcome)
    return found


@dataclass(frozen=True, slots=True)
class Modeler:
    """The models as one function of cases and settings; plain data, so that it can be sent to another process."""

    problem: Problem
    predictors: Sequence[Predicts]

    def __call__(self, cases: Cases, levers: Mapping[str, Array]) -> Beliefs:
        """What is believed of n cases under some settings."""
        return beliefs(self.problem, self.predictors, cases, levers)


def modeler(problem: Problem, predictors: Sequence[Predicts]) -> Ask:
    """The models as one function of cases and settings."""
    return Modeler(problem, tuple(predictors))


def beliefs(
    problem: Problem,
    predictors: Sequence[Predicts],
    cases: Cases,
    levers: Mapping[str, Array] | None = None,
) -> Beliefs:
    """What the models say about n cases under each of k settings.

    A model that reads a lever is asked once for each setting; the others once a case. A model that reads another's
    outcome is asked once for each value that this can take.

    Args:
        problem: The decision.
        predictors: The trained models.
        cases: Column -> n values.
        levers: Settings to ask about, lever -> shape (k,) or (n, k); the problem's own when absent.

    Raises:
        PolicyError: A model reads an outcome that no model predicts, or the chain has too many branches.
    """
    settings = levers if levers is not None else problem.settings
    count = len(next(iter(cases.values())))
    branches = [Branch(np.ones((count, 1)), {}, {})]
    for predictor in _ordered(problem, predictors):
        for name in predictor.inputs:
            if name in branches[0].beliefs and name not in branches[0].given:
                branches = [
                    part
                    for branch in branches
                    for part in ([_guessed(branch, name)] if name in problem.foretold else _split(branch, name))
                ]
        if len(branches) > MOST_BRANCHES:
            raise PolicyError(
                f"the chain of models has {len(branches)} combinations of what one passes to the next.",
                "Feed fewer outcomes into other models, or predict them with fewer classes.",
                where="models",
            )
        for branch in branches:
            branch.beliefs.update(_asked(problem, predictor, cases, settings, branch.given))
    found = Beliefs(branches[0].beliefs)
    if len(branches) > 1:
        found = Beliefs({name: _marginal(branches, name) for name in branches[0].beliefs})
        found.branches = tuple(branches)
    return found


def _ordered(problem: Problem, predictors: Sequence[Predicts]) -> list[Predicts]:
    """Models behind those whose outcomes they read; the plan's order is kept where it does not matter."""
    fed = {name for predictor in predictors for name in predictor.inputs} & problem.fed
    return sorted(predictors, key=lambda predictor: problem.depth(set(predictor.inputs) & fed))


def _guessed(branch: Branch, name: str) -> Branch:
    """A branch whose outcome reaches later models as it did in training: as its mean, or its likeliest class."""
    return branch._replace(given={**branch.given, name: branch.beliefs[name].likeliest()[:, :, 0]})


def _split(branch: Branch, name: str) -> list[Branch]:
    """A branch for each value of an outcome."""
    known = branch.beliefs[name]
    parts = []
    if known.probabilities is not None:
        for place, state in enumerate(known.classes or ()):
            certain = np.zeros((1, 1, known.probabilities.shape[2]))
            certain[..., place] = 1
            point = Belief(
                known.classes, np.broadcast_to(certain, (known.cases, *certain.shape[1:])), None, known.binary
            )
            value = np.array([[known.binary and state == "true" if known.binary else state]])
            parts.append(
                Branch(
                    branch.weight * known.probabilities[:, :, place],
                    {**branch.given, name: value},
                    {**branch.beliefs, name: point},
                )
            )
        return parts
    assert known.quantiles is not None
    levels = known.quantiles.shape[2]
    points = [np.asarray(part.mean(axis=2)) for part in np.array_split(known.quantiles, min(POINTS, levels), axis=2)]
    sizes = [part.shape[2] / levels for part in np.array_split(known.quantiles, min(POINTS, levels), axis=2)]
    for size, value in zip(sizes, points, strict=True):
        point = Belief(None, None, value[:, :, None])
        parts.append(Branch(branch.weight * size, {**branch.given, name: value}, {**branch.beliefs, name: point}))
    return parts


def _asked(
    problem: Problem, predictor: Predicts, cases: Cases, settings: Mapping[str, Array], given: Mapping[str, Array]
) -> dict[str, Belief]:
    """One model's beliefs, the outcomes that it reads being given."""
    count = len(next(iter(cases.values())))
    extra: dict[str, Array] = {name: value for name, value in given.items() if name in predictor.inputs}
    extra |= {name: np.atleast_2d(settings[name]) for name in predictor.inputs if name in settings}
    for name in predictor.inputs:
        if name in problem.terms and name not in extra and name not in cases:
            extra[name] = _term(problem, problem.terms[name], cases, settings, given)
    width = max((array.shape[1] for array in extra.values()), default=1)
    # Of several levers a model may read some: what it is told alike it is asked once.
    extra, again = _once(extra, width)
    width = width if again is None else int(again.max()) + 1
    asked: dict[str, Sequence[Any]] = {
        name: _given(np.broadcast_to(value, (count, width)).ravel()) for name, value in extra.items()
    }
    for name in predictor.inputs:
        if name in cases and name not in asked:
            values = cases[name]
            if width > 1:
                values = (
                    np.repeat(values, width)
                    if isinstance(values, np.ndarray)
                    else [v for v in values for _ in range(width)]
                )
            asked[name] = _given(values)
    found: dict[str, Belief] = {}
    for name, made in predictor.predict(asked).items():
        found |= believed(problem, name, made, width)
    return found if again is None else {name: _repeated(known, again) for name, known in found.items()}


def _once(extra: dict[str, Array], width: int) -> tuple[dict[str, Array], NDArray[np.int64] | None]:
    """Settings that differ, and which of them each of the `width` settings is; None where each is one of its own."""
    if width == 1 or any(len(array) > 1 for array in extra.values()):
        return extra, None
    told = {name: np.broadcast_to(array[0], (width,)) for name, array in extra.items()}
    codes = np.stack([np.unique(values, return_inverse=True)[1] for values in told.values()])
    _, first, which = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    if len(first) == width:
        return extra, None
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return {name: values[first[order]][None, :] for name, values in told.items()}, rank[which.ravel()]


def _repeated(known: Belief, again: NDArray[np.int64]) -> Belief:
    """A belief about settings that differ, as one about all."""
    return replace(
        known,
        probabilities=None if known.probabilities is None else known.probabilities[:, again],
        quantiles=None if known.quantiles is None else known.quantiles[:, again],
    )


def _given(values: Sequence[Any] | Array) -> Any:
    """A column as models take it: arrays of plain values as they are, which is fast, and the rest as lists."""
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind not in "Ubif" else values


def _term(
    problem: Problem, term: Formula, cases: Cases, settings: Mapping[str, Array], given: Mapping[str, Array]
) -> Array:
    # The cases come last: a later period and a scenario say there what `period` and the constants are.
    names: dict[str, Array] = {name: np.asarray(value) for name, value in {"period": 0.0, **problem.constants}.items()}
    names |= {name: np.asarray(values)[:, None] for name, values in cases.items() if name in term.names}
    names |= {name: np.atleast_2d(array) for name, array in settings.items()}
    return np.atleast_2d(evaluate(term, names | dict(given)))


def _marginal(branches: Sequence[Branch], name: str) -> Belief:
    """What is believed of an outcome when nothing is given."""
    first = branches[0].beliefs[name]
    weights = [branch.weight[:, :, None] for branch in branches]
    parts = [branch.beliefs[name] for branch in branches]
    if first.probabilities is not None:
        arrays = [part.probabilities for part in parts]
        mixed = sum(w * a for w, a in zip(weights, arrays, strict=True) if a is not None)
        return Belief(first.classes, np.asarray(mixed), None, first.binary)
    values, shares = [], []
    for weight, part in zip(weights, parts, strict=True):
        assert part.quantiles is not None
        values.append(part.quantiles)
        shares.append(np.broadcast_to(weight / part.quantiles.shape[2], (*weight.shape[:2], part.quantiles.shape[2])))
    shape = np.broadcast_shapes(*(array.shape[:2] for array in [*values, *shares]))
    value = np.concatenate([np.broadcast_to(v, (*shape, v.shape[2])) for v in values], axis=2)
    share = np.concatenate([np.broadcast_to(s, (*shape, s.shape[2])) for s in shares], axis=2)
    order = np.argsort(value, axis=2)
    value, share = np.take_along_axis(value, order, 2), np.take_along_axis(share, order, 2).cumsum(axis=2)
    levels = (np.arange(99) + 0.5) / 99
    places = (share[..., None] < levels * share[..., -1:, None]).sum(axis=2)
    return Belief(None, None, np.take_along_axis(value, np.minimum(places, value.shape[2] - 1), 2))
