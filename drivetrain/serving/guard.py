"""The models and the guard before them: what they say of each case, and whether it is a case like those they know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain import policy
from drivetrain.artifact.tables import category

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivetrain.artifact import Distribution, Predictor
    from drivetrain.policy import Belief, Beliefs, Problem
    from drivetrain.serving.cases import Batch

SETTINGS = 5
"""Settings, from the first to the last, at which a model that reads a lever is asked whether a case is strange."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the models say of a batch.

    Attributes:
        beliefs: What is believed of every outcome, each lever standing at its first setting.
        scores: Model -> out-of-domain score of every case, shape (n,), higher is stranger.
        outside: Per case, why it is not a case like those the models learned from; empty when it is one.
    """

    beliefs: Beliefs
    scores: Mapping[str, NDArray[np.float64]]
    outside: list[list[str]]


def judge(problem: Problem, predictors: Mapping[str, Predictor], batch: Batch) -> Judged:
    """Ask the models and the guard.

    Args:
        problem: The decision.
        predictors: Model -> its predictor, in dependency order.
        batch: The cases.
    """
    beliefs, scores = _asked(problem, predictors, batch)
    outside = [list(reasons) for reasons in batch.outside]
    for name, predictor in predictors.items():
        for case, reason in _unseen(predictor.manifest, batch):
            outside[case] = outside[case] or [reason]
        threshold = predictor.manifest["out_of_domain"]["threshold"]
        # A score that is no number is no reason to trust a case.
        for case, score in enumerate(scores[name].tolist()):
            if not score <= threshold:
                outside[case].append(f"unlike the cases that {name} was trained on")
    for outcome, belief in beliefs.items():
        if outcome in problem.parts:
            continue
        for case, sound in enumerate(finite(belief).tolist()):
            if not sound:
                outside[case].append(f"no number comes out for {outcome}")
    return Judged(beliefs, scores, outside)


def _asked(
    problem: Problem, predictors: Mapping[str, Predictor], batch: Batch
) -> tuple[Beliefs, dict[str, NDArray[np.float64]]]:
    """What is believed, and the score of every case by every model."""
    if all(set(predictor.inputs) <= batch.columns.keys() for predictor in predictors.values()):
        # No model reads a lever, a term or another's outcome: each is asked once, and nothing has to be put together.
        beliefs, scores = policy.Beliefs(), {}
        for name, predictor in predictors.items():
            outputs = predictor.logits({column: batch.columns[column] for column in predictor.inputs})
            scores[name] = predictor.score_logits(outputs)
            for outcome, found in predictor.distributions(outputs).items():
                beliefs.update(policy.believed(problem, outcome, found))
        return beliefs, scores
    listening = {name: _Listening(predictor, len(batch)) for name, predictor in predictors.items()}
    first = {name: settings[:1] for name, settings in problem.settings.items()}
    beliefs = policy.beliefs(problem, list(listening.values()), batch.columns, first)
    if any(lever in predictor.inputs for lever in problem.levers for predictor in predictors.values()):
        # A price at the edge of what was tried makes every case strange.
        some = np.unique(np.linspace(0, len(problem.labels) - 1, SETTINGS).round().astype(int))
        spread = {name: settings[some] for name, settings in problem.settings.items()}
        policy.beliefs(problem, list(listening.values()), batch.columns, spread)
    return beliefs, {name: one.scores for name, one in listening.items()}


def finite(belief: Belief) -> NDArray[np.bool_]:
    """Whether what is believed of each case is numbers, shape (n,)."""
    array = belief.probabilities if belief.probabilities is not None else belief.quantiles
    assert array is not None
    return np.asarray(np.isfinite(array).all(axis=(1, 2)))


class _Listening:
    """A predictor that keeps the scores of what it is asked: one run of the network gives both.

    A model that reads a lever or another model's outcome is asked several times about a case, whose score is then the
    least: the case is strange only if it is strange whatever is done with it.
    """

    def __init__(self, predictor: Predictor, cases: int) -> None:
        self._predictor = predictor
        self.scores = np.full(cases, np.inf)

    @property
    def inputs(self) -> tuple[str, ...]:
        return self._predictor.inputs

    def predict(self, cases: Mapping[str, Sequence[Any]]) -> dict[str, Distribution]:
        outputs = self._predictor.logits(cases)
        scores = self._predictor.score_logits(outputs).reshape(len(self.scores), -1)
        self.scores = np.minimum(self.scores, scores.min(axis=1))
        return self._predictor.distributions(outputs)


def _unseen(manifest: Mapping[str, Any], batch: Batch) -> list[tuple[int, str]]:
    """Cases with a category that the model never met, or with a gap where it never met one."""
    preparation = manifest["preprocessing"]
    indicators = preparation.get("missing", {})
    found = []
    for name in preparation.get("complete", ()):
        for case, value in enumerate(batch.columns.get(name, ())):
            if value is None:
                found.append((case, f"{name} is not known, and in training it always was"))
    for name, values in preparation.get("categories", {}).items():
        if name in indicators or name not in batch.columns:
            continue
        seen = set(values[1:])
        for case, value in enumerate(batch.columns[name]):
            if value is not None and category(value) not in seen:
                found.append((case, f"{name} has a value that was not there in training"))
    return found
