"""A class for each pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import source
from drivetrain.artifact import areas
from drivetrain.artifact.distribution import Distribution, softmax
from drivetrain.artifact.outcomes import distribution
from drivetrain.training import calibration, metrics
from drivetrain.training.schema import classes

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

SCORE = "energy"
PIXELS = 20_000
"""Pixels on which the temperature is fitted."""
MOST_ROWS = 256
"""Validation rows that a manifest keeps."""
LEAST_NEAR = 16
"""Fewer rows say nothing of how far an area may be off."""


def entry(plan: Spec, outcome: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Type and classes; the value of a mask's pixel is the number of its class."""
    return {"type": "mask", "classes": classes(plan, outcome, frame)}


def targets(plan: Spec, outcome: str, frame: pd.DataFrame) -> NDArray[np.float64]:
    """The share of the pixels of each class (n, k), in the masks as they are on disk."""
    return _shares(frame[outcome], classes(plan, outcome, frame))


def _shares(masks: Iterable[Any], known: Sequence[str]) -> NDArray[np.float64]:
    """The share of the pixels of each class (n, k) in mask files."""
    return np.array([source.areas(Path(mask), known) for mask in masks]).reshape(-1, len(known))


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
    """The entry with what the areas of validation rows were said to be, and were."""
    return entry | {"spread": spread(distribution(entry, outputs).probabilities, truth)}


def spread(said: NDArray[np.float64], seen: NDArray[np.float64]) -> dict[str, Any]:
    """Said and true areas of validation rows, and how many of them are near enough to speak of a new case.

    Where nothing of a class is said to be there, it hardly ever is; where half a picture is in doubt, much may be
    missed. So what is missed is taken from rows of which much the same was said. How many these are is what foretells
    the areas of each row best from the others, by the energy score (Gneiting and Raftery 2007).

    Args:
        said: Predicted areas (n, k).
        seen: True areas (n, k).
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(said))[:MOST_ROWS])
    said, seen = said[rows].round(6), seen[rows].round(6)
    missed = seen - said
    # In order of what is missed most: values taken at even steps then speak of all of them evenly.
    order = np.argsort(missed @ np.linalg.svd(missed, full_matrices=False)[2][0], kind="stable")
    said, seen, missed = said[order], seen[order], missed[order]
    apart = np.linalg.norm(missed[:, None] - missed[None], axis=2)
    candidates = [size for size in (len(rows), *(len(rows) // part for part in (2, 4, 8, 16))) if size >= LEAST_NEAR]

    def score(near: int) -> float:
        weights = areas.weights(said, said, near)
        np.fill_diagonal(weights, 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        return float((weights * apart).sum() - 0.5 * np.einsum("ij,jl,il", weights, apart, weights))

    near = min(candidates, key=score) if len(candidates) > 1 else len(rows)
    return {"said": said.tolist(), "seen": seen.tolist(), "near": near}


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
