"""Words of the approach and of fastai, for people who are new to them: `glossary.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


@cache
def glossary() -> dict[str, str]:
    """Term -> what it means, in the order in which a newcomer meets them."""
    body = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
    return {entry["term"]: entry["means"] for entry in body["word"]}
