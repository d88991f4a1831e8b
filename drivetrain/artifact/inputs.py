"""Cases to the arrays that a network takes, batch by batch, as the manifest's `preprocessing` describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact import images, signals, tables, texts
from drivetrain.errors import DataError

Cases = Mapping[str, Sequence[Any]]
Feed = dict[str, NDArray[Any]]
BATCH = 64
"""Cases per run of the network: enough to be fast, few enough for large images to fit."""
ROWS = 16_384
"""The same for rows of a table, which are small."""


def feeds(cases: Cases, settings: Mapping[str, Any], root: Path | None) -> Iterator[Feed]:
    """The arrays of n cases, a batch at a time.

    Raises:
        DataError: An input is absent or cannot be used; the message names the case.
    """
    needed = columns(settings)
    absent = [name for name in needed if name not in cases]
    if absent:
        raise DataError(f"the input `{absent[0]}` is missing.", f"Give all of: {', '.join(needed)}.", "cases")
    size = ROWS if settings["kind"] == "table" else BATCH
    for start in range(0, len(cases[needed[0]]), size):
        part = {name: cases[name][start : start + size] for name in needed}
        yield _feed(part, settings, root, start)


def columns(settings: Mapping[str, Any]) -> list[str]:
    """The columns that a preparation reads."""
    kind = settings["kind"]
    if kind == "table":
        indicators = settings.get("missing", {})
        return [*(name for name in settings["categories"] if name not in indicators), *settings["continuous"]]
    if kind == "image+text":
        return [settings["image"]["column"], *settings["text"]["columns"]]
    return list(settings["columns"]) if kind == "text" else [settings["column"]]


def _feed(part: Cases, settings: Mapping[str, Any], root: Path | None, start: int) -> Feed:
    kind = settings["kind"]
    if kind == "table":
        codes, numbers = tables.encode(part, settings, start)
        return {"categories": codes, "numbers": numbers}
    if kind == "text":
        return {"tokens": _tokens(part, settings)}
    if kind == "image":
        return {"image": _images(part, settings, root, start)}
    if kind == "image+text":
        return {"image": _images(part, settings["image"], root, start), "tokens": _tokens(part, settings["text"])}
    name = settings["column"]
    rows = []
    for number, value in enumerate(part[name], start=start):
        where = f"case {number}: {name}"
        if kind == "sound":
            signal = signals.sound(value, root, settings["sample_rate"], where)
        else:
            signal = signals.series(value, root, settings["channels"], where)
        rows.append(signals.picture(signal, settings))
    return {"image": np.stack(rows)}


def _images(part: Cases, settings: Mapping[str, Any], root: Path | None, start: int) -> NDArray[np.float32]:
    name, rows = settings["column"], []
    for number, value in enumerate(part[name], start=start):
        where = f"case {number}: {name}"
        rows.append(images.prepare(images.read(value, root, where), settings, where))
    return np.stack(rows)


def _tokens(part: Cases, settings: Mapping[str, Any]) -> NDArray[np.int64]:
    fields = [[tables.category(value) or "" for value in part[name]] for name in settings["columns"]]
    return texts.encode(list(zip(*fields, strict=True)), settings)
