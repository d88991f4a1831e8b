"""What every part of a plan is made of: names, durations, formulas as text, and values that are not known yet.

A value written as `{unknown: question, owner: …, due: …}` is lifted out when a part is read: the field is then None,
or its default, and the question stands in `part.unknown` under the field's path (`current`, `constants.missed`,
`limits[1]`). So code that reads a plan meets plain types only, and nothing that is open gets lost.
"""

import math
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined

from drivetrain.spec.asked import Asked
from drivetrain.spec.duration import DURATION
from drivetrain.spec.reading import NAME, is_question

DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
NEVER_UNKNOWN = frozenset({"drivetrain", "project", "name", "kind", "type", "task", "how"})
"""Fields that the rest of their part cannot be read without."""


def _as_text(value: Any) -> Any:
    """A formula that is a bare number or truth value, as text: `cost: 5` means the formula `5`."""
    if isinstance(value, bool | int | float):
        return repr(value)
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _is_finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("finite", "must be a finite number")
    return value


def _as_date(value: Any) -> Any:
    """A day as it is written; what is written otherwise stays as it is and is refused."""
    return date.fromisoformat(value) if isinstance(value, str) and re.fullmatch(DATE, value) else value


class Says:
    """What JSON Schema cannot say about a type, for messages: in words, and whether it is a formula."""

    def __init__(self, words: str, **extra: Any) -> None:
        self.extra = {"x-says": words} | extra

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        return handler(schema) | self.extra


_SCALAR = ["string", "number", "boolean"]
Name = Annotated[
    str,
    StringConstraints(pattern=NAME, max_length=64),
    Says("a name: small letters, digits and `_`, a letter first, at most 64 characters"),
]
Text = Annotated[str, StringConstraints(pattern=r"\S"), Says("text that is not empty")]
Dur = Annotated[str, StringConstraints(pattern=DURATION), Says("a duration such as `30 days`")]
Expr = Annotated[str, BeforeValidator(_as_text), Says("a formula", type=_SCALAR, **{"x-formula": "case"})]
Agg = Annotated[str, BeforeValidator(_as_text), Says("a formula", type=_SCALAR, **{"x-formula": "population"})]
Number = float
Day = Annotated[date, BeforeValidator(_as_date), Says("a date such as `2027-02-28`", pattern=DATE)]
OneOrMore = BeforeValidator(_as_list)
"""For a list that may be written as its only item."""


def doc(meaning: str, example: Any = None, *, unit: str = "", default: Any = PydanticUndefined, **limits: Any) -> Any:
    """A field with its meaning, unit and example, from which schema, `explain` and the reference are made.

    Args:
        meaning: One sentence, in Markdown.
        example: A value as it would be written in `drivetrain.yaml`.
        unit: Unit of a number.
        default: Value when the field is absent (a class: made anew); left out, the field is required in its part.
        limits: Further limits that pydantic's `Field` takes (`ge`, `max_length` …).
    """
    extra: Any = {"unit": unit} if unit else None
    examples = None if example is None else [example]
    if isinstance(default, list | dict):
        extra = (extra or {}) | {"default": default}
        return Field(
            default_factory=default.copy, description=meaning, examples=examples, json_schema_extra=extra, **limits
        )
    if isinstance(default, type):
        return Field(default_factory=default, description=meaning, examples=examples, json_schema_extra=extra, **limits)
    return Field(default, description=meaning, examples=examples, json_schema_extra=extra, **limits)


def exactly_one(*names: str) -> ConfigDict:
    """For JSON Schema: one of these fields must be there, and only one."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


class Unknown(BaseModel):
    """A question that is still open, with who finds out and by when."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    unknown: Text = doc("The question, as one would ask it.", "What is a missed case worth?")
    owner: Text = doc("Who finds out.", "dermatologist")
    due: Day = doc("By when, as a date.", "2027-02-28")


class Part(Asked, BaseModel):
    """A part of the plan: closed to fields it does not know, and unchangeable once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        defer_build=True,
        protected_namespaces=(),
        populate_by_name=True,
    )
    short: ClassVar[str] = ""
    """The field that a bare scalar stands for: `age: number` means `age: {type: number}`."""
    first: ClassVar[tuple[str, ...]] = ()
    """Fields that are written before the others."""
    brief: ClassVar[frozenset[str]] = frozenset()
    """Fields that are written as a list of names, or as the only item of a list, where that says all."""

    unknown: dict[str, Unknown] = Field(default_factory=dict, exclude=True)

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """The fields in the order in which they are written."""
        known = {name: field for name, field in cls.model_fields.items() if name != "unknown"}
        return {name: known[name] for name in (*cls.first, *(name for name in known if name not in cls.first))}

    @model_validator(mode="before")
    @classmethod
    def _lift(cls, data: Any) -> Any:
        if cls.short and isinstance(data, str | int | float):
            return {cls.short: data}
        if not isinstance(data, Mapping):
            return data
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        lifted = _given(data.get("unknown"))
        values: dict[str, Any] = {}
        for key, value in data.items():
            if key == "unknown" and isinstance(value, Mapping):
                continue
            field = fields.get(key)
            value = _take(value, str(key), _depths(cls).get(key, 0), lifted)
            if key in lifted and key in NEVER_UNKNOWN:
                raise PydanticCustomError("never_unknown", "`{key}` cannot be unknown", {"key": key})
            if value == [] and data[key] and field is not None and _needs_items(field):
                value = None  # every item is a question
            if value is not None:
                values[key] = value
            elif field is not None and field.is_required() and any(_below(path, str(key)) for path in lifted):
                values[key] = None
        return values | {"unknown": lifted} if lifted else values


def _needs_items(field: FieldInfo) -> bool:
    return any(getattr(limit, "min_length", 0) for limit in field.metadata)


def _below(path: str, key: str) -> bool:
    """Whether a question at `path` is one about the field `key`, or about something in it."""
    return re.split(r"[.\[]", path, maxsplit=1)[0] == key


def _given(value: Any) -> dict[str, Unknown]:
    """`unknown=` of a part that is built in Python; what a file says under that key is not taken for it."""
    if isinstance(value, Mapping) and all(isinstance(item, Unknown) for item in value.values()):
        return dict(value)
    return {}


def _take(value: Any, path: str, depth: int, lifted: dict[str, Unknown]) -> Any:
    """`value` without the unknowns in it, which go to `lifted`; None when all of it is unknown."""
    if isinstance(value, Unknown) or is_question(value):
        lifted[path] = value if isinstance(value, Unknown) else Unknown.model_validate(dict(value))
        return None
    if depth and isinstance(value, Mapping):
        taken = {key: _take(item, f"{path}.{key}", depth - 1, lifted) for key, item in value.items()}
        return {key: item for key, item in taken.items() if item is not None or value[key] is None}
    if depth and isinstance(value, list):
        items = [(item, _take(item, f"{path}[{place}]", depth - 1, lifted)) for place, item in enumerate(value)]
        return [item for raw, item in items if item is not None or raw is None]
    return value


@cache
def _depths(cls: type[Part]) -> dict[str, int]:
    """How many lists and mappings enclose the values of each field: 0 for a plain value or a part."""
    fields = {field.alias or name: field for name, field in cls.model_fields.items()}
    return {name: _depth(field.annotation) for name, field in fields.items()}


def _depth(annotation: Any) -> int:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _depth(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return max(_depth(item) for item in get_args(annotation))
    if origin in (list, dict):
        return 1 + _depth(get_args(annotation)[-1])
    return 0
