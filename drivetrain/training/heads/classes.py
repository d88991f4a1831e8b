"""A category, or a binary outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution, softmax
from drivetrain.training import baseline as rivals
from drivetrain.training import calibration, metrics
from drivetrain.training.schema import classes

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "energy+mahalanobis"


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type and classes."""
    return {"type": plan.outcome(outcome).type, "classes": classes(plan, outcome, frame)}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Class numbers (n,)."""
    number = {name: index for index, name in enumerate(classes(plan, outcome, frame))}
    return np.array([number[value] for value in frame[outcome]], dtype=np.int64)


def calibrate(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """The temperature."""
    return calibration.temperature(outputs, truth)


def finish(model: Model, entry: dict[str, Any], outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """The entry with an isotonic table for each class, if the plan asks for it."""
    if model.calibration != "isotonic":
        return entry
    said = softmax(outputs)
    return entry | {
        "isotonic": [calibration.isotonic(said[:, index], truth == index) for index in range(said.shape[1])]
    }


def scale(outputs: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """Probabilities."""
    return softmax(outputs)


def figures(truth: NDArray[Any], found: Distribution, entry: dict[str, Any]) -> metrics.Metrics:
    """Accuracy, log loss, calibration, AUROC."""
    return metrics.classification(truth, found.probabilities, entry["classes"])


def baseline(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, entry: dict[str, Any]
) -> Distribution:
    """The shares of the classes, of all cases or of an item's, or logistic regression."""
    from sklearn.linear_model import LogisticRegression

    names = tuple(entry["classes"])
    labels = np.array([names.index(label) for label in train[outcome]])
    if rivals.kind(model) == "majority":
        shares = np.bincount(labels, minlength=len(names)) / len(labels)
        return Distribution(names, np.tile(shares, (len(asked), 1)))
    if rivals.kind(model) == "item mean":
        return Distribution(names, rivals.item_shares(plan, model, train, asked, outcome, names))
    estimator, inputs = rivals.linear(plan, model, LogisticRegression(max_iter=1000), train)
    estimator.fit(train[inputs], labels)
    found = np.zeros((len(asked), len(names)))
    found[:, estimator.classes_] = estimator.predict_proba(asked[inputs])
    return Distribution(names, found)


def table(found: Distribution, frame: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The true class, and the probability of each."""
    columns = {f"p_{name}": found.probabilities[:, index] for index, name in enumerate(found.classes)}
    return {"truth": frame[outcome].astype(str).tolist(), **columns}
