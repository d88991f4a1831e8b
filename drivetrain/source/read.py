"""Reading one source into an Arrow table: files of rows, or files that are rows."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.source.columns import BUILT_IN, MEDIUM, declared, may_come_from_a_join, needed, optional
from drivetrain.source.convert import convert, text
from drivetrain.source.locate import Files, locate, relative, suffix

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Outcome, Source


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
    source = spec.source(name)
    files = locate(spec, source)
    raw = _media(spec, source, files) if files.media else _rows(spec, source, files)
    return _typed(spec, source, raw, f"data.{source.name}")


def _typed(spec: Spec, source: Source, raw: pa.Table, where: str) -> pa.Table:
    """The columns that the plan asks for, converted."""
    import pyarrow as pa

    given, used = declared(source), needed(spec, source)
    elsewhere = may_come_from_a_join(spec, source)
    columns: dict[str, Any] = {}
    if source.kind in MEDIUM:
        built_in = [c for c in (MEDIUM[source.kind], *BUILT_IN) if c in raw.column_names and c not in given]
        columns |= {name: raw[name] for name in built_in}
    may = optional(spec, source)
    for name, kind in (may | given | used).items():
        if name in raw.column_names:
            columns[name] = convert(raw[name], kind, f"{where}: column `{name}`")
        elif name not in elsewhere and name not in columns and (name in given or name in used):
            raise missing(name, raw.column_names, where)
    for group in _groups(source):
        if group not in columns and group in raw.column_names:
            columns[group] = raw[group]
    for name, outcome in source.outcomes.items():
        column = outcome.column
        if column is None:
            continue
        if column not in raw.column_names:
            raise missing(column, raw.column_names, f"{where}.outcomes.{name}")
        columns[name] = _label(raw[column], outcome, f"{where}: column `{column}`")
    if not columns:
        raise DataError("declares no column.", "List the file's columns under `columns`.", where)
    return pa.table(columns)


def _label(column: Any, outcome: Outcome, where: str) -> Any:
    kind = outcome.type
    if kind in ("binary", "number"):
        return convert(column, kind, where)
    return convert(column, "category", where)


def missing(name: str, there: Iterable[str], where: str) -> DataError:
    """The error for a column that the plan names and the files lack."""
    there = list(there)
    near = difflib.get_close_matches(name, there, 1)
    known = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
    return DataError(
        f"there is no column `{name}`.", f"Did you mean `{near[0]}`?" if near else f"The files have: {known}.", where
    )


def _groups(source: Source) -> list[str]:
    return list(re.compile(source.filename).groupindex) if source.filename else []


def _media(spec: Spec, source: Source, files: Files) -> pa.Table:
    """One row for each file."""
    import pyarrow as pa

    paths = [relative(path, spec.root) for path in files.paths]
    columns: dict[str, list[Any]] = {
        MEDIUM.get(source.kind, "path"): paths,
        "path": paths,
        "folder": [path.parent.name for path in files.paths],
        "stem": [path.stem for path in files.paths],
        "suffix": [path.suffix for path in files.paths],
    }
    if source.kind == "text":
        columns["text"] = [_text_file(path, spec.root) for path in files.paths]
    if source.kind == "images+text":
        columns["text"] = [_text_file(path.with_suffix(".txt"), spec.root) for path in files.paths]
    columns |= _from_names(source, files)
    return _with_records(spec, source, files, pa.table({name: pa.array(v, pa.string()) for name, v in columns.items()}))


def _from_names(source: Source, files: Files) -> dict[str, list[str | None]]:
    """Named groups of `filename`, searched in each path below the location; null where it does not match."""
    if not source.filename:
        return {}
    pattern = re.compile(source.filename)
    found = [pattern.search(relative(path, files.base)) for path in files.paths]
    return {group: [match and match[group] for match in found] for group in pattern.groupindex}


def _text_file(path: Path, root: Path) -> str:
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
    names = columns_of(side, where)
    if "file" not in names:
        raise missing("file", names, where)
    records = read_rows(side, where, names)
    line = {file: row for row, file in enumerate(records["file"].to_pylist())}
    take = pa.array([line.get(relative(path, files.base)) for path in files.paths], pa.int64())
    for name in records.column_names:
        if name not in rows.column_names and name != "file":
            rows = rows.append_column(name, text(records[name]).take(take))
    return rows


def _rows(spec: Spec, source: Source, files: Files) -> pa.Table:
    """The rows of all files, in the order of the files; only columns that the plan names are read."""
    import pyarrow as pa

    wanted = {*declared(source), *needed(spec, source), *optional(spec, source)}
    wanted |= {outcome.column for outcome in source.outcomes.values() if outcome.column}
    required = wanted - may_come_from_a_join(spec, source) - set(optional(spec, source))
    names = _from_names(source, files)
    tables: list[pa.Table] = []
    for number, path in enumerate(files.paths):
        where = relative(path, spec.root)
        facts: dict[str, str | None] = {"path": where, "folder": path.parent.name}
        facts |= {"stem": path.stem, "suffix": path.suffix}
        facts |= {group: values[number] for group, values in names.items()}
        there = columns_of(path, where)
        for name in sorted(required - set(facts)):
            if name not in there:
                raise missing(name, there, where)
        rows = read_rows(path, where, [name for name in there if name in wanted])
        for name, value in facts.items():
            if name in wanted and name not in there:
                rows = rows.append_column(name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
        tables.append(rows)
    rows = _together(tables)
    if rows.num_rows == 0:
        raise DataError("holds no row.", "`drivetrain sample` writes sample data that fit.", f"data.{source.name}")
    return rows


def _together(tables: list[pa.Table]) -> pa.Table:
    """One table of several; a column whose type differs between files becomes text and is converted as such."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    columns = {}
    for name in names:
        parts = [rows[name] for rows in tables]
        kinds = {part.type for part in parts if not pa.types.is_null(part.type)}
        if len(kinds) > 1:
            parts = [text(part) for part in parts]
        target = parts[0].type if len(kinds) != 1 else kinds.pop()
        chunks = [chunk for part in parts for chunk in part.cast(target).chunks]
        columns[name] = pa.chunked_array(chunks, target)
    return pa.table(columns)


def columns_of(path: Path, where: str) -> list[str]:
    """Names of the columns of a CSV or Parquet file, in its order.

    Raises:
        DataError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix(path) not in (".parquet", ".pq"):
        return _header(path, where)[1]
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Parquet", error, where) from error


def read_rows(path: Path, where: str, names: list[str]) -> pa.Table:
    """Some columns of a CSV file, as text (types come from the plan, never from a guess), or of a Parquet file.

    Raises:
        DataError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    kind = "Parquet" if suffix(path) in (".parquet", ".pq") else "CSV"
    try:
        if kind == "Parquet":
            return pq.ParquetFile(path).read(columns=names)
        delimiter, there = _header(path, where)
        with pa.input_stream(str(path)) as stream:
            rows = csv.read_csv(
                stream,
                parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(there, pa.string()), strings_can_be_null=True, null_values=[""]
                ),
            )
            return rows.select(names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(kind, error, where) from error


def _unreadable(kind: str, error: Exception, where: str) -> DataError:
    advice = "It must be UTF-8, with one line of column names, and as many cells in each row."
    said = str(error).strip().splitlines() or [type(error).__name__]
    return DataError(
        f"cannot be read as {kind} ({said[0][:200]}).", advice if kind == "CSV" else "Write the file again.", where
    )


def _header(path: Path, where: str) -> tuple[str, list[str]]:
    """The delimiter and the column names of a CSV file, from its first line."""
    import csv as lines

    import pyarrow as pa

    try:
        with pa.input_stream(str(path)) as stream:
            head = stream.read(1 << 16)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("CSV", error, where) from error
    if not head.strip():
        raise DataError("is empty.", "Write the file again.", where)
    first = head.decode("utf-8-sig", errors="replace").splitlines()[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    delimiter = max(",;\t|", key=unquoted.count)
    names = next(lines.reader([first], delimiter=delimiter))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"has the column `{twice[0]}` twice.", "Give each column a name of its own.", where)
    return delimiter, names
