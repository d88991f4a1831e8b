"""Passwords and keys that somebody wrote into a plan; found, and never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Every run of characters before what decides has a longest length: a long text must not be read once for each letter.
_KNOWN = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{18,}|xox[abprs]-[\w-]{10,}|"
    r"sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[0-9A-Za-z_-]{30,}|eyJ[\w-]{10,999}\.eyJ[\w-]{10,}|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
)
_IN_ADDRESS = re.compile(r"(?<=[a-z0-9])://[^/\s:@]*:([^/\s@]+)@", re.I)
_NAMED = re.compile(
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|auth|credential|sig(?:nature)?)\w{0,40}"
    r"\s{0,20}[=:]\s*['\"]?([^\s&;,'\"]+)",
    re.I,
)
_REFERENCE = re.compile(r"^(?:\$\{?\w+\}?|%\w+%|env:\w+|<[^>]*>|\*+|x+|…|\.\.\.)$", re.I)


def secrets(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Places of a plan, as plain data, that hold a secret, with what kind it is."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from secrets(item, (*path, str(key)))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            name = str(item.get("name") or place) if isinstance(item, dict) else str(place)
            yield from secrets(item, (*path, name))
    elif isinstance(value, str) and (kind := kind_of(value)):
        yield path, kind


def kind_of(text: str) -> str:
    """What kind of secret a text holds; empty when it holds none. A reference to an environment variable is none."""
    if _KNOWN.search(text):
        return "a key"
    if any(not _REFERENCE.match(found) for found in _IN_ADDRESS.findall(text)):
        return "a password in an address"
    for found in _NAMED.findall(text):
        if (
            not _REFERENCE.match(found)
            and len(found) >= 6
            and re.search(r"\d", found)
            and re.search(r"[A-Za-z]", found)
        ):
            return "a password or token"
    return ""


def without(text: str) -> str:
    """A text with what looks like a secret taken out of it, for messages that repeat what a plan says."""
    if not kind_of(text):
        return text
    text = _KNOWN.sub("[not shown]", text)
    for pattern in (_IN_ADDRESS, _NAMED):
        text = pattern.sub(lambda found: found[0].replace(found[1], "[not shown]"), text)
    return text
