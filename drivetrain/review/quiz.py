"""Twelve questions about a plan with their answers: who can answer them can start to work on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.review.facts import (
    allowed,
    audited_by,
    compared,
    explored,
    falls_back,
    gained,
    label_from,
    past,
    recognised,
    rival,
    stops,
)  # fmt: skip
from drivetrain.review.formulas import acts, conditions_of, costs, in_words, stands_for
from drivetrain.review.gates import closed
from drivetrain.review.words import BETTER, group_name, interval, said, settings
from drivetrain.stages import gate

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec


class Question(NamedTuple):
    """A question and its answer, both plain text; the answer is a list of sentences."""

    question: str
    answer: tuple[str, ...]


def quiz(spec: Spec, review: Review) -> list[Question]:
    """Twelve questions about the plan, answered from the plan and its evidence.

    Args:
        spec: The plan.
        review: The review that was built from it.
    """
    asked: list[tuple[str, Callable[[Spec, Review], list[str]]]] = [
        ("What do we want, and in which unit is it counted?", _objective),
        ("What happens today, and what if nobody acts?", _today),
        ("Who owns each lever, and what are its limits?", _levers),
        ("What was randomised, so that we can learn from it?", _randomised),
        ("Which outcome does no lever move?", _unmoved),
        ("Where does the label come from, and how late is it?", _labels),
        ("Who is affected, and what can they do about it?", _affected),
        ("Which groups are audited, and how do they fare?", _groups),
        ("What must the model beat?", _beat),
        ("What happens to a case unlike any seen before?", _out_of_domain),
        ("What stage are we in, and what does the next gate lack?", _stage),
        ("What would make us stop?", lambda _, review: stops(review)),
    ]
    # Marks of code are for pages that know them.
    return [
        Question(question, tuple(line.replace("`", "") for line in answer(spec, review))) for question, answer in asked
    ]


def _objective(spec: Spec, review: Review) -> list[str]:
    objective = review.plan.get("objective") or {}
    measure = objective.get("measure") or {}
    found = [said(objective.get("statement"))]
    if measure:
        better = BETTER.get(str(measure.get("direction")), "")
        found.append(
            f"It is counted as {said(measure.get('name'))} in {said(measure.get('unit'))} ({better}): today "
            f"{said(measure.get('current'))}, target {said(measure.get('target'))}."
        )
    else:
        found.append("No measure is named yet; a case is worth what `value` says.")
    value, names = objective.get("value"), conditions_of(review)
    told = in_words(value, names) if isinstance(value, str) else said(value)
    found.append(f"What one case is worth, more is better: {told}.")
    if isinstance(value, str):
        found.append(f"There: {'; '.join(f'{name} = {means}' for name, means in stands_for(review))}.")
    return found


def _today(spec: Spec, review: Review) -> list[str]:
    names = conditions_of(review)
    return [
        f"{lever['name']}: today: {acts(lever, lever.get('policies', {}).get('today'), names)}; "
        f"if nobody acts: {acts(lever, lever.get('policies', {}).get('do_nothing'), names)}."
        for lever in review.plan.get("levers", ())
    ] or ["There is no lever yet, so nothing can be set."]


def _levers(spec: Spec, review: Review) -> list[str]:
    found, names = [], conditions_of(review)
    for lever in review.plan.get("levers", ()):
        told = "".join(f"; {sentence}" for sentence in allowed(lever, names)) or "; no further limit"
        found.append(
            f"{lever['name']}: owned by {said(lever.get('owner'), 'nobody yet')}; "
            f"{settings(lever, spec.derived.settings(lever['name']))}{told}; costs of a setting: {costs(lever, names)}."
        )
    return found or ["There is no lever yet."]


def _randomised(spec: Spec, review: Review) -> list[str]:
    found = [f"{lever['name']} {past(lever)}." for lever in review.plan.get("levers", ())]
    for source in review.plan.get("data", ()):
        collect = source.get("collect") or {}
        if collect.get("how") == "experiment":
            found.append(
                f"An experiment is planned in {source['name']}: {said(collect.get('lever'))}, "
                f"drawn by {said(collect.get('unit'))}."
            )
    found += [line] if (line := explored(review)) else []
    if not any("by lot" in line or "experiment" in line for line in found):
        found.append("Nothing was randomised.")
    return found


def _outcomes(review: Review) -> list[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    return [(s, name, o) for s in review.plan.get("data", ()) for name, o in (s.get("outcomes") or {}).items()]


def _unmoved(spec: Spec, review: Review) -> list[str]:
    found = []
    for _, name, outcome in _outcomes(review):
        moved = outcome.get("affected_by")
        if moved == []:
            found.append(
                f"{name}: the plan claims that no lever moves it, so any policy can be scored on logged labels."
            )
        elif isinstance(moved, list):
            found.append(f"{name} is moved by {', '.join(moved)}.")
        else:
            found.append(f"{name}: {said(moved)}")
    if found and not any(outcome.get("affected_by") == [] for _, _, outcome in _outcomes(review)):
        found.insert(
            0, "None that the plan names: only settings that were drawn by lot can tell what a policy is worth."
        )
    return found or ["There is no outcome yet."]


def _labels(spec: Spec, review: Review) -> list[str]:
    found = [f"{name}: {label_from(source, outcome)}." for source, name, outcome in _outcomes(review)]
    return found or ["There is no outcome yet."]


def _affected(spec: Spec, review: Review) -> list[str]:
    named = (review.plan.get("objective") or {}).get("affected") or []
    return [
        f"{said(a.get('who'))}: {said(a.get('how'))}; recourse: {said(a.get('recourse'), 'none is named')}."
        for a in named
    ] or ["The plan names nobody yet."]


def _groups(spec: Spec, review: Review) -> list[str]:
    found = [audited_by(review)]
    if "No groups" in found[0]:
        return found
    decisions = review.audit.get("decisions") or {}
    for table in decisions.get("by_group", ()):
        if table["policy"] == "optimized" and len(table["columns"]) == 1:
            rows = "; ".join(
                f"{group_name(row['group'])} {interval(row['figures'].get('value'))}" for row in table["groups"]
            )
            unit = f" in {decisions['unit']}, more is better" if decisions.get("unit") else ""
            found.append(f"Value by {table['columns'][0]}{unit}, under the optimized policy: {rows}.")
    noted = [f for f in review.audit.get("findings", ()) if f["id"] == "DU201"]
    found += [f"{f['where']}: {f['what']}" for f in noted[:3]]
    if review.audit and not noted:
        found.append("No difference was found that chance does not explain.")
    if not review.audit:
        found.append("Not audited yet.")
    return found


def _beat(spec: Spec, review: Review) -> list[str]:
    found, names = [], conditions_of(review)
    for lever in review.plan.get("levers", ()):
        rule = acts(lever, lever.get("policies", {}).get("simple_rule"), names)
        found.append(f"The policy must beat the simple rule for {lever['name']}: {rule}.")
    if found:
        found.append("Also doing nothing, today's policy, and accuracy first: to act as if the likeliest came true.")
    for model in review.plan.get("models", ()):
        shown = compared(review, model["name"])
        found.append(f"{model['name']} must beat its baseline: {rival(model)}{f' ({shown})' if shown else ''}.")
    measure = (review.plan.get("objective") or {}).get("measure") or {}
    if measure:
        found.append(f"It is useful from {said(measure.get('minimum_useful'))} {said(measure.get('unit'))} on.")
    found += [f"Measured: {line}."] if (line := gained(review)) else []
    return found


def _out_of_domain(spec: Spec, review: Review) -> list[str]:
    found, names = [], conditions_of(review)
    for lever in review.plan.get("levers", ()):
        found.append(f"{lever['name']} gets its fallback ({falls_back(lever, names)}), and a person looks at the case.")
    return [*found, recognised(review)]


def _stage(spec: Spec, review: Review) -> list[str]:
    lacking = closed(review.gates, review.stage)
    found = [f"We aim at the gate of stage {review.stage}: {gate(review.stage).asks}"]
    if not lacking:
        return [*found, "It lacks nothing that can be checked here."]
    found.append(f"It lacks {len(lacking)} things, first of all:")
    first = sorted(lacking, key=lambda missing: missing.kind == "checklist")[:5]
    return found + [
        f"{m.where}: {m.what} ({m.owner or 'nobody owns it'}{f', by {m.due}' if m.due else ''})" for m in first
    ]
