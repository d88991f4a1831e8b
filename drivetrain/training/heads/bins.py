"""A number through bins: a classifier of ordered classes supplies its distribution, uniform within a bin.

A censored row (its `event` is false) says only that the number is at least what was recorded. Its target is the share
of each bin that lies above; the loss takes the logarithm of the probability of all of it together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution, softmax
from drivetrain.artifact.outcomes import distribution
from drivetrain.training import calibration, metrics
from drivetrain.training.heads import numbers
from drivetrain.training.rows import number_of
from drivetrain.training.schema import bin_columns, edges

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "energy+mahalanobis"


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type and edges."""
    return {"type": "number", "edges": edges(plan, outcome)}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Weight of each bin (n, k), the number (n, 1), and one where it was observed (n, 1), side by side."""
    event = plan.outcome(outcome).event
    seen = frame[event].fillna(False).astype(bool) if event else np.ones(len(frame))
    weights = frame[bin_columns(plan, outcome)].to_numpy(dtype=np.float64)
    return np.column_stack([weights, number_of(frame, outcome), np.asarray(seen, dtype=np.float64)])


def calibrate(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """The temperature that makes what was observed likeliest."""
    return calibration.best_temperature(outputs, lambda log: log_loss(np.exp(log), truth))


def log_loss(probabilities: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean negative log probability of what was observed: the bin, or everything above a censored number."""
    return float(-np.log(np.clip((probabilities * truth[:, :-2]).sum(axis=1), 1e-12, None)).mean())


def finish(model: Model, entry: dict[str, Any], outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """Nothing is added."""
    return entry


def scale(outputs: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """Probabilities of the bins."""
    return softmax(outputs)


def figures(truth: NDArray[Any], found: Distribution, entry: dict[str, Any]) -> metrics.Metrics:
    """The likelihood of what was observed, how well the order is told; without censored rows errors of the mean too.

    The rows that ended are the shorter ones, so errors of the mean on them alone would say nothing.
    """
    assert found.quantiles is not None
    if not len(truth):
        return {"cases": 0}
    seen = truth[:, -1] == 1
    errors = metrics.regression(truth[:, -2], found.quantiles) if seen.all() else {}
    return {
        **errors,
        "cases": len(truth),
        "censored": int((~seen).sum()),
        "log_loss": log_loss(found.probabilities, truth),
        "concordance": metrics.concordance(truth[:, -2], seen, found.quantiles.mean(axis=1)),
    }


def baseline(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, entry: dict[str, Any]
) -> Distribution:
    """The shares of the bins, censored rows spread over what they leave open (expectation maximisation)."""
    weights = targets(plan, outcome, train)[:, :-2]
    shares = np.full(weights.shape[1], 1 / weights.shape[1])
    for _ in range(200):
        belonging = weights * shares
        shares = (belonging / belonging.sum(axis=1, keepdims=True)).mean(axis=0)
    logits = np.tile(np.log(np.clip(shares, 1e-12, None)), (len(asked), 1))
    return distribution(entry, logits)


def table(found: Distribution, frame: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """As for numbers."""
    return numbers.table(found, frame, outcome)
