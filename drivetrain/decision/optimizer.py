"""The best feasible setting for every case, under constraints over all cases.

    maximise   sum_i w_i q_i(a_i)
    subject to sum_i w_i g_ic(a_i) <= 0   for each constraint c

The Lagrangian dual prices each constraint: with the right prices, every case on its own takes the setting that
maximises q - price · g, and that is the policy which the service can carry out (Everett 1963). The prices come from the
linear relaxation, solved by SciPy's HiGHS; at most one case a constraint is fractional in it, so rounding costs at most
that much, and the gap is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy import best

Floats = NDArray[np.float64]

LARGEST = 200_000
"""Cells (case × setting) of the linear programme; prices for more cases come from a seeded sample of them."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """What the optimizer found.

    Attributes:
        choice: Index of the setting taken, shape (n,).
        prices: Shadow price of each constraint in value per unit of its measure, at least 0; shape (m,).
        value: Mean value of the choice.
        bound: No feasible policy has a greater mean value (weak duality).
        slack: How far each constraint is from binding, in its own unit; shape (m,); negative means violated.
    """

    choice: NDArray[np.int64]
    prices: Floats
    value: float
    bound: float
    slack: Floats

    @property
    def gap(self) -> float:
        """What could at most be gained by a better solution, in value per case."""
        return max(0.0, self.bound - self.value)


def optimize(
    values: Floats,
    uses: Floats,
    feasible: NDArray[np.bool_],
    weights: Floats,
    names: Sequence[str],
    *,
    seed: int = 42,
) -> Optimum:
    """Choose a setting for every case.

    Args:
        values: Expected value q, shape (n, k).
        uses: Expected use g of each constraint, shape (m, n, k); a policy is feasible when its weighted mean is <= 0.
        feasible: What the limits allow, shape (n, k); each case has at least one setting.
        weights: Of the cases, summing to 1; shape (n,).
        names: Of the constraints, for messages; length m.
        seed: Of the sample that the prices come from when there are very many cases.

    Raises:
        PolicyError: No choice fulfils the constraints; it names them.
    """
    prices = np.zeros(len(uses))
    choice = best(values, uses, feasible, prices)
    if len(uses) and (_mean_use(uses, choice, weights) > _tolerance(uses)).any():
        _refuse_impossible(uses, feasible, weights, names)
        prices = _prices(*_sampled(values, uses, feasible, weights, seed), names)
        choice = best(values, uses, feasible, prices)
        prices, choice = _repaired(values, uses, feasible, weights, prices, choice)
    rows = np.arange(len(values))
    value = float(weights @ values[rows, choice])
    scores = np.where(feasible, values - np.tensordot(prices, uses, axes=1), -np.inf)
    bound = float(weights @ scores.max(axis=1))
    return Optimum(choice, prices, value, bound, -_mean_use(uses, choice, weights))


def _mean_use(uses: Floats, choice: NDArray[np.int64], weights: Floats) -> Floats:
    rows = np.arange(uses.shape[1])
    return np.asarray(uses[:, rows, choice] @ weights)


def _tolerance(uses: Floats) -> Floats:
    """A constraint holds when it is missed by no more than rounding."""
    return np.asarray(1e-9 * (1 + np.abs(uses).max(axis=(1, 2))))


def _refuse_impossible(uses: Floats, feasible: NDArray[np.bool_], weights: Floats, names: Sequence[str]) -> None:
    """Name each constraint that cannot hold even when nothing else matters."""
    least = np.where(feasible, uses, np.inf).min(axis=2) @ weights
    broken = [
        f"{name} (missed by at least {short:.4g})"
        for name, short, allowed in zip(names, least, _tolerance(uses), strict=True)
        if short > allowed
    ]
    if broken:
        raise PolicyError(
            f"no choice of settings can fulfil {', '.join(broken)}.",
            "Relax the constraint, add a setting that uses less of it, or declare it `hard: false`.",
            where="optimizer",
        )


def _sampled(
    values: Floats, uses: Floats, feasible: NDArray[np.bool_], weights: Floats, seed: int
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    most = max(1, LARGEST // values.shape[1])
    if len(values) <= most:
        return values, uses, feasible, weights
    rows = np.sort(np.random.default_rng(seed).choice(len(values), most, replace=False))
    return values[rows], uses[:, rows], feasible[rows], weights[rows] / weights[rows].sum()


def _prices(values: Floats, uses: Floats, feasible: NDArray[np.bool_], weights: Floats, names: Sequence[str]) -> Floats:
    """Dual prices of the linear relaxation."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    cases, settings = np.nonzero(feasible)
    cells = np.arange(len(cases))
    w = weights[cases]
    one_each = csr_array((np.ones(len(cases)), (cases, cells)), shape=(len(values), len(cells)))
    result = linprog(
        -(w * values[cases, settings]),
        A_ub=uses[:, cases, settings] * w,
        b_ub=np.zeros(len(uses)),
        A_eq=one_each,
        b_eq=np.ones(len(values)),
        bounds=(0, None),
        method="highs",
    )
    if result.status != 0:
        raise PolicyError(
            f"no choice of settings fulfils these constraints together: {', '.join(names)}.",
            "Relax one of them, or declare it `hard: false`.",
            where="optimizer",
        )
    return np.asarray(np.maximum(0.0, -result.ineqlin.marginals))


def _repaired(
    values: Floats,
    uses: Floats,
    feasible: NDArray[np.bool_],
    weights: Floats,
    prices: Floats,
    choice: NDArray[np.int64],
) -> tuple[Floats, NDArray[np.int64]]:
    """Raise the prices of violated constraints by the least steps until the choice is feasible."""
    step = 1e-6
    for _ in range(60):
        over = _mean_use(uses, choice, weights) > _tolerance(uses)
        if not over.any():
            return prices, choice
        scale = np.maximum(prices, 1e-6 * (np.abs(values).max() + 1e-12) / np.abs(uses).max(axis=(1, 2)))
        prices = np.where(over, prices + step * scale, prices)
        choice = best(values, uses, feasible, prices)
        step *= 2
    raise PolicyError(
        "the prices of the constraints did not settle.",
        "Relax a constraint, or declare one `hard: false`.",
        where="optimizer",
    )
