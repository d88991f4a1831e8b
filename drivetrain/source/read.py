"""Reading one source: files of rows, files that are rows, or a table of a database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.source import database, tables
from drivetrain.source.columns import BUILT_IN, MEDIUM, declared, may_come_from_a_join, needed, optional
from drivetrain.source.convert import convert, text
from drivetrain.source.locate import Files, locate, location, relative
from drivetrain.source.rows import Reader, Rows, of_table

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

missing = tables.missing
_OPENED: ContextVar[dict[tuple[int, str], Rows] | None] = ContextVar("opened", default=None)


def table(spec: Spec, name: str) -> pa.Table:
    """The rows of one source, as its files hold them.

    Returns:
        Declared columns in their types, the columns that the plan uses without declaring them, named groups of
        `filename`, for files also the medium, `path`, `folder`, `stem`, `suffix`; outcomes under their own names
        (category: text, binary: bool, number: float64). A label's column is left out unless it is declared as well.
        Rows stand in the order of the sorted files.

    Raises:
        DataError: The source is missing, empty or unreadable, a column is missing, or a value does not fit its type.
        SpecError: The plan has no source of that name.
    """
    return open_rows(spec, name).table()


def open_rows(spec: Spec, name: str) -> Rows:
    """The same rows, with columns that are read and converted when they are asked for.

    Raises:
        DataError: The source is missing, empty or unreadable, or a column is missing.
        SpecError: The plan has no source of that name.
    """
    opened = _OPENED.get()
    if opened is None:
        return _opened(spec, name)
    if (id(spec), name) not in opened:
        opened[id(spec), name] = _opened(spec, name)
    return opened[id(spec), name]


@contextmanager
def opened_once() -> Iterator[None]:
    """Within it each source is listed once, however many ask for its rows, and stays as it was found."""
    if _OPENED.get() is not None:
        yield
        return
    token = _OPENED.set({})
    try:
        yield
    finally:
        _OPENED.reset(token)


def _opened(spec: Spec, name: str) -> Rows:
    source = spec.source(name)
    raw = _raw(spec, source)
    if raw.count == 0:
        raise DataError("holds no row.", "`drivetrain sample` writes sample data that fit.", f"data.{source.name}")
    return _typed(spec, source, raw, f"data.{source.name}")


def raw_column(spec: Spec, name: str, column: str) -> tuple[Any, str]:
    """A column as its files hold it, and the type that the plan gives it; `column` may be an outcome's name."""
    source = spec.source(name)
    outcome = source.outcomes.get(column)
    stored = outcome.column if outcome is not None and outcome.column else column
    return _raw(spec, source).column(stored), _wanted(spec, source).get(stored, "category")


def _raw(spec: Spec, source: Source) -> Rows:
    where = f"data.{source.name}"
    if database.is_database(location(source)):
        raw = database.read(spec.root, location(source), list(_wanted(spec, source)), source.name, where)
        _all_there(spec, source, raw.names, where, ())
    else:
        files = locate(spec, source)
        raw = _media(spec, source, files) if files.media else _tables(spec, source, files)
        if files.media:
            _all_there(spec, source, raw.names, where, ())
    return raw


def _wanted(spec: Spec, source: Source) -> dict[str, str]:
    """Columns to read -> the type that the plan gives them."""
    wanted = {**optional(spec, source), **needed(spec, source), **declared(source)}
    for outcome in source.outcomes.values():
        if outcome.column:
            wanted.setdefault(outcome.column, outcome.type if outcome.type in ("binary", "number") else "category")
    return wanted


def _all_there(spec: Spec, source: Source, there: list[str], where: str, made: tuple[str, ...]) -> None:
    """Raise when a column that the plan needs is neither in the files nor brought by a join."""
    elsewhere = may_come_from_a_join(source) | set(optional(spec, source)) | set(made)
    for name in sorted(_wanted(spec, source)):
        if name not in there and name not in elsewhere:
            raise missing(name, there, where)


def _typed(spec: Spec, source: Source, raw: Rows, where: str) -> Rows:
    """The columns that the plan asks for, each converted when it is read."""
    given = declared(source)
    readers: dict[str, Reader] = {}
    if source.kind in MEDIUM:
        # The text beside each picture is read where no column of the plan holds one.
        beside = ("text",) if source.kind == "images+text" and "text" not in given.values() else ()
        for name in (MEDIUM[source.kind], *beside, *BUILT_IN):
            if name in raw and name not in given:
                readers[name] = raw.reader(name)
    for name, kind in (optional(spec, source) | given | needed(spec, source)).items():
        if name in raw:
            readers[name] = _converted(raw, name, kind, where)
    for group in _groups(source):
        if group not in readers and group in raw:
            readers[group] = raw.reader(group)
    for name, outcome in source.outcomes.items():
        if outcome.column is not None and outcome.column in raw:
            kind = outcome.type if outcome.type in ("binary", "number") else "category"
            readers[name] = _converted(raw, outcome.column, kind, where)
    if not readers:
        raise DataError("declares no column.", "List the file's columns under `columns`.", where)
    return Rows(raw.count, readers, raw.files)


def _converted(raw: Rows, name: str, kind: str, where: str) -> Reader:
    return lambda: convert(raw.column(name), kind, f"{where}: column `{name}`")


def _groups(source: Source) -> list[str]:
    return list(re.compile(source.filename).groupindex) if source.filename else []


def _media(spec: Spec, source: Source, files: Files) -> Rows:
    """One row for each file."""
    import pyarrow as pa

    built_in = _built_in(files, spec.root)
    columns: dict[str, list[Any]] = {MEDIUM.get(source.kind, "path"): built_in["path"]}
    columns |= built_in | _from_names(source, files)
    arrays = {name: pa.chunked_array([pa.array(values, pa.string())]) for name, values in columns.items()}
    rows = of_table(_with_records(spec, source, files, pa.table(arrays)))
    if source.kind in ("text", "images+text"):
        beside = source.kind == "images+text"
        texts = [path.with_suffix(".txt") if beside else path for path in files.paths]

        def contents() -> Any:
            return pa.chunked_array([pa.array([text_file(path, spec.root) for path in texts], pa.string())])

        rows = Rows(rows.count, {name: rows.reader(name) for name in rows.names} | {"text": contents})
    return rows


def _built_in(files: Files, root: Path) -> dict[str, list[str]]:
    """What the place of each file says."""
    folders: dict[str, tuple[str, str]] = {}
    found: dict[str, list[str]] = {"path": [], "folder": [], "stem": [], "suffix": []}
    add_path, add_folder, add_stem, add_suffix = (found[name].append for name in found)
    for name in files.names:
        above, _, last = name.rpartition(os.sep)
        if above not in folders:
            folders[above] = relative(above, root), os.path.basename(above)
        below, folder = folders[above]
        stem, dot, ending = last.rpartition(".")
        add_path(f"{below}/{last}" if below != "." else last)
        add_folder(folder)
        add_stem(stem or last)
        add_suffix(dot + ending if stem else "")
    return found


def _from_names(source: Source, files: Files) -> dict[str, list[str | None]]:
    """Named groups of `filename`, searched in each path below the location; null where it does not match."""
    if not source.filename:
        return {}
    pattern = re.compile(source.filename)
    found = [pattern.search(relative(name, files.base)) for name in files.names]
    return {group: [match and match[group] for match in found] for group in pattern.groupindex}


def text_file(path: Path, root: Path) -> str:
    """What stands in a text file.

    Raises:
        DataError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as UTF-8 text ({error}).", where=relative(path, root)) from error


def _with_records(spec: Spec, source: Source, files: Files, rows: pa.Table) -> pa.Table:
    """Collected files come with `records.csv`: query, licence and annotations of each file, by its path below."""
    import pyarrow as pa

    side = files.base / "records.csv"
    if source.collect is None or not side.exists():
        return rows
    where = relative(side, spec.root)
    names = tables.columns_of(side, where)
    if "file" not in names:
        raise missing("file", names, where)
    records = tables.read([side], [where], dict.fromkeys(names, "text")).table()
    line = {file: row for row, file in enumerate(records["file"].to_pylist())}
    take = pa.array([line.get(relative(name, files.base)) for name in files.names], pa.int64())
    for name in records.column_names:
        if name not in rows.column_names and name != "file":
            rows = rows.append_column(name, text(records[name]).take(take))
    return rows


def _tables(spec: Spec, source: Source, files: Files) -> Rows:
    """The rows of all files, in the order of the files, with what the files' names say where the plan asks for it."""
    import pyarrow as pa

    wanted = _wanted(spec, source)
    wheres = [relative(path, spec.root) for path in files.paths]
    names = _from_names(source, files)
    facts: dict[str, Sequence[str | None]] = {**_built_in(files, spec.root), **names}
    for path, where in zip(files.paths, wheres, strict=True):
        _all_there(spec, source, tables.columns_of(path, where), where, tuple(facts))
    rows = tables.read(files.paths, wheres, wanted)

    def repeated(values: Sequence[str | None]) -> Reader:
        def column() -> Any:
            sizes = [count for _, count in rows.files]
            parts = [pa.repeat(pa.scalar(v, pa.string()), n) for v, n in zip(values, sizes, strict=True)]
            return pa.chunked_array(parts, pa.string())

        return column

    made = {name: repeated(values) for name, values in facts.items() if name in wanted and name not in rows}
    return Rows(rows.count, {name: rows.reader(name) for name in rows.names} | made, rows.files)
