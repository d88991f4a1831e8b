"""Samples of what is wrong, small enough to lie in a page: pictures, sounds over time, rows as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DrivetrainError
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from drivetrain.source.rows import Rows
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

EDGE = 160
"""Longer side of a thumbnail, in pixels."""
SHOWN = 12
"""Pictures, or rows, of one finding."""
ROWS = 6
CELL = 200
"""Letters of a cell."""
_ROWS = re.compile(r"^(?:(?P<file>.+): )?rows? (?P<first>\d+)(?:-(?P<last>\d+))?$")
_SOUNDS = ("DA307", "DA308", "DA802", "DA803", "DA804", "DA805")
_PICTURES = ("DA307", "DA308", "DA309", "DA310", "DA401", "DA402", "DA403", "DA404", "DA405", "DA407")


def samples(spec: Spec, source: Source, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What a person has to see to believe a finding.

    Nothing is copied from sources that are about people: a page is passed on more easily than data are.

    Args:
        spec: The plan.
        source: The source.
        findings: Its findings.

    Returns:
        For each finding `id`, `what`, `level`, and `pictures` (groups of `{"name", "data", "note"}`) or `rows`
        (`{"columns", "cells"}`).
    """
    if source.rights is not None and source.rights.personal:
        return []
    wrong = [finding for finding in findings if finding.level in ("fail", "warn", "note") and finding.affected]
    found = []
    for finding in wrong:
        one: dict[str, Any] = {"id": finding.id, "what": finding.what, "level": finding.level}
        if source.kind.startswith("images") and finding.id in _PICTURES:
            one["pictures"] = _pictures(spec, finding, thumbnail)
        elif source.kind == "audio" and finding.id in _SOUNDS:
            one["pictures"] = _pictures(spec, finding, waveform)
        else:
            one["rows"] = _rows_of(spec, source, finding)
        if one.get("pictures") or one.get("rows"):
            found.append(one)
    return found


def _pictures(spec: Spec, finding: Finding, drawn: Callable[[Spec, str], str]) -> list[list[dict[str, str]]]:
    """Thumbnails, those that belong together side by side."""
    groups: list[list[dict[str, str]]] = []
    shown = 0
    for entry in finding.affected:
        if shown >= SHOWN:
            break
        text, _, score = entry.rpartition(" (") if finding.id == "DA309" else (entry, "", "")
        names = re.split(r" ~ | = ", text)
        group = []
        for name in names[:4]:
            file, _, note = name.partition(": ")
            group.append({"name": file, "note": note or score.rstrip(")"), "data": drawn(spec, file)})
        groups.append(group)
        shown += len(group)
    return groups


def thumbnail(spec: Spec, name: str) -> str:
    """A small picture as a `data:` address; empty when there is nothing to show."""
    import base64
    import io
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(spec.root / name) as opened:
                opened.draft("RGB", (2 * EDGE, 2 * EDGE))
                opened.thumbnail((EDGE, EDGE))
                kept = io.BytesIO()
                opened.convert("RGB").save(kept, "JPEG", quality=70)
    except Exception:  # a decoder may raise anything on hostile bytes; the finding says that it cannot be read
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(kept.getvalue()).decode()}"


def waveform(spec: Spec, name: str) -> str:
    """A sound over time, from its lowest to its highest sample, as a `data:` address; empty when it cannot be read.

    Red where it touches the limit; so silence is a line, a clipped sound a block, a short one a few strokes.
    """
    import base64
    import io

    import numpy as np
    from PIL import Image, ImageDraw

    from drivetrain.availability.sounds import heard

    try:
        samples, _ = heard((spec.root / name).read_bytes())
        sheet = Image.new("RGB", (2 * EDGE, EDGE // 2), "white")
        pen, middle = ImageDraw.Draw(sheet), EDGE // 4
        pen.line((0, middle, 2 * EDGE, middle), fill=(170, 170, 170))
        edges = np.linspace(0, len(samples), min(2 * EDGE, len(samples)) + 1).astype(int)
        for place, (first, last) in enumerate(pairwise(edges.tolist())):
            low, high = float(samples[first:last].min()), float(samples[first:last].max())
            colour = (190, 30, 30) if max(-low, high) >= 0.999 else (40, 80, 140)
            at = place * 2 * EDGE // (len(edges) - 1)
            pen.line((at, middle - high * middle, at, middle - low * middle), fill=colour)
        kept = io.BytesIO()
        sheet.save(kept, "PNG", optimize=True)
    except Exception:  # a decoder may raise anything on hostile bytes; the finding says that it cannot be read
        return ""
    return f"data:image/png;base64,{base64.b64encode(kept.getvalue()).decode()}"


def _rows_of(spec: Spec, source: Source, finding: Finding) -> dict[str, Any] | None:
    """Some of the rows that a finding is about, the column that it is about first."""
    import pyarrow as pa

    from drivetrain.source.read import open_rows

    try:
        rows = open_rows(spec, source.name)
        places = _places(rows, finding.affected)
        if not places:
            return None
        about = finding.where.rsplit(".", 1)[-1]
        names = sorted(rows.names, key=lambda name: name != about)[:8]
        columns = []
        for name in names:
            try:
                columns.append((name, rows.column(name).take(pa.array(places)).to_pylist()))
            except DrivetrainError:  # a column that cannot be read is what the finding is about
                continue
    except DrivetrainError:
        return None
    return {
        "columns": ["row", *[name for name, _ in columns]],
        "cells": [
            [str(place + 1), *[_cell(values[number]) for _, values in columns]] for number, place in enumerate(places)
        ],
    }


def _places(rows: Rows, affected: Sequence[str]) -> list[int]:
    """Row numbers from 0 of what findings call `rows 3-7` or `data/a.csv: row 12`; the first few."""
    starts, start = {}, 0
    for file, count in rows.files:
        starts[file] = start
        start += count
    found: list[int] = []
    for entry in affected:
        match = _ROWS.match(entry)
        if match is None or (match["file"] and match["file"] not in starts):
            continue
        before = starts.get(match["file"] or "", 0)
        first, last = int(match["first"]), int(match["last"] or match["first"])
        found += range(before + first - 1, before + min(last, first + ROWS))
        if len(found) >= ROWS:
            break
    return [place for place in found if place < rows.count][:ROWS]


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"
