"""An answer as somebody types it -> plain data for the plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from drivetrain.interview.questions import Question
from drivetrain.spec.duration import DURATION
from drivetrain.spec.names import as_name
from drivetrain.spec.reading import scalar

KINDS = {"yes/no": "boolean", "yes or no": "boolean", "whole number": "integer", "date": "time", "day": "time"}
"""What people call a type of column."""
TYPES = ("number", "integer", "boolean", "category", "id", "time", "text")


class NotRead(Exception):
    """The answer cannot be read; the message says how it should be written."""


def read_answer(question: Question, text: str) -> Any:
    """What an answer says.

    Raises:
        NotRead: It is not written as the question asks.
    """
    text = " ".join(text.split())
    readers: dict[str, Callable[[str], Any]] = {
        "name": _name, "number": _number, "choice": lambda t: _choice(t, question.choices), "yes-no": _yes_no,
        "list": _list, "duration": _duration, "setting": lambda t: _setting(t, question.choices), "columns": _columns,
        "some": lambda t: _some(t, question.choices), "costs": lambda t: _costs(t, question.choices), "limit": _limit,
        "batch": _batch, "propensity": _propensity, "set": _set, "words": _words,
        "shares": lambda t: _costs(t, question.choices), "least": lambda t: _costs(t, question.choices),
    }  # fmt: skip
    if question.form == "formula":
        # People write `3 x loaves`; no formula has two names side by side.
        return re.sub(r"(?<=[\w)])\s+x\s+(?=[\w(])", " * ", text.replace("×", "*"))
    reader = readers.get(question.form)
    if reader is None:
        return text
    return reader(text)


def _name(text: str) -> str:
    name = as_name(text)
    if not name:
        raise NotRead("A name has small letters, digits and `_`, a letter first, such as `call_offer`.")
    return name


def _number(text: str) -> int | float:
    plain = re.sub(r"(?<=\d)[ _'](?=\d{3}\b)", "", re.sub(r"(?i)^(about|around|roughly|circa|ca\.?|~)\s*", "", text))
    if re.fullmatch(r"-?\d+,\d+", plain):
        plain = plain.replace(",", ".")
    if match := re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*%", plain):
        return float(match[1]) / 100
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s+([^\W\d]+)", plain)
    if match and match[2].lower() not in ("hundred", "thousand", "million", "billion", "k", "m", "bn"):
        # The unit is said elsewhere; `20 loaves` is 20.
        plain = match[1]
    value = scalar(plain)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value in (float("inf"), float("-inf"))
        or value != value
    ):
        raise NotRead("That is no number. Write digits, such as `0.30`, or `unknown`.")
    return value


_ALSO = {
    "minimize": ("lower is better", "less is better", "lower", "less", "fewer", "smaller", "down"),
    "maximize": ("higher is better", "more is better", "higher", "more", "greater", "up"),
    "integer": ("a whole number", "whole number", "whole"),
    "range": ("a number within limits", "a number", "number", "within limits"),
    "ranking": ("an order", "order", "an order of things"),
    "options": ("a choice", "choice", "a choice among options", "choice among options"),
    "binary": ("yes or no", "yes/no", "happens or not", "true or false"),
}
"""What people say for a choice."""


def _choice(text: str, choices: tuple[str, ...]) -> str:
    if text.isdigit() and text not in choices and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1]
    near = [choice for choice in choices if choice.lower() == text.lower()]
    near = near or [choice for choice in choices if text.lower().rstrip(".") in _ALSO.get(choice, ())]
    near = near or [choice for choice in choices if choice.lower().startswith(text.lower())]
    # `constant: always the same` is `constant`, with a reason.
    near = near or [choice for choice in choices if re.match(rf"{re.escape(choice.lower())}\s*[,;:(]", text.lower())]
    if len(near) != 1:
        raise NotRead(f"Choose one of: {', '.join(choices)}.")
    return near[0]


def _setting(text: str, choices: tuple[str, ...]) -> Any:
    if match := re.fullmatch(r"(column|formula)\s*:?\s+(.+)", text):
        return {match[1]: _name(match[2]) if match[1] == "column" else match[2].strip()}
    try:
        return _choice(text, choices) if choices else _number(text)
    except NotRead as error:
        raise NotRead(f"{error} Or write `column <name>`, or `formula <rule>`.") from error


def _some(text: str, choices: tuple[str, ...]) -> list[str]:
    if text.lower() in ("both", "all", "all of them"):
        return list(choices)
    return [_choice(item, choices) for item in _list(text)]


def _costs(text: str, choices: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in text.strip("{} ").split(","):
        name, colon, number = (piece.strip() for piece in item.rpartition(":"))
        name, number = (number, "") if not colon else (name, number)
        if not number:
            example = choices[-1] if choices else "call"
            raise NotRead(f"Write `name: number` with commas between, such as `{example}: 6`.")
        name = name.strip("\"'")
        found[_choice(name, choices) if choices else name] = _number(number)
    return found


def _set(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in text.split(";"):
        match = re.fullmatch(r"\s*(\w+)\s*=(?!=)\s*(.+?)\s*", item)
        if not match or not as_name(match[1]):
            raise NotRead("Write `name = formula` with `;` between, such as `rival_price = rival_price * 0.9`.")
        found[as_name(match[1])] = match[2]
    return found


def _words(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in text.strip("; ").split(";"):
        name, colon, words = (piece.strip() for piece in item.partition(":"))
        if not (name and colon and words):
            raise NotRead("Write `class: words, words` with `;` between, such as `black: black bear; none: forest`.")
        found[name] = _list(words)
    return found


def _limit(text: str) -> dict[str, float]:
    signs = {"at_most": ("at most", "<=", "<", "max"), "at_least": ("at least", ">=", ">", "min")}
    for key, words in signs.items():
        for word in words:
            if text.lower().startswith(word):
                return {key: _number(text[len(word) :].strip())}
    raise NotRead("Write `at most 0.01`, or `at least 5`.")


def _batch(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"(\d[\d _']*)\s*(?:\w+ )?(?:every|per|each|a)\s+(.+)", text)
    if not match:
        raise NotRead("Write how many and how often, such as `2000 every 1 week`.")
    every = match[2] if re.match(r"\d", match[2]) else f"1 {match[2]}"
    return {"every": _duration(every), "cases": int(_number(match[1].strip()))}


def _propensity(text: str) -> Any:
    return _number(text) if re.match(r"[\d.]", text) else _name(text)


def _yes_no(text: str) -> bool:
    word = re.split(r"[\s,.;:!]", text.lower(), maxsplit=1)[0]
    if word in ("y", "yes", "true"):
        return True
    if word in ("n", "no", "false"):
        return False
    raise NotRead("Answer `yes` or `no`.")


def _list(text: str) -> list[str]:
    inner = text.strip().removeprefix("[").removesuffix("]")
    if inner.strip().lower() in ("none", ""):
        return []
    *most, last = inner.split(",")
    # `call, letter or nothing` is how people write three settings.
    most += re.split(r"\s+or\s+", last.strip().removeprefix("or ")) if most else [last]
    items = [item.strip().strip("\"'") for item in most]
    if not all(items):
        raise NotRead("Write the items with commas between, such as `black, grizzly, none of them`.")
    if len(set(items)) < len(items):
        raise NotRead("An item stands there twice.")
    return items


def _duration(text: str) -> str:
    if re.fullmatch(DURATION.strip("^$"), text):
        return text
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([dhwmy])\w*", text.lower()):
        word = {"d": "day", "h": "hour", "w": "week", "m": "month", "y": "year"}[match[2]]
        if not text.lower().split()[-1].startswith(("min", "ms")):
            return f"{match[1]} {word}{'' if match[1] == '1' else 's'}"
    raise NotRead("A duration is written like `30 days`; units are second, minute, hour, day, week, month, year.")


def _columns(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in text.strip("{} ").split(","):
        name, colon, kind = (piece.strip() for piece in item.partition(":"))
        kind = KINDS.get(kind.lower(), kind.lower())
        if not colon or kind not in TYPES or not as_name(name):
            kinds = ", ".join(TYPES)
            raise NotRead(f"`{item.strip()}`: write `name: type` with commas between, a type being one of: {kinds}.")
        found[as_name(name)] = kind
    return found
