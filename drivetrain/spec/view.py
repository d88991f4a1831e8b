"""A plan as its rules look at it: the fields of the typed parts, with their defaults, and no model built.

Importing pydantic and building the typed parts costs more than all checks of a plan together, and `drivetrain validate`
runs at every change. So each field is read from the checked data, by the language, when somebody asks for it; tests
hold every field of the view to that of the `Spec` of the same plan.
"""

from collections.abc import Iterable
from copy import deepcopy
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from drivetrain.spec.asked import KEYS, Asked, OpenQuestion
from drivetrain.spec.check import check_text, find, read_file, refuse_faults
from drivetrain.spec.derived import Derived
from drivetrain.spec.facts import architecture
from drivetrain.spec.language import definitions
from drivetrain.spec.lookup import Lookup
from drivetrain.spec.reading import Document
from drivetrain.spec.reading import Path as Way

if TYPE_CHECKING:
    from drivetrain.spec.plan import Spec

_ATTRIBUTES = {key: name for name, key in KEYS.items()}


class _Open(NamedTuple):
    unknown: str
    owner: str
    due: date


class _Part(Asked):
    """One part: a field is read when it is asked for.

    Args:
        document: A document whose structure holds.
        path: Where the part stands.
        given: Its checked data; empty for a part that was left out and has defaults.
        schema: Its definition in the language.
    """

    def __init__(self, document: Document, path: Way, given: dict[str, Any], schema: dict[str, Any]) -> None:
        self._document, self._place, self._given, self._schema = document, path, given, schema

    def __getattr__(self, name: str) -> Any:
        key = KEYS.get(name, name)
        if name.startswith("_") or key not in self._schema["properties"]:
            raise AttributeError(name)
        value = self._field(key)
        self.__dict__[name] = value
        return value

    def fields(self) -> Iterable[str]:  # type: ignore[override]
        """The fields in the order in which they are written."""
        return [_ATTRIBUTES.get(key, key) for key in self._schema["properties"]]

    @cached_property
    def unknown(self) -> dict[str, _Open]:
        """The questions of this part: those below it, and below no part inside it."""
        found = {}
        for path, (question, owner, due) in self._document.questions.items():
            if path[: len(self._place)] == self._place and self._holder(path) == self._place:
                found[_spell(path[len(self._place) :])] = _Open(question, owner, date.fromisoformat(due))
        return found

    @cached_property
    def model_fields_set(self) -> set[str]:
        """Fields that the plan says something about, as pydantic tells them."""
        required = self._schema.get("required", ())
        said = [*self._given, *(key for key in self.unknown if key in required)]
        return {_ATTRIBUTES.get(key, key) for key in said} | ({"unknown"} if self.unknown else set())

    def _holder(self, path: Way) -> Way:
        """The part that a question belongs to."""
        ends = range(len(path) - 1, -1, -1)
        return next(path[:end] for end in ends if not end or path[:end] in self._document.parts)

    def _field(self, key: str) -> Any:
        schema, path = self._schema["properties"][key], (*self._place, key)
        choices = [self._resolved(choice) for choice in _choices(schema)]
        if key in self._given:
            return self._value(self._given[key], choices, path)
        if key == "architecture":
            return architecture(self.task)
        if "default" in schema:
            return deepcopy(schema["default"])
        if key in self._schema.get("required", ()) or any(choice.get("default", 0) is None for choice in choices):
            return None
        return _Part(self._document, path, {}, next(choice for choice in choices if "properties" in choice))

    def _value(self, value: Any, choices: list[dict[str, Any]], path: Way) -> Any:
        """A checked value as the typed part has it: short forms written out, numbers that may be broken as float."""
        if path in self._document.parts and isinstance(value, dict):
            return _Part(self._document, path, value, self._document.parts[path])
        items = [self._resolved(choice) for choice in choices for choice in _choices(_items(choice))]
        if isinstance(value, dict):
            return {key: self._value(item, items, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            if part := next((choice for choice in items if "properties" in choice and _listed(choices)), None):
                return {item: _Part(self._document, (*path, item), {}, part) for item in value if item is not None}
            found = [self._value(item, items, (*path, place)) for place, item in enumerate(value) if item is not None]
            return None if not found and any("minItems" in choice for choice in choices) else found
        kinds = [choice.get("type") for choice in choices]
        if isinstance(value, str) and "array" in kinds:
            return [value]
        if isinstance(value, str) and any(choice.get("format") == "date" for choice in choices):
            return date.fromisoformat(value)
        if isinstance(value, int) and not isinstance(value, bool) and "number" in kinds:
            return float(value)
        return value

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref")
        return schema if name is None else schema | definitions()["$defs"][name.rsplit("/", 1)[1]]


class _Plan(_Part, Lookup):
    """The whole plan."""

    @cached_property
    def derived(self) -> Derived:
        """What follows from the plan."""
        return Derived(self._document)

    @cached_property
    def unknowns(self) -> list[OpenQuestion]:
        """Everything that is asked and not answered yet; such a plan cannot change."""
        return list(self.questions()) if self._document.questions else []

    def moved(self, path: Path) -> "Spec":
        """The same plan in another place: evidence and answers beside it are looked for there."""
        return view(self._document, path)


def look(path: str | Path | None = None) -> "Spec":
    """Read a plan that is only looked at, as `load_spec` reads one to work with.

    Raises:
        SpecError: There is none, or it cannot be read; `error.findings` holds every problem.
    """
    file = find(path)
    document = check_text(read_file(file), file.name)
    refuse_faults(document)
    return view(document, file)


def view(document: Document, path: Path | None = None) -> "Spec":
    """A plan to be looked at, with the attributes of a `Spec`; it cannot be changed, written or compared.

    Args:
        document: A document that was checked, without faults.
        path: The file that it was read from.
    """
    plan = _Plan(document, (), document.clean, definitions())
    if path is not None:
        plan.__dict__["_path"] = path.resolve()
    return cast("Spec", plan)


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a schema, questions apart."""
    if "anyOf" not in schema:
        return [schema]
    return [
        choice | ({"default": None} if item.get("default", 0) is None else {})
        for item in schema["anyOf"]
        if item.get("$ref") != "#/$defs/Unknown"
        for choice in _choices(item)
    ]


def _items(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a list or mapping holds."""
    inner = schema.get("items", schema.get("additionalProperties"))
    return inner if isinstance(inner, dict) else {}


def _listed(choices: list[dict[str, Any]]) -> bool:
    """Whether a list of names stands for a mapping to parts."""
    return any(choice.get("type") == "object" and "additionalProperties" in choice for choice in choices)


def _spell(path: Way) -> str:
    """A path below a part: `limits[1]`, `constants.missed`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
