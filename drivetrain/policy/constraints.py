"""Constraints over all cases, as the optimizer takes them."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.policy.parts import parted
from drivetrain.spec import Spec
from drivetrain.spec.formula import Formula, Ratio, ratio
from drivetrain.spec.objective import Constraint


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint of the plan, read.

    Attributes:
        name: As the plan names it.
        measure: The population formula, with its terms written out.
        ratio: The measure as numerator and denominator; None when it is none: then it is checked, not optimised.
        bound: The limit, in the measure's own unit.
        upper: True for `at_most`.
        by: Columns or levers in each of whose groups it must hold.
        hard: Whether a policy that breaks it is refused.
    """

    name: str
    measure: Formula
    ratio: Ratio | None
    bound: float
    upper: bool
    by: tuple[str, ...]
    hard: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule in one group (or overall): the weighted mean of `numerator - bound · denominator` is at most, or least, 0.

    Attributes:
        name: The rule's, with the group.
        numerator: Case formula.
        denominator: Case formula; `1` for a mean or a sum.
        bound: In the measure's own unit.
        upper: True for `at_most`.
        column: Column or lever whose group it holds in, and the group; None when it holds overall.
        hard: Whether a policy that breaks it is refused.
    """

    name: str
    numerator: Formula
    denominator: Formula
    bound: float
    upper: bool
    column: tuple[str, str] | None
    hard: bool


def declared(spec: Spec) -> list[Constraint]:
    """Guardrails, then the constraints of the optimizer."""
    objective, optimizer = spec.objective, spec.optimizer
    return [*(objective.guardrails if objective else ()), *(optimizer.constraints if optimizer else ())]


def rules(spec: Spec) -> list[Rule]:
    """The guardrails and the optimizer's constraints, where both measure and limit are known."""
    constants = [*(spec.objective.constants if spec.objective else ())]
    found = []
    for constraint in declared(spec):
        bound = constraint.at_most if constraint.at_most is not None else constraint.at_least
        if constraint.measure is None or bound is None:
            continue
        measure = parted(spec.derived.expand(constraint.measure))
        found.append(
            Rule(
                constraint.name,
                measure,
                ratio(measure, constants),
                float(bound),
                constraint.at_most is not None,
                tuple(constraint.by),
                constraint.hard,
            )
        )
    return found
