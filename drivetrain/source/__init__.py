"""Every source is a table: files or rows, typed, joined and split as the plan says.

`table` gives the rows of one source; `cases` adds its joins and says which row trains, validates or tests;
`fingerprint` says which data these are, and whether they are sample data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.source.fingerprint import SAMPLE, Fingerprint, fingerprint
from drivetrain.source.join import joined
from drivetrain.source.locate import Files, locate, relative
from drivetrain.source.read import table
from drivetrain.source.split import SPLITS, names, split_of
from drivetrain.source.truth import areas, labels_in

if TYPE_CHECKING:
    import pyarrow as pa

    from drivetrain.spec import Spec

__all__ = [
    "SAMPLE",
    "SPLITS",
    "Files",
    "Fingerprint",
    "areas",
    "cases",
    "fingerprint",
    "labels_in",
    "locate",
    "relative",
    "table",
]


def cases(spec: Spec, name: str | None = None) -> pa.Table:
    """The rows of a source after its joins, with their part of the split.

    Args:
        spec: The plan.
        name: The source; the decision's cases when None.

    Returns:
        The columns of `table`, those of joined sources, `split` (train, validation, test, hold_out; empty for rows of a
        joined source that belong to no case, which nothing may use) and `case`, the row's number from 0.

    Raises:
        DataError: A source or a key is missing, or the split cannot be made.
    """
    import numpy as np
    import pyarrow as pa

    source = spec.case_source if name is None else spec.source(name)
    rows, row = joined(spec, source.name)
    parts = split_of(spec, source.name)[row]
    table = rows.table()
    return table.append_column("split", names(parts)).append_column("case", pa.array(np.arange(rows.count)))
