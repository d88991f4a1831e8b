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
