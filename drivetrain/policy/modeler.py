"""The modeler: what the models say about every outcome, as a function of context and lever settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from drivetrain.artifact import Distribution
from drivetrain.errors import PolicyError
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.value import Belief


class Predicts(Protocol):
    """What the modeler needs of a trained model; `artifact.Predictor` is one."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""

    def predict(self, cases: Mapping[str, Sequence[Any]]) -> dict[str, Distribution]:
        """The distribution of each outcome, for n cases."""


def belief(problem: Problem, outcome: str, distribution: Distribution, settings: int = 1) -> Belief:
    """A model's distribution in the shape that the simulator takes.

    Args:
        problem: The decision.
        outcome: Its name.
        distribution: For n cases, or for n · k (case after case) when a lever is among the inputs.
        settings: k.
    """
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


def beliefs(
    problem: Problem,
    predictors: Sequence[Predicts],
    cases: Mapping[str, Sequence[Any]],
    levers: Mapping[str, Array] | None = None,
) -> dict[str, Belief]:
    """What the models say about n cases under each of k settings.

    A model that reads a lever is asked once for each setting; the others once a case.

    Args:
        problem: The decision.
        predictors: The trained models.
        cases: Column -> n values.
        levers: Settings to ask about, lever -> shape (k,) or (n, k); the problem's own when absent.
    """
    settings = levers if levers is not None else problem.settings
    found = {}
    for predictor in predictors:
        pulled = [name for name in predictor.inputs if name in settings]
        if not pulled:
            for outcome, distribution in predictor.predict(cases).items():
                found[outcome] = belief(problem, outcome, distribution)
            continue
        count = len(next(iter(cases.values())))
        tried = next(iter(settings.values())).shape[-1]
        tiled: dict[str, Sequence[Any]] = {
            name: [value for value in values for _ in range(tried)]
            for name, values in cases.items()
            if name in predictor.inputs
        }
        for name in pulled:
            tiled[name] = np.broadcast_to(settings[name], (count, tried)).ravel().tolist()
        for outcome, distribution in predictor.predict(tiled).items():
            found[outcome] = belief(problem, outcome, distribution, tried)
    return found
