"""The decision that a plan describes, as plain data: settings, costs, formulas, constraints, reference policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.policy.constraints import Rule
from drivetrain.policy.parts import Part, parted
from drivetrain.policy.settings import label
from drivetrain.spec.formula import Formula, parse

Array = NDArray[Any]

REFERENCES = ("do_nothing", "today", "simple_rule", "accuracy_first")
"""Policies that every report compares with the optimized one, in this order."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How value adds up over periods.

    Attributes:
        periods: Their number.
        discount: Per period.
        continues: Probability that a case lasts into the next period, a case formula.
        next: Column or lever -> what it is in the next period, from what things are in this one.
    """

    periods: int
    discount: float
    continues: Formula
    next: Mapping[str, Formula]


@dataclass(frozen=True, slots=True)
class Shock:
    """A scenario.

    Attributes:
        name: As the plan names it.
        set: Column, constant, number outcome or binary outcome -> what it becomes.
        weight: Its share in the weighted objective; 0 when it is only reported.
    """

    name: str
    set: Mapping[str, Formula]
    weight: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """A lever that puts something into an order.

    Attributes:
        lever: Its name. In formulas it is a place from 1 on; 0 is "not shown".
        of: The source whose rows are ranked for each case; None when the cases themselves are.
        key: Column that names an item.
        slots: Number of places; None: as many as there are items or cases.
        attention: Weight of each place, length `slots`; empty: all 1.
    """

    lever: str
    of: str | None
    key: str
    slots: int | None
    attention: tuple[float, ...]

    def weights(self, items: int) -> Array:
        """Attention of the places, shape (slots,); of as many as there are items where the plan names no number."""
        count = self.slots or items
        return np.array(self.attention[:count]) if self.attention else np.ones(count)

    def seen(self, places: Array) -> Array:
        """Attention that goes to these places; 0 to what is not shown."""
        shown = np.asarray(places, dtype=float)
        if not self.attention:
            return np.asarray((shown > 0).astype(float))
        weights = np.array([0.0, *self.attention])
        return np.asarray(weights[np.clip(shown, 0, len(self.attention)).astype(int)])


@dataclass(frozen=True)
class Problem:
    """One decision.

    Attributes:
        levers: Names of the levers, in the plan's order.
        settings: Lever -> its value in each of the k joint settings; shape (k,).
        labels: Name of each joint setting, as people read it; length k.
        costs: Lever -> cost of each setting, or a case formula.
        value: The value, with its terms written out.
        constants: Name -> number; `batch.cases`, which scales `sum(…)`, among them.
        outcomes: Outcomes that the value, the constraints or the limits use; of labels and masks the parts they use.
        classes: Outcome -> its classes (`("false", "true")` for a binary one); empty for a number.
        binary: Outcomes that formulas see as booleans.
        affected: Outcome -> levers that change it, by the plan's claim.
        censored: Outcomes of which some were not seen to their end (`event`): what was seen is a least value, no label.
        allowed: Case formulas that must all be true for a setting to be chosen.
        constraints: Measures that are optimised or checked.
        policies: Reference policy -> lever -> how it is set.
        sign: +1 when the measure is maximised, -1 when it is minimised.
        unit: Of the measure.
        measure: Its name.
        draws: Random numbers an outcome where no exact expectation exists.
        seed: Of these.
        feeders: Outcome -> the outcomes that its model takes as inputs.
        terms: Name -> formula, for models that read a term.
        horizon: How value adds up over several periods; None for one.
        scenarios: Worlds in which the policies are tried as well.
        tail: Share of the worst results whose mean counts; None when the mean of all does.
        catastrophe: What must never come about, a case formula.
        ranges: Constant -> its lowest and highest plausible number.
        searched: Numeric lever with so many settings that they are searched, not all tried.
        seen: Lever -> what the log shows of it: its settings, or lowest and highest. What it does not show is not
            chosen; empty where the plan allows it, or where no outcome depends on the lever.
        ranking: The lever, where it puts items or cases into an order; None where it does not.
        reported: The measure that the plan reports, where it is not the mean of `value`: a population formula.
        foretold: Outcomes that other models met in training as an earlier model's guess, not as they came out.
        parts: Outcome that is one label, or the area of one class -> what it is a part of.
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
    feeders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    terms: Mapping[str, Formula] = field(default_factory=dict)
    horizon: Horizon | None = None
    scenarios: tuple[Shock, ...] = ()
    tail: float | None = None
    catastrophe: Formula | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    searched: str | None = None
    seen: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ranking: Ranking | None = None
    foretold: frozenset[str] = frozenset()
    reported: Formula | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    censored: frozenset[str] = frozenset()

    def home(self, outcome: str) -> str:
        """The outcome that a model predicts and a column holds: of a part the whole, else itself."""
        return self.parts[outcome].outcome if outcome in self.parts else outcome

    def opened(self, outcome: str) -> tuple[str, ...]:
        """What formulas use of an outcome: of labels and masks their parts, else itself."""
        return tuple(name for name, part in self.parts.items() if part.outcome == outcome) or (outcome,)

    @property
    def items(self) -> str | None:
        """The source whose rows are ranked for each case; None when no items are."""
        return self.ranking.of if self.ranking else None

    @property
    def fed(self) -> frozenset[str]:
        """Outcomes that another model takes as inputs."""
        return frozenset(name for names in self.feeders.values() for name in names)

    def depth(self, outcomes: Iterable[str]) -> int:
        """How many models stand in a row before one that reads these outcomes."""
        return max((1 + self.depth(self.feeders.get(name, ())) for name in outcomes), default=0)

    @cached_property
    def simple(self) -> bool:
        """Whether value is the plain expectation of one period, so that beliefs about all settings suffice."""
        return self.horizon is None and self.tail is None and not any(shock.weight for shock in self.scenarios)

    def label(self, setting: Mapping[str, Any]) -> str:
        """A setting as people read it: `manual`, or `offer: call, price: 95` when there are several levers."""
        return label(self.levers, setting)

    @cached_property
    def payoffs(self) -> dict[Any, Array]:
        """What formulas without a column come to under each setting: `policy.value` keeps it here, once worked out."""
        return {}

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every name that may be a column of the cases."""
        formulas = [self.value, *self.allowed, *(c for c in self.costs.values() if isinstance(c, Formula))]
        if self.horizon:
            formulas += [self.horizon.continues, *self.horizon.next.values()]
        formulas += [formula for shock in self.scenarios for formula in shock.set.values()]
        formulas += [formula for formula in (self.catastrophe, self.reported) if formula]
        names = {name for formula in formulas for name in formula.names}
        for rule in self.constraints:
            names |= rule.measure.names | set(rule.by)
        for policy in self.policies.values():
            for setting in policy.values():
                names |= _names_in(setting)
        others = {*self.constants, *self.outcomes, *self.levers, *self.parts, "period", "value"}
        return frozenset(names - others)

    def reads(self, policy: str) -> frozenset[str]:
        """The columns that a reference policy asks for; none where the plan does not state it."""
        names = {name for rule in self.policies.get(policy, {}).values() for name in _names_in(rule)}
        return self.columns & names


def _names_in(rule: Any) -> set[str]:
    if getattr(rule, "formula", None):
        return set(parted(parse(rule.formula)).names)
    return {rule.column} if getattr(rule, "column", None) else set()
