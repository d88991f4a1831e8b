"""What parts of a plan have in common, typed or only looked at: fields, and questions that are still open."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

KEYS = {"from_": "from", "otherwise": "else"}
"""Attributes whose field is a word of Python."""


class OpenQuestion(NamedTuple):
    """A question that is still open, with its place in the plan, who finds out and by when."""

    path: str
    question: str
    owner: str
    due: date


class Asked:
    """A part whose fields may be unknown; `unknown` holds each question under its path from here."""

    if TYPE_CHECKING:
        unknown: Any

        @classmethod
        def fields(cls) -> Iterable[str]:
            """The fields in the order in which they are written."""

    def questions(self, path: str = "") -> Iterator[OpenQuestion]:
        """The open questions of this part and of the parts inside it, in the order of the file."""
        for field in self.fields():
            for key, open_ in self.unknown.items():
                if re.split(r"[.\[]", key, maxsplit=1)[0] == KEYS.get(field, field):
                    yield OpenQuestion(_join(path, key), open_.unknown, open_.owner, open_.due)
            yield from _questions(getattr(self, field), _join(path, KEYS.get(field, field)))


def _questions(value: Any, path: str) -> Iterator[OpenQuestion]:
    if isinstance(value, Asked):
        yield from value.questions(path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _questions(item, f"{path}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _questions(item, f"{path}.{getattr(item, 'name', None) or place}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
