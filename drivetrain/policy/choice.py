"""The choice of a setting: one function, used by the simulation, the audit and the service."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIE = 1e-9
"""Scores within this share of each other count as equal: floating-point noise must not decide an action."""


def best(values: Floats, uses: Floats, feasible: NDArray[Any], prices: Floats) -> NDArray[np.int64]:
    """The feasible setting with the greatest value less the priced use of constraints.

    Ties go to the setting that uses less of the priced constraints, then to the one that stands first in the plan.

    Args:
        values: Expected value, shape (n, k).
        uses: Expected use of each constraint, shape (m, n, k).
        feasible: What the limits allow, shape (n, k).
        prices: Shadow prices, shape (m,).

    Returns:
        Index of the setting, shape (n,).
    """
    scores = np.where(feasible, values - np.tensordot(prices, uses, axes=1), -np.inf)
    top = scores.max(axis=1, keepdims=True)
    tied = scores >= top - TIE * (1 + np.abs(top))
    priced = prices > 0
    if not priced.any():
        return np.asarray(tied.argmax(axis=1))
    spread = np.abs(uses[priced]).max(axis=(1, 2), keepdims=True)
    burden = (uses[priced] / np.where(spread > 0, spread, 1)).sum(axis=0)
    return np.asarray(np.where(tied, burden, np.inf).argmin(axis=1))
