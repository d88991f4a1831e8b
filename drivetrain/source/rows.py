"""Rows whose columns are read when they are asked for, so that a wide table need not fit into memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Reader = Callable[[], Any]
"""Gives one column as an Arrow chunked array."""


class Rows:
    """Columns of equal length, each read when it is asked for.

    Attributes:
        count: Number of rows.
        files: Files that the rows come from in their order, with the number of rows of each; empty where each row is a
            file of its own, or where rows come from a database.
        encoded: Columns of text as numbers and their values, by name: for whoever comes next, who takes them out.
    """

    def __init__(self, count: int, readers: Mapping[str, Reader], files: Iterable[tuple[str, int]] = ()) -> None:
        self.count, self._readers, self.files = count, dict(readers), tuple(files)
        self.encoded: dict[str, pa.DictionaryArray] = {}

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._readers)

    def __contains__(self, name: str) -> bool:
        return name in self._readers

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, `(count,)`."""
        return self._readers[name]()

    def reader(self, name: str) -> Reader:
        """What reads a column."""
        return self._readers[name]

    def table(self) -> pa.Table:
        """All columns at once."""
        import pyarrow as pa

        return pa.table({name: self.column(name) for name in self.names})

    def taken(self, rows: pa.Array, names: Iterable[str]) -> dict[str, Reader]:
        """Readers of some columns that give these rows, in this order; a null row gives a null."""
        return {name: _taking(self._readers[name], rows) for name in names}


def _taking(reader: Reader, rows: pa.Array) -> Reader:
    return lambda: reader().take(rows)


def of_table(table: pa.Table) -> Rows:
    """A table that is in memory."""
    return Rows(table.num_rows, {name: _column(table, name) for name in table.column_names})


def _column(table: pa.Table, name: str) -> Reader:
    return lambda: table[name]
