"""The next questions to ask about a plan: the few that would move it most, in the order of the approach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from drivetrain.findings import Finding
from drivetrain.rules.rule import absent, stands
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.spec import Part, Spec

_PARTS = ("objective", "decision", "levers", "uncontrollable", "data", "models", "simulator", "optimizer", "deployment",
          "maintenance", "stage", "project")  # fmt: skip


class Question(NamedTuple):
    """One question for the next meeting.

    Attributes:
        path: The place of the plan that the answer goes to.
        text: The question.
        why: Why it is worth asking now.
        rule: Id of the rule that asks it; empty when a part is missing or an open question is repeated.
        owner: Who finds out, where that is known.
        due: By when, where that is known.
    """

    path: str
    text: str
    why: str
    rule: str = ""
    owner: str = ""
    due: date | None = None

    def __str__(self) -> str:
        who = f" ({self.owner}, by {self.due:%Y-%m-%d})" if self.owner and self.due else ""
        return f"{self.text}{who}"


_LADDER: tuple[tuple[str, str, str], ...] = (
    ("objective", "What should become better, and for whom? One sentence.",
     "Everything else is judged by it; a plan without an objective can only be liked or disliked."),
    ("objective.statement", "What should become better, and for whom? One sentence.",
     "Everything else is judged by it."),
    ("objective.measure", "Which one figure, in which unit, tells whether it worked, and what is that figure today?",
     "Without today's figure no gain can be shown; without a unit nobody can say whether a gain is worth its cost."),
    ("objective.value", "Take one case: what is it worth when it goes right, and what when it goes wrong?",
     "Errors rarely weigh the same. The weights decide what to do far more than a percent of accuracy does."),
    ("levers", "What can somebody really change, case by case, and who may change it?",
     "A prediction that nobody can act on changes nothing; levers come before data."),
    ("data", "Which data tell what happens when the lever is pulled, and when it is not?",
     "Data availability is what most projects founder on; data about the past alone may not tell what a lever does."),
    ("models", "What has to be foreseen to choose a setting, and from what that is known in time?",
     "Only now: a model is for a choice. It may turn out that none is needed."),
    ("deployment", "Where is it used first, beside whom, and what is done with cases unlike any before?",
     "A model is a small part of what runs; the rest decides whether it does harm."),
    ("maintenance", "Who answers for it in two years, and what makes them train it again?",
     "The world moves away from what was learned."),
)  # fmt: skip


def ask(spec: Spec, findings: Sequence[Finding], questions_of: dict[str, str], count: int) -> list[Question]:
    """The `count` most useful questions.

    What is missing or open in an early part comes before what is wrong in a later one: a model cannot be discussed
    while nobody knows what a case is worth.

    Args:
        spec: The plan.
        findings: What the rules say.
        questions_of: Rule id -> its question.
        count: How many.
    """
    ranked: dict[str, tuple[float, Question]] = {}
    for rank, question in [*_missing(spec), *_open(spec), *_from_rules(findings, questions_of)]:
        if question.path not in ranked or rank < ranked[question.path][0]:
            ranked[question.path] = (rank, question)
    chosen: list[Question] = []
    for _, question in sorted(ranked.values(), key=lambda item: item[0]):
        if all(question.text != other.text for other in chosen):
            chosen.append(question)
    return chosen[:count]


def _missing(spec: Spec) -> Iterator[tuple[float, Question]]:
    """Rungs of the approach that were not reached yet."""
    for rung, (path, text, why) in enumerate(_LADDER):
        head, _, key = path.partition(".")
        if key and not stands(spec, head):
            continue
        part: Part = getattr(spec, head) if key else spec
        gone = _unsaid(part, key or head)
        early = head in ("deployment", "maintenance") and not reached(spec.stage, "parallel")
        if gone and not early:
            yield _part_of(path) * 10 + rung * 0.1, Question(path, text, why)


def _unsaid(part: Part, key: str) -> bool:
    """Whether nothing is said at all; `[]` and `{}` are an answer."""
    value = getattr(part, key)
    return value is None and key not in part.unknown if not isinstance(value, list) else absent(part, key)


def _open(spec: Spec) -> Iterator[tuple[float, Question]]:
    """Questions that the plan asks itself."""
    why = "The plan asks it; what follows waits for the answer."
    rungs = {path: rung * 0.1 for rung, (path, _, _) in enumerate(_LADDER) if path != "objective"}
    for place, open_ in enumerate(spec.unknowns):
        rung = next((rank for path, rank in rungs.items() if f"{open_.path}.".startswith(f"{path}.")), 0.35)
        yield (
            _part_of(open_.path) * 10 + rung + place * 0.001,
            Question(open_.path, open_.question, why, "", open_.owner, open_.due),
        )


def _from_rules(findings: Sequence[Finding], questions_of: dict[str, str]) -> Iterator[tuple[float, Question]]:
    offset = {"fail": 5.0, "unknown": 6.0, "warn": 200.0, "note": 400.0}
    for place, finding in enumerate(findings):
        if finding.level in offset:
            path = str(finding.facts.get("path", ""))
            rank = _part_of(path) * 10 + offset[finding.level] + place * 0.01
            yield rank, Question(path, questions_of[finding.id], f"{path}: {finding.what}", finding.id)


def _part_of(path: str) -> int:
    head = re.split(r"[.\[]", path, maxsplit=1)[0]
    return _PARTS.index(head) if head in _PARTS else len(_PARTS)
