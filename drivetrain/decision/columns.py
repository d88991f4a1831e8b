"""Columns of the case table as arrays: for formulas, for models, and to whom each case belongs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import DataError
from drivetrain.spec import Spec

Array = NDArray[Any]


def arrays(names: frozenset[str], table: Any, needed: frozenset[str]) -> dict[str, Array]:
    """Columns of an Arrow table as NumPy arrays; a missing category is an empty string, a missing number NaN.

    Raises:
        DataError: A truth value that the decision needs is missing.
    """
    import pyarrow as pa

    found = {}
    for name in sorted(names & set(table.column_names)):
        column = table[name].combine_chunks()
        if pa.types.is_boolean(column.type) and column.null_count:
            if name in needed:
                raise DataError(
                    f"is missing in {column.null_count} of {len(column)} cases, and the decision needs it.",
                    "Fill it in the source, or take the cases out.",
                    where=name,
                )
            column = column.cast(pa.float64())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found[name] = np.array(column.fill_null("").to_pylist(), dtype=str)
        elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            whole = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            found[name] = np.array(whole, dtype="M8[us]").astype(float) / 1e6
        else:
            found[name] = np.asarray(column.to_numpy(zero_copy_only=False))
    return found


def read(spec: Spec, table: Any, names: Iterable[str]) -> dict[str, Any]:
    """Columns of the case table as models take them, those that are there; a model names a series by its source."""
    series = {part.name for part in spec.data if part.kind == "series"}
    columns = {name: "series" if name in series else name for name in names}
    return {name: plain(table[column]) for name, column in columns.items() if column in table.column_names}


def plain(column: Any) -> Any:
    """A column as models take it: an array where it is plain numbers or texts, else a list with None for missing."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or (pa.types.is_boolean(kind) and not column.null_count):
        return column.to_numpy(zero_copy_only=False)
    values = column.to_pylist()
    return np.array(values, dtype=str) if pa.types.is_string(kind) and not column.null_count else values


def entities(spec: Spec, table: Any) -> NDArray[np.int64] | None:
    """To whom each case belongs, numbered from 0 on; None where the plan names no entity, or each has one case."""
    import pyarrow as pa

    name = spec.case_source.entity
    if name is None or name not in table.column_names:
        return None
    values = table[name].combine_chunks()
    codes = np.asarray(
        values.cast(pa.string()).dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    )
    unknown = codes < 0
    # Whoever is not known is somebody else each time.
    codes = np.where(unknown, codes.max(initial=-1) + np.cumsum(unknown), codes)
    found = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return None if len(found) == found.max(initial=-1) + 1 else found
