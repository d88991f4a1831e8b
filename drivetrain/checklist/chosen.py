"""Which questions of the bank a plan must answer, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drivetrain.checklist.bank import bank
from drivetrain.checklist.triggers import GENERAL, reasons
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.checklist.bank import Question
    from drivetrain.spec import Spec


class Item(NamedTuple):
    """A question on a plan's list.

    Attributes:
        question: The question.
        reasons: Places of the plan that put it there.
    """

    question: Question
    reasons: tuple[str, ...]

    @property
    def id(self) -> str:
        """Key in `checklist.yaml`."""
        return self.question.id


def questions(spec: Spec) -> list[Item]:
    """The questions that this plan sets off, in the order of the gates that ask them."""
    asked = ((question, reasons(spec, question.when)) for question in bank())
    return [Item(question, found) for question, found in asked if found]


def first(spec: Spec, number: int = 5) -> list[Item]:
    """The questions to start with: those that most of this plan sets off, one of each kind, that today's gate asks."""
    now = [item for item in questions(spec) if reached(spec.stage, item.question.stage)]
    ranked = sorted(now, key=lambda item: -sum(reason != GENERAL for reason in item.reasons))
    kinds: dict[str, Item] = {}
    for item in ranked:
        kinds.setdefault(item.question.kind, item)
    leading = list(kinds.values())[:number]
    return [*leading, *(item for item in ranked if item not in leading)][:number]
