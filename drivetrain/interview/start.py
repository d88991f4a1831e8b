"""Beginnings without an interview: a plan of questions only, or a plan of the gallery."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from drivetrain.errors import SpecError
from drivetrain.evidence import write_whole
from drivetrain.interview.draft import Draft


def blank(file: Path, name: str, today: date | None = None) -> None:
    """Write a plan that asks everything and answers nothing, ready to be filled in.

    Raises:
        SpecError: There is a plan already.
    """
    refuse(file)
    draft = Draft(file, today or date.today())
    draft.tree["project"] = {"name": name}
    questions = {
        ("objective", "statement"): "What should become better, and for whom?",
        ("objective", "measure"): "Which one figure, in which unit, tells whether it worked, and what is it today?",
        ("objective", "value"): "What is one case worth when it goes right, and when it goes wrong?",
        ("objective", "affected"): "Who feels the decisions, and what can they do about a wrong one?",
        ("levers",): "What can somebody change, case by case, and who may?",
        ("data",): "Which data tell what happens when a lever is pulled?",
        ("models",): "What has to be foreseen to choose a setting?",
    }
    for path, text in questions.items():
        problems = draft.set(path, draft.open(text, owner="nobody yet"))
        assert not problems
    draft.finish()


def copy_example(file: Path, plan: str) -> None:
    """Write the text of a plan of the gallery, comments included.

    Raises:
        SpecError: There is a plan already.
    """
    refuse(file)
    write_whole(file, plan)


def refuse(file: Path) -> None:
    """Raise when there is a plan already."""
    if file.exists():
        raise SpecError("is there already; nothing was written.", "Go on with it: `drivetrain init`.", file.name)
