"""Where two plans differ, as places with what stood there and what stands there now.

Plans are compared as plain data with their defaults: how something is written (short or long form, a default spelled
out, order of named things, spaces in a formula) makes no difference; everything else makes exactly one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from drivetrain.errors import FormulaError

Path = tuple[str, ...]

IN_ORDER = frozenset({"attention", "bins", "layers"})
"""Lists whose order is meaning; they are compared as wholes."""
KEYS = ("name", "who", "failure", "data", "kind")
"""What items of a list are called by, the first that an item has."""
_FORMULAS = frozenset(
    {"value", "continues", "measure", "formula", "rows", "observed_when", "cost", "harm_limit", "catastrophe"}
)
_OF_FORMULAS = frozenset({"terms", "next", "set", "limits"})


class Delta(NamedTuple):
    """One difference.

    Attributes:
        path: The place; items of lists by their names.
        old: What stood there; None: nothing.
        new: What stands there; None: nothing.
        member: Whether it is an entry of a plain list (a group, a class) rather than a value at a place.
    """

    path: Path
    old: Any
    new: Any
    member: bool = False


def differ(old: Any, new: Any, path: Path = ()) -> Iterator[Delta]:
    """Every difference between two plain data.

    Args:
        old: As `spec.at` gives it; None where nothing stands.
        new: The same of the other plan.
        path: The place of both.
    """
    if _same(old, new, path):
        return
    plain = not _asks(old) and not _asks(new)
    if plain and isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differ(old.get(key), new.get(key), (*path, str(key)))
    elif plain and isinstance(old, list) and isinstance(new, list) and (not path or path[-1] not in IN_ORDER):
        yield from _lists(old, new, path)
    else:
        yield Delta(path, old, new)


def _lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Delta]:
    if all(isinstance(item, Mapping) for item in [*old, *new]):
        before, after = _named(old), _named(new)
        gone, come = [key for key in before if key not in after], [key for key in after if key not in before]
        if len(gone) == len(come) == 1 and _renamed(before[gone[0]], after[come[0]]):
            yield Delta((*path, gone[0], "name"), gone[0], come[0])
            gone, come = [], []
        for key in [*before, *come]:
            if key in gone or key in come or key in after:
                yield from differ(before.get(key), after.get(key), (*path, key))
        return
    for items, others, gone_now in ((old, new, True), (new, old, False)):
        left = Counter(_text(item, path) for item in others)
        for item in items:
            left[_text(item, path)] -= 1
            if left[_text(item, path)] < 0:
                yield Delta((*path, str(item)), item if gone_now else None, None if gone_now else item, True)


def _named(items: list[Any]) -> dict[str, Any]:
    """Items by what they are called; a second one of the same name is told apart by its place."""
    found: dict[str, Any] = {}
    for place, item in enumerate(items):
        key = next((str(item[name]) for name in KEYS if isinstance(item.get(name), str)), str(place))
        found[key if key not in found else f"{key} ({place})"] = item
    return found


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "name" in old and len(old) > 1 and {**old, "name": ""} == {**new, "name": ""}


def _text(item: Any, path: Path) -> str:
    """What an entry of a plain list is compared by."""
    formula = bool(path) and path[-1] in _OF_FORMULAS and isinstance(item, str)
    return _canonical(item) if formula else repr(item)


def _same(old: Any, new: Any, path: Path) -> bool:
    # True is 1 to Python, and not to a plan.
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    if isinstance(old, str) and isinstance(new, str) and _is_formula(path):
        return _canonical(old) == _canonical(new)
    return bool(old == new)


def _is_formula(path: Path) -> bool:
    return bool(path) and (path[-1] in _FORMULAS or (len(path) > 1 and path[-2] in _OF_FORMULAS))


def _canonical(text: str) -> str:
    """A formula as it is printed back; as written where it is none."""
    from drivetrain.spec.formula import parse

    try:
        return repr(str(parse(text)))
    except FormulaError:
        return repr(text)


def _asks(value: Any) -> bool:
    return isinstance(value, Mapping) and "unknown" in value
