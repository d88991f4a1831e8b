"""The decision that a plan describes, as plain data: settings, costs, formulas, constraints, reference policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.spec import Spec
from drivetrain.spec.formula import BATCH, Formula, Ratio, parse, ratio
from drivetrain.spec.levers import Lever, OptionsLever, Policies, RankingLever
from drivetrain.spec.objective import Constraint

Array = NDArray[Any]

MOST_SETTINGS = 20_000
"""Joint settings beyond this are refused: one array row a setting would not fit."""
GRID = 201
"""Settings tried first for a range without steps."""
REFERENCES = ("do_nothing", "today", "simple_rule", "accuracy_first")
"""Policies that every report compares with the optimized one, in this order."""


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


@dataclass(frozen=True, slots=True)
class Problem:
    """One decision.

    Attributes:
        levers: Names of the levers, in the plan's order.
        settings: Lever -> its value in each of the k joint settings; shape (k,).
        labels: Name of each joint setting, as people read it; length k.
        costs: Lever -> cost of each setting, or a case formula.
        value: The value, with its terms written out.
        constants: Name -> number; `batch.cases`, which scales `sum(…)`, among them.
        outcomes: Outcomes that the value, the constraints or the limits use.
        classes: Outcome -> its classes (`("false", "true")` for a binary one); empty for a number.
        binary: Outcomes that formulas see as booleans.
        affected: Outcome -> levers that change it, by the plan's claim.
        allowed: Case formulas that must all be true for a setting to be chosen.
        constraints: Measures that are optimised or checked.
        policies: Reference policy -> lever -> how it is set.
        sign: +1 when the measure is maximised, -1 when it is minimised.
        unit: Of the measure.
        measure: Its name.
        draws: Random numbers an outcome where no exact expectation exists.
        seed: Of these.
    """

    levers: tuple[str, ...]
    settings: Mapping[str, Array]
    labels: tuple[str, ...]
    costs: Mapping[str, Mapping[str, float] | Formula]
    value: Formula
    constants: Mapping[str, float]
    outcomes: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    binary: frozenset[str]
    affected: Mapping[str, tuple[str, ...]]
    allowed: tuple[Formula, ...]
    constraints: tuple[Rule, ...]
    policies: Mapping[str, Mapping[str, Any]]
    sign: int
    unit: str
    measure: str
    draws: int
    seed: int

    def label(self, setting: Mapping[str, Any]) -> str:
        """A setting as people read it: `manual`, or `offer: call, price: 95` when there are several levers."""
        return _label(self.levers, setting)

    @property
    def columns(self) -> frozenset[str]:
        """Every name that may be a column of the cases."""
        formulas = [self.value, *self.allowed, *(c for c in self.costs.values() if isinstance(c, Formula))]
        names = {name for formula in formulas for name in formula.names}
        for rule in self.constraints:
            names |= rule.measure.names | set(rule.by)
        for policy in self.policies.values():
            for setting in policy.values():
                names |= _names_in(setting)
        return frozenset(names - set(self.constants) - set(self.outcomes) - set(self.levers) - {"period", "value"})


def problem(spec: Spec) -> Problem:
    """The decision that `spec` describes.

    Raises:
        MissingPartError: The plan does not say yet what the decision is worth, or what can be changed.
        PolicyError: Something in it cannot be decided: a ranking, an unknown constant, a lever without settings.
    """
    spec.require("objective.value", "levers", "data", "models")
    objective = spec.objective
    assert objective is not None
    derived = spec.derived
    settings, labels = _joint({lever.name: _values(spec, lever) for lever in spec.levers})
    value = derived.expand("value")
    outcomes = tuple(_used_outcomes(spec))
    rules = tuple(_rules(spec))
    constants = {n: float(c.value) for n, c in objective.constants.items() if c.value is not None}
    for name in sorted(value.names - constants.keys()):
        if name in objective.constants or f"constants.{name}" in objective.unknown:
            raise PolicyError(
                "is not known yet, and the value depends on it.",
                "Give it a number: a first guess with `low` and `high` shows what it changes.",
                where=f"objective.constants.{name}",
            )
    measure = objective.measure
    decision = spec.decision
    batch = decision.batch.cases if decision and decision.batch and decision.batch.cases else None
    constants[BATCH] = float(batch or 1)
    simulator = spec.simulator
    return Problem(
        levers=tuple(lever.name for lever in spec.levers),
        settings=settings,
        labels=tuple(labels),
        costs={lever.name: _costs(spec, lever) for lever in spec.levers},
        value=value,
        constants=constants,
        outcomes=outcomes,
        classes={name: _classes(spec, name) for name in outcomes},
        binary=frozenset(name for name in outcomes if spec.outcome(name).type == "binary"),
        affected={name: tuple(spec.outcome(name).affected_by or ()) for name in outcomes},
        allowed=tuple(derived.expand(limit) for lever in spec.levers for limit in lever.limits),
        constraints=rules,
        policies=_policies({lever.name: lever.policies for lever in spec.levers}),
        sign=-1 if measure and measure.direction == "minimize" else 1,
        unit=(measure.unit if measure and measure.unit else "value/case"),
        measure=(measure.name if measure else "value"),
        draws=simulator.draws if simulator else 256,
        seed=simulator.seed if simulator else 42,
    )


def _used_outcomes(spec: Spec) -> list[str]:
    """Outcomes that the value, a constraint or a limit uses, in the order of the plan."""
    objective = spec.objective
    assert objective is not None
    formulas = ["value", *(limit for lever in spec.levers for limit in lever.limits)]
    formulas += [constraint.measure for constraint in _constraints(spec) if constraint.measure is not None]
    names = {name for formula in formulas for name in spec.derived.expand(formula).names}
    return [name for source in spec.data for name in source.outcomes if name in names]


def _classes(spec: Spec, name: str) -> tuple[str, ...]:
    """Classes of an outcome as models name them; empty for a number, and where the plan does not list them."""
    outcome = spec.outcome(name)
    return ("false", "true") if outcome.type == "binary" else tuple(outcome.values or ())


def _constraints(spec: Spec) -> list[Constraint]:
    objective, optimizer = spec.objective, spec.optimizer
    return [*(objective.guardrails if objective else ()), *(optimizer.constraints if optimizer else ())]


def _rules(spec: Spec) -> list[Rule]:
    """The guardrails and the optimizer's constraints, where both measure and limit are known."""
    constants = [*(spec.objective.constants if spec.objective else ())]
    found = []
    for constraint in _constraints(spec):
        bound = constraint.at_most if constraint.at_most is not None else constraint.at_least
        if constraint.measure is None or bound is None:
            continue
        measure = spec.derived.expand(constraint.measure)
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


def _values(spec: Spec, lever: Lever) -> Array:
    """The settings of one lever; shape (k,)."""
    if isinstance(lever, RankingLever):
        raise PolicyError(
            "a ranking is not optimised by this version.",
            "Model the choice of one item with an options lever, or use the model's scores.",
            where=f"levers.{lever.name}",
        )
    if isinstance(lever, OptionsLever):
        names = list(spec.derived.settings(lever.name))
        if not names:
            raise PolicyError("has no settings.", "Name at least two under `options`.", where=f"levers.{lever.name}")
        return np.array(names, dtype=str)
    if lever.minimum is None or lever.maximum is None:
        raise PolicyError(
            "has no minimum or no maximum yet.", "Say between which settings it moves.", where=f"levers.{lever.name}"
        )
    if lever.step == "none":
        return np.linspace(lever.minimum, lever.maximum, GRID)
    steps = int(np.floor((lever.maximum - lever.minimum) / lever.step + 1e-9))
    if steps + 1 > MOST_SETTINGS:
        raise PolicyError(
            f"has {steps + 1:,} settings.",
            f"Take a larger step ({MOST_SETTINGS:,} settings at most), or `step: none`.",
            where=f"levers.{lever.name}",
        )
    return np.asarray(lever.minimum + lever.step * np.arange(steps + 1))


def _joint(single: Mapping[str, Array]) -> tuple[dict[str, Array], list[str]]:
    """The product of the levers' settings, with a label each."""
    count = int(np.prod([len(values) for values in single.values()]))
    if count > MOST_SETTINGS:
        raise PolicyError(
            f"{count:,} joint settings of {', '.join(single)} are too many.",
            f"Take larger steps, or fewer levers ({MOST_SETTINGS:,} at most).",
            where="levers",
        )
    rows = list(product(*(values.tolist() for values in single.values())))
    settings = {name: np.array([row[place] for row in rows]) for place, name in enumerate(single)}
    labels = [_label(tuple(single), dict(zip(single, row, strict=True))) for row in rows]
    return settings, labels


def _label(levers: tuple[str, ...], setting: Mapping[str, Any]) -> str:
    texts = {name: f"{v:g}" if isinstance(v := setting[name], float | np.floating) else str(v) for name in levers}
    return texts[levers[0]] if len(levers) == 1 else ", ".join(f"{name}: {text}" for name, text in texts.items())


def _costs(spec: Spec, lever: Lever) -> Mapping[str, float] | Formula:
    if isinstance(lever, OptionsLever | RankingLever):
        return dict(spec.derived.costs(lever.name))
    return spec.derived.expand(lever.cost)


def _policies(single: Mapping[str, Policies]) -> dict[str, dict[str, Any]]:
    """Reference policies that every lever states; `fallback` is `do_nothing` where it is absent."""
    found = {}
    for name in ("do_nothing", "today", "simple_rule", "fallback"):
        rules = {lever: getattr(policies, name) for lever, policies in single.items()}
        if name == "fallback":
            rules = {lever: rule if rule is not None else single[lever].do_nothing for lever, rule in rules.items()}
        if all(rule is not None for rule in rules.values()):
            found[name] = rules
    return found


def _names_in(rule: Any) -> set[str]:
    if getattr(rule, "formula", None):
        return set(parse(rule.formula).names)
    return {rule.column} if getattr(rule, "column", None) else set()
