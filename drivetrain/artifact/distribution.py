"""What a model says about an outcome: a distribution, never only a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The probabilities of an outcome's classes, or the quantiles of a number, for n cases.

    Attributes:
        classes: The k classes, in the plan's order; `("false", "true")` for a binary outcome; none for a number.
        probabilities: (n, k); each row sums to one. For a number (n, 0), or the
            probabilities of its bins.
        quantiles: Of a number: (n, q) at the levels (j + 1/2) / q, ascending; of the areas of a mask (n, k, q), equally
            likely, the j-th of all classes together; else None.
    """

    classes: tuple[str, ...]
    probabilities: Floats
    quantiles: Floats | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def likeliest(self) -> list[str]:
        """The class with the highest probability, for each case; the first in a tie."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]


def softmax(logits: Floats) -> Floats:
    """Probabilities from logits (n, k), without overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def energy(logits: Floats, temperature: float) -> Floats:
    """The out-of-domain energy (n,) of calibrated logits (n, k, …); the higher, the stranger the case.

    Of several places in a case (the pixels of a mask) it is the mean.

    Source: Liu et al., Energy-based Out-of-distribution Detection, 2020: -T · log Σ exp(logit / T). The served logits
    are already divided by the temperature.
    """
    top = logits.max(axis=1)
    found = -temperature * (top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))
    if found.ndim > 1:
        found = found.mean(axis=tuple(range(1, found.ndim)))
    return np.asarray(found, dtype=np.float64)
