"""The bank of questions, `bank.json`: one object a question, asked so that "yes" means that it is taken care of.

Add a question there; `when` names functions of `triggers.py`, `contradicted` those of `measured.py`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.errors import DrivetrainError
from drivetrain.stages import STAGES

if TYPE_CHECKING:
    from drivetrain.stages import Stage


class Question(NamedTuple):
    """One question of the bank.

    Attributes:
        id: Key in `checklist.yaml`.
        kind: Type of bias or risk; mitigations fit it.
        title: A few words.
        question: Asked so that "yes" means that it is taken care of.
        why: What goes wrong when nobody asks.
        source: Where the question comes from.
        when: Names of triggers; one that fires puts the question on the list.
        evidence: What can answer it.
        stage: The gate that asks it.
        mitigations: What helps against this kind.
        no_help: What is often tried and does not help against this kind.
        contradicted: Names of measurements that can speak against a "yes".
        deon: Items of the deon checklist that it covers.
    """

    id: str
    kind: str
    title: str
    question: str
    why: str
    source: str
    when: tuple[str, ...]
    evidence: str
    stage: Stage
    mitigations: tuple[str, ...]
    no_help: tuple[str, ...]
    contradicted: tuple[str, ...]
    deon: tuple[str, ...]


@cache
def bank() -> tuple[Question, ...]:
    """All questions, by the gate that asks them and then in the order of the file."""
    asked = [_question(entry) for entry in json.loads(Path(__file__).with_name("bank.json").read_bytes())]
    return tuple(sorted(asked, key=lambda question: STAGES.index(question.stage)))


def question(name: str) -> Question:
    """The question with this id.

    Raises:
        DrivetrainError: There is none.
    """
    for entry in bank():
        if entry.id == name:
            return entry
    raise DrivetrainError(f"there is no question `{name}`.", "`drivetrain explain checklist` lists them.")


def _question(entry: dict[str, Any]) -> Question:
    several = ("when", "mitigations", "no_help", "contradicted", "deon")
    values: dict[str, Any] = {**entry, **{key: tuple(entry.get(key, ())) for key in several}}
    return Question(**values)
