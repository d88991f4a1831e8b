"""Bias and ethics: questions that fit the plan, answers with evidence, and what is open.

::

    bank.toml  ->  triggers(plan)  ->  questions  ->  checklist.yaml (the team's)  ->  findings
                                                  evidence/  ---^ contradicts
"""

from __future__ import annotations

from drivetrain.checklist.answers import Answer, Proof, initial, initial_yaml, load
from drivetrain.checklist.bank import Question, bank, question
from drivetrain.checklist.chosen import Item, first, questions
from drivetrain.checklist.judge import judge, open_items
from drivetrain.checklist.render import as_markdown

__all__ = [
    "Answer",
    "Item",
    "Proof",
    "Question",
    "as_markdown",
    "bank",
    "first",
    "initial",
    "initial_yaml",
    "judge",
    "load",
    "open_items",
    "question",
    "questions",
]
