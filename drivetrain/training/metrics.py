"""How good predictions are, on cases that training did not see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Metrics = dict[str, Any]


def classification(labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]) -> Metrics:
    """Accuracy with its 95 % interval, log loss, Brier score, calibration error, AUROC, recall by class.

    Args:
        labels: (n,) class numbers.
        probabilities: (n, k).
        classes: The k names.

    Returns:
        JSON data; a figure that these cases cannot give (AUROC of one class) is None.
    """
    count = len(labels)
    if not count:
        return {"cases": 0}
    chosen = probabilities.argmax(axis=1)
    right = chosen == labels
    truth = np.eye(len(classes))[labels]
    low, high = wilson(int(right.sum()), count)
    return {
        "cases": count,
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "log_loss": float(-np.log(np.clip(probabilities[np.arange(count), labels], 1e-15, 1)).mean()),
        "brier": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        "calibration_error": calibration_error(right, probabilities.max(axis=1)),
        "auroc": auroc(labels, probabilities),
        "recall": {
            name: float(right[labels == index].mean()) if (labels == index).any() else None
            for index, name in enumerate(classes)
        },
    }


def wilson(successes: int, cases: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson, 1927."""
    share = successes / cases
    centre = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration_error(right: NDArray[Any], confidence: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error over equally wide bins of the confidence. Source: Naeini et al., 2015."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[place == index].mean() - confidence[place == index].mean()) * (place == index).mean()
        for index in range(bins)
        if (place == index).any()
    ]
    return float(sum(gaps))


def auroc(labels: NDArray[Any], probabilities: NDArray[Any]) -> float | None:
    """Area under the ROC curve: of the second class if there are two, else the mean of one class against the rest.

    Returns:
        None when fewer than two classes occur.
    """
    from sklearn.metrics import roc_auc_score

    present = np.unique(labels)
    if len(present) < 2:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels == 1, probabilities[:, 1]))
    return float(np.mean([roc_auc_score(labels == index, probabilities[:, index]) for index in present]))


def regression(truth: NDArray[Any], quantiles: NDArray[Any]) -> Metrics:
    """Errors of the mean, R², the continuous ranked probability score, and how often 90 % intervals cover.

    Args:
        truth: (n,).
        quantiles: (n, q) at the levels (j + 1/2) / q.
    """
    count = len(truth)
    if not count:
        return {"cases": 0}
    gap = quantiles.mean(axis=1) - truth
    spread = float(((truth - truth.mean()) ** 2).mean())
    levels = (np.arange(quantiles.shape[1]) + 0.5) / quantiles.shape[1]
    low, high = np.quantile(quantiles, [0.05, 0.95], axis=1)
    below = truth[:, None] - quantiles
    # Twice the mean pinball loss over all levels. Source: Gneiting and Raftery, 2007.
    score = 2 * np.maximum(levels * below, (levels - 1) * below).mean()
    return {
        "cases": count,
        "mean_absolute_error": float(np.abs(gap).mean()),
        "root_mean_squared_error": float(np.sqrt((gap**2).mean())),
        "bias": float(gap.mean()),
        "r2": 1 - float((gap**2).mean()) / spread if spread > 0 else None,
        "crps": float(score),
        "coverage_90": float(((truth >= low) & (truth <= high)).mean()),
    }


def concordance(truth: NDArray[Any], seen: NDArray[Any], said: NDArray[Any]) -> float | None:
    """Share of comparable pairs whose order is told rightly, ties counting half. Source: Harrell and others, 1982.

    Args:
        truth: (n,) numbers; a lower bound where `seen` is false.
        seen: (n,) whether the number was observed, not censored.
        said: (n,) predicted means.

    Returns:
        None when no pair can be compared.
    """
    comparable = (truth[:, None] < truth[None]) & seen[:, None].astype(bool)
    if not comparable.any():
        return None
    right = (said[:, None] < said[None]) + 0.5 * (said[:, None] == said[None])
    return float(right[comparable].mean())
