"""Figures and comparisons as plain data, which JSON takes."""

from __future__ import annotations

from typing import Any

from drivetrain.audit.compare import Comparison
from drivetrain.audit.figures import Table


def table_of(table: Table) -> dict[str, Any]:
    """The groups of a table, and which of them the others are compared with."""
    reference = table.groups[table.reference] if table.groups else ()
    return {
        "columns": list(table.columns),
        "reference": dict(zip(table.columns, reference, strict=False)),
        "groups": rows_of(table),
    }


def rows_of(table: Table) -> list[dict[str, Any]]:
    """One row per group: its values, its rows, and each figure with its interval and what it rests on."""
    found: list[dict[str, Any]] = [
        {"group": dict(zip(table.columns, group, strict=True)), "rows": int(rows), "figures": {}}
        for group, rows in zip(table.groups, table.rows, strict=True)
    ]
    for figure in table.figures:
        value, low, high = figure.interval()
        for i, row in enumerate(found):
            row["figures"][figure.name] = {
                "value": number(value[i]), "low": number(low[i]), "high": number(high[i]), "rows": int(figure.shown[i]),
            }  # fmt: skip
    return found


def comparison_of(entry: Comparison) -> dict[str, Any]:
    """A comparison of a group with its reference."""
    difference, low, high = entry.difference
    return {
        "subject": entry.subject,
        "group": dict(zip(entry.columns, entry.group, strict=True)),
        "reference": dict(zip(entry.columns, entry.reference, strict=True)),
        "figure": entry.figure,
        "rows": list(entry.rows),
        "value": [number(v) for v in entry.value],
        "difference": number(difference),
        "low": number(low),
        "high": number(high),
        "ratio": number(entry.ratio[0]),
        "ratio_low": number(entry.ratio[1]),
        "ratio_high": number(entry.ratio[2]),
        "p": entry.p,
        "p_adjusted": entry.p_adjusted,
        "four_fifths_screen": entry.screened,
        "verdict": entry.verdict,
    }


def number(value: float) -> float | None:
    """A number as JSON has it; None for what is not defined (a rate of nobody) or unbounded."""
    return float(value) if -1e300 < value < 1e300 else None
