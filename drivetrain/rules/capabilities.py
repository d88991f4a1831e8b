"""What deep learning is dependably good at, with the date of that judgement: `capabilities.toml`."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple


class Field(NamedTuple):
    """One field of application.

    Attributes:
        name: What it is called.
        standing: Whether it can be relied on.
        tasks: Tasks of the plan language that belong to it.
        can: What works.
        cannot: What does not, and what to do instead.
        signs: Words by which a plan shows that it is about this; empty: recognised by its tasks.
    """

    name: str
    standing: Literal["dependable", "with care", "not dependable"]
    tasks: tuple[str, ...]
    can: str
    cannot: str
    signs: str = ""

    def named_in(self, text: str) -> str:
        """The word by which `text` shows that it is about this field; empty when it does not."""
        # Letters are made small here: patterns that see to that themselves take three times as long to compile.
        found = re.search(self.signs, text.replace("_", " ").lower()) if self.signs else None
        return found[0] if found else ""


@cache
def fields() -> tuple[Field, ...]:
    """All fields, dependable ones first."""
    return tuple(Field(**entry | {"tasks": tuple(entry["tasks"])}) for entry in _file()["field"])


def field_of(task: str) -> Field | None:
    """The field that a task belongs to."""
    return next((field for field in fields() if task in field.tasks), None)


def dated() -> date:
    """The day of the judgement."""
    return date.fromisoformat(_file()["dated"])


def again() -> date:
    """The day from which it should be made again."""
    return date.fromisoformat(_file()["again"])


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("capabilities.toml").read_text(encoding="utf-8"))
