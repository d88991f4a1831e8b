"""Several labels at once, none of which excludes another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution
from drivetrain.training import calibration, metrics
from drivetrain.training.schema import classes

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "mahalanobis"


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type and labels."""
    return {"type": "labels", "classes": classes(plan, outcome, frame)}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Zero or one for each label (n, k)."""
    names = classes(plan, outcome, frame)
    return np.array([[int(name in labels) for name in names] for labels in frame[outcome]], dtype=np.int64)


def calibrate(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """One temperature for all labels: each is a choice between itself and nothing."""
    pairs = np.stack([np.zeros(outputs.size), outputs.ravel()], axis=1)
    return calibration.temperature(pairs, truth.ravel())


def finish(model: Model, entry: dict[str, Any], outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """Nothing is added."""
    return entry


def scale(outputs: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """Probabilities."""
    return np.asarray(1 / (1 + np.exp(-outputs)))


def figures(truth: NDArray[Any], found: Distribution, entry: dict[str, Any]) -> metrics.Metrics:
    """The figures of each label as a yes or no, and of all labels of a case together."""
    said = found.probabilities
    if not len(truth):
        return {"cases": 0}
    per_label = [
        metrics.classification(truth[:, k], np.stack([1 - said[:, k], said[:, k]], axis=1), ["no", "yes"])
        for k in range(truth.shape[1])
    ]
    aurocs = [figure["auroc"] for figure in per_label if figure["auroc"] is not None]
    chosen = said >= 0.5
    hits = int((chosen & (truth == 1)).sum())
    return {
        "cases": len(truth),
        "accuracy": float((chosen == truth).mean()),
        "all_right": float((chosen == truth).all(axis=1).mean()),
        "f1": 2 * hits / max(1, int(chosen.sum()) + int(truth.sum())),
        "log_loss": float(np.mean([figure["log_loss"] for figure in per_label])),
        "auroc": float(np.mean(aurocs)) if aurocs else None,
        "recall": {name: figure["recall"]["yes"] for name, figure in zip(entry["classes"], per_label, strict=True)},
    }


def baseline(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, entry: dict[str, Any]
) -> Distribution:
    """The share of each label."""
    shares = targets(plan, outcome, train).mean(axis=0)
    return Distribution(tuple(entry["classes"]), np.tile(shares, (len(asked), 1)))


def table(found: Distribution, frame: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The true labels, as a list, and the probability of each."""
    columns = {f"p_{name}": found.probabilities[:, index] for index, name in enumerate(found.classes)}
    return {"truth": [list(labels) for labels in frame[outcome]], **columns}
