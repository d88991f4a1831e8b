"""Places in a plan, and lists that grow as long as there is another item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from drivetrain.interview.questions import Path_, Question
from drivetrain.spec.reading import is_question

MOST = 30
"""Items that one interview asks for in a list; more are written in the file."""


def at(tree: Any, path: Path_) -> Any:
    """What stands at a path; None when nothing does."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def closed(tree: Any, path: Path_) -> bool:
    """Whether a part around this place is unknown as a whole, so that there is nothing to ask inside it."""
    return any(is_question(at(tree, path[:end])) for end in range(1, len(path)))


def several(said: Mapping[str, Any], more: str, there: Any) -> Iterator[int]:
    """Places in a list: those that are there, and one more as long as somebody said that there is another."""
    length = len(there) if isinstance(there, list) else 0
    for place in count():
        yield place
        if place + 1 == MOST or (place + 1 >= length and said.get(f"{more}.{place}") is not True):
            return


def last(tree: Any, path: Path_, place: int, there: Any = None) -> bool:
    """Whether to ask for another item after this one: it is the last there is, and it is no open question."""
    items = at(tree, path[:-1]) if there is None else there
    return not closed(tree, (*path, "more")) and place + 1 >= (len(items) if isinstance(items, list) else 0)


def first(question: Question, place: int) -> Question:
    """Unknown as a whole is the list if it is about its first item, else that item."""
    return question if place == 0 else replace(question, up=1)
