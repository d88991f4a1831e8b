"""The audit as a picture: each class and group with its intervals, in `evidence/audit.png`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain import evidence
from drivetrain.audit.findings import named
from drivetrain.text import line

MOST_ROWS, MOST_STRIPS = 30, 24
"""Groups in one strip, and strips: a taller picture is not looked at."""
WIDEST = 4
"""Figures side by side."""
LONGEST = 34
DIFFERS, PLAIN, QUIET = "#b3261e", "#0a6c5e", "#55606e"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of the picture: groups from top to bottom, figures from left to right.

    Attributes:
        title: What is shown.
        labels: The groups.
        figures: Figure -> its value and interval in each group.
        overall: Figure -> its value over all rows.
        differs: Places (figure, group) where a difference is more than chance explains.
    """

    title: str
    labels: list[str]
    figures: dict[str, list[Row | None]]
    overall: Mapping[str, float | None]
    differs: frozenset[tuple[str, int]]


def draw(root: Path, result: Row) -> Path | None:
    """Write the picture below `root`, whole or not at all.

    Args:
        root: The project's folder.
        result: What `audit.run` measured.

    Returns:
        Where it lies; None when there is nothing to draw.
    """
    path = root / evidence.FOLDER / "audit.png"
    shown = strips(result)
    if not shown:
        path.unlink(missing_ok=True)
        return None
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Names of groups are text, never mathematics.
    with mpl.rc_context({"text.parse_math": False, "font.size": 9}):
        heights = [0.95 + 0.24 * len(strip.labels) for strip in shown]
        wide = max(len(strip.figures) for strip in shown)
        figure = Figure(figsize=(3.2 + 2.6 * max(wide, 2), sum(heights) + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        parts = figure.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for part, strip in zip(parts, shown, strict=True):
            _strip(part, strip, wide)
        figure.suptitle(
            "95 % intervals; dashed: all rows; red: differs from the largest group by more than chance explains",
            x=0.01, ha="left", fontsize=9, color=QUIET,
        )  # fmt: skip
        with evidence.whole(path) as part:
            figure.savefig(part, dpi=120, format="png", metadata={"Software": None})
    return path


def strips(result: Row) -> list[Strip]:
    """What is drawn: decisions by class and group, then errors by class and group; groups of one column only."""
    differs = {
        (entry["subject"], named(entry["group"]), entry["figure"])
        for entry in result["differences"]
        if entry["verdict"] == "differs"
    }
    found = [*_decisions(result["decisions"] or {}, differs)]
    for model in result["models"]:
        if model["overall"]:
            found += _model(model, differs)
    return [strip for strip in found if strip.figures and strip.labels][:MOST_STRIPS]


Differs = set[tuple[str, str, str]]


def _decisions(decided: Row, differs: Differs) -> Iterator[Strip]:
    policies, own = decided.get("policies") or {}, decided.get("own")
    for table in [*decided.get("by_class", ()), *decided.get("by_group", ())]:
        if table["policy"] != own or len(table["columns"]) != 1 or own not in policies:
            continue
        unit = f" in {line(decided['unit'])}, more is better" if decided["unit"] else ", more is better"
        figures = policies[own]["figures"]
        rates = [name for name in figures if name.startswith("setting rate")]
        wanted = [name for name in figures if name not in rates]
        wanted += rates[:1] if len(rates) == 2 else rates
        title = f"Decisions ({own}) by {table['columns'][0]}: value{unit}"
        subject = "" if "outcome" in table else "decisions"
        yield _of_table(title, table, wanted[:WIDEST], figures, subject, differs)


def _model(model: Row, differs: Differs) -> Iterator[Strip]:
    head = f"{model['model']}, {model['outcome']}"
    figures = model["overall"]["figures"]
    several = model.get("positive", "") is None
    if several:
        ends = {"recognised": "true positive rate", "right when said": "precision", "share of cases": "share of cases"}
        names = [name for name in model["classes"] if f"true positive rate: {name}" in figures][:MOST_ROWS]
        shown = {end: [figures[f"{full}: {name}"] for name in names] for end, full in ends.items()}
        yield Strip(f"{head} by class", [line(name) for name in names], shown, {}, frozenset())
    if "classes" not in model:
        wanted = list(figures)
    elif several:
        wanted = ["accuracy", "calibration gap"]
    else:
        wanted = ["selection rate", "true positive rate", "false positive rate", "calibration gap"]
    for table in model["by_group"]:
        if len(table["columns"]) == 1:
            subject = f"models.{model['model']}, {model['outcome']}"
            yield _of_table(f"{head} by {table['columns'][0]}", table, wanted, figures, subject, differs)


def _of_table(title: str, table: Row, wanted: Sequence[str], overall: Row, subject: str, differs: Differs) -> Strip:
    groups = sorted(table["groups"], key=lambda row: -row["rows"])[:MOST_ROWS]
    groups = [row for row in table["groups"] if row in groups]
    more = len(table["groups"]) - len(groups)
    far = frozenset(
        (name, place)
        for name in wanted
        for place, row in enumerate(groups)
        if (subject, named(row["group"]), name) in differs
    )
    return Strip(
        f"{title}{f' (the {MOST_ROWS} largest; {more} more in audit.json)' if more else ''}",
        [_label(row) for row in groups],
        {name: [row["figures"].get(name) for row in groups] for name in wanted},
        {name: overall[name]["value"] for name in wanted if name in overall},
        far,
    )


def _label(row: Row) -> str:
    [value] = row["group"].values()
    name = "(missing)" if value is None else line(str(value))
    return f"{name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'} ({row['rows']:,})"


def _strip(part: Any, strip: Strip, wide: int) -> None:
    part.suptitle(strip.title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    axes = part.subplots(1, wide, squeeze=False, sharey=True)[0]
    places = range(len(strip.labels))
    for axis in axes[len(strip.figures) :]:
        axis.set_axis_off()
    for axis, (name, rows) in zip(axes, strip.figures.items(), strict=False):
        whole = strip.overall.get(name)
        if whole is not None:
            axis.axvline(whole, color=QUIET, linewidth=0.8, linestyle="--", zorder=1)
        for place, row in zip(places, rows, strict=True):
            if row and row["value"] is not None:
                low, high = (row["value"] if row[end] is None else row[end] for end in ("low", "high"))
                colour = DIFFERS if (name, place) in strip.differs else PLAIN
                axis.hlines(place, low, high, color=colour, linewidth=1.8)
                axis.plot(row["value"], place, "o", color=colour, markersize=4.5)
        axis.set_title(name, loc="left", fontsize=8.5, color=QUIET)
        axis.set_yticks(places, strip.labels)
        axis.set_ylim(len(strip.labels) - 0.5, -0.5)
        axis.locator_params(axis="x", nbins=4)
        axis.grid(axis="x", color="#e2ded3")
        axis.set_axisbelow(True)
        axis.tick_params(left=False)
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
