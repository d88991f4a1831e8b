"""Lines of Markdown that several documents share; what stands in them is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.findings import Finding
from drivetrain.text import markdown


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; cells are Markdown already."""
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def finding_line(finding: Finding | Mapping[str, Any]) -> str:
    """One finding as Markdown."""
    said = finding.as_json() if isinstance(finding, Finding) else finding
    advice = f" {markdown(said['advice'])}" if said.get("advice") else ""
    return f"**{said['level']}** {said['id']} {markdown(said['where'])}: {markdown(said['what'])}{advice}"
