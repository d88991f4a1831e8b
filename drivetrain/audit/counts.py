"""Counting: one pass of DuckDB over the rows, then every group and intersection from the cells.

A *cell* is what rows share: a value in each group column, the truth and the prediction. There are few of them however
many rows there are, so that every group, and every intersection of groups, is a sum over cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Group = tuple[str | None, ...]
MOST_GROUPS = 500
GROUP, OUTCOME, WEIGHT = "group ", "outcome ", "weight "
"""Prefixes of columns that come from the plan's data: with a space in it, none is taken for one of the audit's own."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of a table.

    Attributes:
        keys: Column -> (values, code of each cell in them); a missing value is None and has a code of its own.
        rows: Number of rows in each cell, (n,).
        sums: Name -> sum over the cell's rows of x, x², x³ and the number of x that are not missing, (n, 4). Where rows
            have weights w: of wx, wx², wx³, w, then w² and the number, (n, 6).
        centre: Name -> what was subtracted from x beforehand, so that no digits are lost.
        weights: Sum of w and of w² over the cell's rows, (n, 2); None where every row counts once.
        ends: Name -> least and greatest x minus centre of the cell, (n, 2), NaN without any x.
    """

    keys: Mapping[str, tuple[list[str | None], NDArray[Any]]]
    rows: NDArray[Any]
    sums: Mapping[str, NDArray[Any]]
    centre: Mapping[str, float]
    weights: NDArray[Any] | None = None
    ends: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def amounts(self) -> NDArray[Any]:
        """Number of rows, sum of weights and of squared weights in each cell, (n, 3)."""
        import numpy as np

        rows = self.rows.astype(float)
        return np.column_stack([rows, rows, rows] if self.weights is None else [rows, self.weights])


def weight_of(table: pa.Table) -> str | None:
    """The column of a table that says how often its rows count; None where each counts once."""
    return next((name for name in table.column_names if name.startswith(WEIGHT)), None)


def cells(table: pa.Table, keys: Sequence[str], numbers: Sequence[str] = ()) -> Cells:
    """Count the rows of `table` by `keys`, and sum up `numbers`.

    Args:
        table: Any Arrow table; a column of the prefix `weight ` says how often its rows count.
        keys: Columns to count by; every value is compared as text, a missing one stays missing.
        numbers: Columns to sum up; missing values and NaN are left out.

    Returns:
        The cells, in no particular order.
    """
    import duckdb
    import numpy as np

    with duckdb.connect() as connection:
        connection.register("t", table)
        by = [f"CAST({quoted(name)} AS VARCHAR) AS k{i}" for i, name in enumerate(keys)]
        centre = _centres(connection, numbers)
        weight = weight_of(table)
        measures = ["count(*) AS n", *(["sum(w)", "sum(w * w)"] if weight else [])]
        for i, name in enumerate(numbers):
            x, w = f"(x{i} - {centre[name]!r})", "w * " if weight else ""
            measures += [f"sum({w}{x})", f"sum({w}{x} * {x})", f"sum({w}{x} * {x} * {x})"]
            there = f"FILTER (WHERE x{i} IS NOT NULL)"
            measures += [f"sum(w) {there}", f"sum(w * w) {there}"] if weight else []
            counted = " FILTER (WHERE w > 0)" if weight else ""
            measures += [f"count(x{i})", f"min({x}){counted}", f"max({x}){counted}"]
        values = [
            f"CASE WHEN isfinite({quoted(n)}::DOUBLE) THEN {quoted(n)}::DOUBLE END AS x{i}"
            for i, n in enumerate(numbers)
        ]
        values += [f"{quoted(weight)}::DOUBLE AS w"] if weight else []
        inner = f"SELECT {', '.join([*by, *values]) or '1'} FROM t"
        names = [f"k{i}" for i in range(len(keys))]
        grouped = f" GROUP BY {', '.join(names)}" if names else ""
        found = connection.sql(f"SELECT {', '.join([*names, *measures])} FROM ({inner}){grouped}").to_arrow_table()
    coded = {name: _codes(found.column(i)) for i, name in enumerate(keys)}
    rows = found.column(len(keys)).to_numpy()
    start, width = len(keys) + (3 if weight else 1), 6 if weight else 4

    def read(first: int, count: int) -> NDArray[Any]:
        return np.stack([found.column(first + j).to_numpy().astype(float) for j in range(count)], axis=1)

    places = {name: start + (width + 2) * i for i, name in enumerate(numbers)}
    sums = {name: np.nan_to_num(read(place, width)) for name, place in places.items()}
    ends = {name: read(place + width, 2) for name, place in places.items()}
    return Cells(coded, rows, sums, centre, read(len(keys) + 1, 2) if weight else None, ends)


def _centres(connection: Any, numbers: Sequence[str]) -> dict[str, float]:
    if not numbers:
        return {}
    asked = ", ".join(f"avg({_finite(name)})" for name in numbers)
    row = connection.execute(f"SELECT {asked} FROM t").fetchall()[0]
    return {name: float(value) if value is not None else 0.0 for name, value in zip(numbers, row, strict=True)}


def _finite(name: str) -> str:
    return f"CASE WHEN isfinite({quoted(name)}::DOUBLE) THEN {quoted(name)}::DOUBLE END"


def quoted(name: str) -> str:
    """A column's name as DuckDB reads it, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def _codes(column: Any) -> tuple[list[str | None], NDArray[Any]]:
    import numpy as np

    encoded = column.combine_chunks().dictionary_encode()
    values: list[str | None] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    missing = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(len(codes), bool)
    order = sorted(range(len(values)), key=lambda i: values[i] or "")
    place = np.empty(len(values) + 1, int)
    place[order] = np.arange(len(values))
    place[-1] = len(values)
    coded = place[np.where(missing, len(values), np.nan_to_num(codes)).astype(int)]
    named = [values[i] for i in order]
    return ([*named, None] if missing.any() else named), coded


def plain(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns' names as the plan knows them."""
    return tuple(name.removeprefix(GROUP).removeprefix(OUTCOME) for name in columns)


def subsets(columns: Sequence[str], depth: int | None = None) -> Iterator[tuple[str, ...]]:
    """The columns one by one, then their intersections, up to `depth` columns at a time."""
    for size in range(1, min(depth or len(columns), len(columns)) + 1):
        yield from combinations(columns, size)


def manageable(found: Cells, columns: Sequence[str], depth: int | None = None) -> list[tuple[str, ...]]:
    """The subsets of columns that have no more than `MOST_GROUPS` groups: with more, none has enough rows to tell."""
    return [subset for subset in subsets(columns, depth) if len(grouped(found, subset)[0]) <= MOST_GROUPS]


def grouped(found: Cells, columns: Sequence[str]) -> tuple[list[Group], NDArray[Any]]:
    """The groups that occur in these columns, and to which of them each cell belongs.

    Returns:
        Groups in the order of their values (missing last), and (n,) places in that list. No columns: one group, `()`.
    """
    import numpy as np

    if not columns:
        return [()], np.zeros(len(found.rows), int)
    sizes = [len(found.keys[name][0]) for name in columns]
    flat = np.ravel_multi_index([found.keys[name][1] for name in columns], sizes)
    occurring, place = np.unique(flat, return_inverse=True)
    places = np.unravel_index(occurring, sizes)
    values = [found.keys[name][0] for name in columns]
    groups = [tuple(values[c][places[c][g]] for c in range(len(columns))) for g in range(len(occurring))]
    return groups, place


def total(place: NDArray[Any], groups: int, amounts: NDArray[Any]) -> NDArray[Any]:
    """Sum of `amounts` (n,) or (n, m) over the cells of each group: (groups,) or (groups, m)."""
    import numpy as np

    if amounts.ndim == 1:
        return np.bincount(place, weights=amounts, minlength=groups)
    return np.stack([np.bincount(place, weights=a, minlength=groups) for a in amounts.T], axis=1)
