"""Numbers far from all others: a wrong unit, a code for `not known`, a slip of the pen."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAR = 5.0
"""Quartile ranges from the median beyond which a number is looked at as a mistake."""
SAMPLE = 100_000
"""Rows in which it is looked up where the middle of a long column lies."""


def far_off(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Numbers far from all others, `(n,)`; a long tail of positive numbers is judged by its logarithm as well."""
    import numpy as np

    few = numbers[:: len(numbers) // SAMPLE + 1]
    few = few[np.isfinite(few)]
    if len(few) < 20:
        return np.zeros(len(numbers), bool)
    low, middle, high = (float(value) for value in np.quantile(few, [0.25, 0.5, 0.75]))
    usual = np.nan
    if low == high and np.sum(few != middle) >= 20:
        # Most are one number, often 0: the others are held against each other.
        usual = middle
        low, middle, high = (float(value) for value in np.quantile(few[few != middle], [0.25, 0.5, 0.75]))
    if low == high:
        return np.zeros(len(numbers), bool)
    least, most = middle - FAR * (high - low), middle + FAR * (high - low)
    far = numbers < least
    if low > 0:
        most = max(most, _tail(low, middle, high))
        ratio = math.log(high / low)
        far &= (numbers <= 0) | (numbers < middle * math.exp(-FAR * ratio))
    far |= numbers > most
    far &= np.isfinite(numbers) & (numbers != usual)
    return np.asarray(far)


def _tail(low: float, middle: float, high: float) -> float:
    """Where positive numbers are far from the others, the longer the more skewed the middle half of them is.

    The quartiles are made symmetric by a power (Box and Cox 1964): 1 leaves even numbers as they are, 0 takes the
    logarithm of a long tail.
    """
    ratio = math.log(high / low)
    skew = math.log((high - middle) / (middle - low)) if low < middle < high else ratio
    power = min(max(1 - 2 * skew / ratio, 0.0), 1.0)
    if power < 0.01:
        return middle * math.exp(min(FAR * ratio, 700))
    with suppress(OverflowError):
        # In units of the middle, so that no power of a huge number is taken.
        step = (high / middle) ** power - (low / middle) ** power
        return middle * float((1 + FAR * step) ** (1 / power))
    return math.inf
