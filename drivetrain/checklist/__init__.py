"""Bias and ethics: questions that fit the plan, answers with evidence, and what is open.

::

    bank.json  ->  triggers(plan)  ->  questions  ->  checklist.yaml (the team's)  ->  findings
                                                  evidence/  ---^ contradicts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.checklist.answers import Answer, Proof, initial, initial_yaml, load
from drivetrain.checklist.bank import Question, bank, question
from drivetrain.checklist.chosen import Item, first, questions
from drivetrain.checklist.judge import judge, open_items, summary
from drivetrain.checklist.render import as_markdown

if TYPE_CHECKING:
    from drivetrain.checklist.change import add, answer, export_deon, import_deon

__all__ = [
    "Answer",
    "Item",
    "Proof",
    "Question",
    "add",
    "answer",
    "as_markdown",
    "bank",
    "export_deon",
    "first",
    "import_deon",
    "initial",
    "initial_yaml",
    "judge",
    "load",
    "open_items",
    "question",
    "questions",
    "summary",
]


def __getattr__(name: str) -> Any:
    """Load what changes the file only for the commands that do."""
    if name not in ("add", "answer", "export_deon", "import_deon"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivetrain.checklist import change

    return getattr(change, name)
