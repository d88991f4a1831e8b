"""A source's rows as files: tables, or one file for each row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.sample import media
from drivetrain.sample.naming import fitting, holds, tail
from drivetrain.sample.staging import target
from drivetrain.sample.texts import texts
from drivetrain.sample.world import MEDIA, ROW, Frame, World, joined
from drivetrain.source.columns import needed

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.spec import Source

TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz")
GLOB_FILES = 3
"""Files that a glob gets, so that reading several is tried."""


def write_source(world: World, source: Source) -> None:
    """Write the rows of a source to where the plan says they lie."""
    where = source.location or f"data/{source.name}"
    ending = next((e for e in sorted(TABLES, key=len, reverse=True) if where.lower().endswith(e)), "")
    if source.kind in MEDIA and not ending:
        _write_files(world, source)
        return
    frame = world.frames[source.name]
    table = _table(world, source, frame)
    base = world.stage / target(source)
    if "*" in where or "?" in where or "[" in where:
        for number in range(GLOB_FILES):
            first, last = (table.num_rows * part // GLOB_FILES for part in (number, number + 1))
            _save(table.slice(first, last - first), world.stage / _from_glob(where, number), ending or ".csv")
    elif ending:
        _save(table, base, ending)
    else:
        _save(table, base / "part-1.csv", ".csv")


def _from_glob(where: str, number: int) -> str:
    """A path that a glob finds."""
    path = where.replace("**/", "").replace("**", f"part-{number + 1}").replace("*", f"part-{number + 1}")
    path = path.replace("?", str(number + 1))
    return re.sub(r"\[([^\]])[^\]]*\]", r"\1", path)


def label_columns(source: Source) -> dict[str, str]:
    """Column of the file -> outcome."""
    return {o.column: name for name, o in source.outcomes.items() if o.column}


def _table(world: World, source: Source, frame: Frame) -> pa.Table:
    """Columns that the plan names, as they stand in the file."""
    import pyarrow as pa

    rows = len(next(iter(frame.values())))
    labels = label_columns(source)
    medium = {n: c.type for n, c in source.columns.items() if c.type in ("image", "audio") and n not in labels}
    for name, kind in medium.items():
        frame[name] = media.beside(world, source, name, kind, rows)
    text = [name for name, c in source.columns.items() if c.type == "text" and not c.values]
    if source.kind in ("text", "images+text") and not text and "text" not in frame:
        text = ["text"]
    for place, name in enumerate(text):
        if name not in frame:
            frame[name] = texts(world, source, name, rows, long=place == len(text) - 1)
    names = dict.fromkeys([*_first(source), *source.columns, *needed(world.spec, source), *text])
    brought = joined(world, source)
    there = {name for join in source.join for name in world.spec.source(str(join.data)).columns}
    columns: dict[str, Any] = {}
    for name in names:
        if name in labels:
            continue
        if name in frame:
            columns[name] = _column(source, name, frame[name])
        elif name not in brought and (name in source.columns or name not in there):
            columns[name] = _column(source, name, _filler(world, source, name, rows))
    for column, outcome in labels.items():
        mask = source.outcomes[outcome].type == "mask"
        values = media.masks(world, source, column, outcome, rows) if mask else frame[outcome]
        columns[column] = _column(source, outcome, values)
    return pa.table(columns)


def _first(source: Source) -> list[str]:
    pair = source.ratings
    names = [source.entity, source.time, pair.user if pair else None, pair.item if pair else None]
    return [name for name in names if name]


def _filler(world: World, source: Source, name: str, rows: int) -> NDArray[Any]:
    """A column that the plan uses and nothing else made."""
    import numpy as np

    kind = needed(world.spec, source).get(name, "category")
    draw = world.draw(source.name, name)
    if name == source.split.column:
        return np.array(["train", "validation", "test"])[draw.choice(3, rows, p=[0.6, 0.2, 0.2])]
    if kind == "number":
        return np.ones(rows)
    if kind == "boolean":
        return draw.random(rows) < 0.5
    from drivetrain.sample.columns import category, ids

    if kind == "id":
        return ids(name, rows)
    held = source.split.hold_out.get(name, [])
    words = [*map(str, held), *[f"{name} {letter}" for letter in "abcde"]]
    return category(name, words, rows, world.known, draw)


def _column(source: Source, name: str, values: NDArray[Any]) -> pa.Array:
    """An Arrow column: times as times, whole numbers as such, empty cells as nulls."""
    import numpy as np
    import pyarrow as pa

    declared = source.columns.get(name)
    kind = declared.type if declared is not None else "time" if name == source.time else ""
    if kind == "time":
        seconds = values.astype(float)
        whole = np.where(np.isfinite(seconds), seconds, 0).astype("int64")
        return pa.array(whole, mask=~np.isfinite(seconds)).cast(pa.timestamp("s"))
    if kind == "integer" and values.dtype.kind == "f":
        return pa.array(values.astype("int64"))
    if values.dtype.kind == "O":
        return pa.array([v.item() if isinstance(v, np.generic) else v for v in values])
    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def _save(table: pa.Table, path: Path, ending: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    path.parent.mkdir(parents=True, exist_ok=True)
    if ending in (".parquet", ".pq"):
        pq.write_table(table, path)
        return
    options = csv.WriteOptions(delimiter="\t" if ending.startswith(".tsv") else ",")
    with pa.output_stream(str(path), compression="gzip" if ending.endswith(".gz") else None) as stream:
        csv.write_csv(table, stream, options)


def _homeless(world: World, source: Source) -> None:
    """Refuse columns that files in a folder have no place for.

    Raises:
        DataError: One stands neither in the file's name nor in a joined source.
    """
    from drivetrain.source.columns import BUILT_IN, MEDIUM

    given = {*BUILT_IN, *MEDIUM.values(), *re.compile(source.filename or "").groupindex}
    wanted = [*source.columns, *label_columns(source), *needed(world.spec, source)]
    lost = [name for name in dict.fromkeys(wanted) if name not in given]
    if lost and source.collect is None and not source.join:
        said = ", ".join(f"`{name}`" for name in lost)
        raise DataError(
            f"files in a folder have no place for {said}.",
            "Name it in `filename`, join a table that has it, or let `location` be a table (`data/….csv`) with a "
            "column of paths.",
            f"data.{source.name}",
        )


def _write_files(world: World, source: Source) -> None:
    """One file for each row, in a folder for each class where the folder says the class."""
    frame = joined(world, source) | world.frames[source.name]
    base = world.stage / target(source)
    written = world.names[source.name]
    media.write(world, source, frame, [base / name for name in written])
    if source.collect is not None:
        _records(source, frame, base, written)


def name_files(world: World) -> None:
    """Name the files of all folders, and have the rows that are joined to them by path or stem say these names."""
    for source in world.spec.data:
        where = source.location or ""
        if source.kind not in MEDIA or where.lower().endswith(TABLES):
            continue
        made = world.names[source.name] = _names(world, source)
        base = target(source)
        for key, said in (("stem", [Path(n).stem for n in made]), ("path", [(base / n).as_posix() for n in made])):
            if key in world.frames[source.name]:
                _rename(
                    world, world.key(source.name, key), dict(zip(world.frames[source.name][key], said, strict=True))
                )


def _rename(world: World, key: str, names: Mapping[Any, str]) -> None:
    """Write other names for the values of a key, wherever it stands."""
    import numpy as np

    for name, frame in world.frames.items():
        for column in frame:
            if world.key(name, column) == key:
                frame[column] = np.array([names.get(value, value) for value in frame[column]])


def _names(world: World, source: Source) -> list[str]:
    """The paths of a source's files below its location, one for each row."""
    frame = joined(world, source) | world.frames[source.name]
    _homeless(world, source)
    rows = len(frame[ROW])
    ending = media.ending(source)
    folders = next((name for column, name in label_columns(source).items() if column == "folder"), None)
    made: list[str] = []
    for row in range(rows):
        name = _name(world, source, frame, row, ending, str(frame[folders][row]) if folders else "")
        if name in made[-1:]:
            raise _no_name(source)
        made.append(name)
    if len(set(made)) < rows:
        raise _no_name(source)
    return made


def _no_name(source: Source, why: str = "") -> DataError:
    return DataError(
        f"no different file names could be made that fit `{source.filename}`{why}.",
        "Let each named group admit every value of its column, and let the pattern hold a number of its own (`\\d+`), "
        "so that files can be counted.",
        f"data.{source.name}.filename",
    )


def _name(world: World, source: Source, frame: Frame, row: int, ending: str, folder: str) -> str:
    """Path of a file below its location, so that the pattern of the plan finds in it what its row says."""
    number = int(frame[ROW][row])
    if source.filename is None:
        key = next((here for join in source.join for here in _keys(join) if here == "stem"), None)
        stem = str(frame[key][row]) if key else f"{source.name}-{number:05d}"
        return f"{folder}/{stem}{ending}" if folder else f"{stem}{ending}"
    groups = re.compile(source.filename).groupindex
    labels = label_columns(source)
    given = {g: _as_named(source, g, frame[labels.get(g, g)][row]) for g in groups if labels.get(g, g) in frame}
    drawn = fitting(source.filename, number, given, world.draw(source.name, str(number)))
    if not Path(drawn).suffix:
        drawn += tail(source.filename, number) + ending
    inside = f"{folder}/{drawn.lstrip('/')}"
    below = f"{source.name}/{drawn.lstrip('/')}"  # where the expression wants a folder, and no class is its name
    for name in (drawn if "/" in drawn.lstrip("/") or not folder else inside, inside, drawn, below):
        found = re.search(source.filename, name.lstrip("/"))
        placed = not folder or Path(name).parent.name == folder
        if placed and found and all(found[group] == value for group, value in given.items()):
            return name.lstrip("/")
    unfit = next((g for g, v in given.items() if not holds(source.filename, g, v)), None)
    raise _no_name(source, f"; its `{unfit}` cannot hold `{given[unfit]}`" if unfit else "")


_TRUE_FALSE = (("1", "0"), ("true", "false"), ("yes", "no"), ("True", "False"), ("TRUE", "FALSE"), ("YES", "NO"))


def _as_named(source: Source, group: str, value: Any) -> str:
    """A value as a named group of file names can hold it; yes and no are written in many ways."""
    import numpy as np

    if not isinstance(value, bool | np.bool_):
        return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
    for words in _TRUE_FALSE:
        if holds(source.filename or "", group, words[0] if value else words[1]):
            return words[0] if value else words[1]
    return str(value)


def _keys(join: Any) -> list[str]:
    from drivetrain.source.columns import join_keys

    return list(join_keys(join))


def _records(source: Source, frame: Frame, base: Path, written: list[str]) -> None:
    """What collecting notes beside the files."""
    import pyarrow as pa

    columns: dict[str, Any] = {"file": written}
    labels = label_columns(source)
    for name, values in frame.items():
        if name != ROW and name not in source.outcomes:
            columns[name] = values.tolist()
    for column, outcome in labels.items():
        if column not in ("folder", "stem", "suffix", "path"):
            columns[column] = [str(value) for value in frame[outcome].tolist()]
    columns["licence"] = ["cc0"] * len(written)
    columns["creator"] = ["drivetrain sample"] * len(written)
    _save(pa.table(columns), base / "records.csv", ".csv")
