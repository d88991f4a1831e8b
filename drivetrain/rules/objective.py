"""DT1xx: what is wanted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from drivetrain.rules.computable import unmeasurable
from drivetrain.rules.rule import Fault, Rule, absent, is_open, outcomes, silent, stands, told
from drivetrain.rules.worth import bounds
from drivetrain.spec import seconds
from drivetrain.spec.formula import parse

if TYPE_CHECKING:
    from drivetrain.spec import Spec

_ABOUT_A_MODEL = re.compile(
    r"\b(predict\w*|classif\w*|accura\w*|machine learning|deep learning|neural net\w*|artificial intelligence|ai|auc|"
    r"f1|recall|(?:train|build|us|deploy|develop)\w* (?:an?|the|our)?\s*(?:\w+ )?(?:model|algorithm|network))\b",
    re.I,
)
_MODEL_FIGURE = re.compile(r"\b(accura\w*|auc|auroc|f1|recall|log.?loss|error rate|rmse|mae|r2)\b", re.I)
_EFFECT = re.compile(r"(^|_)(uplift|lift|effect|gain|saved|saving|improvement|reduction|increase|boost)s?(_|$)")
_HOLLOW = re.compile(r"^\W*(n/?a|none|no|tbd|unclear|obvious\w*|same|yes|unknown|not known|of course)?\W*$", re.I)


class ObjectiveIsAboutTheWorld(Rule):
    """The objective says what becomes better in the world, not what a model does.

    A model that predicts well can leave everything as it was: nobody is helped by an accuracy.
    """

    id, level, needs = "DT101", "warn", ("objective",)
    advice = "Say what becomes better, for whom, by how much; the model comes last."
    question = "If the model were perfect tomorrow, what would be better, and for whom?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A statement about predictions, or a figure that judges a model."""
        objective = spec.objective
        assert objective is not None
        if objective.statement and (found := _ABOUT_A_MODEL.search(objective.statement)):
            yield Fault(("objective", "statement"), f"speaks of a model (“{found[0]}”), not of the world.")
        if objective.measure and (found := _MODEL_FIGURE.search(f"{objective.measure.name} {objective.measure.unit}")):
            yield Fault(("objective", "measure", "name"), f"“{found[0]}” judges a model, not what comes of it.")


class OneFigure(Rule):
    """The objective has one figure, with a unit and a direction."""

    id, level, needs = "DT102", "warn", ("objective",)
    advice = "Write `measure: {name: …, unit: …, direction: minimize}` with today's figure beside it."
    question = "Which one figure, in which unit, will tell whether this worked?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No measure."""
        assert spec.objective is not None
        if silent(spec.objective, "measure"):
            yield Fault(("objective", "measure"), "is absent: nobody could say whether it worked.")


class FiguresAgree(Rule):
    """Today's figure, the least useful one and the target lie in the order of the direction."""

    id, needs = "DT103", ("objective.measure",)
    advice = "Turn `direction` round, or correct the figure."
    question = "Which way is better: more of it, or less?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A target that is no better than today, or a least useful figure outside of the two."""
        measure = spec.require("objective.measure")
        if measure.direction is None:
            return
        sign = 1 if measure.direction == "maximize" else -1
        steps = [(key, getattr(measure, key)) for key in ("current", "minimum_useful", "target")]
        known = [(key, number) for key, number in steps if number is not None]
        for (before, low), (after, high) in pairwise(known):
            if sign * high < sign * low or (high == low and after != "target"):
                word = {"maximize": "above", "minimize": "below"}[measure.direction]
                yield Fault(
                    ("objective", "measure", after),
                    f"is {high:g}, and must lie {word} `{before}` ({low:g}): the plan wants to {measure.direction} it.",
                    facts={before: low, after: high},
                )
                return
            if (before, after) == ("current", "target") and high == low:
                yield Fault(("objective", "measure", "target"), f"is {high:g}, which is what it is today.")


class TodaysFigure(Rule):
    """The measure's figure of today is known before data are judged."""

    id, level, stage, needs = "DT104", "warn", "data", ("objective.measure",)
    advice = "Write `current: …`, or `current: {unknown: …, owner: …, due: …}` with who finds out."
    question = "What is the figure today, without any model?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`current` is absent."""
        measure = spec.require("objective.measure")
        if measure.current is None and not is_open(measure, "current"):
            yield Fault(
                ("objective", "measure", "current"),
                "is absent: the plan does not say what the figure is today (`current`): no gain can be told.",
            )


class TargetWithinReach(Rule):
    """The target can be reached at all: even choosing rightly every time must get there.

    The best that a case can be worth bounds what any policy, and so any model, can achieve.
    """

    id, needs = "DT105", ("objective.value", "objective.measure", "levers", "data")
    advice = "Lower the target, or add a lever that is worth more: no model can get there."
    question = "What would the figure be if every single choice were right?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A target or least useful figure that is better than the best case."""
        measure = spec.require("objective.measure")
        limits = bounds(spec) if measure.formula is None and not is_open(measure, "formula") else None
        if limits is None or measure.direction is None:
            return
        best = (limits[1] if measure.direction == "maximize" else -limits[1]) + 0.0
        sign = 1 if measure.direction == "maximize" else -1
        for key in ("minimum_useful", "target"):
            wanted = getattr(measure, key)
            if wanted is not None and sign * wanted > sign * best + 1e-9 * max(1.0, abs(best)):
                yield Fault(
                    ("objective", "measure", key),
                    f"is {wanted:g}, and the best case of `value` is worth {best:g} {measure.unit or ''}".rstrip()
                    + ".",
                    facts={key: wanted, "best": best},
                )
                return


class CostsAreCounted(Rule):
    """What a setting costs stands in `value`: costs are never subtracted silently."""

    id, level, needs = "DT106", "warn", ("objective.value", "levers")
    advice = "Write `- cost(<lever>)` in `objective.value`, or remove the costs if `value` has them in other words."
    question = "Who pays for pulling this lever, and is it in the value?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A lever with costs whose `cost(…)` stands nowhere in the value."""
        from drivetrain.spec.formula import parse

        derived = spec.derived
        counted = frozenset().union(*(derived.expand(text).costs for text in derived.value_formulas().values()))
        for lever in spec.levers:
            costs = [cost for cost in derived.costs(lever).values() if cost]
            formula = getattr(lever, "cost", "0")
            numeric = formula if parse(formula).names or formula.strip("0.+- ") else ""
            if lever.name not in counted and (costs or numeric):
                said = f"up to {max(costs, key=abs):g}" if costs else f"`{numeric}`"
                yield Fault(
                    ("objective", "value"),
                    f"leaves out what `{lever.name}` costs ({said}).",
                    f"Write `- cost({lever.name})` in `objective.value`, "
                    "or remove the costs if it has them in other words.",
                    affected=[f"levers.{lever.name}"],
                )


class GuardrailsAreMeasurable(Rule):
    """Every guardrail has a measure that can be computed from columns, levers and predicted outcomes."""

    id, needs = "DT107", ("objective.guardrails",)
    advice = "Write the measure from columns, levers and outcomes that a model predicts, e.g. `mean(misrouted)`."
    question = "How would one see, in figures, that this guardrail was broken?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A guardrail whose measure is absent, no figure of all cases, or from what nobody predicts or records."""
        assert spec.objective is not None
        yield from unmeasurable(spec, ("objective", "guardrails"), spec.objective.guardrails)


class ProxiesAreLinked(Rule):
    """A figure measured in place of what is meant says why the two move together.

    What is optimised gets better, also where it has parted from what was meant.
    """

    id, needs = "DT108", ("objective",)
    advice = "Say which comparison showed that the two move together, and when it was made."
    question = "If this figure doubled, how do we know that what we mean got better too?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A proxy whose link is open or hollow; a label from a search word that is not named a proxy."""
        assert spec.objective is not None
        for proxy in spec.objective.proxies:
            path = ("objective", "proxies", proxy.name, "link")
            if "link" in proxy.unknown:
                yield Fault(path, f"nobody knows yet whether `{proxy.name}` moves with what is meant.", level="unknown")
            elif proxy.link is None or _HOLLOW.match(proxy.link) or len(proxy.link.split()) < 3:
                yield Fault(path, f"says nothing about why `{proxy.name}` moves with what is meant.")
        if spec.objective.proxies or is_open(spec.objective, "proxies"):
            return
        for source, name, outcome in outcomes(spec):
            if source.collect and source.collect.how == "image-search" and outcome.column == "query":
                yield Fault(
                    ("data", source.name, "outcomes", name),
                    f"`{name}` is the word that was searched for, and no "
                    "proxy says how far that is what a picture shows.",
                    "Name it under `objective.proxies` with its link: "
                    "let people who know look at some hundred pictures.",
                )


class AffectedAreNamed(Rule):
    """The people for whom a decision has consequences are named."""

    id, level, needs = "DT109", "warn", ("objective",)
    advice = "List who is affected, how, and what they can do: `affected: [{who: …, how: …, recourse: …}]`."
    question = "Who feels these decisions, and who among them was not asked?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """`affected` is absent, or says nobody although the data are about people."""
        assert spec.objective is not None
        if spec.objective.affected or is_open(spec.objective, "affected"):
            return
        people = [source.name for source in spec.data if source.rights and source.rights.personal]
        if people:
            yield Fault(
                ("objective", "affected"),
                f"names nobody who is affected, and there are data about people: {told(people)}.",
            )
        elif absent(spec.objective, "affected"):
            yield Fault(("objective", "affected"), "is absent: it is not said who is affected (`[]` if nobody is).")


class AffectedHaveRecourse(Rule):
    """Whoever is affected can do something about a wrong decision."""

    id, needs = "DT110", ("objective.affected",)
    advice = "Say whom they can ask, and what is then undone; `recourse: {unknown: …}` if nobody knows yet."
    question = "Somebody was treated wrongly. Whom do they call, and what happens then?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """People without recourse."""
        assert spec.objective is not None
        for entry in spec.objective.affected:
            if is_open(entry, "recourse"):
                continue
            who = entry.who or "somebody"
            if entry.recourse is None or _HOLLOW.match(entry.recourse):
                yield Fault(("objective", "affected"), f"{who} ({entry.how}) can do nothing about it.", affected=[who])


class SuccessIsThoughtThrough(Rule):
    """The plan says what the world looks like if it works really, really well."""

    id, level, stage, needs = "DT111", "note", "model", ("objective",)
    advice = "Write `if_it_works_really_well: …` with somebody who would be worse off in that world."
    question = "What would things look like if this worked really, really well?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Nothing is said."""
        assert spec.objective is not None
        if silent(spec.objective, "if_it_works_really_well"):
            yield Fault(("objective", "if_it_works_really_well"), "is absent.")


class HorizonFitsPeriods(Rule):
    """The horizon is as long as the periods over which value is added up."""

    id, level, needs = "DT112", "warn", ("objective.horizon", "objective.over_time")
    advice = "Change `periods`, `every` or `horizon`."
    question = "How long do the consequences of one decision last?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Periods that add up to another time."""
        horizon, over = spec.require("objective.horizon", "objective.over_time")
        if over.periods is None or over.every is None:
            return
        span = over.periods * seconds(over.every)
        if not 0.9 <= span / seconds(horizon) <= 1.1:
            what = f"adds up {over.periods} times {over.every}, and the horizon is {horizon}."
            yield Fault(("objective", "over_time"), what)


class SomethingMustHold(Rule):
    """Where decisions affect people, something is named that must hold whatever is gained."""

    id, level, stage, needs = "DT113", "note", "model", ("objective.affected",)
    advice = "Name what must not get worse: `guardrails: [{name: …, measure: …, at_most: …}]`, or `[]` if nothing."
    question = "What would make us stop, however much it earned?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No guardrails, and no `[]` either."""
        assert spec.objective is not None
        if absent(spec.objective, "guardrails"):
            yield Fault(("objective", "guardrails"), "is absent: nothing is named that must hold whatever is gained.")


class HorizonIsSaid(Rule):
    """The plan says how long after a decision its consequences count."""

    id, level, stage, needs = "DT114", "note", "data", ("objective.value",)
    advice = "Write `horizon: 30 days`, or as long as it takes."
    question = "When will we know whether a decision was right?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """No horizon."""
        assert spec.objective is not None
        if silent(spec.objective, "horizon") and not stands(spec, "objective.over_time"):
            yield Fault(("objective", "horizon"), "is absent: how long after a decision do its consequences count?")


class EffectsAreLearned(Rule):
    """The value says what happens; what a lever changes is learned from data, never written into the value.

    A hoped-for effect in the formula comes out of every report as if it had been measured.
    """

    id, level, needs = "DT115", "warn", ("objective.value", "levers")
    advice = "Name the lever in the outcome's `affected_by` and write the value with the outcome alone."
    question = "Who measured this effect, on whom, and would it be the same here?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A constant or term called an effect; an outcome times one more or less a share of a setting."""
        derived, path = spec.derived, ("objective", "value")
        objective = spec.objective
        assert objective is not None
        for text in derived.value_formulas().values():
            used = {*derived.uses(text).constants, *(n for n in parse(text).names if n in objective.terms)}
            for name in sorted(name for name in used if _EFFECT.search(name)):
                yield Fault(path, f"`{name}` sounds like what a lever is hoped to change.")
            node = derived.expand(text).node
            levers, outcomes_ = {lever.name for lever in spec.levers}, {name for _, name, _ in outcomes(spec)}
            for product in (part for part in ast.walk(node) if isinstance(part, ast.BinOp)):
                if isinstance(product.op, ast.Mult):
                    for factor, other in ((product.left, product.right), (product.right, product.left)):
                        if _is_share_of(factor, levers) and _names(other) & outcomes_:
                            yield Fault(
                                path, f"`{ast.unparse(factor)}` says what a setting changes before anybody measured it."
                            )


def _is_share_of(node: ast.expr, levers: set[str]) -> bool:
    """Whether a factor is one more or less a share of a setting: `1 - 0.3 * (offer == 'call')`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return False
    sides = (node.left, node.right)
    one = [side for side in sides if isinstance(side, ast.Constant) and side.value == 1]
    share = [
        side
        for side in sides
        if isinstance(side, ast.BinOp)
        and isinstance(side.op, ast.Mult)
        and any(isinstance(part, ast.Constant) and isinstance(part.value, float) for part in (side.left, side.right))
        and any(isinstance(part, ast.Compare) and _names(part) & levers for part in (side.left, side.right))
    ]
    return bool(one and share)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


RULES: tuple[type[Rule], ...] = (
    ObjectiveIsAboutTheWorld, OneFigure, FiguresAgree, TodaysFigure, TargetWithinReach, CostsAreCounted,
    GuardrailsAreMeasurable, ProxiesAreLinked, AffectedAreNamed, AffectedHaveRecourse, SuccessIsThoughtThrough,
    HorizonFitsPeriods, SomethingMustHold, HorizonIsSaid, EffectsAreLearned,
)  # fmt: skip
