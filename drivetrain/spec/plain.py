"""A plan as plain JSON data, defaults included, and what stands at a path of it: for evidence, reviews and hashes."""

import hashlib
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from typing import TYPE_CHECKING, Any

from drivetrain.spec.asked import KEYS, Asked

if TYPE_CHECKING:
    from drivetrain.spec.lookup import Lookup


def as_plain(value: Any) -> Any:
    """A part, or a value inside one, with its defaults, no short forms, and its questions where they were asked."""
    if isinstance(value, Asked):
        return _fields(value)
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _fields(part: Asked) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in part.fields():
        key = KEYS.get(name, name)
        asked, value = questions_below(part, key), getattr(part, name)
        if key in asked:
            values[key] = question(asked[key])
        elif asked or value is not None:
            values[key] = put_back([] if value is None else as_plain(value), key, asked)
    return values


def questions_below(part: Asked, key: str) -> dict[str, Any]:
    """The open questions about a field, or about something in it, that belong to the part itself."""
    return {path: item for path, item in part.unknown.items() if re.split(r"[.\[]", path, maxsplit=1)[0] == key}


def question(open_: Any) -> dict[str, str]:
    """A question as it is written."""
    return {"unknown": open_.unknown, "owner": open_.owner, "due": open_.due.isoformat()}


def put_back(value: Any, key: str, asked: Mapping[str, Any]) -> Any:
    """The plain value of a field with its questions in the places that they were taken from."""
    if isinstance(value, dict) and any(path.startswith(f"{key}[") for path in asked):
        value = list(value)
    # Lists are filled from the front, so that each question comes to the place it was taken from.
    for path in sorted(asked, key=lambda path: [int(number) for number in re.findall(r"\[(\d+)\]", path)]):
        _put(value, path[len(key) :], question(asked[path]))
    return value


def _put(value: Any, path: str, asked: dict[str, str]) -> None:
    """Write a question back to the place it was lifted from: `.missed`, `[1]`, `.healthy[0]`."""
    place = re.fullmatch(r"\[(\d+)\]", path)
    if isinstance(value, list) and place:
        value.insert(int(place[1]), asked)
        return
    for key in sorted(value, key=len, reverse=True) if isinstance(value, dict) else ():
        if path.startswith(f".{key}[") and isinstance(value[key], list):
            _put(value[key], path[len(key) + 1 :], asked)
            return
    if isinstance(value, dict):
        value[path[1:]] = asked


def steps(path: str) -> list[str]:
    """A path in its steps: `levers[0].policies` is `levers`, `0`, `policies`; `[*]` is every item."""
    return [step for step in re.split(r"\.|\[(\d+|\*)\]", path) if step]


def at(plan: "Lookup", path: str) -> Any:
    """Plain data below `path`, items of a list by name; None when nothing is there."""
    here = plan.__dict__.get("_tree")
    if here is None:
        here = plan.__dict__["_tree"] = as_plain(plan)
    return deepcopy(_below(here, steps(path)))


def _below(here: Any, path: list[str]) -> Any:
    for place, step in enumerate(path):
        if step == "*":
            return [_below(item, path[place + 1 :]) for item in here] if isinstance(here, list) else None
        if isinstance(here, list):
            named = [item for item in here if isinstance(item, dict) and item.get("name") == step]
            here = named[0] if named else here[int(step)] if step.isdigit() and int(step) < len(here) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
    return here


def digest(plan: "Lookup", path: str) -> str:
    """SHA-256 of the canonical JSON of what stands at `path`."""
    text = json.dumps(at(plan, path), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
