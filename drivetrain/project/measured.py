"""What was measured, for the documents that are written from the plan and its evidence."""

from __future__ import annotations

from pathlib import Path

from drivetrain import evidence
from drivetrain.errors import EvidenceError
from drivetrain.text import markdown


def figures(root: Path | None) -> dict[str, str]:
    """Model -> its figures on held-out cases, as one line of Markdown; empty before the first training.

    Args:
        root: Folder of the project; None while there is none.
    """
    if root is None:
        return {}
    try:
        found = evidence.read(root, "train")
    except EvidenceError:
        return {}
    models = found.result.get("models") if found else None
    if found is None or not isinstance(models, dict):
        return {}
    data = "on SAMPLE data, which say nothing about the world" if found.synthetic else "on held-out cases"
    told = {}
    for name, entry in models.items():
        held_out = ((entry or {}).get("metrics") or {}).get("held_out") or {}
        shown = [f"{markdown(key)} {value:.4g}" for key, value in held_out.items() if isinstance(value, int | float)]
        told[str(name)] = f"{', '.join(shown)} ({data}, run {markdown(found.result.get('run', '?'))})" if shown else ""
    return told
