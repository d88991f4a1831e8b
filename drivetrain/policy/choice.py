"""The choice of a setting: one function, used by the simulation, the audit and the service."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIE = 1e-9
"""Scores within this share of each other count as equal: floating-point noise must not decide an action."""


ROWS = 4_096
"""Cases are taken in chunks that fit the processor's cache; a million of them need no second array of that size."""


def best(values: Floats, uses: Floats, feasible: NDArray[Any] | None, prices: Floats) -> NDArray[np.int64]:
    """The feasible setting with the greatest value less the priced use of constraints.

    Ties go to the setting that uses less of the priced constraints, then to the one that stands first in the plan.

    Args:
        values: Expected value, shape (n, k).
        uses: Expected use of each constraint, shape (m, n, k).
        feasible: What the limits allow, shape (n, k); None: everything.
        prices: Shadow prices, shape (m,).

    Returns:
        Index of the setting, shape (n,).
    """
    priced = [(price, use) for price, use in zip(prices.tolist(), uses, strict=True) if price > 0]
    if len(values) <= ROWS:
        return _best(values, priced, feasible)
    found = np.empty(len(values), dtype=np.int64)
    for start in range(0, len(values), ROWS):
        part = slice(start, start + ROWS)
        here = None if feasible is None else feasible[part]
        found[part] = _best(values[part], [(price, use[part]) for price, use in priced], here)
    return found


def _best(values: Floats, priced: list[tuple[float, Floats]], feasible: NDArray[Any] | None) -> NDArray[np.int64]:
    scores = values.copy()
    for price, use in priced:
        scores -= price * use
    if feasible is not None:
        scores[~feasible] = -np.inf
    chosen, top = scores.argmax(axis=1), scores.max(axis=1)
    least = (top - TIE * (1 + np.abs(top)))[:, None]
    equal = scores >= least
    if np.count_nonzero(equal) > len(equal):
        close = np.flatnonzero(equal.sum(axis=1) > 1)
        tied = equal[close]
        burden = np.zeros(tied.shape)
        for _, use in priced:
            # Scaled case by case, so that a case is decided alike whatever stands beside it.
            spread = np.abs(use[close]).max(axis=1, keepdims=True)
            burden += use[close] / np.where(spread > 0, spread, 1)
        # Rounding must not break what is equal.
        chosen[close] = np.where(tied, np.round(burden, 9), np.inf).argmin(axis=1)
    return np.asarray(chosen)
