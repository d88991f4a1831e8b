"""What a case may carry, as it follows from the plan."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Join, Source

MEDIA = {"images": "image", "audio": "audio", "images+text": "image"}
"""Kind of source -> the column that holds its file."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column that a case may carry.

    Attributes:
        name: Its name in the plan.
        type: number, integer, boolean, category, id, time, text, image, audio, series.
        required: Whether a model or the value needs it. It may still be null: not known for this case.
        used: Whether a model or the policy reads it when it is there.
        valued: Whether what a setting is worth depends on it.
        minimum: Smallest value that the plan declares.
        maximum: Largest value that the plan declares.
        values: The values that the plan declares; empty when it declares none.
        unit: Unit of measurement.
    """

    name: str
    type: str
    required: bool = False
    used: bool = False
    valued: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    unit: str = ""

    @property
    def is_media(self) -> bool:
        """Whether its value travels as a file: base64 bytes, or the numbers of a series."""
        return self.type in ("image", "audio", "series")


def fields(spec: Spec) -> dict[str, Field]:
    """What a case may carry: the columns of the case table, and of the tables joined to it, that are known before.

    Args:
        spec: The plan. It needs `data`, `levers`, `models` and `objective.value`.
    """
    valued, needed, read = _names_read(spec)
    found: dict[str, Field] = {}
    outcomes = {name for source in spec.data for name in source.outcomes}
    for source in tied(spec, spec.case_source):
        for field in _columns(source):
            if field.name not in outcomes and field.name not in found:
                found[field.name] = replace(
                    field, required=field.name in needed, used=field.name in read, valued=field.name in valued
                )
        # Keys need no type in the plan: a model of ratings reads who it is about.
        ratings = [source.ratings.user, source.ratings.item] if source.ratings else []
        for name in (source.entity, *ratings, *(key for join in source.join for key in join_keys(join))):
            if name and name in needed and name not in found:
                found[name] = Field(name, "id", required=True, used=True)
    # Who a case is about may always be said: in stage wide the same one then stays in or out.
    if spec.case_source.entity and spec.case_source.entity not in outcomes:
        found.setdefault(spec.case_source.entity, Field(spec.case_source.entity, "id"))
    return found


def join_keys(join: Join) -> list[str]:
    """Columns of this side that must be equal."""
    return [join.on] if isinstance(join.on, str) else list(join.on or {})


def tied(spec: Spec, start: Source) -> list[Source]:
    """The case source and everything it joins."""
    found, queue = [start], [start]
    while queue:
        for join in queue.pop().join:
            source = spec.source(join.data or "")
            if source not in found:
                found.append(source)
                queue.append(source)
    return found


def _columns(source: Source) -> Iterable[Field]:
    if media := MEDIA.get(source.kind):
        yield Field(media, media)
    if source.kind == "series":
        # A model names the series that it reads by their source.
        yield Field(source.name, "series")
    if source.kind in ("text", "images+text") and not any(c.type == "text" for c in source.columns.values()):
        yield Field("text", "text")
    if source.filename:
        for name in re.compile(source.filename).groupindex:
            if name not in source.columns:
                yield Field(name, "category")
    for name, column in source.columns.items():
        if column.known == "after" or column.role == "logged" or column.type == "path":
            continue
        yield Field(
            name,
            column.type,
            minimum=column.minimum,
            maximum=column.maximum,
            values=tuple(column.values or ()),
            unit=column.unit or "",
        )


def _names_read(spec: Spec) -> tuple[set[str], set[str], set[str]]:
    """Names that the value needs, those that a model needs as well, and every name that the policy may read."""
    from drivetrain import policy
    from drivetrain.spec import formula

    problem = policy.problem(spec)
    formulas = [problem.value, *problem.allowed, *problem.costs.values()]
    valued = {name for text in formulas for name in getattr(text, "names", ())}
    needed = set(valued)
    for rule in problem.policies.get("fallback", {}).values():
        text, column = getattr(rule, "formula", None), getattr(rule, "column", None)
        needed |= {column} if column else set()
        needed |= formula.parse(text).names if text else set()
    for model in spec.models:
        needed.update(spec.derived.model_inputs(model.name))
    return valued, needed, needed | problem.columns


def case_of_row(known: Mapping[str, Field], row: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A row of the case table as a case that can be sent: fields only, media read and in base64, times in ISO 8601.

    Args:
        known: `fields(spec)`.
        row: Column -> value, as `source.cases` gives it; of a file its path or its bytes.
        root: The project's folder, from which the row's paths are counted.

    Raises:
        DataError: A file that the row names cannot be read.
    """
    case: dict[str, Any] = {}
    for name, field in known.items():
        column = "series" if field.type == "series" and name not in row else name
        value = row.get(column)
        if value is not None and field.is_media:
            content = value if isinstance(value, bytes) else _content(root / str(value))
            value = base64.b64encode(content).decode("ascii")
        elif isinstance(value, date):
            value = value.isoformat()
        elif isinstance(value, float) and math.isnan(value):
            value = None
        if column in row:
            case[name] = value
    return case


def case_of_number(spec: Spec, number: int) -> dict[str, Any]:
    """A row of the plan's case table as a case that can be sent.

    Args:
        spec: The plan.
        number: Its column `case`: the row's number, from 0.

    Raises:
        DataError: There is no such row.
    """
    from drivetrain import source

    table = source.cases(spec)
    if not 0 <= number < table.num_rows:
        raise DataError(
            f"there is no row {number}.", f"Give a number from 0 to {table.num_rows - 1}.", "the case table"
        )
    return case_of_row(fields(spec), table.slice(number, 1).to_pylist()[0], spec.root)


def case_of_file(spec: Spec, path: Path) -> dict[str, Any]:
    """A file as a case that can be sent: its bytes, and the columns that its name gives.

    Args:
        spec: The plan.
        path: An image or audio file, the CSV file of a series, or a text.

    Raises:
        DataError: It cannot be read, or the plan's cases are no files.
    """
    known = fields(spec)
    media = [field.name for field in known.values() if field.is_media]
    if not media and spec.case_source.kind == "text" and "text" in known:
        case = {"text": _content(path).decode(errors="replace")}
        return case | {name: value for name, value in of_name(spec, path).items() if name in known}
    if not media:
        raise DataError(
            "the cases of this plan are no files.", "Give the number of a row of the case table.", str(path)
        )
    case = {media[0]: base64.b64encode(_content(path)).decode("ascii")}
    return case | {name: value for name, value in of_name(spec, path).items() if name in known}


def of_name(spec: Spec, path: Path) -> dict[str, str]:
    """The columns that a file's name gives, by the source's `filename`."""
    pattern = spec.case_source.filename
    match = re.search(pattern, path.as_posix()) if pattern else None
    return {name: value for name, value in match.groupdict().items() if value is not None} if match else {}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", "Check the path.", str(path)) from error
