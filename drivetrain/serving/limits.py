"""How much a request may ask for, and how one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivetrain.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for.

    Attributes:
        body_bytes: Largest request body.
        cases: Most cases in one request.
        pixels: Most pixels of all images of a request (width times height), asked of the headers before anything is
            decoded.
        characters: Longest text.
        audio_bytes: Largest audio file.
        pending: Requests that may be at the models or wait for them, in a burst; more are refused with 503.
    """

    body_bytes: int = 16 * 2**20
    cases: int = 1000
    pixels: int = 50_000_000
    characters: int = 100_000
    audio_bytes: int = 8 * 2**20
    pending: int = 64


class Refused(ServiceError):
    """A request that is not answered, with the HTTP status that says why."""

    def __init__(self, what: str, *, where: str = "", status: int = 422) -> None:
        self.status = status
        super().__init__(what, where=where)


def kind(value: Any) -> str:
    """What a value of JSON is, in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def short(error: Exception) -> str:
    """The first words of a library's message, without what it quotes of the input."""
    return (str(error).partition("\n")[0].partition("(")[0].strip() or type(error).__name__)[:100]
