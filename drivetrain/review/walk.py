"""`drivetrain tour`: the plan for a newcomer, step by step, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drivetrain.review.formulas import acts, conditions_of, in_words, stands_for
from drivetrain.review.gather import gather
from drivetrain.review.glossary import glossary
from drivetrain.review.quiz import quiz
from drivetrain.review.words import BETTER, limit, said, settings

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec

FIRST_WORDS = 12
"""Words of the glossary that a tour explains; `drivetrain explain` knows all."""


class Stop(NamedTuple):
    """One stop of the tour.

    Attributes:
        title: What it is about.
        lines: What is said, as plain text.
        answer: What is said after a pause, for a question of the quiz; empty elsewhere.
    """

    title: str
    lines: tuple[str, ...]
    answer: tuple[str, ...] = ()


def tour(spec: Spec, review: Review | None = None) -> list[Stop]:
    """The stops: want, levers, knowledge, models, risks, owners, words, and the quiz.

    Args:
        spec: The plan; evidence beside it is read.
        review: The review of this plan, if it was built already.
    """
    held = review or gather(spec)
    stops = [
        Stop("What we want", tuple(_want(held))),
        Stop("What we can pull", tuple(_pull(spec, held))),
        Stop("What we know", tuple(_know(held))),
        Stop("What the models do", tuple(_models(held))),
        Stop("What could go wrong", tuple(_wrong(held))),
        Stop("Who owns what", tuple(_owners(held))),
        Stop("Words", tuple(f"{word}: {means}" for word, means in list(glossary().items())[:FIRST_WORDS])),
    ]
    asked = quiz(spec, held)
    return stops + [
        Stop(f"Question {place} of {len(asked)}", (question.question,), question.answer)
        for place, question in enumerate(asked, 1)
    ]


def _want(held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    measure = objective.get("measure") or {}
    found = [said(objective.get("statement"), "The objective is not written yet.")]
    if measure:
        better = BETTER.get(str(measure.get("direction")), "")
        found.append(
            f"Counted as {said(measure.get('name'))} in {said(measure.get('unit'))} ({better}): today "
            f"{said(measure.get('current'))}, target {said(measure.get('target'))}."
        )
    value, names = objective.get("value"), conditions_of(held)
    found.append(f"A case is worth: {in_words(value, names) if isinstance(value, str) else said(value)}")
    found += [f"  {name} = {means}" for name, means in stands_for(held)]
    return found + [
        f"Must hold: {said(r.get('name'))}: {in_words(str(r.get('measure')), names)} is {limit(r)}."
        for r in objective.get("guardrails") or []
    ]


def _pull(spec: Spec, held: Review) -> list[str]:
    found = []
    for lever in held.plan.get("levers", ()):
        policies = lever.get("policies", {})
        found += [
            f"{lever['name']}: {settings(lever, spec.derived.settings(lever['name']))}.",
            f"  Owned by {said(lever.get('owner'), 'nobody yet')}; today "
            f"{acts(lever, policies.get('today'), conditions_of(held))}.",
        ]
    return found or ["Nothing yet: nobody can act on a prediction until there is a lever."]


def _know(held: Review) -> list[str]:
    return [
        f"{s['name']}: {said(s.get('unit'), s['kind'])}; outcomes {said(list(s.get('outcomes') or {}), 'none')}; "
        f"groups {said(s.get('groups'), 'none recorded')}."
        for s in held.plan.get("data", ())
    ] or ["No data yet."]


def _models(held: Review) -> list[str]:
    found = [f"{m['name']} ({m['task']}) predicts {said(m.get('predicts'))}." for m in held.plan.get("models", ())]
    return [*(found or ["There are none yet."]), held.verdict[1]]


def _wrong(held: Review) -> list[str]:
    objective = held.plan.get("objective") or {}
    found = [f"If it works really, really well: {said(objective.get('if_it_works_really_well'))}"]
    found += [
        f"{said(a.get('who'))}: {said(a.get('how'))}; recourse: {said(a.get('recourse'), 'none is named')}."
        for a in objective.get("affected") or []
    ]
    return found + [f"Nobody knows yet: {u.question} ({u.owner}, by {u.due})" for u in held.unknowns]


def _owners(held: Review) -> list[str]:
    found = [f"The project: {', '.join(held.owners) or 'nobody yet'}."]
    found += [f"Lever {lv['name']}: {said(lv.get('owner'), 'nobody yet')}." for lv in held.plan.get("levers", ())]
    keeper = (held.plan.get("maintenance") or {}).get("owner")
    return [*found, f"Keeping it going: {said(keeper, 'nobody yet')}."]
