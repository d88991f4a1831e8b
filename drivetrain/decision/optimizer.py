"""The best feasible setting for every case, under constraints over all cases.

    maximise   sum_i w_i q_i(a_i)
    subject to sum_i w_i g_ic(a_i) <= 0   for each constraint c

The Lagrangian dual prices each constraint: with the right prices, every case on its own takes the setting that
maximises q - price · g, and that is the policy which the service can carry out (Everett 1963). At most one case a
constraint is undecided in the linear relaxation, so deciding it costs at most that much, and the gap is reported. Few
cases are allocated exactly, by HiGHS's branch and bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.decision.dual import Instance, looks
from drivetrain.decision.kinds import kinds
from drivetrain.decision.prices import Found, kept, prices_of, settled
from drivetrain.decision.ties import dealt, filled, repaired
from drivetrain.errors import PolicyError
from drivetrain.policy import best

Floats = NDArray[np.float64]

EXACT = 2_000
"""Cells (case × setting) up to which the choice is exact."""
CLOSE = 2e-5
"""Share of the value below which nobody looks for what is left among cases worth the same."""
MANY = 1_000_000
"""Cells beyond which no pass over all of them is wasted."""
FILLED = 200_000
"""Cells of the cases among which what is left of a constraint is used up."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """What the optimizer found.

    Attributes:
        choice: Index of the setting taken, shape (n,).
        prices: Shadow price of each constraint in value per unit of its use, at least 0; shape (m,).
        value: Mean value of the choice.
        bound: No feasible policy has a greater mean value (weak duality).
        slack: How far each constraint is from binding, in its own unit; shape (m,); negative means violated.
        policy_value: Mean value of the policy that takes, case by case, the best at these prices: what a service can
            do. For few cases it may be worth less than `choice`, which sees all of them at once.
        policy_slack: As `slack`, of that policy.
    """

    choice: NDArray[np.int64]
    prices: Floats
    value: float
    bound: float
    slack: Floats
    policy_value: float
    policy_slack: Floats

    @property
    def gap(self) -> float:
        """What could at most be gained by a better solution, in value per case."""
        return max(0.0, self.bound - self.value)

    @property
    def policy_gap(self) -> float:
        """What could at most be gained by a better solution than the priced policy, in value per case."""
        return max(0.0, self.bound - self.policy_value)


def optimize(
    values: Floats,
    uses: Floats,
    feasible: NDArray[np.bool_] | None,
    weights: Floats,
    names: Sequence[str],
    *,
    seed: int = 42,
) -> Optimum:
    """Choose a setting for every case.

    Args:
        values: Expected value q, shape (n, k).
        uses: Expected use g of each constraint, shape (m, n, k); a policy is feasible when its weighted mean is <= 0.
        feasible: What the limits allow, shape (n, k), each case having at least one setting; None: everything.
        weights: Of the cases, summing to 1; shape (n,).
        names: Of the constraints, for messages; length m.
        seed: Of the sample that the first prices come from when there are very many cases.

    Raises:
        PolicyError: No choice fulfils the constraints (it names them), or there is no case, or a figure is no number.
    """
    _refuse_unusable(values, uses, feasible, weights)
    instance = Instance(values, uses, None if feasible is None or feasible.all() else feasible, weights)
    tolerance = _tolerance(uses)
    if not len(uses) or values.size <= MANY:
        # Where nothing binds, the best of each case is the answer.
        choice = best(values, uses, feasible, np.zeros(len(uses)))
        worth, use = _sums(instance, choice)
        if (use <= tolerance).all():
            return Optimum(choice, np.zeros(len(uses)), worth, worth, -use, worth, -use)
    few = kinds(instance)
    small, kind = few or (instance, None)
    found = prices_of(small, seed)
    prices, bound = found.least.prices, found.least.bound
    exact = _exact(instance) if values.size <= EXACT else None
    if not found.bounded or (exact is None and values.size <= EXACT):
        _refuse_impossible(instance, names)
        raise PolicyError(
            f"no choice of settings fulfils these constraints together: {', '.join(names)}.",
            "Relax one of them, or declare it `hard: false`.",
            where="optimizer",
        )
    lowest = min(found.least.seen, key=lambda one: one.bound)
    if (lowest.use > tolerance).any():
        prices = settled(found.close, lowest)
    prices = kept(found.close, found.least, prices)
    choice, worth, use = _taken(small, found, prices)
    choice = choice if kind is None else choice[kind]
    plain = worth, use
    if exact is not None:
        own, spent = _sums(instance, exact)
        return Optimum(exact, prices, own, max(bound, own), -spent, plain[0], -plain[1])
    if (use > tolerance).any() or bound - worth > CLOSE * abs(bound):
        tried, rows = _shared(instance, small, kind, found)
        # Those that hesitate lose nothing by a change; where these are few, so many others lose little.
        step = 1 + rows.size * values.shape[1] // FILLED
        rows = rows[::step] if step > 1 else np.union1d(rows, np.arange(0, len(values), 1 + values.size // FILLED))
        tried, left = repaired(instance, rows, tried, tolerance / 2 - _sums(instance, tried)[1])
        if (left >= 0).all():
            tried = filled(instance, rows, tried, left)
            own, spent = _sums(instance, tried)
            if (spent <= tolerance).all() and (own > worth or (use > tolerance).any()):
                choice, worth, use = tried, own, spent
        if choice is not tried and (use <= tolerance).all():
            choice = filled(instance, rows, choice, tolerance / 2 - use)
            worth, use = _sums(instance, choice)
    if (use > tolerance).any():
        _refuse_impossible(instance, names)
        raise PolicyError(
            f"no choice was found that fulfils {', '.join(names)} together.",
            "Relax one of them, or declare it `hard: false`.",
            where="optimizer",
        )
    return Optimum(choice, prices, worth, max(bound, worth), -use, plain[0], -plain[1])


def _taken(instance: Instance, found: Found, prices: Floats) -> tuple[NDArray[np.int64], float, Floats]:
    """What every case takes at some prices, mean value and mean use; only those near are asked anew."""
    if found.near is not None:
        near, centre, width = found.near
        if (np.abs(prices - centre) <= width).all():
            part = near.instance
            mine = best(part.values, part.uses, part.feasible, prices)
            choice = near.choice.astype(np.int64)
            choice[near.rows] = mine
            value, use = _sums(part, mine)
            return choice, part.value + value, use + part.rest
    choice = best(instance.values, instance.uses, instance.feasible, prices)
    return choice, *_sums(instance, choice)


def _shared(
    instance: Instance, small: Instance, kind: NDArray[np.int32] | None, found: Found
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The mixture that the relaxation makes best, dealt out among the cases; and those that hesitate.

    Args:
        instance: All cases.
        small: One of each kind, or all cases.
        kind: Of each case, an index into `small`; None: its own.
        found: The prices of `small`.
    """
    corners, shares = found.least.corners, found.least.shares
    target = np.array([corner.use for corner in corners]).T @ shares
    if found.near is None:
        part, place, base = small, np.arange(len(small.values)), corners[0].choice
        picks = [corner.choice for corner in corners]
    else:
        near, _, _ = found.near
        part, place = near.instance, near.rows
        picks = [one.choice for one in looks(part, [corner.prices for corner in corners])]
        base = near.choice.copy()
        base[place] = picks[0]
    undecided = np.flatnonzero(np.any([pick != picks[0] for pick in picks], axis=0))
    rows = place[undecided]
    if not len(undecided):
        return (base if kind is None else base[kind]).astype(np.int64), rows
    options = np.array([pick[undecided] for pick in picks])
    # Half the memory will do: what is missed by rounding is repaired one by one.
    moves = np.empty((len(picks) - 1, len(part.uses), len(undecided)), dtype=np.float32)
    for number, used in enumerate(part.uses):
        first = used[undecided, options[0]]
        for other, option in enumerate(options[1:]):
            moves[other, number] = used[undecided, option] - first
    if kind is not None:
        slot = np.full(len(small.values), -1, dtype=np.int32)
        slot[rows] = np.arange(len(rows), dtype=np.int32)
        rows = np.flatnonzero(slot[kind] >= 0)
        which = slot[kind[rows]]
        base, moves, options = base[kind], moves[:, :, which], options[:, which]
    weights = instance.weights if len(rows) == len(instance.weights) else instance.weights[rows]
    part_of = dealt(moves, weights, corners[0].use, shares, target, found.least.prices)
    choice = base.astype(np.int64)
    choice[rows] = options[part_of, np.arange(len(rows))]
    return choice, rows


def _sums(instance: Instance, choice: NDArray[np.int64]) -> tuple[float, Floats]:
    """Mean value of a choice, and mean use of each constraint."""
    rows = np.arange(len(choice))
    value = float(instance.weights @ instance.values[rows, choice])
    return value, np.array([float(instance.weights @ used[rows, choice]) for used in instance.uses])


def _tolerance(uses: Floats) -> Floats:
    """A constraint holds when it is missed by no more than rounding."""
    return np.array([1e-9 * (1 + max(float(used.max()), -float(used.min()))) for used in uses])


def _refuse_unusable(values: Floats, uses: Floats, feasible: NDArray[np.bool_] | None, weights: Floats) -> None:
    if not values.size:
        raise PolicyError("there is no case to decide.", "Look at the split and at missing labels: make check.")
    # The sum is finite exactly when every figure is (or overflows, which is no better); it needs no second array.
    if not all(np.isfinite(array.sum()) for array in [values, *uses]):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1) | ~np.isfinite(uses).all(axis=(0, 2)))
        raise PolicyError(
            f"value or use is no finite number for {len(bad)} of {len(values)} cases.",
            "Look at the model's inputs for these cases; no action is chosen from such a number.",
            where="optimizer",
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise PolicyError("weights must be finite, at least 0, and not all 0.", where="optimizer")
    if feasible is not None and not feasible.any(axis=1).all():
        count = int((~feasible.any(axis=1)).sum())
        what = f"the limits allow no setting for {count} case{'' if count == 1 else 's'}."
        raise PolicyError(what, "Leave them to the fallback.", where="levers")


def _refuse_impossible(instance: Instance, names: Sequence[str]) -> None:
    """Name each constraint that cannot hold even when nothing else matters."""
    broken = []
    for name, used, tolerance in zip(names, instance.uses, _tolerance(instance.uses), strict=True):
        least = used if instance.feasible is None else np.where(instance.feasible, used, np.inf)
        short = float(instance.weights @ np.minimum.reduce([least[:, place] for place in range(least.shape[1])]))
        if short > tolerance:
            broken.append(f"{name} (missed by at least {short:.4g})")
    if broken:
        raise PolicyError(
            f"no choice of settings can fulfil {', '.join(broken)}.",
            "Relax the constraint, add a setting that uses less of it, or declare it `hard: false`.",
            where="optimizer",
        )


def _exact(instance: Instance) -> NDArray[np.int64] | None:
    """The best feasible choice by branch and bound; None when there is none."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    n, k = instance.values.shape
    allowed = np.ones((n, k), bool) if instance.feasible is None else instance.feasible
    one_each = csr_array((np.ones(n * k), (np.repeat(np.arange(n), k), np.arange(n * k))), shape=(n, n * k))
    weighted = (instance.uses * instance.weights[:, None]).reshape(len(instance.uses), n * k)
    scale = np.abs(weighted).max(axis=1, keepdims=True)
    found = milp(
        -(instance.weights[:, None] * instance.values).ravel(),
        integrality=np.ones(n * k),
        bounds=Bounds(0, allowed.ravel().astype(float)),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(weighted / np.where(scale > 0, scale, 1), -np.inf, 0),
        ],
        options={"time_limit": 20, "mip_rel_gap": 0},
    )
    return None if found.x is None else np.asarray(found.x.reshape(n, k).argmax(axis=1))
