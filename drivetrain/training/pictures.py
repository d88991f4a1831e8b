"""What a model gets wrong, as a picture for the evidence: validation rows, and no single case in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution

MOST_CLASSES = 30
"""Classes beyond which a confusion matrix cannot be read."""
BINS = 10


def draw(truth: NDArray[Any], found: Distribution, path: Path, title: str) -> bool:
    """Draw confusion and calibration of classes, or predicted against true numbers, as PNG.

    Args:
        truth: Class numbers (n,), or numbers (n,).
        found: What was predicted.
        path: The file.
        title: Of the picture.

    Returns:
        Whether there is something to draw: several labels and masks have figures only.
    """
    from matplotlib.figure import Figure

    if truth.ndim != 1 or not len(truth):
        return False
    figure = Figure(figsize=(11, 5) if found.quantiles is None else (5, 5), layout="constrained")
    figure.suptitle(f"{title}: {len(truth)} validation rows")
    if found.quantiles is not None:
        _numbers(figure.subplots(), truth, found.quantiles)
    else:
        left, right = figure.subplots(1, 2)
        _confusion(left, truth, found)
        _reliability(right, truth, found.probabilities)
    figure.savefig(path, dpi=100)
    return True


def _confusion(axes: Any, truth: NDArray[Any], found: Distribution) -> None:
    names = found.classes
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (truth, found.probabilities.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) > MOST_CLASSES:
        return
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)


def _reliability(axes: Any, truth: NDArray[Any], probabilities: NDArray[Any]) -> None:
    """How often the likeliest class is right, by how sure the model is of it."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    there = [index for index in range(BINS) if (place == index).any()]
    said = [sure[place == index].mean() for index in there]
    seen = [right[place == index].mean() for index in there]
    sizes = [20 + 300 * (place == index).mean() for index in there]
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.scatter(said, seen, s=sizes)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="how sure the model is", ylabel="how often it is right")


def _numbers(axes: Any, truth: NDArray[Any], quantiles: NDArray[Any]) -> None:
    mean = quantiles.mean(axis=1)
    ends = [float(min(truth.min(), mean.min())), float(max(truth.max(), mean.max()))]
    axes.plot(ends, ends, color="grey", linestyle="--", linewidth=1)
    # Shares of the plane, not points: a single case must not be read off it.
    axes.hist2d(truth, mean, bins=20, range=[ends, ends] if ends[0] < ends[1] else None, cmap="Blues", cmin=1)
    axes.set(xlabel="true", ylabel="predicted")
