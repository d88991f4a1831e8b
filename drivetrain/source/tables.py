"""Files of rows: CSV and Parquet, several of them as one table."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.source.called import called
from drivetrain.source.convert import NO_NUMBER, convert, text
from drivetrain.source.locate import suffix
from drivetrain.source.rows import Reader, Rows, of_table
from drivetrain.spec.names import as_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

IN_MEMORY = 64 * 1024 * 1024
"""Bytes of a CSV file up to which its columns are kept in memory; those of a larger one wait on disk."""
BLOCK, WIDEST = 1 << 20, 1 << 28
"""Bytes of a CSV file that are parsed at once, several times that in memory; more where a row does not fit into it."""
_PARQUET = (".parquet", ".pq")


def read(paths: Sequence[Path], wheres: Sequence[str], wanted: Mapping[str, str]) -> Rows:
    """Rows of several files, in their order.

    Args:
        paths: CSV or Parquet files.
        wheres: The files as messages name them.
        wanted: Column, as plans call it -> type that the plan gives it; columns that are not wanted are not read.

    Returns:
        Raw columns: as Parquet has them, and of CSV numbers, times and truth values in their type where every cell
        fits, else text.

    Raises:
        DataError: A file cannot be read, or lacks a column that the first one has.
    """
    parts = [
        (_parquet if suffix(path) in _PARQUET else _csv)(path, where, wanted)
        for path, where in zip(paths, wheres, strict=True)
    ]
    files = [(where, part.count) for where, part in zip(wheres, parts, strict=True)]
    count = sum(part.count for part in parts)
    if len(parts) == 1:
        return Rows(count, {name: parts[0].reader(name) for name in parts[0].names}, files)
    for part, where in zip(parts, wheres, strict=True):
        lacking = [name for name in parts[0].names if name not in part]
        if lacking:
            raise missing(lacking[0], part.names, where)
    return Rows(count, {name: _together(parts, name, wanted.get(name, "")) for name in parts[0].names}, files)


def missing(name: str, there: Sequence[str], where: str) -> DataError:
    """The error for a column that the plan names and the files lack."""
    from difflib import get_close_matches

    if alike := [f"`{other}`" for other in there if as_name(other) == name]:
        return DataError(
            f"there is no one column `{name}`: {' and '.join(alike)} would be called so.", "Rename one of them.", where
        )
    near = get_close_matches(name, there, 1)
    known = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
    return DataError(
        f"there is no column `{name}`.", f"Did you mean `{near[0]}`?" if near else f"The files have: {known}.", where
    )


def columns_of(path: Path, where: str) -> list[str]:
    """Names of the columns of a CSV or Parquet file as plans call them, in its order.

    Raises:
        DataError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix(path) not in _PARQUET:
        return list(called(header(path, where)[1]))
    try:
        return list(called(pq.read_schema(path).names))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Parquet", error, where) from error


def _together(parts: Sequence[Rows], name: str, kind: str) -> Reader:
    def reader() -> Any:
        """One column of several files; where files disagree about its type, each is converted by itself."""
        import pyarrow as pa

        columns = [part.column(name) for part in parts]
        kinds = {column.type for column in columns if not pa.types.is_null(column.type)}
        if len(kinds) > 1:
            files = [f"column `{name}`"] * len(columns)
            try:
                columns = [convert(c, kind, w) for c, w in zip(columns, files, strict=True)] if kind else columns
            except DataError:
                columns = [text(column) for column in columns]
            if not kind:
                columns = [text(column) for column in columns]
            kinds = {column.type for column in columns}
        target = kinds.pop() if kinds else columns[0].type
        return pa.chunked_array([chunk for column in columns for chunk in column.cast(target).chunks], target)

    return reader


def _parquet(path: Path, where: str, wanted: Mapping[str, str]) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=False)
        names = {name: there for name, there in called(file.schema_arrow.names).items() if name in wanted}
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Parquet", error, where) from error

    # A column is looked at while the next one is read, and one file is no place for two readers.
    one = Lock()

    def reader(name: str) -> Reader:
        def column() -> Any:
            try:
                with one:
                    return file.read([name])[name]
            except (pa.ArrowException, OSError) as error:
                raise _unreadable("Parquet", error, where) from error

        return column

    return Rows(file.metadata.num_rows, {name: reader(there) for name, there in names.items()})


def _csv(path: Path, where: str, wanted: Mapping[str, str]) -> Rows:
    delimiter, there = header(path, where)
    names = {name: its for name, its in called(there).items() if name in wanted}
    types = {its: wanted[name] for name, its in names.items()}
    status = path.stat()
    key = (str(path), where, delimiter, tuple(there), tuple(types.items()), status.st_mtime_ns, status.st_size)
    rows = of_table(_parsed(*key)) if status.st_size <= IN_MEMORY else _spooled(*key)
    return Rows(rows.count, {name: rows.reader(its) for name, its in names.items()})


def _parsed(path: str, where: str, delimiter: str, there: Any, types: Any, modified: int, size: int) -> pa.Table:
    return _batches(Path(path), where, delimiter, there, dict(types), spool=None)


@lru_cache(maxsize=2)
def _spooled(path: str, where: str, delimiter: str, there: Any, types: Any, modified: int, size: int) -> Rows:
    """Columns of a large CSV file, parsed once into a file that Python deletes when it is no longer needed."""
    import pyarrow as pa
    from pyarrow import ipc

    spool = tempfile.NamedTemporaryFile(prefix="drivetrain-", suffix=".arrow")  # noqa: SIM115 - lives as long as Rows
    _batches(Path(path), where, delimiter, there, dict(types), spool=spool.name)

    def reader(name: str) -> Reader:
        def column() -> Any:
            # Mapped anew for each column, so that its pages are let go with it.
            batches = ipc.open_file(pa.memory_map(spool.name))
            place = batches.schema.get_field_index(name)
            parts = [batches.get_batch(number).column(place) for number in range(batches.num_record_batches)]
            return pa.chunked_array(parts, batches.schema.field(place).type)

        return column

    batches = ipc.open_file(pa.memory_map(spool.name))
    count = sum(batches.get_batch(number).num_rows for number in range(batches.num_record_batches))
    return Rows(count, {name: reader(name) for name in dict(types)})


def _batches(
    path: Path, where: str, delimiter: str, there: Sequence[str], types: dict[str, str], *, spool: str | None
) -> Any:
    """Parse a CSV file, to a table or to a spool: in the plan's types, or all as text when a cell does not fit."""
    import pyarrow as pa
    from pyarrow import csv, ipc

    arrow = {
        "number": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "binary": pa.bool_(),
        "time": pa.timestamp("us"),
    }
    fast = {name: arrow.get(kind, pa.string()) for name, kind in types.items()}
    kinds, block = fast, BLOCK
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    while True:
        convert_options = csv.ConvertOptions(
            include_columns=list(types),
            column_types=kinds,
            null_values=list(NO_NUMBER),
            strings_can_be_null=False,
            true_values=["true", "True", "TRUE", "t", "1", "yes"],
            false_values=["false", "False", "FALSE", "f", "0", "no"],
            timestamp_parsers=[csv.ISO8601],
        )
        read = csv.ReadOptions(block_size=block)
        try:
            with pa.input_stream(str(path)) as stream:
                reader = csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert_options)
                if spool is None:
                    return _emptied(reader.read_all())
                with pa.OSFile(spool, "wb") as file, ipc.new_file(file, reader.schema) as writer:
                    for batch in reader:
                        writer.write_table(_emptied(pa.table(batch)))
                return None
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < WIDEST:
                block *= 16
            elif kinds is fast and "conversion error" in str(error):
                kinds = dict.fromkeys(types, pa.string())
            else:
                raise _unreadable("CSV", error, where) from error
        except (pa.ArrowException, OSError) as error:
            raise _unreadable("CSV", error, where) from error


def _emptied(table: pa.Table) -> pa.Table:
    """Empty text cells as nulls, as numbers already have them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(place)
            empty = pc.equal(column, "")
            if pc.any(empty).as_py():
                table = table.set_column(place, field, pc.if_else(empty, pa.scalar(None, pa.string()), column))
    return table


def header(path: Path, where: str) -> tuple[str, list[str]]:
    """The delimiter and the column names of a CSV file, from its first line.

    Raises:
        DataError: The file cannot be read, is empty, or has two columns of one name.
    """
    import csv as lines

    import pyarrow as pa

    try:
        with pa.input_stream(str(path)) as stream:
            head = stream.read(1 << 16)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("CSV", error, where) from error
    if not head.strip():
        raise DataError("is empty.", "Write the file again.", where)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("is UTF-16, not UTF-8.", "Save it as UTF-8 (in Excel: `CSV UTF-8`).", where)
    first = head.decode("utf-8-sig", errors="replace").splitlines()[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    delimiter = max(",;\t|", key=unquoted.count)
    names = next(lines.reader([first], delimiter=delimiter))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"has the column `{twice[0]}` twice.", "Give each column a name of its own.", where)
    return delimiter, names


def _unreadable(kind: str, error: Exception, where: str) -> DataError:
    advice = "It must be UTF-8, with one line of column names, and as many cells in each row."
    said = str(error).strip().splitlines() or [type(error).__name__]
    return DataError(
        f"cannot be read as {kind} ({said[0][:200]}).", advice if kind == "CSV" else "Write the file again.", where
    )
