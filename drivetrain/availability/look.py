"""One source as the check sees it: columns read when they are looked at, and findings about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivetrain.findings import Finding, Level
from drivetrain.source.split import SPLITS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.source.rows import Rows
    from drivetrain.spec import Source, Spec

MISSING = "(missing)"
FEW_VALUES = 100
"""Values of a column below which one byte holds the number of each, with some to spare."""
__all__ = ["MISSING", "SPLITS", "Coded", "Look", "array", "coded", "count", "listed", "ranges", "some"]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as numbers that stand for its values.

    Attributes:
        codes: `(n,)`, whole numbers: index into `values`; -1 where the cell is empty.
        named: The different values, as Arrow or as a list.
    """

    codes: NDArray[Any]
    named: Any

    @property
    def values(self) -> list[str]:
        """The different values as text, truth values as `true` and `false`."""
        return self.named if isinstance(self.named, list) else list(self.named.to_pylist())

    def sizes(self, among: NDArray[np.bool_] | None = None) -> dict[str, int]:
        """Rows of each value."""
        import numpy as np

        codes = self.codes if among is None else self.codes[among]
        counts = np.bincount(codes[codes >= 0], minlength=len(self.named))
        return {value: int(number) for value, number in zip(self.values, counts, strict=True)}

    def having(self, values: Iterable[str]) -> NDArray[np.bool_]:
        """Rows that have one of these values, `(n,)`."""
        import numpy as np

        wanted = set(values)
        return np.isin(self.codes, [place for place, value in enumerate(self.values) if value in wanted])


@dataclass(slots=True)
class Look:
    """One source with its rows.

    Attributes:
        spec: The plan.
        source: The source.
        rows: Its rows with what joins bring.
        own: Rows of its own files alone.
        row: Own row of each joined row, `(n,)`.
        parts: Part of each joined row, `(n,)`, an index into `SPLITS`; -1 for rows that belong to no case.
        own_parts: Part of each own row, `(m,)`.
        tenths: Columns of numbers cut into tenths, kept once they were (`contexts.in_tenths`).
    """

    spec: Spec
    source: Source
    rows: Rows
    own: Rows
    row: NDArray[np.int64]
    parts: NDArray[np.int64]
    own_parts: NDArray[np.int64]
    _coded: dict[str, Coded] = field(default_factory=dict)
    tenths: dict[str, Coded | None] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The source's place in the plan."""
        return f"data.{self.source.name}"

    def own_coded(self, name: str, values: pa.ChunkedArray) -> Coded:
        """The source's own column; what was read for `coded` serves here, too, where no join repeats rows."""
        kept = self._coded.get(name) if self.rows is self.own else None
        return kept if kept is not None else coded(values)

    def keep(self, name: str, column: Coded) -> None:
        """Keep a column that was read, where a byte a row is enough for it."""
        if column.codes.dtype.itemsize == 1:
            self._coded.setdefault(name, column)

    def coded(self, name: str) -> Coded:
        """A column of few values, kept once it was read."""
        if name not in self._coded:
            import pyarrow as pa

            part = self.rows.encoded.pop(name, None)
            self._coded[name] = coded(self.rows.column(name)) if part is None else _coded(part)
            # Arrow keeps what it freed; names of millions of rows would add up.
            pa.default_memory_pool().release_unused()
        return self._coded[name]

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
            affected: Every file or row range concerned.
            facts: Figures behind the sentence.
        """
        where = f"{self.where}.{at}" if at else self.where
        return Finding(id, level, where, what, advice, tuple(affected), dict(facts or {}))

    def names(self, rows: NDArray[Any] | Sequence[int]) -> list[str]:
        """Joined rows as a person finds them: files, or ranges of rows of a file, counted from 1."""
        import numpy as np

        chosen = np.zeros(self.own.count, bool)
        chosen[self.row[np.asarray(rows, np.int64)]] = True
        return self.own_names(np.flatnonzero(chosen))

    def own_names(self, rows: NDArray[Any] | Sequence[int]) -> list[str]:
        """Own rows as a person finds them."""
        import numpy as np

        numbers = np.asarray(rows, np.int64)
        if "path" in self.own and not self.own.files:
            import pyarrow as pa

            return [str(path) for path in self.own.column("path").take(pa.array(numbers)).to_pylist()]
        if len(self.own.files) < 2:
            return ranges(numbers)
        ends = np.cumsum([number for _, number in self.own.files])
        named: list[str] = []
        for place, (file, number) in enumerate(self.own.files):
            inside = numbers[(numbers < ends[place]) & (numbers >= ends[place] - number)] - (ends[place] - number)
            named += [f"{file}: {entry}" for entry in ranges(inside)]
        return named


def coded(column: pa.ChunkedArray) -> Coded:
    """A column as numbers and the values that they stand for."""
    import pyarrow as pa

    from drivetrain.source.convert import text
    from drivetrain.source.join import encoded

    return _coded(encoded(text(column) if not pa.types.is_boolean(column.type) else column.cast(pa.string())))


def _coded(part: pa.DictionaryArray) -> Coded:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # A byte a row where that is enough: a wide table has many such columns.
    kind = pa.int8() if len(part.dictionary) < FEW_VALUES else pa.int32()
    return Coded(np.asarray(pc.fill_null(part.indices.cast(kind), -1)), part.dictionary)


def array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as formulas take it, `(n,)`: text, truth values, numbers; times in seconds, empty cells NaN or ''."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from drivetrain.source.join import in_seconds

    kind = column.type
    if pa.types.is_timestamp(kind):
        return in_seconds(column)
    if pa.types.is_boolean(kind):
        return np.asarray(pc.fill_null(column, False).to_numpy(), bool)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = coded(column)
        return np.asarray(np.array([*found.values, ""])[found.codes])
    return np.asarray(column.cast(pa.float64()).to_numpy(), float)


def some(values: Sequence[object], most: int = 5) -> str:
    """A few values in a sentence: `a, b and 3 more`."""
    shown = ", ".join(f"`{value}`" for value in values[:most])
    return f"{shown} and {len(values) - most:,} more" if len(values) > most else shown


def listed(sizes: Mapping[str, int], most: int = 10) -> str:
    """Rows of each value in a sentence, the rarest first."""
    ordered = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    more = f" and {len(ordered) - most:,} more" if len(ordered) > most else ""
    return ", ".join(f"`{value}` {size:,}" for value, size in ordered[:most]) + more


def ranges(rows: NDArray[Any] | Sequence[int]) -> list[str]:
    """Row numbers from 0 as ranges of row numbers from 1: `rows 3-7`, `row 12`."""
    import numpy as np

    numbers = np.sort(np.asarray(rows, np.int64)) + 1
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    first = numbers[np.concatenate([[0], breaks + 1])]
    last = numbers[np.concatenate([breaks, [len(numbers) - 1]])]
    return [f"row {a}" if a == b else f"rows {a}-{b}" for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def count(number: int, one: str, many: str = "", *, verb: str = "") -> str:
    """A number with its noun, and with the verb that fits both: `1 row is`, `1,234 rows are`."""
    noun = f"{number:,} {one if number == 1 else many or one + 's'}"
    return f"{noun} {_ONE.get(verb, verb + 's') if number == 1 else verb}" if verb else noun


_ONE = {"have": "has", "are": "is", "do": "does"}
