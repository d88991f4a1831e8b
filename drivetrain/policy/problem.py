"""The decision that a plan describes, as plain data: settings, costs, formulas, constraints, reference policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy import outcomes
from drivetrain.policy.constraints import Rule, rules
from drivetrain.policy.parts import Part, parted
from drivetrain.policy.settings import costs, joint, label, values
from drivetrain.spec import Spec
from drivetrain.spec.formula import BATCH, Formula, parse, substitute
from drivetrain.spec.levers import Policies, RankingLever

Array = NDArray[Any]

REFERENCES = ("do_nothing", "today", "simple_rule", "accuracy_first")
"""Policies that every report compares with the optimized one, in this order."""


SEARCHED = 41
"""A numeric lever with more settings than this is searched."""


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


def problem(spec: Spec) -> Problem:
    """The decision that `spec` describes.

    Raises:
        MissingPartError: The plan does not say yet what the decision is worth, or what can be changed.
        PolicyError: Something in it cannot be decided: an unknown constant, a lever without settings.
    """
    spec.require("objective.value", "levers", "data", "models")
    objective = spec.objective
    assert objective is not None
    settings, labels = joint({lever.name: values(spec, lever) for lever in spec.levers})
    value = outcomes.formula(spec, "value")
    policies = _policies({lever.name: lever.policies for lever in spec.levers})
    looking = [getattr(rule, "formula", None) for rules in policies.values() for rule in rules.values()]
    reported = _reported(spec)
    looking.append(spec.optimizer.catastrophe if spec.optimizer else None)
    parts = outcomes.parts(spec, looking, reported)
    used = tuple(outcomes.used(spec, parts, reported))
    found_rules = tuple(rules(spec))
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
        costs={lever.name: costs(spec, lever) for lever in spec.levers},
        value=value,
        constants=constants,
        outcomes=used,
        classes={name: outcomes.classes(spec, name, parts) for name in used},
        binary=frozenset(name for name in {*used, *parts} if outcomes.binary(spec, name, parts)),
        affected={name: outcomes.affected(spec, name, parts) for name in used},
        censored=frozenset(name for name in used if name not in parts and spec.outcome(name).event),
        allowed=tuple(outcomes.formula(spec, limit) for lever in spec.levers for limit in lever.limits),
        constraints=found_rules,
        policies=policies,
        sign=-1 if measure and measure.direction == "minimize" else 1,
        unit=(measure.unit if measure and measure.unit else "value/case"),
        measure=(measure.name if measure else "value"),
        draws=simulator.draws if simulator else 256,
        seed=simulator.seed if simulator else 42,
        feeders=_feeders(spec),
        terms=_terms(spec),
        horizon=_horizon(spec),
        scenarios=tuple(_shocks(spec)),
        tail=_tail(spec),
        catastrophe=_catastrophe(spec),
        ranges={
            name: (float(constant.low), float(constant.high))
            for name, constant in objective.constants.items()
            if constant.low is not None and constant.high is not None
        },
        searched=_searched(spec, settings),
        ranking=_ranking(spec),
        foretold=_foretold(spec),
        parts=parts,
        reported=reported,
    )


def _ranking(spec: Spec) -> Ranking | None:
    """The lever that puts things into an order.

    Raises:
        PolicyError: There is another one, or it is joined with what a ranking cannot be optimised for.
    """
    found = [lever for lever in spec.levers if isinstance(lever, RankingLever)]
    if not found:
        return None
    lever = found[0]
    if len(found) > 1:
        raise PolicyError(
            f"{', '.join(one.name for one in found)} are several orders, which are not decided together.",
            "Keep one ranking, and give the other a plan of its own.",
            where=f"levers.{found[1].name}",
        )
    if _tail(spec) is not None:
        raise PolicyError(
            "the worst results of a ranking are not optimised.", "Write `risk: expected`.", where="optimizer.risk"
        )
    if lever.of is None or lever.of == "cases":
        return Ranking(lever.name, None, "", lever.slots, ())
    source = spec.source(lever.of)
    keys = [
        there
        for other in spec.data
        for join in other.join
        if join.data == lever.of and join.on
        for there in ([join.on] if isinstance(join.on, str) else join.on.values())
    ]
    key = source.entity or next(iter(keys), "")
    attention = tuple(map(float, lever.attention or ()))
    return Ranking(lever.name, lever.of, key, lever.slots or (len(attention) or None), attention)


def _foretold(spec: Spec) -> frozenset[str]:
    """Outcomes that reach another model only as a guess, because its rows do not hold them."""
    homes = {name: source.name for source in spec.data for name in source.outcomes}
    return frozenset(
        name
        for model in spec.models
        if model.predicts
        for name in spec.derived.model_inputs(model.name)
        if name in homes and homes[name] not in spec.derived.joins(spec.derived.model_data(model.name))
    )


def _feeders(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Outcome -> the outcomes that its model takes as inputs."""
    made = {outcome for model in spec.models for outcome in model.predicts or ()}
    found = {}
    for model in spec.models:
        read = tuple(name for name in spec.derived.model_inputs(model.name) if name in made)
        for outcome in model.predicts or ():
            if read:
                found[outcome] = read
    return found


def _reported(spec: Spec) -> Formula | None:
    """`measure.formula` with its terms written out; `value` stays a name, for it may span several periods."""
    objective = spec.objective
    text = objective.measure.formula if objective and objective.measure else None
    if objective is None or not text:
        return None
    return parted(substitute(parse(text), {name: term for name, term in objective.terms.items() if term}))


def _terms(spec: Spec) -> dict[str, Formula]:
    """The terms that models read, written out."""
    terms = spec.objective.terms if spec.objective else {}
    read = {name for model in spec.models if model.predicts for name in spec.derived.model_inputs(model.name)}
    return {name: outcomes.formula(spec, text) for name, text in terms.items() if text and name in read}


def _horizon(spec: Spec) -> Horizon | None:
    over_time = spec.objective.over_time if spec.objective else None
    if over_time is None or over_time.periods is None:
        return None
    following = {name: outcomes.formula(spec, text) for name, text in over_time.next.items()}
    return Horizon(over_time.periods, over_time.discount, outcomes.formula(spec, over_time.continues), following)


def _shocks(spec: Spec) -> list[Shock]:
    """The scenarios that say what they change.

    Raises:
        PolicyError: They change what cannot be changed, or weigh more than everything.
    """
    constants = spec.objective.constants if spec.objective else {}
    foretold = {name for source in spec.data for name in source.outcomes}
    columns = {name for source in spec.data for name in source.columns}
    found = []
    for scenario in spec.simulator.scenarios if spec.simulator else ():
        where = f"simulator.scenarios.{scenario.name}"
        for name in scenario.set or {}:
            kind = spec.outcome(name).type if name in foretold else None
            if kind not in (None, "number", "binary"):
                raise PolicyError(
                    f"sets the outcome `{name}`, which is neither a number nor binary.",
                    "Set a column that it depends on.",
                    where=where,
                )
            if name not in foretold | columns | set(constants):
                raise PolicyError(
                    f"sets `{name}`, which is no column, constant or outcome.", "Look at its spelling.", where=where
                )
        set_ = {name: outcomes.formula(spec, text) for name, text in (scenario.set or {}).items() if text}
        if set_:
            found.append(Shock(scenario.name, set_, scenario.weight or 0.0))
    if sum(shock.weight for shock in found) > 1 + 1e-9:
        raise PolicyError(
            "the weights of the scenarios are more than 1 together.", "They are shares.", where="simulator.scenarios"
        )
    return found


def _tail(spec: Spec) -> float | None:
    risk = spec.optimizer.risk if spec.optimizer else "expected"
    share = None if isinstance(risk, str) else risk.cvar
    return None if share is None or share >= 1 else float(share)


def _catastrophe(spec: Spec) -> Formula | None:
    text = spec.optimizer.catastrophe if spec.optimizer else None
    return outcomes.formula(spec, text) if text else None


def _searched(spec: Spec, settings: Mapping[str, Array]) -> str | None:
    """The only numeric lever, when it has too many settings to try them all; beside a ranking all are tried."""
    if any(isinstance(lever, RankingLever) for lever in spec.levers):
        return None
    numeric = [lever.name for lever in spec.levers if lever.type in ("integer", "range")]
    if len(numeric) != 1 or len(set(settings[numeric[0]].tolist())) <= SEARCHED:
        return None
    return numeric[0]


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
        return set(parted(parse(rule.formula)).names)
    return {rule.column} if getattr(rule, "column", None) else set()
