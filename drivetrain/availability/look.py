"""One source as the check sees it, and how findings about it are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.findings import Finding, Level

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

SPLITS = ("train", "validation", "test", "hold_out")


@dataclass(frozen=True, slots=True)
class Look:
    """One source with its rows.

    Attributes:
        spec: The plan.
        source: The source.
        rows: What `source.cases` gives, joins and split included.
        own: Rows of its own files alone, without joins.
        own_split: Part of each of these, `(m,)`.
    """

    spec: Spec
    source: Source
    rows: pa.Table
    own: pa.Table
    own_split: NDArray[np.str_]

    @property
    def where(self) -> str:
        """The source's place in the plan."""
        return f"data.{self.source.name}"

    def finding(
        self,
        id: str,
        level: Level,
        what: str,
        advice: str = "",
        *,
        at: str = "",
        affected: Iterable[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> Finding:
        """A finding about this source.

        Args:
            id: `DA…`.
            level: How grave it is.
            what: What is the case, with the figure.
            advice: What to do.
            at: The field below the source.
            affected: Every file or row concerned.
            facts: Figures behind the sentence.
        """
        where = f"{self.where}.{at}" if at else self.where
        return Finding(id, level, where, what, advice, tuple(affected), dict(facts or {}))

    def split(self) -> NDArray[np.str_]:
        """The part of each row, `(n,)`."""
        import numpy as np

        return np.asarray(self.rows["split"].to_pylist(), dtype=str)

    def names(self, rows: Iterable[int]) -> list[str]:
        """Rows as a person finds them: a file's path, or the row's number from 1."""
        if "path" in self.rows.column_names:
            paths = self.rows["path"]
            return [paths[int(row)].as_py() for row in rows]
        return [f"row {int(row) + 1}" for row in rows]


def some(values: Sequence[object], most: int = 5) -> str:
    """A few values in a sentence: `a, b and 3 more`."""
    shown = ", ".join(f"`{value}`" for value in values[:most])
    return f"{shown} and {len(values) - most} more" if len(values) > most else shown


def ranges(rows: Iterable[int], most: int | None = None) -> list[str]:
    """Row numbers from 0 as ranges of row numbers from 1: `rows 3-7`, `row 12`."""
    found: list[list[int]] = []
    for row in sorted(int(row) + 1 for row in rows):
        if found and row == found[-1][1] + 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return [f"row {a}" if a == b else f"rows {a}-{b}" for a, b in found[:most]]


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 row`, `1,234 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
