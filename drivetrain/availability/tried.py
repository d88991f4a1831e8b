"""Levers that are numbers: which settings between the ends were never tried, and where some never were."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from drivetrain.availability.look import Coded, Look, count, some
from drivetrain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec.levers import IntegerLever, RangeLever

MANY = 20
"""Settings up to which each is looked at by itself; more are looked at in ten equal parts of the range."""
ROWS = 20
"""Rows for each setting or part, below which an empty one may be chance."""
OFTEN = 0.05
"""Share of the rows from which on a part counts as used, so that it is missed where it never was."""


def parts(
    lever: IntegerLever | RangeLever, logged: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str]] | None:
    """The range of a lever in parts: their edges, `(k + 1,)`, and their names; None when it has no width.

    Args:
        lever: A lever that is a number.
        logged: Settings on record, `(n,)`.
    """
    import numpy as np

    known = logged[np.isfinite(logged)]
    low = float(known.min() if lever.minimum is None else lever.minimum)
    high = float(known.max() if lever.maximum is None else lever.maximum)
    step = lever.step if isinstance(lever.step, int | float) and lever.step > 0 else None
    if not high > low:
        return None
    if step and (lever.type == "integer" or np.allclose(known, low + step * np.round((known - low) / step))):
        steps = np.arange(low, high + step / 2, step)
        if len(steps) <= MANY:
            return np.concatenate([steps - step / 2, [steps[-1] + step / 2]]), [f"{setting:g}" for setting in steps]
    edges = np.linspace(low, high, 11)
    return edges, [f"{a:g} to {b:g}" for a, b in pairwise(edges.tolist())]


def placed(edges: NDArray[np.float64], names: list[str], logged: NDArray[np.float64]) -> Coded:
    """The part of each setting on record."""
    import numpy as np

    inside = np.isfinite(logged) & (logged >= edges[0]) & (logged <= edges[-1])
    place = np.clip(np.searchsorted(edges, logged, side="right") - 1, 0, len(names) - 1)
    return Coded(np.where(inside, place, -1).astype(np.int32), names)


def gaps(
    lever: IntegerLever | RangeLever, look: Look, logged: Coded, rows: NDArray[np.bool_], needed: bool
) -> Iterator[Finding]:
    """Settings that were never tried though lower and higher ones were."""
    sizes = logged.sizes(rows)
    used = [place for place, name in enumerate(logged.values) if sizes[name]]
    between = logged.values[used[0] : used[-1] + 1] if used else []
    never = [name for name in between if not sizes[name]]
    total = int(rows.sum())
    if not never or total < ROWS * len(between):
        return
    facts: dict[str, Any] = {"counts": sizes, "shares": {name: size / total for name, size in sizes.items()}}
    yield Finding(
        "DA204",
        "warn" if needed else "note",
        f"levers.{lever.name}.history",
        f"never set to {some(never)} in {count(total, 'row')}, though to less and to more.",
        "What it does there is read off its neighbours: try it, or leave it out with `limits`." if needed else "",
        affected=tuple(never),
        facts=facts,
    )
