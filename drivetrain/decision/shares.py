"""How often a policy does what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision.world import World

LISTED = 20
"""Settings, and items, whose shares are written down at most."""


def shares_of(problem: policy.Problem, action: policy.Action, world: World) -> dict[str, float]:
    """How often a policy does what: each setting, or each item that it shows and each setting beside; the commonest."""
    if problem.ranking is None:
        return _joint(problem, action, world.weights)
    beside: dict[str, float] = {}
    for lever in policy.others_of(problem, problem.ranking.lever):
        own = _commonest(policy.named, action[lever][:: world.width], world.shares)
        beside |= {f"{lever}: {setting}": share for setting, share in own.items()}
    if not problem.items:
        return beside or _joint(problem, action, world.weights)
    # The share of cases that see an item: does everybody see the same?
    shown = (action[problem.ranking.lever] > 0) * world.weights
    each = zip(world.inputs[policy.KEY], shown.reshape(-1, world.width).sum(axis=0).tolist(), strict=False)
    items = sorted(((item, share) for item, share in each if share > 0), key=lambda entry: -entry[1])
    return {**dict(items[:LISTED]), **beside}


def _joint(problem: policy.Problem, action: policy.Action, weights: NDArray[np.float64]) -> dict[str, float]:
    """Shares of joint settings."""
    rows = [{lever: values[row] for lever, values in action.items()} for row in range(len(weights))]
    return _commonest(problem.label, rows, weights)


def _commonest(named: Callable[[Any], str], values: Iterable[Any], weights: NDArray[np.float64]) -> dict[str, float]:
    """Shares of the commonest among some settings."""
    shares: dict[str, float] = {}
    for value, weight in zip(values, weights.tolist(), strict=True):
        shares[named(value)] = shares.get(named(value), 0.0) + weight
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:LISTED])
