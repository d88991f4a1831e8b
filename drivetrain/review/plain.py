"""The plan as plain data that may be passed around."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from drivetrain.rules.secrets import kind_of
from drivetrain.source.secrets import redacted


def without_secrets(value: Any) -> Any:
    """Plain data of a plan with passwords and keys taken out of its texts: a review is passed around."""
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    kind = kind_of(value) if isinstance(value, str) else ""
    if not kind:
        return value
    shown = ""
    with suppress(ValueError):
        shown = redacted(value)
    return shown if shown and not kind_of(shown) else f"[{kind}, not shown]"
