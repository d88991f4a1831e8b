"""A class for each pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution, softmax
from drivetrain.artifact.outcomes import distribution
from drivetrain.source import areas
from drivetrain.training import calibration, metrics
from drivetrain.training.heads import numbers
from drivetrain.training.rows import classes

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "energy"
PIXELS = 20_000
"""Pixels on which the temperature is fitted."""


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type and classes; the value of a mask's pixel is the number of its class."""
    return {"type": "mask", "classes": classes(plan, outcome, frame)}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.float64]:
    """The share of the pixels of each class (n, k), in the masks as they are on disk."""
    return _shares(frame[outcome], classes(plan, outcome, frame))


def _shares(masks: Iterable[Any], known: Sequence[str]) -> NDArray[np.float64]:
    """The share of the pixels of each class (n, k) in mask files."""
    return np.array([areas(Path(mask), known) for mask in masks]).reshape(-1, len(known))


def calibrate(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """The temperature, from a sample of the pixels.

    Args:
        outputs: (n, k, height, width).
        truth: (n, height, width) class numbers.
    """
    logits = np.moveaxis(outputs, 1, -1).reshape(-1, outputs.shape[1])
    chosen = np.random.default_rng(0).permutation(len(logits))[:PIXELS]
    return calibration.temperature(logits[chosen], truth.ravel()[chosen])


def finish(model: Model, entry: dict[str, Any], outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    """The entry with the spread of each class's true area around the predicted one."""
    found = distribution(entry, outputs).probabilities
    return entry | {
        "spread": [numbers.spread("empirical", found[:, k], truth[:, k], None) for k in range(found.shape[1])]
    }


def scale(outputs: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """Probabilities of each pixel."""
    return softmax(outputs)


def figures(truth: NDArray[Any], found: Distribution, entry: dict[str, Any]) -> metrics.Metrics:
    """How far the predicted areas are from the true ones."""
    if not len(truth):
        return {"cases": 0}
    gap = found.probabilities - truth
    return {
        "cases": len(truth),
        "area_error": float(np.abs(gap).mean()),
        "area_error_by_class": dict(zip(entry["classes"], np.abs(gap).mean(axis=0).tolist(), strict=True)),
    }


def baseline(
    plan: Spec, model: Model, train: pd.DataFrame, asked: pd.DataFrame, outcome: str, entry: dict[str, Any]
) -> Distribution:
    """The mean area of each class."""
    mean = targets(plan, outcome, train).mean(axis=0)
    return Distribution(tuple(entry["classes"]), np.tile(mean, (len(asked), 1)))


def table(found: Distribution, frame: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The true and the predicted area of each class."""
    true = _shares(frame[outcome], found.classes)
    return {f"truth_{name}": true[:, index] for index, name in enumerate(found.classes)} | {
        f"area_{name}": found.probabilities[:, index] for index, name in enumerate(found.classes)
    }
