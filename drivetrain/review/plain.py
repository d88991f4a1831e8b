"""The plan as plain data that may be passed around."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from drivetrain.rules.secrets import kind_of
from drivetrain.spec.language import definitions


def without_secrets(value: Any) -> Any:
    """Plain data of a plan with passwords and keys taken out of its texts: a review is passed around."""
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    kind = kind_of(value) if isinstance(value, str) else ""
    if not kind:
        return value
    from drivetrain.source.secrets import redacted

    shown = ""
    with suppress(ValueError):
        shown = redacted(value)
    return shown if shown and not kind_of(shown) else f"[{kind}, not shown]"


def settled(value: Any) -> Any:
    """Plain data of a plan without the questions that stand for a whole part, list or item of a list.

    Those are told with the open questions; where a text or a number is asked for, the question stays in its place.
    """
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not (_is_question(item) and key in _structures())}
        return {key: settled(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [settled(item) for item in value if not _is_question(item)]
    return value


def _is_question(value: Any) -> bool:
    return isinstance(value, dict) and "unknown" in value


@cache
def _structures() -> frozenset[str]:
    """Names of the fields that hold a part, a list or a mapping, and in no part of the language a plain value."""
    language = definitions()
    structured: set[str] = set()
    plain: set[str] = set()
    for body in (language, *language["$defs"].values()):
        for part in (body, *body.get("anyOf", ())):
            for name, field in part.get("properties", {}).items():
                (structured if _is_structure(field, language["$defs"]) else plain).add(name)
    return frozenset(structured - plain)


def _is_structure(field: Any, defs: Any) -> bool:
    reference = field.get("$ref", "").removeprefix("#/$defs/")
    if reference:
        return _is_structure(defs[reference], defs)
    choices = [c for c in (*field.get("anyOf", ()), *field.get("oneOf", ())) if c.get("$ref") != "#/$defs/Unknown"]
    if choices:
        return all(_is_structure(choice, defs) for choice in choices)
    return field.get("type") in ("array", "object") or "properties" in field
