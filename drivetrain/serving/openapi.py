"""The service's own description: the shape of a case follows from the plan, with an example."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from drivetrain import load_spec
from drivetrain.errors import DrivetrainError
from drivetrain.serving.field import Field, fields

if TYPE_CHECKING:
    from drivetrain.spec import Spec

_REFUSALS = {
    "400": "The body cannot be read.",
    "401": "The token is missing or wrong.",
    "404": "There is no such thing.",
    "408": "The body did not come in time.",
    "409": "It was decided already.",
    "413": "The request is too large.",
    "415": "Neither JSON nor a form.",
    "422": "A case does not fit the plan.",
    "503": "Not ready, or too many requests are waiting.",
}
_OF_CASES = ("400", "408", "409", "413", "415", "422")
"""Refusals that only a request with cases can meet."""
_DECISION = {"type": "string", "pattern": "^[0-9a-f]{24}$", "description": "As `/decide` answered it."}
_APPROVAL = {
    "type": "object",
    "properties": {"decision": _DECISION, "setting": {"type": "string"}, "by": {"type": "string", "maxLength": 200}},
    "required": ["decision", "setting", "by"],
    "additionalProperties": False,
}
_ITEMS = {"feedback": "Outcome", "approvals": "Approval"}
"""Last part of an endpoint's path -> what its `cases` are; plain cases elsewhere."""


def describe(app: FastAPI, read_cases: Callable[..., Any], folder: Path | None) -> dict[str, Any]:
    """OpenAPI of the application; every endpoint that takes `Cases` gets their shape.

    Args:
        app: The application with all its endpoints.
        read_cases: The dependency that marks such an endpoint.
        folder: The project's folder; its plan names the fields.
    """
    if app.openapi_schema is not None:
        return app.openapi_schema
    description = get_openapi(title=app.title, version=app.version, routes=app.routes)
    try:
        spec = load_spec(folder)
        known, outcomes = fields(spec), _comes_back(spec)
        if any(serve.kind == "device" for serve in (spec.deployment.serve if spec.deployment else None) or ()):
            description["x-device"] = "contract.json"  # tells the page that the models also run on the device
        description["info"] |= {"title": spec.project.name, "description": spec.project.summary or ""}
    except DrivetrainError:
        known, outcomes = {}, {}
    components = description.setdefault("components", {}).setdefault("schemas", {})
    components["Case"] = _case(known)
    components["Refusal"] = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
    components["Outcome"] = _outcome(outcomes)
    components["Approval"] = _APPROVAL
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        takes_cases = any(part.call is read_cases for part in route.dependant.dependencies)
        for method in route.methods or ():
            operation = description["paths"][route.path][method.lower()]
            operation["responses"] |= _refusals(takes_cases, "{" in route.path)
            if takes_cases:
                item = _ITEMS.get(route.path.rstrip("/").rpartition("/")[2], "Case")
                operation["requestBody"] = _body(item, known)
    app.openapi_schema = description
    return description


def _refusals(takes_cases: bool, has_name: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    left_out = (() if takes_cases else _OF_CASES) + (() if has_name else ("404",))
    return {code: {"description": text, "content": content} for code, text in _REFUSALS.items() if code not in left_out}


def _body(item: str, known: Mapping[str, Field]) -> dict[str, Any]:
    cases = {"type": "array", "minItems": 1, "items": {"$ref": f"#/components/schemas/{item}"}}
    body: dict[str, Any] = {
        "type": "object",
        "properties": {"cases": cases},
        "required": ["cases"],
        "additionalProperties": False,
    }
    content: dict[str, Any] = {"application/json": {"schema": body}}
    media = [field.name for field in known.values() if field.is_media]
    if item == "Case" and media:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {media[0]: {"type": "string", "format": "binary"}},
                "required": [media[0]],
            }
        }
    return {"required": True, "content": content}


def _case(known: Mapping[str, Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _property(field) for name, field in known.items()},
        "required": [name for name, field in known.items() if field.required],
        "additionalProperties": False,
        "example": {name: example(field) for name, field in known.items() if field.required},
    }


def _outcome(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"decision": _DECISION, **values},
        "required": ["decision"],
        "additionalProperties": False,
        "minProperties": 2,
    }


def _comes_back(spec: Spec) -> dict[str, Any]:
    """What feedback may say: outcomes, and what the levers were really set to."""
    found: dict[str, Any] = {}
    for source in spec.data:
        for name, outcome in source.outcomes.items():
            if outcome.type == "mask":
                numbered = "A picture in base64; the value of a pixel is the number of its class: "
                numbered += ", ".join(f"{number} {one}" for number, one in enumerate(outcome.values or ()))
                found[name] = {"type": "string", "contentEncoding": "base64", "description": f"{numbered}."}
                continue
            kind = {"binary": "boolean", "number": "number"}.get(outcome.type, "string")
            one: dict[str, Any] = {"type": kind}
            if outcome.values and kind == "string":
                one["enum"] = outcome.values
            found[name] = {"type": "array", "items": one} if outcome.type == "labels" else one
            if outcome.unit:
                found[name]["description"] = f"in {outcome.unit}"
    for lever in spec.levers:
        options = {"type": "string", "enum": spec.derived.settings(lever.name)}
        found[lever.name] = options if lever.type == "options" else {"type": "number"}
        found[lever.name]["description"] = "what was really done, if it is not what was answered"
    return found


def _property(field: Field) -> dict[str, Any]:
    if field.type == "series":
        numbers = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2}
        channels = {"type": "object", "additionalProperties": numbers, "minProperties": 1}
        return {"anyOf": [channels, {"type": "string", "contentEncoding": "base64", "description": "A CSV file."}]}
    if field.is_media:
        return {"type": "string", "contentEncoding": "base64", "description": "The file in base64."}
    kinds = {"number": "number", "integer": "integer", "boolean": "boolean"}
    shape: dict[str, Any] = {"type": kinds.get(field.type, "string")}
    if field.type != "text":
        shape["type"] = [shape["type"], "null"]
    if field.type == "time":
        shape["format"] = "date-time"
    if field.unit:
        shape["description"] = f"in {field.unit}"
    if field.values:
        shape["examples"] = list(field.values)  # known values, not the only ones: a new one is out of domain
    return shape


def example(field: Field) -> Any:
    """A value that a case may hold."""
    if field.type == "image":
        return _picture()
    if field.type == "audio":
        return _sound()
    if field.type == "series":
        return {"x": [0.0, 1.0, 0.0], "y": [1.0, 0.0, 1.0]}
    if field.type in ("number", "integer"):
        low = field.minimum if field.minimum is not None else 0
        middle = (low + field.maximum) / 2 if field.maximum is not None else low + 1
        return int(middle) if field.type == "integer" else middle
    if field.values:
        return field.values[0]
    return {"boolean": True, "time": "2026-01-31T12:00:00", "text": "Where is my parcel?"}.get(field.type, "a")


def _picture() -> str:
    """The smallest thing a client can send to see how it works: a white square in base64."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (8, 8), 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _sound() -> str:
    """A tenth of a second of silence, as a WAV file in base64."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(bytes(1600))
    return base64.b64encode(buffer.getvalue()).decode("ascii")
