"""Cases that are worth the same: prices cannot tell whom to take, a lot can.

Where many cases hesitate between the same settings, a price gives all of them the one or all of them the other, and
capacity is left over. So each case draws a lot for each setting, a number from 0 to 1 that is worth next to nothing;
then no two cases are alike, and the prices of the values with lots decide how many of them get what:

    max_a [q_i(a) - sum_c p_c g_ic(a) + e u_i(a)],   u_i(a) the lots, e their worth

The prices are looked for as steps of e from those without lots, or their last digits would not be seen.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from drivetrain.decision.dual import SAMPLE, Instance, look, minimum, narrowed, sampled, settled

Floats = NDArray[np.float64]

WORTH = 1e-5
"""What a lot is worth at most, as a share of what settings differ by in a case."""
REACH = (10.0, 1e3, 1e5)
"""How far the prices may move, in lots by the greatest difference of use; the next one where they want further."""
ROUNDS = 20
"""Rounds in which an allocation is filled up to the brim in the end."""
MOST_FILLED = 5_000_000
"""Cells (case × setting) up to which it is."""


def broken(instance: Instance, prices: Floats, seed: int = 42) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A choice by lot among settings worth the same, shape (n,), and the cases that it may have decided, shape (t,).

    Args:
        instance: All cases.
        prices: Those at which L is least, shape (m,).
        seed: Of the lots.
    """
    values = instance.values if instance.feasible is None else np.where(instance.feasible, instance.values, np.nan)
    few = slice(None, None, max(1, len(values) // SAMPLE))
    worth = WORTH * (float(np.mean(np.nanmax(values[few], axis=1) - np.nanmin(values[few], axis=1))) or 1.0)
    spread = np.array([float(used.max() - used.min()) or 1.0 for used in instance.uses])
    seen = look(instance, prices, margins=True)
    choice = seen.choice
    for reach in REACH:
        step = worth * reach / spread
        rows = np.flatnonzero(seen.margin <= worth * (1 + 2 * reach * len(prices)))
        weights, taken = instance.weights[rows], seen.choice[rows]
        others = seen.use - instance.uses[:, rows, taken] @ weights
        low = np.maximum(prices - step, 0)
        part = instance.rows(rows, 0.0, others)
        lots = np.random.default_rng([seed, 1]).random(part.values.shape)
        top = (part.values - np.tensordot(prices, part.uses, 1))[np.arange(len(rows)), taken]
        steps = (part.values - np.tensordot(low, part.uses, 1) - top[:, None]) / worth + lots
        part = replace(part, values=steps)
        wide = (prices + step - low) / worth
        found = _least(part, wide, (prices - low) / worth, seed)
        if (found < wide * (1 - 1e-9)).all() and ((found > 0) | (low == 0)).all():
            break
    choice[rows] = look(part, settled(part, found)).choice
    return choice, rows


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
    for _ in range(ROUNDS if part.values.size <= MOST_FILLED else 0):
        gain = part.weights[:, None] * (part.values - part.values[each, taken][:, None])
        more = part.weights[:, None] * (part.uses - part.uses[:, each, taken][:, :, None])
        fits = (more <= slack[:, None, None]).all(axis=0) & (gain > 0)
        if part.feasible is not None:
            fits &= part.feasible
        gain = np.where(fits, gain, -np.inf)
        best = gain.argmax(axis=1)
        order = np.argsort(-gain[each, best], kind="stable")[: int(fits.any(axis=1).sum())]
        if not len(order):
            break
        # The first of them fits by itself; as many follow as fit together with all before them.
        together = (np.cumsum(more[:, order, best[order]], axis=1) <= slack[:, None]).all(axis=0)
        order = order[: len(order) if together.all() else max(1, int(together.argmin()))]
        slack -= more[:, order, best[order]].sum(axis=1)
        taken[order] = best[order]
    choice[rows] = taken
    return choice


def _least(part: Instance, wide: Floats, start: Floats, seed: int) -> Floats:
    """Prices from 0 to `wide` at which L is least; of many cases by way of a sample."""
    zero = np.zeros(len(wide))
    if len(part.values) <= 4 * SAMPLE:
        return minimum(partial(look, part), zero, wide, start, 1e-12)[0]
    whole = float(part.weights.sum())
    sample = replace(sampled(part, SAMPLE, seed), use=None if part.use is None else part.use / whole)
    centre, _ = minimum(partial(look, sample), zero, wide, start, 1e-9)
    # A share of the sample is off by a hundredth or two, so is the lot from which on cases are taken.
    width = 0.05 * np.maximum(np.abs(centre), 0.02 * wide)
    low, high = np.maximum(centre - width, 0), np.minimum(centre + width, wide)
    near = narrowed(part, centre, width)
    found, _ = minimum(partial(look, near.instance if near else part), low, high, centre, 1e-12)
    if ((found <= low) & (low > 0) | (found >= high) & (high < wide)).any():
        return minimum(partial(look, part), zero, wide, centre, 1e-12)[0]
    return found
