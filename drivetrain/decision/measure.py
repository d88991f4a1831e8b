"""Figures of all cases together: the plan's own `measure.formula`, and constraints that are checked, not optimised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy
from drivetrain.decision.evaluate import Statistic
from drivetrain.decision.world import World
from drivetrain.errors import PolicyError
from drivetrain.spec.formula import BATCH, Formula, degrees, population, substitute

Floats = NDArray[np.float64]
Worth = Callable[[policy.Problem, Formula, World, policy.Action], Floats]
"""A case formula of each row under an action: what came true, or what the models expect."""


def reported(problem: policy.Problem, world: World, action: policy.Action, worth: Worth) -> Statistic:
    """The plan's own measure under an action, for any weights of the cases.

    Raises:
        PolicyError: It uses an outcome that no model foretells, or bends the value of several periods or scenarios,
            of which only the mean is known.
    """
    formula = problem.reported
    assert formula is not None
    known = {*problem.constants, *problem.columns, *problem.levers, *problem.outcomes, "period", "value"}
    if strange := sorted(formula.names - known):
        what = f"uses {', '.join(f'`{name}`' for name in strange)}, which no model of the decision foretells"
        raise PolicyError(f"{what}.", "Add a model that predicts it.", where="objective.measure.formula")
    kept: dict[Formula, Floats] = {}

    def expect(inner: Formula) -> Floats:
        if inner not in kept:
            kept[inner] = _expected(problem, inner, world, action, worth)
        return kept[inner]

    _figure(problem, formula, world.shares, expect)  # what cannot be expected says so here
    return lambda weights: np.array([_figure(problem, formula, row, expect) for row in weights])


def checked(problem: policy.Problem, world: World, action: policy.Action, worth: Worth) -> list[dict[str, Any]]:
    """Measures that are no ratio of means: looked at, in every group that `by` names, and not optimised."""
    found = []
    for rule in problem.constraints:
        if rule.ratio is not None:
            continue
        for place, title in policy.groups(problem, rule, world.columns):
            inside = np.ones(world.count)
            if place is not None:
                there = np.asarray(action.get(place[0], world.columns.get(place[0])))
                inside = (there[:: world.width].astype(str) == place[1]).astype(float)
            value = float("nan")
            if (world.shares * inside).any():
                value = _figure(
                    problem,
                    rule.measure,
                    world.shares * inside,
                    lambda inner: _expected(problem, inner, world, action, worth),
                )
            kept = value <= rule.bound if rule.upper else value >= rule.bound
            kept |= bool(np.isnan(value) and rule.measure.names & set(problem.levers))  # no case got the setting
            kind = "at_most" if rule.upper else "at_least"
            row = {"name": title, "value": value if np.isfinite(value) else None, "bound": rule.bound, "kind": kind}
            found.append({**row, "met": bool(kept), "hard": rule.hard})
    return found


def _figure(problem: policy.Problem, formula: Formula, weights: Floats, expect: Callable[[Formula], Floats]) -> float:
    constants = {name: np.asarray(number) for name, number in problem.constants.items()}
    return float(population(formula, constants, weights, problem.constants.get(BATCH), expect=expect))


def _expected(problem: policy.Problem, inner: Formula, world: World, action: policy.Action, worth: Worth) -> Floats:
    """What stands inside a mean, of each case: its expectation."""
    if "value" not in inner.names:
        rows = worth(problem, inner, world, action)
        return world.by_case(rows) if inner.names - problem.constants.keys() else rows[:: world.width]
    others = inner.names - problem.constants.keys() - {"value"}
    if not others & problem.classes.keys() and degrees(inner, ["value"])["value"] <= 1:
        # Of degree one the mean of the value is all that it takes, over any number of periods.
        whole = worth(problem, problem.value, world, action)
        if not others:
            return policy.realised(problem, inner, {}, {"value": world.by_case(whole)}, {})
        return world.by_case(policy.realised(problem, inner, world.columns, {"value": whole}, action))
    if not problem.simple or world.width > 1:
        raise PolicyError(
            f"`{inner}` needs the distribution of a value of which only the mean is known.",
            "Use `value` as it is, or multiplied by a number.",
            where="objective.measure.formula",
        )
    return worth(problem, substitute(inner, {"value": problem.value}), world, action)
