"""Contexts of a decision: the columns known before it, and which setting was pulled, or allowed, where."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from drivetrain.availability.formulas import value_of
from drivetrain.availability.look import MISSING, Coded, Look, array
from drivetrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec.data import Column
    from drivetrain.spec.levers import Lever


def context_columns(look: Look) -> dict[str, Column]:
    """Columns that describe a case before the decision, joined ones included."""
    own = look.source.columns
    brought = {n: c for s in look.spec.data for n, c in s.columns.items() if n in look.rows and n not in own}
    usable = ("number", "integer", "boolean", "category")
    return {
        name: column
        for name, column in (own | brought).items()
        if name in look.rows and column.role == "feature" and column.known == "before" and column.type in usable
    }


def places(logged: Coded, settings: Sequence[str], rows: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Place of each row's setting among the settings, `(n,)`; -1 in other rows, and for what is no setting."""
    import numpy as np

    known = {setting: place for place, setting in enumerate(settings)}
    table = np.array([*[known.get(value, -1) for value in logged.values], -1], np.int32)
    return np.where(rows, table[logged.codes], np.int32(-1))


def crossed(taken: NDArray[np.int32], context: Coded, top: int) -> NDArray[np.int32]:
    """One number for each pair of a setting and a value, `(n,)`: those of the first setting from `top` + 2 on."""
    import numpy as np

    return np.asarray((taken + np.int32(1)) * np.int32(top + 1) + context.codes + np.int32(1), np.int32)


def allowed(look: Look, lever: Lever, setting: Any) -> NDArray[np.bool_]:
    """Rows in which the limits of a lever allow a setting, as far as they can be evaluated, `(n,)`."""
    import numpy as np

    result = np.ones(look.rows.count, bool)
    for limit in lever.limits:
        value = value_of(look, limit, {lever.name: np.asarray(setting)})
        if value is not None:
            result &= np.broadcast_to(np.asarray(value, bool), (look.rows.count,))
    return result


def in_tenths(look: Look, name: str, column: Column) -> Coded | None:
    """A column of few values as it is, numbers in tenths; None when it cannot be read, which others report."""
    try:
        return _in_tenths(look, name, column)
    except DataError:
        return None


def _in_tenths(look: Look, name: str, column: Column) -> Coded | None:
    import numpy as np

    if column.type in ("category", "boolean"):
        found = look.coded(name)
        if (found.codes < 0).any():
            return Coded(np.where(found.codes < 0, len(found.values), found.codes), [*found.values, MISSING])
        return found
    if name not in look.tenths:
        look.tenths[name] = cut(array(look.rows.column(name)))
    return look.tenths[name]


def cut(values: NDArray[Any]) -> Coded | None:
    """Numbers in tenths; where a long column is cut is read off 100,000 of its rows."""
    import numpy as np

    finite = values[:: len(values) // 100_000 + 1]
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return None
    edges = np.unique(np.quantile(finite, np.arange(1, 10) / 10))
    # One byte a row: a wide table has many such columns. Few edges are counted faster than they are searched.
    place = np.zeros(len(values), np.int8)
    for edge in edges:
        place += values >= edge
    place[~np.isfinite(values)] = -1
    bounds = [-np.inf, *edges, np.inf]
    return Coded(place, [f"{low:g} to {high:g}" for low, high in pairwise(bounds)])
