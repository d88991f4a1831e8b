"""What a policy would have earned, from what was logged under another.

With a_i the setting that was used, p_i its propensity, r_i what the case came to, and q the models' expectation,

    w_i     = 1[a_i = pi(x_i)] / p_i           (a number: K((a_i - pi(x_i)) / h) / (h p_i), p_i a density)
    direct  = mean q(x_i, pi(x_i))
    IPS     = mean w_i r_i                                         (Horvitz and Thompson 1952)
    SNIPS   = sum w_i r_i / sum w_i                                (Swaminathan and Joachims 2015)
    DR      = mean q(x_i, pi(x_i)) + w_i (r_i - q(x_i, a_i))       (Dudik, Langford and Li 2011)

DR is right on average if either the propensities or the models are. The models and the policy must not have seen the
cases that they are judged on: `cross_fitted` sees to that where there is no part of the data to set aside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import DataError

Floats = NDArray[np.float64]
Action = Mapping[str, NDArray[Any]]

METHODS = ("direct", "ips", "snips", "dr")
LEAST_SIZE = 30
"""Effective sample size below which a weighted figure is not reported as what the log shows."""
SURE = 5.0
"""Standard errors beyond which a mean weight is no chance."""
Z = 1.959964
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval, in the value's unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the log speaks about a policy.

    Attributes:
        matched: Share of the logged cases in which the policy's setting was used (for a number: nearly used).
        size: Effective sample size, (sum w)² / sum w² (Kish 1965).
        largest: Greatest weight.
        cases: Logged cases.
        total: Mean weight. It is 1 on average where propensities are right and every setting had a chance.
        error: Standard error of that mean.
    """

    matched: float
    size: float
    largest: float
    cases: int
    total: float = 1.0
    error: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether the log can carry a figure."""
        return self.size >= LEAST_SIZE and not self.impossible

    @property
    def impossible(self) -> bool:
        """Whether the weights are greater than chance allows: then propensities are wrong."""
        return self.total > 1.2 + SURE * self.error

    @property
    def thin(self) -> bool:
        """Whether the policy often does what had no chance in the log: there the models speak alone."""
        return self.total < 0.8 - SURE * self.error


def check(propensity: Floats, *, density: bool, where: str = "levers.history.propensity") -> None:
    """Refuse propensities that no weight can be made of.

    Args:
        propensity: Probability of the setting that was used; for a number its density per unit; shape (n,).
        density: Whether it is one: then it may exceed 1.
        where: Path in the plan, for messages.

    Raises:
        DataError: One is missing, 0 or less, or a probability above 1.
    """
    missing = ~np.isfinite(propensity)
    zero = ~missing & (propensity <= 0)
    high = ~missing & (propensity > 1 + 1e-9) & (not density)
    for wrong, what, advice in (
        (
            missing,
            "missing",
            "Log the probability with each decision, or restrict `history.rows` to cases that have it.",
        ),
        (zero, "0 or less", "A setting that was used had a chance: correct the log, or leave the cases out of `rows`."),
        (high, "above 1", "It is a probability; for a lever that is a number give a density and type it `range`."),
    ):
        if wrong.any():
            raise DataError(
                f"the propensity is {what} in {int(wrong.sum())} of {len(propensity)} logged cases.",
                advice,
                where=where,
            )


def weights(used: Action, chosen: Action, propensity: Floats, *, exact: str = "") -> Floats:
    """Importance weight of each logged case under a policy, shape (n,).

    Args:
        used: Lever -> the setting that was used, shape (n,).
        chosen: Lever -> the policy's setting, shape (n,).
        propensity: Of the joint setting that was used, shape (n,).
        exact: The lever whose numbers speak only of themselves, as places do, and not of those near them.
    """
    found = 1 / propensity
    for lever, setting in used.items():
        if setting.dtype.kind in "UOb":
            found = found * (setting.astype(str) == np.asarray(chosen[lever]).astype(str))
            continue
        distance = setting.astype(float) - np.asarray(chosen[lever]).astype(float)
        if lever == exact or len(np.unique(setting)) <= 12:
            found = found * (distance == 0)
            continue
        # Half of Silverman's width: the residual that it smooths is small already, and bias counts twice here.
        width = 0.5 * 1.06 * (distance.std() + 1e-12) * len(distance) ** -0.2
        found = found * np.where(np.abs(distance) < width, 0.75 * (1 - (distance / width) ** 2), 0) / width
    return np.asarray(found, dtype=float)


def kernel_cost(cases: float) -> float:
    """What a log of evenly drawn numbers says less about one of them than a log of that number alone: E[w²].

    With w = K(u / h) / (h p) for an even density p = 1 / R, E[w²] = 0.6 R / h, and h as in `weights`: R cancels out.
    """
    return max(1.0, 0.6 / (0.53 / math.sqrt(12)) * math.pow(max(cases, 2.0), 0.2))


def overlap(weight: Floats) -> Overlap:
    """How much of the log speaks about a policy with these importance weights."""
    squares = float((weight**2).sum())
    size = float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
    total, error = float(weight.mean()), float(weight.std() / math.sqrt(max(1, len(weight))))
    return Overlap(float((weight > 0).mean()), size, float(weight.max(initial=0.0)), len(weight), total, error)


def scores(weight: Floats, reward: Floats, chosen: Floats, used: Floats, share: Floats) -> dict[str, Floats]:
    """Per-case scores whose weighted mean is each estimate; shape (n,).

    Args:
        weight: Importance weights.
        reward: What each case came to.
        chosen: What the models expect of the policy's setting.
        used: What they expect of the setting that was used.
        share: Weight of each case, summing to 1.
    """
    total = float(share @ weight)
    snips = float(share @ (weight * reward)) / total if total > 0 else np.nan
    return {
        "direct": chosen,
        "ips": weight * reward,
        # Linearised around its value, so that its interval is that of a mean.
        "snips": snips + weight * (reward - snips) / total if total > 0 else np.full(len(weight), np.nan),
        "dr": chosen + weight * (reward - used),
    }


def mean(score: Floats, share: Floats, entity: NDArray[np.int64] | None = None) -> Estimate:
    """Weighted mean of per-case scores with the normal interval.

    Args:
        score: Shape (n,).
        share: Weight of each case, summing to 1; shape (n,).
        entity: To whom each case belongs, numbered from 0 on, shape (n,); cases of one are alike, and the error is that
            of their sums (Liang and Zeger 1986). None: each case is by itself.
    """
    value = float(share @ score)
    apart: Floats = share * (score - value)
    if entity is not None:
        apart = np.asarray(np.bincount(entity, apart)[np.unique(entity)], dtype=float)
    error = float(np.sqrt((apart**2).sum() * len(apart) / max(1, len(apart) - 1)))
    return Estimate(value, value - Z * error, value + Z * error)


Learned = tuple[Floats, Floats, Action]
"""Of the cases left out: what is expected of the policy's setting and of the used one, and the policy's setting."""


def cross_fitted(
    count: int,
    learn: Callable[[NDArray[np.int64], NDArray[np.int64]], Learned],
    used: Action,
    propensity: Floats,
    reward: Floats,
    *,
    entity: NDArray[np.int64] | None = None,
    folds: int = 5,
    seed: int = 42,
) -> tuple[Estimate, Overlap]:
    """DR for a policy that is learned from the same log: every case is judged by a policy that did not see it.

    In the sample that it was learned from a policy looks better than it is. The figure is the mean of the policies
    that `folds - 1` parts of the log teach (Chernozhukov et al. 2018).

    Args:
        count: Logged cases n.
        learn: From the rows to learn from and the rows to judge, what the learned models and policy say of the latter.
        used: Lever -> the setting that was used, shape (n,).
        propensity: Shape (n,).
        reward: Shape (n,).
        entity: To whom each case belongs, numbered from 0 on, shape (n,): nobody is learned from and judged; None: each
            case is by itself.
        folds: Parts.
        seed: Of the parts.
    """
    drawn = count if entity is None else int(entity.max()) + 1
    fold: NDArray[np.int64] = np.random.default_rng(seed).permutation(drawn) % folds
    fold = fold if entity is None else fold[entity]
    score, weight = np.empty(count), np.empty(count)
    for one in range(folds):
        seen, judged = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        chosen_value, used_value, chosen = learn(seen, judged)
        here = {lever: settings[judged] for lever, settings in used.items()}
        weight[judged] = weights(here, chosen, propensity[judged])
        score[judged] = chosen_value + weight[judged] * (reward[judged] - used_value)
    return mean(score, np.full(count, 1 / count), entity), overlap(weight)
