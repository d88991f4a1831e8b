"""Values of a column: plausible, and within what the plan says about it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.sample.hints import Hints
    from drivetrain.spec.data import Column

MONEY = ("EUR", "USD", "GBP", "CHF", "€", "$", "£")
DAY = 86_400.0
GROUPS = 4
"""Values of a column that results are looked at by, where the plan does not list them."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for each name, so that one more column changes no other."""
    import numpy as np

    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def column(name: str, declared: Column, rows: int, known: Hints, draw: np.random.Generator) -> NDArray[Any]:
    """Values of a declared column, `(n,)`, that depend on nothing else."""
    kind = declared.type
    if kind == "boolean":
        return draw.random(rows) < 0.6
    if kind in ("category", "text"):
        return category(name, declared.values or known.settings.get(name, []), rows, known, draw)
    if kind in ("id", "path", "image", "audio"):
        return ids(name, rows)
    if kind == "integer":
        return _bounded(integers(name, declared, rows, known, draw), declared)
    return _bounded(numbers(name, declared, rows, known, draw), declared)


def weights(declared: Column | None, rows: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """How much each row counts for, `(n,)`: from a half, or from the least that the plan allows, to one more."""
    low = 0.5 if declared is None or declared.minimum is None else declared.minimum
    high = low + 1 if declared is None or declared.maximum is None else declared.maximum
    return draw.uniform(low, high, rows).round(4)


def few(declared: Column, rows: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """A number that results are looked at by, `(n,)`: a few values, or each group would be one row."""
    import numpy as np

    low = 0.0 if declared.minimum is None else declared.minimum
    high = low + 3 if declared.maximum is None else declared.maximum
    steps = np.linspace(low, high, GROUPS)
    return draw.choice(_bounded(np.rint(steps) if declared.type == "integer" else steps, declared), rows)


def ids(name: str, count: int) -> NDArray[Any]:
    """Different names such as `c00017`, `(n,)`."""
    import numpy as np

    return np.array([f"{name[0]}{number:05d}" for number in range(count)])


def category(name: str, values: list[str], rows: int, known: Hints, draw: np.random.Generator) -> NDArray[Any]:
    """Categories, the first more frequent than the last."""
    import numpy as np

    words = list(dict.fromkeys([*values, *([] if values else known.words.get(name, []))]))
    if not values:
        words += [f"{name} {letter}" for letter in "abcd"[: max(0, 4 - len(words))]]
    share = np.linspace(1.3, 0.7, len(words))
    return draw.choice(np.array(words), rows, p=share / share.sum())


def numbers(name: str, declared: Column, rows: int, known: Hints, draw: np.random.Generator) -> NDArray[np.float64]:
    """Numbers of a size that fits their unit and the thresholds of the plan."""
    if name in known.ranges:
        low, high = known.ranges[name]
        return low + (high - low) * draw.beta(2, 3, rows)
    if declared.minimum is not None and declared.maximum is not None:
        return declared.minimum + (declared.maximum - declared.minimum) * draw.beta(2, 2, rows)
    marks = known.thresholds.get(name)
    if marks:
        middle = sum(marks) / len(marks)
        return middle + max(abs(middle), 1.0) * 0.4 * draw.standard_normal(rows)
    unit = (declared.unit or "").strip()
    if unit in known.scales:
        return known.scales[unit] * draw.lognormal(0, 0.3, rows)
    if any(mark in unit for mark in MONEY):
        return draw.gamma(4, 65, rows)
    if unit.startswith("year"):
        return 18 + 65 * draw.beta(2, 2.5, rows)
    if unit.startswith(("month", "week", "day")):
        return draw.gamma(2, 12, rows)
    return 50 + 15 * draw.standard_normal(rows)


def integers(name: str, declared: Column, rows: int, known: Hints, draw: np.random.Generator) -> NDArray[np.float64]:
    """Whole numbers."""
    import numpy as np

    if name in known.ranges or (declared.minimum is not None and declared.maximum is not None):
        return np.rint(numbers(name, declared, rows, known, draw))
    marks = known.thresholds.get(name)
    if marks:
        return draw.integers(0, int(2 * max(marks) + 5), rows).astype(float)
    return draw.poisson(6, rows).astype(float)


def times(rows: int, start: float, end: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """Seconds since 1970, sorted, whole."""
    import numpy as np

    return np.floor(np.sort(start + (end - start) * draw.random(rows)))


def _bounded(values: NDArray[Any], declared: Column) -> NDArray[Any]:
    import numpy as np

    low = -np.inf if declared.minimum is None else declared.minimum
    high = np.inf if declared.maximum is None else declared.maximum
    # Many decimals, so that in a table of few columns no two rows are alike.
    return np.clip(np.round(values, 0 if declared.type == "integer" else 8), low, high)
