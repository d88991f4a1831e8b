"""Rows of the same person, machine or place: they say less than as many rows of different ones.

Reference: Rao and Scott (1992), A simple method for the analysis of clustered binary data: counts are divided by the
design effect, the ratio of the variance over entities to that over rows. Ours is pooled over all groups, since a small
group's own would be mostly noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drivetrain.audit.counts import weight_of
from drivetrain.audit.figures import Mean, Table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ENTITY = "entity "
"""Prefix of the column that says to whom a row belongs."""

Said = tuple[str, "NDArray[Any]", "NDArray[Any] | None"]
"""A figure's name, what each row says about it (n,), and which rows it rests on (None: all)."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How far rows repeat.

    Attributes:
        column: Column that says to whom a row belongs.
        entities: Number of different ones.
        effects: Figure -> design effect, at least 1.
    """

    column: str
    entities: int
    effects: Mapping[str, float]

    def on(self, table: Table) -> Table:
        """The same groups, with intervals and tests that allow for repeated rows."""
        figures = [replace(figure, repeats=self.effects.get(figure.name, 1.0)) for figure in table.figures]
        return replace(table, figures=figures)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"column": self.column, "number": self.entities, "design_effects": dict(self.effects)}


def repeats(rows: pa.Table, said: Iterator[Said]) -> Repeats | None:
    """How far rows repeat; None where the plan names no entity, or each stands for itself.

    Args:
        rows: Rows with a column of the prefix `entity `.
        said: Figures, row by row.
    """
    import numpy as np

    column = next((name for name in rows.column_names if name.startswith(ENTITY)), None)
    if column is None or not rows.num_rows:
        return None
    encoded = rows[column].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    unknown = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(len(codes), bool)
    number = len(encoded.dictionary)
    # Whoever is not known is somebody else each time.
    codes = np.where(unknown, number + np.cumsum(unknown) - 1, np.nan_to_num(codes)).astype(int)
    number += int(unknown.sum())
    if number == len(codes):
        return None
    weight = weight_of(rows)
    w = np.ones(len(codes)) if weight is None else rows[weight].to_numpy().astype(float)
    effects = {name: _effect(codes, number, x, where, w) for name, x, where in said}
    return Repeats(column.removeprefix(ENTITY), number, effects)


def _effect(
    codes: NDArray[Any], number: int, x: NDArray[Any], where: NDArray[Any] | None, weight: NDArray[Any]
) -> float:
    import numpy as np

    x = np.asarray(x, float)
    kept = np.isfinite(x) if where is None else where & np.isfinite(x)
    if not weight[kept].sum() > 0:
        return 1.0
    apart = np.where(kept, (x - np.average(x[kept], weights=weight[kept])) * weight, 0.0)
    over_rows = float((apart**2).sum())
    over_entities = float((np.bincount(codes, weights=apart, minlength=number) ** 2).sum())
    return max(over_entities / over_rows, 1.0) if over_rows > 0 else 1.0


def classes(rows: pa.Table, names: Sequence[str], positive: str | None) -> Iterator[Said]:
    """What each row says about the figures of a classifier; names as in `classes_by_group`."""
    truth, said = (_words(rows[name]) for name in ("truth", "predicted"))
    yield "accuracy", truth == said, None
    yield "calibration gap", rows["gap"].to_numpy(), None
    for name in [positive] if positive is not None else names:
        suffix = "" if positive is not None else f": {name}"
        is_true, is_said = truth == name, said == name
        yield f"selection rate{suffix}", is_said, None
        yield f"true positive rate{suffix}", is_said, is_true
        yield f"false negative rate{suffix}", ~is_said, is_true
        yield f"false positive rate{suffix}", is_said, ~is_true
        yield f"precision{suffix}", is_true, is_said
        yield f"share of cases{suffix}", is_true, None


def columns(rows: pa.Table, named: Mapping[str, str]) -> Iterator[Said]:
    """What each row says about means: figure -> column."""
    for name, column in named.items():
        yield name, rows[column].to_numpy(), None


def settings(rows: pa.Table, table: Table, chosen: Mapping[str, tuple[str, Sequence[str]]]) -> Iterator[Said]:
    """What each row says about setting rates; names as in `decisions_by_group`."""
    names = {figure.name for figure in table.figures if not isinstance(figure, Mean)}
    for lever, (column, options) in chosen.items():
        values = _words(rows[column])
        for option in options:
            for name in {f"setting rate: {option}", f"setting rate: {lever} = {option}"} & names:
                yield name, values == option, None


def _words(column: Any) -> NDArray[Any]:
    import numpy as np
    import pyarrow as pa

    found: NDArray[Any] = np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)
    return found
