"""Where boxes, arrows, dots and bars stand: coordinates as plain data, which the page's template draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from drivetrain.review.picture import COLUMNS, HEADINGS, Node

if TYPE_CHECKING:
    from drivetrain.review.picture import Picture

WIDTH, GAP, COLUMN_GAP, TOP, LINE, PAD = 212, 18, 78, 44, 18, 12
LETTERS = 23
"""Letters that fit into a box's line, in a bold and wide font too."""
EMPTY = {"objective": "no objective yet", "lever": "no lever yet", "model": "no model yet", "data": "no data yet"}


@dataclass(frozen=True, slots=True)
class Box:
    """A box with its lines of text; x, y is its upper left corner, in pixels; an empty one: what is missing."""

    kind: str
    orphan: bool
    empty: bool
    x: float
    y: float
    height: float
    title: tuple[str, ...]
    note: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture with coordinates.

    Attributes:
        width, height: Size in pixels.
        headings: x and text of the columns' headings.
        boxes: What stands where.
        arrows: SVG path data, and whether the arrow starts at an orphan.
        about: The picture in words, for people who cannot see it.
    """

    width: float
    height: float
    headings: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    about: str


def lay_out(picture: Picture) -> Drawing:
    """Columns from left to right in the order objective, levers, models, data; arrows run to the left."""
    # A column without a box says so: what is not there yet is as much part of a draft as what is.
    written = {node.kind for node in picture.nodes}
    nodes = [*picture.nodes, *(Node(f"no_{kind}", kind, EMPTY[kind]) for kind in COLUMNS if kind not in written)]
    shapes = {node.id: _shape(node.title, " ".join(filter(None, (node.note, node.orphan and f"({node.orphan})"))))
              for node in nodes}  # fmt: skip
    heights = {kind: sum(shapes[node.id][2] + GAP for node in nodes if node.kind == kind) - GAP for kind in COLUMNS}
    tallest = max(heights.values(), default=0)
    boxes: dict[str, Box] = {}
    for column, kind in enumerate(COLUMNS):
        x, y = column * (WIDTH + COLUMN_GAP) + 1.0, TOP + (tallest - heights[kind]) / 2
        for node in nodes:
            if node.kind == kind:
                title, note, height = shapes[node.id]
                about = ": ".join(filter(None, (node.title, node.note, node.orphan)))
                boxes[node.id] = Box(kind, bool(node.orphan), kind not in written, x, y, height, title, note, about)
                y += height + GAP
    arrows = [
        _arrow(boxes[e.source], boxes[e.target]) for e in picture.edges if e.source in boxes and e.target in boxes
    ]
    width = len(COLUMNS) * (WIDTH + COLUMN_GAP) - COLUMN_GAP + 2
    headings = tuple((c * (WIDTH + COLUMN_GAP) + 1.0, HEADINGS[kind]) for c, kind in enumerate(COLUMNS))
    names = {node.id: node.title for node in picture.nodes}
    told = [f"{names[e.source]} to {names[e.target]}{f' ({e.label})' if e.label else ''}" for e in picture.edges]
    told += [f"{node.title} {node.orphan}" for node in picture.orphans]
    return Drawing(
        width, TOP + tallest + 2, headings, tuple(boxes.values()), tuple(dict.fromkeys(arrows)), "; ".join(told)
    )


def _shape(title: str, note: str) -> tuple[tuple[str, ...], tuple[str, ...], float]:
    names = tuple(_lines(title, 6))
    notes = tuple(_lines(note, 4))
    return names, notes, PAD * 2 + LINE * len(names) + (LINE - 2) * len(notes)


def _lines(text: str, most: int) -> list[str]:
    found = wrap(" ".join(text.split()), LETTERS, break_long_words=True)
    return found if len(found) <= most else [*found[: most - 1], found[most - 1][: LETTERS - 1] + "…"]


def _arrow(start: Box, end: Box) -> str:
    """A curve from the left edge of `start` to the right edge of `end`; within a column, around the right side."""
    y1, y2 = start.y + start.height / 2, end.y + end.height / 2
    if start.x == end.x:
        x = start.x + WIDTH
        return f"M{x:g},{y1:g} C{x + 34:g},{y1:g} {x + 34:g},{y2:g} {x + 7:g},{y2:g}"
    x1, x2 = start.x, end.x + WIDTH + 7
    middle = (x1 + x2) / 2
    return f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"


@dataclass(frozen=True, slots=True)
class Dot:
    """A figure with its interval on a shared scale; None where an end is not known."""

    label: str
    note: str
    x: float
    low: float | None
    high: float | None
    y: float
    strong: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """A dot plot: rows of figures over an axis."""

    width: float
    height: float
    left: float
    ticks: tuple[tuple[float, str], ...]
    dots: tuple[Dot, ...]
    about: str


def dot_plot(rows: Sequence[Mapping[str, Any]], unit: str = "", strong: str = "", width: float = 720) -> Scale | None:
    """Figures with intervals below each other.

    Args:
        rows: `label`, `value`, `low`, `high`, `note`; rows without a value are left out.
        unit: Unit of the figures.
        strong: Label of the row that stands out.
        width: In pixels.

    Returns:
        Coordinates; None when no row has a value.
    """
    shown = [row for row in rows if _known(row.get("value"))]
    if not shown:
        return None
    ends = [float(row[key]) for row in shown for key in ("value", "low", "high") if _known(row.get(key))]
    low, high = min(ends), max(ends)
    step = _step((high - low) or abs(high) or 1.0)
    first, last = floor(low / step) * step, -floor(-high / step) * step
    last = last if last > first else first + step
    left, right, row_height = min(240.0, 30.0 + 8.0 * max(len(str(row["label"])) for row in shown)), 24.0, 34.0

    def place(value: float) -> float:
        return round(left + (value - first) / (last - first) * (width - left - right), 1)

    count = round((last - first) / step)
    digits = max(0, -floor(log10(step)))
    ticks = tuple((place(first + i * step), f"{first + i * step:,.{digits}f}") for i in range(count + 1))
    dots = tuple(
        Dot(
            str(row["label"]), str(row.get("note", "")), place(float(row["value"])),
            place(float(row["low"])) if _known(row.get("low")) else None,
            place(float(row["high"])) if _known(row.get("high")) else None,
            14 + i * row_height + row_height / 2, str(row["label"]) == strong,
        )
        for i, row in enumerate(shown)
    )  # fmt: skip
    told = "; ".join(f"{row['label']}: {float(row['value']):.4g} {unit}".strip() for row in shown)
    return Scale(width, 14 + len(shown) * row_height + 34, left, ticks, dots, told)


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _step(span: float) -> float:
    """Distance of the ticks: 1, 2 or 5 times a power of ten, four to eight of them."""
    power = 10.0 ** floor(log10(span))
    for factor in (1, 2, 5, 10):
        if span / (power * factor / 5) <= 8:
            return power * factor / 5
    return power * 2
