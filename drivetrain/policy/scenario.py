"""Scenarios: a world in which a column, a constant or an outcome is another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief
from drivetrain.policy.modeler import Ask, Beliefs, Branch, Cases
from drivetrain.policy.problem import Array, Problem, Shock
from drivetrain.spec.formula import Formula, evaluate


def shocked(problem: Problem, shock: Shock, cases: Cases, ask: Ask) -> tuple[Problem, dict[str, Array], Ask]:
    """The decision, the cases and the models in a scenario.

    A column or a constant changes before anything is predicted; a number outcome on its distribution, a binary one on
    its probability, clipped to [0, 1]: a factor on draws of 0 and 1 would do nothing.

    Raises:
        PolicyError: A formula gives no finite number, or text where a number stands.
    """
    constants: dict[str, Array] = {name: np.asarray(value) for name, value in problem.constants.items()}
    before: dict[str, Array] = {name: np.asarray(values) for name, values in cases.items()}
    after = dict(before)
    numbers = dict(problem.constants)
    outcomes = {}
    for name, formula in shock.set.items():
        if name in problem.classes:
            outcomes[name] = formula
            continue
        value = evaluate(formula, constants | {key: before[key] for key in formula.names & before.keys()})
        if name in problem.constants:
            numbers[name] = float(value)
            # Models that read a term with this constant find it among the cases.
            after[name] = np.full(len(next(iter(before.values()))), float(value))
        elif name in before:
            after[name] = np.broadcast_to(value, before[name].shape)
        else:
            continue
        if value.dtype.kind == "f" and name in problem.columns | set(numbers) and not np.isfinite(value).all():
            raise PolicyError(
                f"`{name}` becomes no finite number.",
                "Guard the formula with where(…).",
                where=f"simulator.scenarios.{shock.name}",
            )
    changed = replace(problem, constants=numbers)
    if not outcomes:
        return changed, after, ask

    return changed, after, _Asked(changed, ask, outcomes)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The models in a scenario that changes what they foretell."""

    problem: Problem
    ask: Ask
    outcomes: Mapping[str, Formula]

    def __call__(self, cases: Cases, levers: Mapping[str, Array]) -> Beliefs:
        def moved(beliefs: Mapping[str, Belief]) -> dict[str, Belief]:
            return {
                name: _moved(self.problem, name, belief, self.outcomes, cases, levers)
                for name, belief in beliefs.items()
            }

        known = self.ask(cases, levers)
        found = Beliefs(moved(known))
        found.branches = tuple(Branch(part.weight, part.given, moved(part.beliefs)) for part in known.branches)
        return found


def _moved(
    problem: Problem,
    name: str,
    belief: Belief,
    formulas: Mapping[str, Formula],
    cases: Cases,
    levers: Mapping[str, Array],
) -> Belief:
    """A belief as a scenario changes it."""
    if name not in formulas:
        return belief
    formula = formulas[name]
    names: dict[str, Array] = {key: np.asarray(value) for key, value in {"period": 0.0, **problem.constants}.items()}
    names |= {key: np.asarray(cases[key])[:, None, None] for key in formula.names & cases.keys()}
    names |= {
        key: (array[None, :, None] if array.ndim == 1 else array[:, :, None])
        for key, array in levers.items()
        if key in formula.names
    }
    if belief.quantiles is not None:
        moved = np.sort(evaluate(formula, names | {name: belief.quantiles}).astype(float), axis=2)
        shape = np.broadcast_shapes(moved.shape, belief.quantiles.shape)
        return replace(belief, quantiles=np.broadcast_to(moved, shape))
    chance = np.clip(evaluate(formula, names | {name: belief.mean()}).astype(float), 0, 1)
    shape = np.broadcast_shapes(chance.shape, belief.mean().shape)
    chance = np.broadcast_to(chance, shape)
    yes = belief.states.astype(bool)
    return replace(belief, probabilities=np.where(yes, chance, 1 - chance))
