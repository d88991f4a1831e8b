"""`items.json`: the items that a policy ranks, written beside it, so that the service ranks what `decide` ranked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import evidence
from drivetrain.errors import PolicyError

ITEMS = "items.json"
KEY = "(item)"
"""Under this name, which no column can have, stand the names of the items."""


def write_items(root: Path, columns: Mapping[str, Any]) -> Path:
    """Write `artifacts/items.json` below `root`, whole or not at all."""
    path = root / "artifacts" / ITEMS
    plain = {
        name: values.tolist() if isinstance(values, np.ndarray) else list(values) for name, values in columns.items()
    }
    evidence.write_whole(path, json.dumps(plain, ensure_ascii=False, default=str) + "\n")
    return path


def read_items(path: Path, columns: frozenset[str], digest: str | None) -> dict[str, Any]:
    """The items at `artifacts/items.json`, if they are those that the policy was made with.

    Args:
        path: The file.
        columns: Names that formulas read; these become arrays.
        digest: SHA-256 that the policy recorded.

    Raises:
        PolicyError: They are missing, were changed, or cannot be read.
    """
    where = f"artifacts/{ITEMS}"
    if not path.exists():
        raise PolicyError("is missing.", "Run `make decide`.", where=where)
    if evidence.file_digest(path) != digest:
        raise PolicyError(
            "was changed after it was made: its hash is not the recorded one.", "Run `make decide` again.", where=where
        )
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        found = {str(name): np.array(values) if name in columns else list(values) for name, values in body.items()}
        if not found[KEY] or len({len(values) for values in found.values()}) != 1:
            raise ValueError("columns differ in length")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(f"cannot be read ({error}).", "Run `make decide` again.", where=where) from error
    return found
