"""The written policy as a table, where a device can carry it out without the library.

Where nothing but the predicted classes enters the value, the expected value of a setting is the sum over the classes of
probability times what the setting is worth then: a table of settings by classes says it all, prices of the constraints
included. Everything else is left to the service, and the contract says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain import policy
from drivetrain.errors import DrivetrainError
from drivetrain.policy import Belief, Beliefs

if TYPE_CHECKING:
    from drivetrain.policy import Problem, Written
    from drivetrain.spec import Spec

MOST = 4096
"""Cells of a table that is still worth sending."""


def payoffs(spec: Spec, problem: Problem, written: Written) -> dict[str, Any] | str:
    """The table, or why the decision cannot be made without the service.

    Args:
        spec: The plan.
        problem: The plan as the policy sees it.
        written: The policy that the service carries out.

    Returns:
        `settings` (k labels), `levers` (k settings as {lever: value}), `outcomes` and their `classes`, `values` (k rows
        of one number for each combination of classes, the last outcome turning fastest), `priced` (for each constraint
        that binds its `price` and the `uses` of it, shaped like `values`), `allowed` (k truth values), `fallback` (a
        label or None), `unit`.
    """
    if reason := _tied(spec, problem):
        return reason
    problem = replace(problem, seen=written.seen)
    names = problem.outcomes
    classes = [problem.classes[name] for name in names]
    states = prod(map(len, classes))
    if states * len(problem.labels) > MOST:
        return "there are too many settings and classes for a table"
    beliefs = Beliefs(_certain(problem, names))
    values = policy.expectation(problem, problem.value, {}, beliefs)
    prices = {entry.constraint: entry.price for entry in written.prices if entry.price > 0}
    priced = [limit for limit in policy.limits(problem, {}) if limit.name in prices]
    uses = policy.uses(problem, priced, {}, beliefs)
    return {
        "settings": list(problem.labels),
        "levers": [
            {name: settings[place].item() for name, settings in problem.settings.items()}
            for place in range(len(problem.labels))
        ],
        "outcomes": list(names),
        "classes": [list(known) for known in classes],
        "values": np.broadcast_to(values, (states, len(problem.labels))).T.tolist(),
        "priced": [
            {"price": prices[limit.name], "uses": np.broadcast_to(use, (states, len(problem.labels))).T.tolist()}
            for limit, use in zip(priced, uses, strict=True)
        ],
        "allowed": np.broadcast_to(policy.allowed(problem, {}, None), (1, len(problem.labels)))[0].tolist(),
        "fallback": _fallback(problem),
        "unit": problem.unit,
    }


def _certain(problem: Problem, names: tuple[str, ...]) -> dict[str, Belief]:
    """Every combination of classes as a case of its own, in which that combination is certain."""
    sizes = [len(problem.classes[name]) for name in names]
    found = {}
    for name, row in zip(names, np.indices(sizes).reshape(len(sizes), -1), strict=True):
        known = problem.classes[name]
        found[name] = Belief(known, np.eye(len(known))[row][:, None, :], binary=name in problem.binary)
    return found


def _tied(spec: Spec, problem: Problem) -> str:
    """Why the policy is no table; empty when it is one."""
    if not problem.simple:
        return "what a case is worth spans several periods or scenarios"
    if problem.ranking is not None:
        return "the decision is a ranking"
    if problem.searched is not None:
        return "the settings are searched"
    if problem.feeders:
        return "one model feeds another"
    if loose := [name for name in problem.outcomes if spec.outcome(name).type in ("labels", "mask")]:
        return f"{loose[0]} is no single class"
    if any(limit.names & set(problem.outcomes) for limit in problem.allowed):
        return "a limit depends on what is predicted"
    if endless := [name for name in problem.outcomes if not problem.classes[name]]:
        return f"{endless[0]} is no class"
    if asked := sorted(_read(problem) - set(problem.outcomes)):
        return f"it depends on `{asked[0]}`, which no picture shows"
    return ""


def _read(problem: Problem) -> set[str]:
    """Names that are neither constants nor levers."""
    formulas: Iterable[Any] = (
        problem.value,
        *problem.allowed,
        *problem.costs.values(),
        *(rule.measure for rule in problem.constraints),
    )
    names = {name for formula in formulas for name in getattr(formula, "names", ())}
    names |= {column for rule in problem.constraints for column in rule.by}
    return names - set(problem.constants) - set(problem.levers) - {"period"}


def _fallback(problem: Problem) -> str | None:
    """What the plan says for cases that the models know nothing about, where that is the same for all of them."""
    try:
        action = policy.reference(problem, "fallback", {"": np.zeros(1)}, {})
    except DrivetrainError:
        return None
    return problem.label({name: values[0].item() for name, values in action.items()})
