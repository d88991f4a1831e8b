"""Words of the approach and of fastai, for people who are new to them: `glossary.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


def glossary() -> dict[str, str]:
    """Term -> what it means, in the order in which a newcomer meets them."""
    return {entry["term"]: entry["means"] for entry in _file()["word"]}


def words() -> dict[str, str]:
    """The glossary, and further terms that a plan, a report or a review may speak of."""
    return glossary() | {entry["term"]: entry["means"] for entry in _file()["more"]}


@cache
def _file() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
