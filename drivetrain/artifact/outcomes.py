"""From a network's outputs to distributions, as the manifest describes each outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.artifact import areas
from drivetrain.artifact.distribution import Distribution, Floats, softmax

LEVELS = 100
"""Quantiles that describe a number."""


def width(outcome: Mapping[str, Any]) -> int:
    """How many outputs an outcome takes."""
    if outcome["type"] == "number":
        return len(outcome["edges"]) - 1 if outcome.get("edges") else 1
    return len(outcome["classes"])


def distribution(outcome: Mapping[str, Any], outputs: Floats) -> Distribution:
    """The distribution that n rows of outputs stand for.

    Args:
        outcome: The manifest's entry: `type` and `classes`; for a number `edges` of its bins, or the `spread` around
            the mean that the network gives; for a mask the areas `said` and `seen` on validation rows;
            `isotonic` where a calibration is applied after the network.
        outputs: (n, width); for a mask (n, k, height, width).
    """
    kind = outcome["type"]
    if kind == "number":
        if outcome.get("edges"):
            bins = softmax(outputs)
            return Distribution((), bins, _in_bins(outcome["edges"], bins))
        return Distribution((), np.zeros((len(outputs), 0)), _around(outcome, outputs[:, 0]))
    classes = tuple(outcome["classes"])
    if kind == "labels":
        # Labels do not exclude each other: each probability is of its own.
        return Distribution(classes, 1 / (1 + np.exp(-outputs)))
    if kind == "mask":
        pixels = softmax(outputs.reshape(len(outputs), len(classes), -1))
        return _areas(classes, pixels.mean(axis=2), outcome.get("spread"))
    return Distribution(classes, _isotonic(outcome, softmax(outputs)))


def _areas(classes: tuple[str, ...], mean: Floats, spread: Mapping[str, Any] | None) -> Distribution:
    """Area of each class (n, k), and equally likely areas (n, k, LEVELS) around it."""
    return Distribution(classes, mean, areas.likely(spread, mean, LEVELS) if isinstance(spread, dict) else None)


def _isotonic(outcome: Mapping[str, Any], probabilities: Floats) -> Floats:
    """Probabilities through a monotone table for each class, then summing to one again."""
    tables = outcome.get("isotonic")
    if not tables:
        return probabilities
    found = np.column_stack(
        [np.interp(probabilities[:, index], table["said"], table["seen"]) for index, table in enumerate(tables)]
    )
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.where(total > 0, total, 1), probabilities)


def _around(outcome: Mapping[str, Any], mean: Floats) -> Floats:
    """Quantiles (n, LEVELS) of a number from its mean and the spread that validation showed."""
    spread = outcome["spread"]
    kind = spread["kind"]
    if kind == "poisson":
        quantiles = _poisson(np.clip(mean, 1e-9, None))
    elif kind == "multiplicative":
        quantiles = np.clip(mean, 1e-9, None)[:, None] * np.asarray(spread["table"])
    else:
        quantiles = mean[:, None] + np.asarray(spread["table"])
    return np.clip(quantiles, outcome.get("minimum"), outcome.get("maximum"))


def _in_bins(edges: Sequence[float], bins: Floats) -> Floats:
    """Quantiles (n, LEVELS) of a number from the probabilities of its bins (n, k); uniform within a bin."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    below = np.concatenate([np.zeros((len(bins), 1)), bins.cumsum(axis=1)], axis=1)
    below[:, -1] = 1.0
    return np.array([np.interp(levels, row, edges) for row in below]).reshape(len(bins), LEVELS)


def _poisson(mean: Floats) -> Floats:
    """Quantiles of Poisson counts, by summing the probabilities up."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    found = np.zeros((len(mean), LEVELS))
    for row, rate in enumerate(mean):
        counts = np.arange(int(rate + 8 * np.sqrt(rate) + 12))
        # In logarithms, so that large counts do not overflow.
        logs = counts * np.log(rate) - rate - np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
        found[row] = np.searchsorted(np.exp(logs).cumsum(), levels)
    return found
