"""What a model gets wrong, as a picture for the evidence: validation rows, and no single case in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact.distribution import Distribution

MOST_CLASSES = 30
"""Classes beyond which a confusion matrix cannot be read."""
BINS = 10


def draw(truth: NDArray[Any], found: Distribution, path: Path, title: str) -> bool:
    """Draw what a model gets right and wrong as PNG.

    Of classes confusion and calibration; of several labels how often each is found and calibration; of masks true and
    predicted areas; of numbers predicted against true ones, or, where some are censored, how many are still under way.

    Args:
        truth: Class numbers (n,), zero or one for each label (n, k), areas (n, k), numbers (n,), or what bins are
            judged by (`heads.bins.targets`).
        found: What was predicted.
        path: The file.
        title: Of the picture.

    Returns:
        Whether there is something to draw.
    """
    from matplotlib.figure import Figure

    if not len(truth):
        return False
    figure = Figure(figsize=(11, 5) if found.classes else (5, 5), layout="constrained")
    figure.suptitle(f"{title}: {len(truth)} validation rows")
    if not found.classes:
        assert found.quantiles is not None
        number, seen = (truth, truth == truth) if truth.ndim == 1 else (truth[:, -2], truth[:, -1] == 1)
        if seen.all():
            _plane(figure.subplots(), number, found.quantiles.mean(axis=1), "true", "predicted")
        else:
            _under_way(figure.subplots(), number, seen, found.quantiles)
    elif truth.ndim == 1:
        left, right = figure.subplots(1, 2)
        _confusion(left, truth, found)
        sure, right_class = found.probabilities.max(axis=1), found.probabilities.argmax(axis=1) == truth
        _reliability(right, sure, right_class, "how sure the model is", "how often it is right")
    elif np.issubdtype(truth.dtype, np.integer):
        left, right = figure.subplots(1, 2)
        _labels(left, truth, found)
        _reliability(
            right, found.probabilities.ravel(), truth.ravel() == 1, "probability of a label", "share that has it"
        )
    else:
        left, right = figure.subplots(1, 2)
        _areas(left, right, truth, found)
    figure.savefig(path, dpi=100)
    return True


def draw_curve(curve: Mapping[str, Any], path: Path, title: str) -> None:
    """Draw a learning curve as PNG: the error by rows with its 95 % interval, and the target where there is one.

    Args:
        curve: As `curve.measured` gives it.
        path: The file.
        title: Of the picture.
    """
    from matplotlib.figure import Figure

    rows, error, noise = ([point[key] for point in curve["points"]] for key in ("rows", "error", "standard_error"))
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(rows, error, 1.96 * np.asarray(noise), marker="o", capsize=3)
    if curve["target"] is not None:
        axes.axhline(curve["target"], color="grey", linestyle="--", linewidth=1, label="target")
        axes.legend()
    axes.set(xscale="log", xlabel="rows trained on", ylabel=str(curve["metric"]).replace("outcome (", "outcome\n("))
    axes.set_xticks(rows, [f"{count:,}" for count in rows])
    axes.minorticks_off()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


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


def _reliability(axes: Any, said: NDArray[Any], happened: NDArray[Any], xlabel: str, ylabel: str) -> None:
    """How often something happens, by how probable the model calls it; larger dots are more rows."""
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    there = [index for index in range(BINS) if (place == index).any()]
    means = [said[place == index].mean() for index in there]
    seen = [happened[place == index].mean() for index in there]
    sizes = [20 + 300 * (place == index).mean() for index in there]
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.scatter(means, seen, s=sizes)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel=xlabel, ylabel=ylabel)


def _labels(axes: Any, truth: NDArray[Any], found: Distribution) -> None:
    """How often each label is found where it is, and how often it is said where it is not."""
    said = found.probabilities >= 0.5
    place = np.arange(len(found.classes))
    for shift, there, name in ((-0.2, truth == 1, "said where it is"), (0.2, truth == 0, "said where it is not")):
        shares = (said & there).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        axes.barh(place + shift, shares, height=0.4, label=name)
    axes.set(xlim=(0, 1), xlabel="share of the rows")
    axes.set_yticks(place, found.classes)
    axes.invert_yaxis()
    axes.legend()


def _areas(left: Any, right: Any, truth: NDArray[Any], found: Distribution) -> None:
    """Predicted against true areas of all classes, and how far they are apart for each."""
    _plane(left, truth.ravel(), found.probabilities.ravel(), "true area", "predicted area")
    place = np.arange(len(found.classes))
    right.barh(place, np.abs(found.probabilities - truth).mean(axis=0))
    right.set(xlabel="mean error of the area")
    right.set_yticks(place, found.classes)
    right.invert_yaxis()


def _under_way(axes: Any, number: NDArray[Any], seen: NDArray[np.bool_], quantiles: NDArray[Any]) -> None:
    """The share of rows that last longer, as predicted and as seen; censored rows count as long as they were watched.

    Source: Kaplan and Meier, 1958, for what was seen.
    """
    moments = np.unique(number)
    ended = np.array([(number[seen] == moment).sum() for moment in moments])
    watched = np.array([(number >= moment).sum() for moment in moments])
    axes.step(moments, np.cumprod(1 - ended / watched), where="post", label="seen")
    axes.plot(moments, [(quantiles > moment).mean() for moment in moments], label="predicted")
    axes.set(ylim=(0, 1.02), xlabel="number", ylabel="share that is larger")
    axes.legend()


def _plane(axes: Any, truth: NDArray[Any], said: NDArray[Any], xlabel: str, ylabel: str) -> None:
    ends = [float(min(truth.min(), said.min())), float(max(truth.max(), said.max()))]
    axes.plot(ends, ends, color="grey", linestyle="--", linewidth=1)
    # Shares of the plane, not points: a single case must not be read off it.
    axes.hist2d(truth, said, bins=20, range=[ends, ends] if ends[0] < ends[1] else None, cmap="Blues", cmin=1)
    axes.set(xlabel=xlabel, ylabel=ylabel)
