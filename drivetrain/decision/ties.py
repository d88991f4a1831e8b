"""Cases that are worth the same: prices cannot tell whom to take, shares can.

Where many cases hesitate between the same settings, a price gives all of them the one or all of them the other, and
capacity is left over. The optimum of the relaxation is a mixture of a few choices, those of the prices around its own,
and it says how large the share of each is. So the cases that hesitate are dealt out among these choices, each its
share: by an even sequence over all of them (Weyl 1916), so that the first get no more than the last. What the cases
add up to is then corrected to the last few, and what is left goes to those whom it helps most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.decision.dual import Floats, Instance

GOLDEN = (5**0.5 - 1) / 2
"""The step of the most even sequence."""
CORRECTIONS = 8
"""How often the shares are corrected by what the cases add up to."""
NEAR = 4
"""Cases by which the mark may be missed: that much is made good one by one."""
HEAVY = 20
"""Cases so many times as heavy as others are dealt out once, for no correction could hit the mark with them."""
ROUNDS = 20
"""Rounds in which an allocation is brought below the brim, and filled up to it, in the end."""


def dealt(
    moves: NDArray[np.float32], weights: Floats, use: Floats, shares: Floats, target: Floats, prices: Floats
) -> NDArray[np.int64]:
    """Which of a few choices each hesitating case takes, shape (r,): together they use what they should but for a few.

    Args:
        moves: What a case uses more by each choice than by the first, shape (choices - 1, m, r).
        weights: Shape (r,).
        use: Of all cases, when all of these take the first choice; shape (m,).
        shares: Of the choices, summing to 1.
        target: Use of all cases that the shares should come to, shape (m,).
        prices: Of the constraints, shape (m,): what they say a miss costs.
    """
    count = len(weights)
    lots = np.arange(1, count + 1) * GOLDEN
    lots = np.remainder(lots, 1, out=lots).astype(np.float32)
    light = weights <= HEAVY * weights.mean()
    small = weights.astype(np.float32)
    lighter = small * light
    movable = np.array([[float(moved @ lighter) for moved in choice] for choice in moves])
    lump = np.maximum(moves.max(axis=(0, 2)), -moves.min(axis=(0, 2))) * float(lighter.max())
    shares, best, least = shares.copy(), np.zeros(count, dtype=np.int8), np.inf
    fixed: NDArray[np.int8] | None = None
    for _ in range(CORRECTIONS):
        place = np.zeros(count, dtype=np.int8)
        for edge in np.cumsum(shares)[:-1]:
            place += lots >= edge
        if fixed is None:
            fixed = place
        elif not light.all():
            place[~light] = fixed[~light]
        spent = use.copy()
        for number, choice in enumerate(moves, 1):
            taken = small * (place == number)
            spent += [float(moved @ taken) for moved in choice]
        cost = prices + prices.mean() * (spent > np.maximum(target, 0))
        missed = float(cost @ np.abs(spent - target))
        if missed < least:
            best, least = place, missed
        if missed <= float(prices @ (NEAR * lump)):
            break
        change = np.linalg.lstsq(cost[:, None] * movable.T, cost * (target - spent), rcond=1e-9)[0]
        shares[1:] += change
        shares[0] -= change.sum()
        shares = np.clip(shares, 0, 1)
        shares /= shares.sum()
    return best.astype(np.int64)


def repaired(
    instance: Instance, rows: NDArray[np.int64], choice: NDArray[np.int64], slack: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """The choice with as many changed as it takes to fulfil the constraints, those first who lose least; and the slack.

    Args:
        instance: All cases.
        rows: Those that may change, shape (t,).
        choice: Shape (n,).
        slack: How far each constraint is from binding, shape (m,); negative where it is broken.
    """
    choice, slack = choice.copy(), slack.copy()
    part = instance.rows(rows)
    each, taken = np.arange(len(rows)), choice[rows]
    for _ in range(ROUNDS):
        over = slack < 0
        if not over.any() or not len(rows):
            break
        loss, more = _changes(part, taken)
        less = np.maximum(-more[over] / -slack[over][:, None, None], 0).sum(axis=0)
        fits = (more[over] <= 0).all(axis=0) & (more[~over] <= slack[~over][:, None, None]).all(axis=0) & (less > 0)
        if part.feasible is not None:
            fits &= part.feasible
        rate = np.divide(loss, less, out=np.full(loss.shape, np.inf), where=fits)
        other = rate.argmin(axis=1)
        order = np.argsort(rate[each, other], kind="stable")[: int(fits.any(axis=1).sum())]
        if not len(order):
            break
        after = slack[:, None] - np.cumsum(more[:, order, other[order]], axis=1)
        stop = (after[over] >= 0).all(axis=0) | (after[~over] < 0).any(axis=0)
        order = order[: int(stop.argmax()) + 1 if stop.any() else len(order)]
        if (after[~over, len(order) - 1] < 0).any() and len(order) > 1:
            order = order[:-1]
        slack -= more[:, order, other[order]].sum(axis=1)
        taken[order] = other[order]
    choice[rows] = taken
    return choice, slack


def _changes(part: Instance, taken: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """What each case would lose by each setting beside the one it takes, (t, k), and use more, (m, t, k)."""
    each = np.arange(len(taken))
    loss = part.weights[:, None] * (part.values[each, taken][:, None] - part.values)
    return loss, part.weights[:, None] * (part.uses - part.uses[:, each, taken][:, :, None])


def filled(instance: Instance, rows: NDArray[np.int64], choice: NDArray[np.int64], slack: Floats) -> NDArray[np.int64]:
    """The choice with what is left used up, by those first whom it helps most; shape (n,).

    Args:
        instance: All cases.
        rows: Those that may change, shape (t,).
        choice: One that fulfils the constraints, shape (n,).
        slack: How far each is from binding, shape (m,).
    """
    choice, slack = choice.copy(), slack.copy()
    part = instance.rows(rows)
    each, taken = np.arange(len(rows)), choice[rows]
    for _ in range(ROUNDS):
        loss, more = _changes(part, taken)
        fits = (more <= slack[:, None, None]).all(axis=0) & (loss < 0)
        if part.feasible is not None:
            fits &= part.feasible
        loss = np.where(fits, loss, np.inf)
        best = loss.argmin(axis=1)
        order = np.argsort(loss[each, best], kind="stable")[: int(fits.any(axis=1).sum())]
        if not len(order):
            break
        # The first of them fits by itself; as many follow as fit together with all before them.
        together = (np.cumsum(more[:, order, best[order]], axis=1) <= slack[:, None]).all(axis=0)
        order = order[: len(order) if together.all() else max(1, int(together.argmin()))]
        slack -= more[:, order, best[order]].sum(axis=1)
        taken[order] = best[order]
    choice[rows] = taken
    return choice
