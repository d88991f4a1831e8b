"""What a plan says of one thing, in a sentence: said alike on every page that tells of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError
from drivetrain.review.asks import LESS_IS_BETTER, MORE_IS_BETTER, held_out
from drivetrain.review.formulas import acts, conditions_of, in_words
from drivetrain.review.words import limit, number, said, title
from drivetrain.spec.formula import parse

if TYPE_CHECKING:
    from drivetrain.review.gather import Review

_HISTORY = {
    "randomised": "was set by lot",
    "rule": "was set by a rule",
    "human": "was set by people",
    "constant": "was never changed",
    "never": "was never pulled",
}


def past(lever: Mapping[str, Any]) -> str:
    """How a lever was set in the past, after its name: `was set by people`."""
    history = lever.get("history") or {}
    line, rows = _HISTORY.get(str(history.get("kind")), "has no history in the plan"), history.get("rows")
    if history.get("kind") != "randomised":
        return line
    where = f" in the rows where {in_words(str(rows))} holds" if rows and rows != "True" else ""
    chance = history.get("propensity")
    known = f"stands in the column {chance}" if isinstance(chance, str) else f"is {said(chance)}"
    likely = "density" if lever.get("type") == "range" else "probability"
    return f"{line}{where}; the {likely} of the setting that was used {known}"


def explored(review: Review) -> str:
    """The share of decisions that is made by lot in use; empty where none is."""
    share = ((review.plan.get("deployment") or {}).get("exploration") or {}).get("share")
    return (
        f"In use, {_percent(share)} of the decisions are to be made by lot, so that we go on learning." if share else ""
    )


def allowed(lever: Mapping[str, Any], names: Set[str]) -> list[str]:
    """Which settings may be chosen, a sentence without a full stop for each limit of a lever."""
    return [
        _allowed(lever, text, names) if isinstance(text, str) else f"may be chosen only where {said(text)}"
        for text in lever.get("limits") or []
    ]


def _allowed(lever: Mapping[str, Any], text: str, names: Set[str]) -> str:
    try:
        node = parse(text).node
    except FormulaError:
        return f"may be chosen only where {text}"
    match node:
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            for free, rest in ((left, right), (right, left)):
                setting = _setting(free, lever["name"])
                if setting is not None and lever["name"] not in {
                    n.id for n in ast.walk(rest) if isinstance(n, ast.Name)
                }:
                    options = lever.get("options")
                    others = [name for name in options if name != setting] if isinstance(options, Mapping) else []
                    if lever.get("type") == "ranking" and setting == "0":
                        others = ["shown"]
                    which = " or ".join(others) if 0 < len(others) <= 3 else f"anything but {setting}"
                    return f"{which} only where {in_words(ast.unparse(rest), names)}"
        case ast.Compare(
            left=ast.Call(
                func=ast.Name(id="abs"),
                args=[
                    ast.BinOp(
                        op=ast.Sub(),
                        left=ast.BinOp(op=ast.Div(), left=ast.Name(id=what), right=ast.Name(id=of)),
                        right=ast.Constant(value=1),
                    )
                ],
            ),
            ops=[ast.LtE()],
            comparators=[ast.Constant(value=int() | float() as share)],
        ):
            return f"{what} within {number(100 * share)} % of {of}"
    return f"may be chosen only where {in_words(text, names)}"


def _setting(node: ast.AST, lever: str) -> str | None:
    """The setting that a comparison asks a lever to have; None where it is no such comparison."""
    match node:
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=setting)]):
            return str(setting) if name == lever else None
    return None


def falls_back(lever: Mapping[str, Any], names: Any) -> str:
    """What a lever is set to where the case is unlike any seen before."""
    policies = lever.get("policies", {})
    return acts(lever, policies.get("fallback", policies.get("do_nothing")), names)


def recognised(review: Review) -> str:
    """How a case is recognised that is unlike any seen before."""
    deployment = review.plan.get("deployment")
    if not deployment:
        return "The plan has no deployment yet, so nothing guards against such cases."
    guards = deployment.get("guards") or {}
    guard = guards.get("out_of_domain") or {}
    line = (
        f"It is recognised by a score ({said(guard.get('score'))}) of how unlike the training cases it is; "
        f"{_percent(guard.get('false_alarms'))} of ordinary cases may be turned away by mistake."
    )
    return f"{line} What a person confirms: {said(guards['confirm'])}." if guards.get("confirm") else line


def label_from(source: Mapping[str, Any], outcome: Mapping[str, Any]) -> str:
    """Where an outcome's label comes from, how late, and what bends it."""
    where = {"folder": "the name of the file's folder", "query": "the search word that found the file"}.get(
        str(outcome.get("column")), f"the column {outcome.get('column')}"
    )
    late = said(outcome.get("delay"))
    wait = "at once" if late.startswith("0 ") else f"after {late}"
    how = (source.get("collected") or {}).get("how")
    line = f"from {where} of {source['name']}{f' ({said(how)})' if how else ''}, known {wait}"
    if outcome.get("shaped_by"):
        line += f"; past settings of {', '.join(outcome['shaped_by'])} shaped it"
    if outcome.get("observed_when", "True") != "True":
        line += f"; seen only where {in_words(str(outcome['observed_when']))} holds"
    return f"{line}; wrong when: {said(outcome['noise'])}" if outcome.get("noise") else line


def audited_by(review: Review) -> str:
    """By which groups results are audited."""
    names = sorted({name for source in review.plan.get("data", ()) for name in source.get("groups") or []})
    if not names:
        return "No groups are recorded: results are audited by class only."
    return f"Audited by {', '.join(names)}{', and by their intersections' if len(names) > 1 else ''}."


def compared(review: Review, model: str) -> str:
    """What a model and its baseline measured on rows that they have not seen."""
    entry = (review.train.get("models") or {}).get(model)
    ours, base = held_out(entry), held_out((entry or {}).get("baseline"))
    shown = [
        f"{title(name)} {number(ours[name])}, the baseline's {number(base[name])}"
        for name in (*MORE_IS_BETTER, *LESS_IS_BETTER)
        if isinstance(ours.get(name), int | float) and isinstance(base.get(name), int | float)
    ]
    return f"measured: {'; '.join(shown[:2])}" if shown else ""


BASELINES = {
    "majority": "always the commonest class",
    "linear": "a linear model of the same inputs",
    "item mean": "what the item got on average",
}


def rival(model: Mapping[str, Any]) -> str:
    """The baseline of a model in words."""
    name = model.get("baseline")
    if name == "majority" and str(model.get("task")).endswith("regression"):
        return "always the mean"
    return BASELINES.get(str(name), f"what the column {name} says" if isinstance(name, str) else said(name))


def gained(review: Review) -> str:
    """By how much the optimized policy was better than the simple rule; empty where that was not measured."""
    for row in review.decide.get("differences", ()):
        if row.get("against") == "simple_rule" and row.get("value") is not None:
            unit = review.decide.get("unit") or ""
            spread = f"{number(row['value'])} ({number(row['low'])} to {number(row['high'])}) {unit}"
            return f"the optimized policy is better than the simple rule by {spread}"
    return ""


def stops(review: Review) -> list[str]:
    """What would make the team stop."""
    objective = review.plan.get("objective") or {}
    measure, found = objective.get("measure") or {}, []
    if measure.get("minimum_useful") is not None:
        found.append(
            f"{said(measure.get('name'))} does not reach the least that is useful: "
            f"{said(measure['minimum_useful'])} {said(measure.get('unit'))}."
        )
    names = conditions_of(review)
    for rail in objective.get("guardrails") or []:
        what = in_words(str(rail.get("measure")), names)
        found.append(f"The guardrail {said(rail.get('name'))} is broken: {what} is no longer {limit(rail)}.")
    optimizer = review.plan.get("optimizer") or {}
    if optimizer.get("catastrophe"):
        found.append(f"A case comes to a catastrophe: {in_words(str(optimizer['catastrophe']), names)}.")
    for source in review.plan.get("data", ()):
        collect = source.get("collect") or {}
        if collect.get("harm_limit"):
            harm = in_words(str(collect["harm_limit"]), names)
            found.append(f"The experiment does harm ({harm}); then {said(collect.get('at_harm'))}.")
    watched = ((review.plan.get("deployment") or {}).get("monitoring") or {}).get("action_rate_change")
    if watched:
        found.append(
            f"In use, a setting becomes {said(watched)} times more or less frequent: alarm, and in stage wide "
            "back to the fallback."
        )
    if objective.get("if_it_works_really_well"):
        found.append(f"Even success could: {said(objective['if_it_works_really_well'])}")
    if not found:
        return ["The plan does not say: name the least gain that is useful, and guardrails."]
    keeper = said((review.plan.get("maintenance") or {}).get("owner"), "nobody is named yet")
    return [*found, f"Who keeps it going, and may stop it: {keeper}."]


def _percent(share: Any) -> str:
    return f"{number(100 * share)} %" if isinstance(share, int | float) else said(share)
