"""What the log says of a decision: all that the next training set, an audit or a complaint will need."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from drivetrain.serving.answers import Decision
from drivetrain.serving.assessed import Assessed
from drivetrain.serving.rollout import Draw

MEDIA = "media"
"""Folder of the log that holds the files of cases, each under its SHA-256."""


def decision(given: Decision, drawn: Draw | None, case: Assessed, policy: str) -> dict[str, Any]:
    """The record of a decision.

    Args:
        given: What is answered.
        drawn: How the recommendation came about.
        case: What it was about.
        policy: SHA-256 of the policy that chose.
    """
    return {
        **stamp("decision"),
        **{
            key: given[key]
            for key in ("decision", "status", "setting", "recommendation", "value", "in_domain", "reasons")
        },
        "levers": dict(drawn.levers) if drawn is not None else {},
        "explored": drawn.explored if drawn is not None else False,
        "propensity": drawn.propensity if drawn is not None else None,
        "chances": dict(drawn.chances) if drawn is not None else {},
        "chosen": case.choice.setting if case.choice is not None and case.settled else None,
        "allowed": _allowed(given, drawn),
        "columns": {name: _json(value) for name, value in case.columns.items()},
        "media": {name: hashlib.sha256(content).hexdigest() for name, content in case.files.items()},
        "looks": case.looks,
        "predictions": given["predictions"],
        "scores": given["out_of_domain_scores"],
        "stage": given["stage"],
        "runs": given["runs"],
        "policy": policy,
    }


def _allowed(given: Decision, drawn: Draw | None) -> list[str]:
    """What a person may choose; of a shelf, whose `values` are its items', what was advised or nothing at all."""
    if drawn is not None and any(isinstance(value, list) for value in drawn.levers.values()):
        return list(dict.fromkeys([drawn.setting, *drawn.empty]))
    return [label for label, value in given["values"].items() if value is not None]


def stamp(kind: str) -> dict[str, str]:
    """What every record begins with."""
    return {"kind": kind, "time": datetime.now(UTC).isoformat(timespec="microseconds")}


def keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Keep files beside the log, each once, whole or not at all.

    Args:
        folder: The log's.
        files: SHA-256 -> bytes.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    for digest, content in files.items():
        path = folder / MEDIA / digest
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        part.write_bytes(content)
        os.replace(part, path)


def files_of(record: Mapping[str, Any], case: Assessed) -> dict[str, bytes]:
    """The files of a decision's case: SHA-256 -> bytes."""
    return {str(record["media"][name]): content for name, content in case.files.items()}


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
