"""The language as JSON Schema: for editors, for `explain` and the reference, and for the checker.

The fields of the parts are its one source. What follows from them is kept in `language.json`, so that a plan can be
checked, and a field explained, without building a single model; a test holds the two together.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("language.json")
HEADER = "# yaml-language-server: $schema={schema}"
"""First line of a plan that makes YAML editors check it as one types."""


@cache
def _stored() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return stored


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `drivetrain.yaml`, every field with meaning, unit and example."""
    return json.loads(json.dumps(_stored())) if FILE.exists() else build()


def definitions() -> dict[str, Any]:
    """The schema as it is stored, not to be changed."""
    return _stored()


def build() -> dict[str, Any]:
    """The schema, made from the fields of the parts."""
    from drivetrain.spec.part import Part, Unknown
    from drivetrain.spec.plan import Spec

    raw = Spec.model_json_schema(by_alias=True)
    parts = {cls.__name__: cls for cls in _below(Part)}
    raw["$defs"]["Unknown"] = Unknown.model_json_schema()
    defs = {}
    for name, body in sorted(raw.pop("$defs").items()):
        defs[name] = _part(body, parts.get(name))
    root = _part(raw, Spec)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drivetrain.yaml",
        **{key: value for key, value in root.items() if key != "title"},
        "$defs": defs,
    }


def write() -> None:
    """Bring `language.json` up to date with the parts."""
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _below(cls: type[Any]) -> set[type[Any]]:
    return {cls}.union(*map(_below, cls.__subclasses__()))


def _part(body: dict[str, Any], cls: Any) -> dict[str, Any]:
    """One part: without `null`, which no file may hold, and with `Unknown` where it is allowed."""
    from drivetrain.spec.part import NEVER_UNKNOWN, Part

    part = isinstance(cls, type) and issubclass(cls, Part)
    body = {key: value for key, value in body.items() if key != "title"}
    properties = {}
    short = getattr(cls, "short", "")
    brief: dict[str, Any] = {}
    written = cls.fields() if part else body.get("properties", {})
    names = [getattr(field, "alias", None) or name for name, field in written.items()]
    by_key = dict(zip(names, written.values(), strict=True))
    for name, prop in [(name, body["properties"][name]) for name in names]:
        about = {key: prop[key] for key in ("description", "unit", "examples", "default") if key in prop}
        if about.get("default", 0) is None:
            del about["default"]
        if part:
            # pydantic leaves a field's own description out where its type is a part, and sorts what examples hold.
            field = by_key[name]
            about |= {"description": field.description} | ({"examples": field.examples} if field.examples else {})
        value = _value({key: item for key, item in prop.items() if key not in about})
        brief = value if name == short else brief
        properties[name] = about | (_open(value) if part and name not in NEVER_UNKNOWN else value)
    body["properties"] = properties
    if short:
        return {"anyOf": [brief | {"x-short": short}, body], "description": body.pop("description")}
    return body


def _open(value: dict[str, Any]) -> dict[str, Any]:
    """A value, or a question in its place."""
    question = {"$ref": "#/$defs/Unknown"}
    if set(value) == {"anyOf"}:
        return {"anyOf": [*value["anyOf"], question]}
    return {"anyOf": [value, question]}


def _value(value: dict[str, Any]) -> dict[str, Any]:
    """A value without `null`, whose items and entries may be unknown as well."""
    value = {key: item for key, item in value.items() if key not in ("title", "discriminator")}
    for kind in ("anyOf", "oneOf"):
        if kind in value:
            kept = [_value(item) for item in value.pop(kind) if item.get("type") != "null"]
            value |= kept[0] if len(kept) == 1 else {kind: kept}
    if "patternProperties" in value:
        # pydantic writes the pattern of a key where a key that does not match would be let through.
        ((pattern, item),) = value.pop("patternProperties").items()
        value["propertyNames"] = {"pattern": pattern} | value.get("propertyNames", {})
        value["additionalProperties"] = item
    for inner in ("items", "additionalProperties"):
        if isinstance(value.get(inner), dict):
            value[inner] = _open(_value(value[inner]))
    if value.pop("x-listed", False):
        name = {"type": "string"} | value["propertyNames"]
        listed = {"type": "array", "items": _open(name), "uniqueItems": True}
        value = {"anyOf": [listed, value]}
    if value.pop("x-single", False):
        value = {"anyOf": [value["items"]["anyOf"][0], value]}
    return value
