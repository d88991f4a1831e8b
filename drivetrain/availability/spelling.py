"""Categories that one would say in the same way."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile(
    r"\s+|['’‘`´]|_+|^[./]+"
    r"|(?<=[^\W\d])[\-./]+(?=\w)|(?<=\d)[\-./]+(?=[^\W\d])|(?<=[^\W\d]{2})[\-./]+$"
)


def spelled(value: str) -> str:
    """A category as one would say it: without case, accents, spaces and marks.

    A mark between digits (`1.1`), before a number (`-1`) or behind a single letter (`A-`) says something of its own.
    """
    plain = unicodedata.normalize("NFKD", value).casefold().strip()
    shown = "".join(c for c in plain if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return _MARKS.sub("", shown) or value
