"""Tables of databases: SQLite files and PostgreSQL servers, read and never written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from drivetrain.errors import DataError, EnvironmentFault
from drivetrain.source.called import called
from drivetrain.source.rows import Rows, of_table
from drivetrain.source.secrets import redacted, with_secrets, without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCHEMES = ("sqlite", "postgresql", "postgres")
_BATCH = 50_000


def is_database(location: str) -> bool:
    """Whether a location names a table of a database."""
    return location.split("://")[0].lower() in _SCHEMES if "://" in location else False


def read(root: Path, location: str, wanted: Sequence[str], name: str, where: str) -> Rows:
    """Columns of a table.

    Args:
        root: The folder that a SQLite path is relative to.
        location: `sqlite:///data/shop.db?table=visits` or `postgresql://user@host/db?table=shop.visits`; without
            `table` the one called like the source. Passwords stand in the environment: `${DB_PASSWORD}`, `PGPASSWORD`.
        wanted: Columns of interest; those that the table lacks are left out.
        name: Name of the source.
        where: Its place in the plan.

    Raises:
        DataError: The database or the table cannot be read; the message names neither user nor password.
        EnvironmentFault: psycopg is missing.
    """
    full = with_secrets(location, where)
    chosen = parse_qs(urlsplit(full).query).get("table", [name])[0]
    if full.split("://")[0].lower() == "sqlite":
        return _sqlite(root, full, wanted, chosen, where)
    return _postgres(full, wanted, chosen, where)


def file_of(root: Path, location: str) -> Path | None:
    """The file of a SQLite location; None for a server."""
    parts = urlsplit(location)
    return root / unquote(parts.path[1:]) if parts.scheme.lower() == "sqlite" else None


def _sqlite(root: Path, location: str, wanted: Sequence[str], table: str, where: str) -> Rows:
    import sqlite3

    path = file_of(root, location)
    if path is None or not path.is_file():
        raise DataError(f"`{redacted(location)}` is not there.", "Correct the path below the plan.", where)
    try:
        # Read-only: a check never changes, nor even creates, a database.
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise DataError(f"cannot be opened ({error}).", "Check the file.", where) from error
    try:
        return _sqlite_table(connection, wanted, table, where)
    except sqlite3.Error as error:
        raise DataError(f"table `{table}` cannot be read ({error}).", "Check the file.", where) from error
    finally:
        connection.close()


def _sqlite_table(connection: Any, wanted: Sequence[str], table: str, where: str) -> Rows:
    kinds = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')").fetchall())
    if table not in kinds:
        raise _no_table(table, sorted(kinds), where)
    there = [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]
    names = {name: its for name, its in called(there).items() if name in wanted}
    order = ", ".join(map(_quoted, there))
    if kinds[table] == "table":
        try:
            connection.execute(f"SELECT rowid FROM {_quoted(table)} LIMIT 0")
            order = "rowid"
        except Exception:  # a table WITHOUT ROWID
            order = ", ".join(map(_quoted, there))
    picked = ", ".join(map(_quoted, names.values()))
    cursor = connection.execute(f"SELECT {picked} FROM {_quoted(table)} ORDER BY {order}")
    batches = iter(lambda: cursor.fetchmany(_BATCH), [])
    return of_table(_columns(batches, list(names)))


def _postgres(location: str, wanted: Sequence[str], table: str, where: str) -> Rows:
    try:
        import psycopg
    except ImportError as error:
        raise EnvironmentFault("psycopg is not installed.", "Install it: pip install 'drivetrain[data]'") from error

    parts = urlsplit(location)
    query = "&".join(pair for pair in parts.query.split("&") if pair and not pair.startswith("table="))
    address = parts._replace(query=query).geturl()
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            connection.read_only = True
            return _postgres_table(connection, wanted, table, where)
    except psycopg.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"`{redacted(location)}` cannot be read ({without_secrets(said[0], location)}).",
            "Check that the server runs, and user and password (`PGPASSWORD`, or `${NAME}` in the location).",
            where,
        ) from error


def _postgres_table(connection: Any, wanted: Sequence[str], table: str, where: str) -> Rows:
    schema, _, name = table.rpartition(".")
    schema = schema or "public"
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
            "ORDER BY ordinal_position",
            (schema, name),
        )
        there = [row[0] for row in cursor.fetchall()]
        if not there:
            cursor.execute(
                "SELECT table_schema || '.' || table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 20"
            )
            raise _no_table(table, [row[0] for row in cursor.fetchall()], where)
        cursor.execute(
            "SELECT a.attname FROM pg_index i "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
            "WHERE i.indrelid = %s::regclass AND i.indisprimary",
            (f"{_quoted(schema)}.{_quoted(name)}",),
        )
        order = [row[0] for row in cursor.fetchall()] or there
    names = {name: its for name, its in called(there).items() if name in wanted}
    select = (
        f"SELECT {', '.join(map(_quoted, names.values()))} FROM {_quoted(schema)}.{_quoted(name)} "
        f"ORDER BY {', '.join(map(_quoted, order))}"
    )
    with connection.cursor(name="drivetrain") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(select)
        batches = iter(lambda: cursor.fetchmany(_BATCH), [])
        return of_table(_columns(batches, list(names)))


def _columns(batches: Any, names: Sequence[str]) -> Any:
    """Rows of a cursor as an Arrow table, a batch at a time."""
    import pyarrow as pa

    parts: list[list[Any]] = [[] for _ in names]
    for batch in batches:
        for part, values in zip(parts, zip(*batch, strict=True), strict=True):
            part.append(_array(list(values)))
    return pa.table({name: _joined(part) for name, part in zip(names, parts, strict=True)})


def _array(values: list[Any]) -> Any:
    import decimal

    import pyarrow as pa

    if any(isinstance(value, decimal.Decimal) for value in values):
        values = [None if value is None else float(value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # SQLite keeps values of several types in one column.
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _joined(parts: list[Any]) -> Any:
    import pyarrow as pa

    from drivetrain.source.convert import text

    if not parts:
        return pa.chunked_array([], pa.string())
    kinds = {part.type for part in parts if not pa.types.is_null(part.type)}
    if len(kinds) > 1:
        parts = [text(pa.chunked_array([part])).combine_chunks() for part in parts]
    target = parts[0].type if len(kinds) != 1 else kinds.pop()
    return pa.chunked_array([part.cast(target) for part in parts], target)


def _quoted(name: str) -> str:
    """A name in SQL: whatever it holds, it stays a name."""
    return '"' + name.replace('"', '""') + '"'


def _no_table(table: str, there: list[str], where: str) -> DataError:
    return DataError(
        f"there is no table `{table}`.",
        f"Name one with `?table=…`: {', '.join(there[:20]) or 'the database has none'}.",
        where,
    )
