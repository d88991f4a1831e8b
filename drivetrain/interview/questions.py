"""The questions of the interview, with what a newcomer needs to answer them: `questions.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

Form = Literal[
    "text", "line", "name", "number", "choice", "yes-no", "list", "formula", "duration", "setting", "columns",
    "some", "costs", "limit", "batch", "propensity", "set", "words", "shares", "least",
]  # fmt: skip
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the interview.

    Attributes:
        id: Its name in `questions.toml`.
        key: Its name in this interview: the place of the answer.
        path: The place of the answer in the plan; empty for a question about the interview itself.
        asks, why, good, bad: What is asked, why, and an answer that helps and one that does not.
        form: How an answer is read.
        choices: Answers to choose from.
        optional: Whether an empty answer is one.
        up: How many steps above the field an `unknown` is written.
        firm: Whether it cannot be unknown: the rest cannot be asked without it.
        short: Whether it is among the few that a plan cannot do without.
        default: What an empty answer means.
    """

    id: str
    asks: str
    why: str
    good: str
    bad: str
    form: Form
    choices: tuple[str, ...] = ()
    optional: bool = False
    up: int = 0
    firm: bool = False
    short: bool = False
    key: str = ""
    path: Path_ = ()
    default: Any = None

    @property
    def unknown_at(self) -> Path_:
        """Where `unknown` is written."""
        return self.path[: len(self.path) - self.up]


@cache
def bank() -> dict[str, Question]:
    """Id -> question."""
    body = tomllib.loads(Path(__file__).with_name("questions.toml").read_text(encoding="utf-8"))
    return {
        name: Question(id=name, **entry | {"choices": tuple(entry.get("choices", ()))}) for name, entry in body.items()
    }


def question(name: str, path: Path_, key: str = "", **said: str) -> Question:
    """A question of the bank about one place of a plan, its blanks filled in."""
    asked = bank()[name]
    where = key or ".".join(map(str, path))
    why = asked.why
    for blank, word in said.items():
        why = why.replace(f"{{{blank}}}", word)
    return replace(asked, asks=asked.asks.format(**said), why=why, key=where, path=path)
