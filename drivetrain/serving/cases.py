"""What may be sent to the service: which fields, of which types, and how large.

Everything here treats a request as data from a stranger. What does not fit is refused with a reason and a status below
500; a text from a request never becomes a path, markup or code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from drivetrain.artifact.images import too_deep
from drivetrain.serving import media
from drivetrain.serving.field import Field
from drivetrain.serving.limits import Limits, Refused, kind, short

LARGEST = 1e30
"""Numbers beyond this overflow where networks calculate, in single precision."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases as columns, ready for the models.

    Attributes:
        columns: Column -> one value per case; None is "not known".
        outside: Per case, why it is not a case like those of the plan (a value out of range); empty when it is.
        files: Per case, column -> the bytes that were sent.
    """

    columns: dict[str, list[Any]]
    outside: list[list[str]]
    files: list[dict[str, bytes]]

    def __len__(self) -> int:
        return len(self.outside)


def decode(known: Mapping[str, Field], cases: Sequence[Mapping[str, Any]], limits: Limits) -> Batch:
    """Check cases and turn them into columns.

    Args:
        known: `fields(spec)`.
        cases: One mapping per case. Media are base64 text, or bytes where the caller is no stranger.
        limits: How much is taken.

    Raises:
        Refused: A case has a field nobody declared, lacks one that is needed, or holds a value of the wrong type.
    """
    needed = [name for name, field in known.items() if field.required]
    present = dict.fromkeys(name for name, field in known.items() if field.used)
    outside: list[list[str]] = []
    files: list[dict[str, bytes]] = []
    rows: list[dict[str, Any]] = []
    pixels = limits.pixels
    for number, case in enumerate(cases):
        if not isinstance(case, Mapping):
            raise Refused(f"is {kind(case)}, not an object of columns.", where=f"cases[{number}]")
        reasons: list[str] = []
        blobs: dict[str, bytes] = {}
        row: dict[str, Any] = {}
        for name, value in case.items():
            field = known.get(name)
            if field is None:
                hint = ", ".join(known) or "none"
                raise Refused(f"is not a field of this service. Fields: {hint}.", where=f"cases[{number}].{name[:80]}")
            where = f"cases[{number}].{name}"
            if field.is_media and value is not None:
                is_series = field.type == "series"
                blobs[name] = media.series(value, where, limits) if is_series else media.content(value, where)
                if is_series:
                    value = blobs[name]
                elif field.type == "image":
                    value = media.image(blobs[name], where, pixels)
                    pixels -= value.width * value.height
                    if too_deep(value):
                        reasons.append(f"{name} has values beyond 255, which the network does not see")
                else:
                    value = media.audio(blobs[name], where, limits)
            elif value is not None:
                value = _plain(field, value, where, limits)
                if reason := _out_of_range(field, value):
                    reasons.append(reason)
            row[name] = value
            present.setdefault(name)
        for name in needed:
            if name not in row:
                advice = "" if known[name].is_media else " Send null when it is not known."
                raise Refused(f"`{name}` is missing.{advice}", where=f"cases[{number}]")
            if row[name] is None and (known[name].is_media or known[name].type == "text"):
                raise Refused("is null, and nothing can be said without it.", where=f"cases[{number}].{name}")
        rows.append(row)
        outside.append(reasons)
        files.append(blobs)
    return Batch({name: [row.get(name) for row in rows] for name in present}, outside, files)


def parse_body(body: bytes, limits: Limits) -> list[dict[str, Any]]:
    """The cases of a JSON body `{"cases": [{column: value, …}]}`.

    Raises:
        Refused: It is not JSON, not of that shape, or holds too many cases.
    """
    try:
        # It refuses NaN, and half a surrogate pair, which is no text that could be written to a log or an answer.
        data = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Refused(f"the body is not JSON in UTF-8 ({short(error)}).", status=400) from None
    if not isinstance(data, dict) or set(data) != {"cases"} or not isinstance(data["cases"], list):
        raise Refused('the body must be {"cases": [{column: value, …}]}, and nothing else.')
    cases: list[dict[str, Any]] = data["cases"]
    if not cases:
        raise Refused("there is no case in it.", where="cases")
    if len(cases) > limits.cases:
        raise Refused(f"{len(cases)} cases; at most {limits.cases} in one request.", where="cases", status=413)
    return cases


def of_form(known: Mapping[str, Field], texts: Mapping[str, str], file: tuple[str, bytes] | None) -> dict[str, Any]:
    """One case from a form: the texts of its fields, and a file for the media column.

    Args:
        known: `fields(spec)`.
        texts: What was typed; an empty text is "not known".
        file: Name of the form's field and the bytes.

    Raises:
        Refused: A number is no number, or there is a file and no column that takes one.
    """
    case: dict[str, Any] = {name: _typed(known.get(name), text) for name, text in texts.items()}
    if file is not None:
        columns = [field.name for field in known.values() if field.is_media]
        if not columns:
            raise Refused("a file was sent, and this service takes none.", where="cases[0]")
        case[file[0] if file[0] in columns else columns[0]] = file[1]
    return case


def _typed(field: Field | None, text: str) -> Any:
    if field is None or field.is_media or field.type in ("text", "category", "id", "time"):
        return text if text or (field and field.type == "text") else None
    text = text.strip()
    if not text:
        return None
    if field.type == "boolean":
        return {"true": True, "on": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.lower(), text
        )
    try:
        return int(text) if field.type == "integer" else float(text)
    except ValueError:
        return text


def _plain(field: Field, value: Any, where: str, limits: Limits) -> Any:
    """A value of the field's type, or a refusal."""
    if field.type in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"is {kind(value)}, not a number.", where=where)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not abs(number) <= LARGEST:
            raise Refused("is too large a number.", where=where)
        if field.type == "integer" and not number.is_integer():
            raise Refused(f"is {number:g}, not a whole number.", where=where)
        return int(number) if field.type == "integer" else number
    if field.type == "boolean":
        if not isinstance(value, bool):
            raise Refused(f"is {kind(value)}, not true or false.", where=where)
        return value
    if field.type == "id" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise Refused(f"is {kind(value)}, not a text.", where=where)
    if len(value) > (limits.characters if field.type == "text" else 1000):
        raise Refused(f"has {len(value)} characters; that is too long.", where=where)
    if field.type == "time":
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise Refused("is not a time as in 2026-01-31T12:00:00.", where=where) from None
    return value


def _out_of_range(field: Field, value: Any) -> str:
    if field.values and value not in field.values:
        return f"{field.name} is none of {', '.join(field.values)}"
    if field.minimum is not None and value < field.minimum:
        return f"{field.name} is {value:g}, below {field.minimum:g}"
    if field.maximum is not None and value > field.maximum:
        return f"{field.name} is {value:g}, above {field.maximum:g}"
    return ""
