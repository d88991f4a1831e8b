"""The simulator over many cases: in parts, here or wherever an executor works, with the same figures everywhere.

A part is so many cases whatever does the work, since the last digits of a network's outputs depend on how many cases it
is asked about at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision.world import World

Array = NDArray[Any]
Floats = NDArray[np.float64]

CELLS = 100_000
"""Cells (case × setting × period × world) of a part."""
TRIED = 50
"""Settings that a search tries, about."""
LEAST = 200
"""Fewest cases of a part."""


def worth(
    problem: policy.Problem,
    world: World,
    levers: Mapping[str, Array],
    elsewhere: tuple[policy.Cases, policy.Ask] | None = None,
) -> Floats:
    """`policy.worth` of a world's cases under each of k settings, shape (n, k).

    Args:
        problem: The decision.
        world: Its cases, its models, and the executor that does the work.
        levers: Lever -> shape (k,) or (n, k).
        elsewhere: Cases and models of another world, of as many cases: a scenario's.
    """
    cases, ask = elsewhere or (world.cases, world.ask)
    if not divisible(problem, world):
        return policy.worth(problem, cases, ask, levers)
    settings = next(iter(levers.values())).shape[-1]
    sent = [
        (problem, part(cases, rows), ask, {name: v if v.ndim == 1 else v[rows] for name, v in levers.items()})
        for rows in parts(problem, cases, settings)
    ]
    return np.concatenate(each(_worth, sent, world.executor))


def consider(
    problem: policy.Problem,
    world: World,
    prices: Mapping[str, float] | None = None,
    threshold: float | None = None,
) -> policy.Considered:
    """`policy.consider` of a world's cases, without their beliefs.

    Args:
        problem: The decision.
        world: Its cases, its models, and the executor that does the work.
        prices: Shadow prices of constraints, by which a searched lever is searched.
        threshold: As for `policy.worth`.
    """
    if not divisible(problem, world):
        return policy.consider(problem, world.cases, world.ask, prices, threshold)
    tried = len(problem.labels) if problem.searched is None else TRIED
    sent = [
        (problem, part(world.cases, rows), world.ask, prices, threshold) for rows in parts(problem, world.cases, tried)
    ]
    found: list[policy.Considered] = each(_consider, sent, world.executor)
    if len(found) == 1:
        return found[0]
    names = tuple(limit.name for limit in policy.limits(problem, world.columns) if limit.hard)
    # Parts are searched for as long as one of their cases needs it: the last setting stands in for further ones.
    width = max(one.values.shape[1] for one in found)
    levers = found[0].levers
    if any(settings.ndim == 2 for settings in levers.values()):
        levers = {name: _joined([one.levers[name] for one in found], width) for name in levers}
    values = _joined([one.values for one in found], width)
    uses = np.zeros((len(names), *values.shape))
    for used, name in zip(uses, names, strict=True):
        used[:] = _joined([_use(one, name) for one in found], width)
    return policy.Considered(levers, values, _joined([one.feasible for one in found], width), uses, names)


def divisible(problem: policy.Problem, world: World) -> bool:
    """Whether cases can be looked at apart: not where they are ranked, nor where all is believed already."""
    return world.models is not None and problem.ranking is None


def parts(problem: policy.Problem, cases: policy.Cases, settings: int) -> list[slice]:
    """Which cases go together."""
    periods = problem.horizon.periods if problem.horizon else 1
    worlds = 1 + sum(shock.weight > 0 for shock in problem.scenarios)
    size = max(LEAST, CELLS // (settings * periods * worlds))
    count = len(next(iter(cases.values())))
    return [slice(start, start + size) for start in range(0, count, size)]


def part(cases: policy.Cases, rows: slice) -> dict[str, Any]:
    """Some of the cases."""
    return {name: values[rows] for name, values in cases.items()}


def each(work: Callable[[Any], Any], sent: Sequence[Any], executor: Executor | None) -> list[Any]:
    """What `work` makes of each, in order."""
    if executor is None or len(sent) == 1:
        return [work(one) for one in sent]
    futures = [executor.submit(work, one) for one in sent]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _worth(sent: tuple[policy.Problem, policy.Cases, policy.Ask, Mapping[str, Array]]) -> Floats:
    problem, cases, ask, levers = sent
    found = policy.worth(problem, cases, ask, levers)
    return np.array(np.broadcast_to(found, (len(next(iter(cases.values()))), found.shape[1])))


def _consider(
    sent: tuple[policy.Problem, policy.Cases, policy.Ask, Mapping[str, float] | None, float | None],
) -> policy.Considered:
    found = policy.consider(*sent)
    return policy.Considered(found.levers, found.values, found.feasible, found.uses, found.names)


def _use(found: policy.Considered, name: str) -> Floats:
    """The use of one constraint; none where no case of the part is in its group."""
    return found.uses[found.names.index(name)] if name in found.names else np.zeros(found.values.shape)


def _joined(arrays: Sequence[Array], width: int) -> Array:
    return np.concatenate([np.pad(a, ((0, 0), (0, width - a.shape[1])), mode="edge") for a in arrays])
