"""DT5xx: how predictions become a choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError, SpecError
from drivetrain.rules.computable import immovable, impossible, unmeasurable
from drivetrain.rules.rule import Fault, Rule, is_open, limits, told
from drivetrain.spec.formula import parse, ratio

if TYPE_CHECKING:
    from drivetrain.spec import Spec


class ConstraintsAreMeasurable(Rule):
    """Every budget and capacity has a measure that can be computed."""

    id, needs = "DT501", ("optimizer.constraints",)
    advice = "Write the measure from columns, levers and predicted outcomes, e.g. `sum(offer == 'call')`."
    question = "How is it counted, and for how many cases at once?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A constraint without a measure, or from what nobody predicts or records."""
        assert spec.optimizer is not None
        yield from unmeasurable(spec, ("optimizer", "constraints"), spec.optimizer.constraints)


class LimitsCanBeKept(Rule):
    """A guardrail or constraint is about something that a lever moves, and within what the figure can be.

    A figure that no choice moves cannot be kept by choosing; it can only be watched. A share is never above 1: who
    writes `at_most: 5` for 5 % limits nothing.
    """

    id, level, needs = "DT502", "warn", ("levers", "data", "objective")
    advice = "Write it with a lever or with an outcome that a lever moves, or watch it under `deployment.monitoring`."
    question = "Which choice would keep this limit when it is close?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A limit on a figure that no lever moves, or on a share beyond 0 and 1."""
        assert spec.objective is not None
        try:
            yield from immovable(spec, ("objective", "guardrails"), spec.objective.guardrails)
            if spec.optimizer:
                yield from immovable(spec, ("optimizer", "constraints"), spec.optimizer.constraints)
            for part, field, limit in limits(spec):
                yield from impossible(spec, (part, field), limit)
        except FormulaError:
            return


class SumsHaveABatch(Rule):
    """A limit on a sum says for how many cases it holds."""

    id, needs = "DT503", ("objective",)
    advice = "Write `decision: {batch: {every: 1 day, cases: 900}}`."
    question = "In which span, and for how many cases, does the capacity count?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`sum(…)` in a limit, and no batch."""
        if spec.decision and (spec.decision.batch or is_open(spec.decision, "batch")):
            return
        for part, field, limit in limits(spec):
            try:
                formula = parse(limit.measure or "0")
            except FormulaError:
                continue
            # In a quotient of two sums the number of cases cancels.
            form = ratio(formula)
            if "sum" in formula.calls and (form is None or form.kind == "sum"):
                yield Fault(
                    (part, field, limit.name, "measure"),
                    f"`{limit.measure}` depends on how many cases are decided together.",
                )


class ExtrapolationIsMeant(Rule):
    """Settings outside what the data show are chosen only by people who know it."""

    id, level, needs = "DT504", "warn", ("optimizer", "levers")
    advice = "Leave `extrapolate` out, or say in the review who watches the first such decisions."
    question = "What do we know about settings that nobody ever tried?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`extrapolate: true`."""
        assert spec.optimizer is not None
        if spec.optimizer.extrapolate:
            yield Fault(("optimizer", "extrapolate"), "lets settings be chosen that the data never show.")


class ScenariosMatter(Rule):
    """A scenario changes something that the value, a limit or a model uses."""

    id, level, needs = "DT505", "warn", ("simulator.scenarios", "objective.value", "models")
    advice = "Change a column, constant or outcome that counts, or take the scenario out."
    question = "By which way does this reach the objective?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A scenario on names that nothing uses."""
        assert spec.simulator is not None
        derived = spec.derived
        used: set[str] = set()
        formulas = derived.value_formulas() | derived.constraint_formulas() | derived.limit_formulas()
        for text in formulas.values():
            entry = derived.uses(text)
            used |= {*entry.constants, *entry.columns, *entry.outcomes}
        for model in spec.models:
            try:
                for name in derived.model_inputs(model.name):
                    entry = derived.uses(name)
                    used |= {name, *entry.constants, *entry.columns}
            except SpecError:
                return
        for lever in spec.levers:
            said = (getattr(lever.policies, key) for key in ("today", "simple_rule", "do_nothing", "fallback"))
            for policy in said:
                used |= {getattr(policy, "column", None) or ""}
                used |= parse(policy.formula).names if getattr(policy, "formula", None) else frozenset()
        for scenario in spec.simulator.scenarios:
            if scenario.set and not set(scenario.set) & used:
                what = f"“{scenario.name}” changes {told(list(scenario.set))}, which nothing uses."
                yield Fault(("simulator", "scenarios", scenario.name), what)


class LimitsLeaveRoom(Rule):
    """Two hard limits on the same figure leave something between them.

    A figure cannot be at least 0.3 and at most 0.1: no policy keeps both, and each alone looks reasonable.
    """

    id, needs = "DT506", ("objective",)
    advice = "Change one of them, or write `hard: false` on the one that may give way."
    question = "Which of the two gives way when both cannot be had, and who says so?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """An upper limit below a lower one, of the same measure in the same groups."""
        hard = [
            (part, field, limit, parse(limit.measure))
            for part, field, limit in limits(spec)
            if limit.hard and limit.measure and not is_open(limit, "hard") and not is_open(limit, "by")
        ]
        for part, field, upper, figure in hard:
            for _, _, lower, other in hard:
                if upper.at_most is None or lower.at_least is None or upper.at_most >= lower.at_least:
                    continue
                if figure == other and set(upper.by) == set(lower.by):
                    yield Fault(
                        (part, field, upper.name, "at_most"),
                        f"`{upper.measure}` cannot be at most {upper.at_most:g} (“{upper.name}”) and at least "
                        f"{lower.at_least:g} (“{lower.name}”).",
                        affected=[upper.name, lower.name],
                    )


class RiskIsOptimised(Rule):
    """The worst results count (`risk: {cvar: 0.1}`) only where settings are chosen, not where things are ranked.

    The worst results are those of whole cases. What an item adds to them depends on all others that are shown, so it is
    no sum over the items or the places, by which a ranking is made: all rankings would have to be tried.
    """

    id, needs = "DT507", ("levers", "optimizer.risk")
    advice = "Write `risk: expected`, and keep off the worst results by a guardrail or by `limits`."
    question = "Which bad result must not happen, and can a guardrail name it?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A ranking whose worst results are to count."""
        assert spec.optimizer is not None
        if spec.optimizer.risk == "expected":
            return
        for lever in spec.levers:
            if lever.type == "ranking":
                what = f"counts the worst results, and `{lever.name}` is a ranking, which is made by expected value."
                yield Fault(("optimizer", "risk"), what, affected=[lever.name])
                return


RULES: tuple[type[Rule], ...] = (
    ConstraintsAreMeasurable, LimitsCanBeKept, SumsHaveABatch, ExtrapolationIsMeant, ScenariosMatter,
    LimitsLeaveRoom, RiskIsOptimised,
)  # fmt: skip
