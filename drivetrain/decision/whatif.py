"""What if: every policy's worth with a lever, a constant or a column at another value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain import policy
from drivetrain.decision.compare import fit, label_of, measure_of, optimized, reference, worth
from drivetrain.decision.evaluate import OPTIMIZED
from drivetrain.decision.explore import given, scenarios
from drivetrain.decision.notes import outdone
from drivetrain.decision.world import World, moved
from drivetrain.errors import PolicyError


def what_if(problem: policy.Problem, fitted: World, judged: World, changes: Mapping[str, str]) -> dict[str, Any]:
    """What every policy would be worth if levers, constants or columns were set by hand.

    Args:
        problem: The decision.
        fitted: Cases that prices come from.
        judged: Cases that policies are judged on.
        changes: Name -> value, as text.

    Raises:
        PolicyError: A name is neither lever, constant nor column, or a value does not fit it.
    """
    fixed: dict[str, Any] = {}
    constants = dict(problem.constants)
    columns: dict[str, Any] = {}
    for name, text in changes.items():
        if name in problem.levers:
            fixed[name] = _setting(problem, name, text)
        elif name in constants:
            constants[name] = _number(name, text)
        elif name in judged.cases and name:
            numeric = np.asarray(judged.cases[name]).dtype.kind in "iufb"
            columns[name] = _number(name, text) if numeric else text
        else:
            known = [*problem.levers, *problem.constants, *(column for column in judged.cases if column)]
            raise PolicyError(
                f"`{name}` is no lever, constant or column.", f"There are: {', '.join(known[:20])}.", where="--set"
            )
    here = replace(problem, constants=constants)
    numbers = {name: number for name, number in constants.items() if number != problem.constants[name]}
    fitted, judged = (moved(world, here, columns, numbers) for world in (fitted, judged))
    made = fit(here, fitted)
    actions = {
        name: reference(here, name, judged)
        for name in policy.REFERENCES
        if name == "accuracy_first" or name in problem.policies
    }
    actions[OPTIMIZED] = optimized(here, made, judged)
    if fixed:
        title = ", ".join(f"{name}={text}" for name, text in changes.items() if name in fixed)
        # A ranking is made anew: which is best depends on what the other levers are set to.
        rest = actions[OPTIMIZED] if here.ranking is None else optimized(given(here, fixed), made, judged)
        actions[title] = {
            lever: np.full(len(judged.case), fixed[lever]) if lever in fixed else setting
            for lever, setting in rest.items()
        }
    gains = {name: worth(here, here.value, judged, action) for name, action in actions.items()}
    better = outdone(
        policy.limits(here, judged.columns),
        {name: judged.by_case(gain) for name, gain in gains.items()},
        judged.shares,
        lambda name, limit: measure_of(here, limit, judged, actions[name]),
    )
    return {
        "set": dict(changes),
        "measure": problem.measure,
        "unit": problem.unit,
        "values": {name: problem.sign * float(judged.weights @ gain) for name, gain in gains.items()},
        "label": label_of(problem),
        "scenarios": scenarios(here, judged, actions),
        "notes": [*_beyond(here, judged, fixed), *better],
    }


def _beyond(problem: policy.Problem, world: World, fixed: Mapping[str, Any]) -> list[str]:
    """What to say of settings that nobody has seen, that the lever does not have, or that the limits forbid."""
    notes = []
    for lever, value in fixed.items():
        settings, seen = problem.settings[lever], problem.seen.get(lever)
        text = settings.dtype.kind == "U"
        if not text and not settings.min() <= value <= settings.max():
            notes.append(
                f"`{lever}` goes from {settings.min():g} to {settings.max():g} in the plan; {value:g} lies beyond."
            )
        if seen and (value not in seen if text else not seen[0] <= value <= seen[1]):
            shown = ", ".join(seen) if text else f"{seen[0]:g} to {seen[1]:g}"
            said = value if text else f"{value:g}"
            notes.append(f"The log shows `{lever}` at {shown} only: what the models say of {said} is a guess.")
    if fixed and set(fixed) == set(problem.levers) and problem.ranking is None:
        count = len(world.case)
        levers = {lever: np.full((count, 1), value) for lever, value in fixed.items()}
        bare = replace(problem, seen={})
        may = np.broadcast_to(policy.allowed(bare, world.columns, None, levers), (count, 1))[:, 0]
        if not may.all():
            notes.append(f"The limits allow it in {float(world.weights @ may):.0%} of the cases; it is shown for all.")
    return notes


def _setting(problem: policy.Problem, lever: str, text: str) -> Any:
    settings = problem.settings[lever]
    if problem.ranking is not None and lever == problem.ranking.lever:
        raise PolicyError(
            f"`{lever}` is an order, and no single place can be set for all.",
            "Set another lever, a constant or a column.",
            where=f"--set {lever}",
        )
    if settings.dtype.kind == "U":
        if text not in settings.tolist():
            raise PolicyError(
                f"`{text}` is none of its settings.",
                f"There are: {', '.join(dict.fromkeys(settings.tolist()))}.",
                where=f"--set {lever}",
            )
        return text
    return _number(lever, text)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise PolicyError(f"`{text}` is no finite number.", "Write it like 95 or 0.5.", where=f"--set {name}")
    return value
