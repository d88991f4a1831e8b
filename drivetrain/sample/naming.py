"""File names that fit a pattern of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TIMES = (
    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d_%H-%M-%S", "%Y%m%dT%H%M%S", "%Y%m%d_%H%M%S", "%Y%m%d-%H%M%S", "%Y%m%d%H%M%S",
    "%Y-%m-%d", "%Y_%m_%d", "%Y%m%d", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m", "%Y",
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CHOICES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": _LETTERS, "CATEGORY_SPACE": "_ "}


def fitting(pattern: str, number: int, given: Mapping[str, str], draw: np.random.Generator) -> str:
    """A text that a regular expression finds.

    Args:
        pattern: The expression.
        number: Stands where the expression wants digits outside of named groups, so that names differ.
        given: Named group -> what stands there.
        draw: Chooses what the expression leaves open.
    """
    parser: Any = import_module("re._parser")
    return _Writer(number, given, draw).write(parser.parse(pattern))


def values_of(pattern: str, group: str, count: int, draw: np.random.Generator) -> list[str]:
    """Different texts that a named group can hold, at most `count`."""
    found: dict[str, None] = {}
    for number in range(count * 20):
        text = re.search(pattern, fitting(pattern, number + 1, {}, draw))
        if text and text[group]:
            found[text[group]] = None
        if len(found) == count:
            break
    return list(found)


def times_of(pattern: str, group: str, seconds: Iterable[float], draw: np.random.Generator) -> list[str]:
    """Times as a named group writes them; none where it writes them in no way that is known here."""
    days = [datetime.fromtimestamp(second, UTC) for second in seconds]
    for form in _TIMES:
        text = days[0].strftime(form)
        found = re.search(pattern, fitting(pattern, 1, {group: text}, draw))
        if found and found[group] == text:
            return list(dict.fromkeys(day.strftime(form) for day in days))
    return []


def seconds_of(times: NDArray[Any]) -> NDArray[np.float64]:
    """Times of rows as seconds, `(n,)`: as they are, or as the names of files write them.

    Raises:
        DataError: They are written in no way that is known here.
    """
    import numpy as np

    if times.dtype.kind not in "UO":
        return times.astype(float)
    for form in _TIMES:
        try:
            return np.array([datetime.strptime(str(text), form).replace(tzinfo=UTC).timestamp() for text in times])
        except ValueError:
            continue
    advice = "Let the named group be a usual one, such as `\\d{4}-\\d{2}-\\d{2}`."
    raise DataError(f"`{times[0]}`, a time in the name of a file, is written in no way that can be read.", advice)


def counts(pattern: str) -> bool:
    """Whether an expression has digits outside of its named groups, by which names can differ."""
    return len({fitting(pattern, number, {}, np_random(1)) for number in (1, 2)}) == 2


def tail(pattern: str, number: int) -> str:
    """The end of a name by which names differ: a number, unless the expression has one or takes it for its own."""
    if counts(pattern):
        return ""
    text = fitting(pattern, 1, {}, np_random(1))
    alone = re.search(pattern, text)
    for mark in ("-", "_", ""):
        found = re.search(pattern, f"{text}{mark}{number:05d}")
        if alone and found and found.groupdict() == alone.groupdict():
            return f"{mark}{number:05d}"
    return ""


def holds(pattern: str, group: str, text: str) -> bool:
    """Whether a named group can be this text."""
    found = re.search(pattern, fitting(pattern, 1, {group: text}, np_random(0)))
    return bool(found and found[group] == text)


def np_random(seed: int) -> np.random.Generator:
    """The same stream each time, so that only the number differs."""
    import numpy as np

    return np.random.default_rng(seed)


class _Writer:
    """Walks the tree that Python's own parser makes of an expression."""

    def __init__(self, number: int, given: Mapping[str, str], draw: np.random.Generator) -> None:
        self.number, self.given, self.draw = number, given, draw
        self.names: dict[int, str] = {}
        self.groups: dict[int, str] = {}

    def write(self, tree: Any) -> str:
        self.names = {number: name for name, number in tree.state.groupdict.items()}
        return self.walk(tree, False)

    def walk(self, tree: Any, inside: bool) -> str:
        return "".join(self.one(str(op), argument, inside) for op, argument in tree)

    def one(self, op: str, argument: Any, inside: bool) -> str:
        if op == "LITERAL":
            return chr(argument)
        if op == "NOT_LITERAL":
            return "y" if argument == ord("x") else "x"
        if op == "ANY":
            return self.pick(_LETTERS)
        if op == "IN":
            return self.pick(_members(argument))
        if op == "BRANCH":
            return self.walk(argument[1][int(self.draw.integers(len(argument[1])))], inside)
        if op == "SUBPATTERN":
            return self.group(argument[0], argument[3], inside)
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self.repeat(argument, inside)
        if op == "GROUPREF":
            return self.groups.get(argument, "")
        if op == "ATOMIC_GROUP":
            return self.walk(argument, inside)
        return ""

    def group(self, number: int | None, tree: Any, inside: bool) -> str:
        name = self.names.get(number or 0)
        text = (
            self.given[name] if name is not None and name in self.given else self.walk(tree, inside or name is not None)
        )
        if number is not None:
            self.groups[number] = text
        return text

    def repeat(self, argument: Any, inside: bool) -> str:
        low, high, tree = argument
        if not inside and _is_digit(tree):
            return str(self.number).zfill(max(low, 4 if high > 4 else low))[-high:]
        count = low if high == low else min(high, max(low, 1) + int(self.draw.integers(3, 6)))
        return "".join(self.walk(tree, inside) for _ in range(count))

    def pick(self, choices: str) -> str:
        return choices[int(self.draw.integers(len(choices)))]


def _is_digit(tree: Any) -> bool:
    return len(tree) == 1 and str(tree[0][0]) == "IN" and set(_members(tree[0][1])) <= set("0123456789")


def _members(members: Any) -> str:
    """Characters of a set, letters first: they make names that a person can read."""
    negated = any(str(op) == "NEGATE" for op, _ in members)
    found = ""
    for op, argument in members:
        if str(op) == "LITERAL":
            found += chr(argument)
        elif str(op) == "RANGE":
            found += "".join(map(chr, range(argument[0], min(argument[1], argument[0] + 60) + 1)))
        elif str(op) == "CATEGORY":
            found += _CHOICES.get(str(argument), "x")
    if negated:
        return "".join(letter for letter in _LETTERS + "0123456789" if letter not in found) or "x"
    letters = "".join(character for character in found if character in _LETTERS)
    return letters or found or "x"
