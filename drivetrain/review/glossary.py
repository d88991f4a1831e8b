"""Words of the approach and of fastai, for people who are new to them: `glossary.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


def glossary() -> dict[str, str]:
    """Term -> what it means, in the order in which a newcomer meets them."""
    return _file()["words"]


def words() -> dict[str, str]:
    """The glossary, and further terms that a plan, a report or a review may speak of."""
    return glossary() | _file()["more"]


@cache
def _file() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("glossary.json").read_bytes())
    return found
