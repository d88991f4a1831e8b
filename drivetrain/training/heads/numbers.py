"""A number: its mean comes from the network, its spread from what the mean misses on the validation rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution
from drivetrain.artifact.outcomes import LEVELS
from drivetrain.training import baseline as rivals
from drivetrain.training import metrics
from drivetrain.training.rows import number_of

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "mahalanobis"
_LEVELS = (np.arange(LEVELS) + 0.5) / LEVELS


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type, limits and the standard deviation of the truth."""
    spec = plan.outcome(outcome)
    unit = float(frame[outcome].std()) or 1.0
    return {"type": "number", "minimum": spec.minimum, "maximum": spec.maximum, "deviation": unit}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.float64]:
    """The numbers (n,)."""
    return np.asarray(frame[outcome], dtype=np.float64)


def calibrate(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """A mean has no temperature."""
    return 1.0


def finish(model: Model, entry: dict[str, Any], outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """The entry with the spread around the mean.

    Args:
        model: Its `distribution` says which form the spread has.
        entry: What the manifest says so far.
        outputs: Means of the validation rows, (n, 1).
        truth: What they were.
    """
    return entry | {"spread": spread(model.distribution, outputs[:, 0], truth, entry.get("minimum"))}


def spread(form: str, mean: NDArray[np.float64], truth: NDArray[np.float64], minimum: float | None) -> dict[str, Any]:
    """Quantiles of the truth around its predicted mean, added to it or multiplied with it.

    An empirical spread is multiplied where the number cannot be negative: what varies then varies with the mean, and no
    quantile falls below zero. The table's mean is what validation showed, so quantiles and mean agree.
    """
    if form == "poisson":
        return {"kind": "poisson"}
    positive = np.clip(mean, 1e-9, None)
    wanted = float(truth.sum() / positive.sum())
    normal = np.array([NormalDist().inv_cdf(level) for level in _LEVELS])
    if form == "lognormal":
        share = truth / positive
        deviation = float(np.std(np.log(share[share > 0]))) if (share > 0).any() else 0.0
        table = np.exp(deviation * normal)
        return {"kind": "multiplicative", "table": (table * wanted / table.mean()).tolist()}
    if form == "gamma":
        from scipy.stats import gamma

        shape = 1 / max(float(np.mean((truth / positive - 1) ** 2)), 1e-6)
        table = gamma.ppf(_LEVELS, shape) / shape
        return {"kind": "multiplicative", "table": (table * wanted / table.mean()).tolist()}
    if form == "normal":
        return {"kind": "additive", "table": (float(np.std(truth - mean)) * normal).tolist()}
    if minimum is not None and minimum >= 0 and (mean > 0).all():
        table = np.quantile(truth / mean, _LEVELS)
        return {"kind": "multiplicative", "table": (table * wanted / max(table.mean(), 1e-9)).tolist()}
    table = np.quantile(truth - mean, _LEVELS)
    return {"kind": "additive", "table": (table - table.mean() + (truth - mean).mean()).tolist()}


def scale(outputs: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """Means in standard deviations of the truth."""
    return np.asarray(outputs / entry["deviation"])


def figures(truth: NDArray[Any], found: Distribution, entry: dict[str, Any]) -> metrics.Metrics:
    """Errors of the mean, and what the quantiles are worth."""
    assert found.quantiles is not None
    return metrics.regression(truth, found.quantiles)


def baseline(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, entry: dict[str, Any]
) -> Distribution:
    """The mean, the mean of the item, or linear regression; with an empirical spread around it."""
    from sklearn.linear_model import Ridge

    which = rivals.kind(model)
    truth = train[outcome].to_numpy(dtype=np.float64)
    if which == "majority":
        own, mean = np.full(len(train), truth.mean()), np.full(len(asked), truth.mean())
    elif which == "item mean":
        own, mean = (rivals.item_mean(plan, model, train, rows, outcome) for rows in (train, asked))
    else:
        estimator, inputs = rivals.linear(plan, model, Ridge(), train)
        estimator.fit(train[inputs], truth)
        own, mean = estimator.predict(train[inputs]), estimator.predict(asked[inputs])
    around = spread("empirical", own, truth, None)
    quantiles = np.clip(mean[:, None] + np.array(around["table"]), entry.get("minimum"), entry.get("maximum"))
    return Distribution((), np.zeros((len(asked), 0)), quantiles)


def table(found: Distribution, frame: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The true number, its mean and some quantiles."""
    assert found.quantiles is not None
    middle = found.quantiles
    return {
        "truth": number_of(frame, outcome).tolist(),
        "mean": middle.mean(axis=1),
        **{f"q{round(100 * share):02d}": np.quantile(middle, share, axis=1) for share in (0.05, 0.5, 0.95)},
    }
