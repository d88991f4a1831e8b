"""The audit as a picture: each class and group with its interval, in `evidence/audit.png`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain import evidence
from drivetrain.audit.findings import named

MOST_ROWS = 40
"""Groups in one panel; a taller picture is not looked at."""

Row = Mapping[str, Any]
Panel = tuple[str, list[tuple[str, Row]]]


def draw(root: Path, result: Row) -> Path | None:
    """Write the picture below `root`, whole or not at all.

    Args:
        root: The project's folder.
        result: What `audit.run` measured.

    Returns:
        Where it lies; None when there is nothing to draw.
    """
    shown = panels(result)
    if not shown:
        return None
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = root / evidence.FOLDER / "audit.png"
    # Names of groups are text, never mathematics.
    with mpl.rc_context({"text.parse_math": False, "font.size": 9}):
        heights = [0.9 + 0.26 * len(rows) for _, rows in shown]
        figure = Figure(figsize=(8, sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (title, rows) in zip(axes, shown, strict=True):
            _panel(axis, title, rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            figure.savefig(temporary, dpi=130, format="png", metadata={"Software": None})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def panels(result: Row) -> list[Panel]:
    """What is drawn: value by class and group, then errors by class and group; groups of one column only."""
    found: list[Panel] = []
    decided = result["decisions"] or {}
    unit = decided.get("unit") or "value"
    for table in [*decided.get("by_class", ()), *decided.get("by_group", ())]:
        if table["policy"] == "optimized" and len(table["columns"]) == 1:
            found.append((f"{unit} by {table['columns'][0]}, optimized policy, more is better", _rows(table, "value")))
    for model in result["models"]:
        if not model["overall"]:
            continue
        head = f"{model['model']}, {model['outcome']}"
        figures = model["overall"]["figures"]
        if model.get("positive", "") is None:
            recall = [(name, figures.get(f"true positive rate: {name}")) for name in model["classes"]]
            found.append((f"{head}: share recognised, by class", [(n, f) for n, f in recall if f]))
        first = "accuracy" if "accuracy" in figures else next(iter(figures), "")
        for table in model["by_group"]:
            if len(table["columns"]) == 1:
                found.append((f"{head}: {first} by {table['columns'][0]}", _rows(table, first)))
    return [(title, rows[:MOST_ROWS]) for title, rows in found if rows]


def _rows(table: Row, name: str) -> list[tuple[str, Row]]:
    rows = [(f"{named(row['group'])} ({row['rows']})", row["figures"].get(name)) for row in table["groups"]]
    return [(label, figure) for label, figure in rows if figure and figure["value"] is not None]


def _panel(axis: Any, title: str, rows: Sequence[tuple[str, Row]]) -> None:
    places = range(len(rows))
    values = [figure["value"] for _, figure in rows]
    ends = [[figure["value"] if figure[end] is None else figure[end] for _, figure in rows] for end in ("low", "high")]
    axis.hlines(places, *ends, color="#55606e", linewidth=1.8)
    axis.plot(values, places, "o", color="#0a6c5e", markersize=5)
    axis.set_yticks(places, [label for label, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_title(title, loc="left", fontsize=9)
    axis.grid(axis="x", color="#e2ded3")
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(left=False)
