"""Rows of a table to model inputs: the codes and scales that the manifest wrote down."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import DataError


def category(value: Any) -> str | None:
    """A category's value as text, the same in training and in service; None when it is missing.

    1, 1.0 and "1" are the same category, so are True and "true": a table read from CSV, Parquet or JSON must not decide
    which code a value gets.
    """
    if isinstance(value, str):
        return value
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return str(int(float(value)))
    return str(value)


def number(value: Any, where: str) -> float:
    """A number as float; NaN when it is missing.

    Raises:
        DataError: It is no finite number.
    """
    if is_missing(value):
        return math.nan
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.inf
    if math.isinf(result):
        raise DataError(f"`{value}` is not a number.", "Give a finite number, or nothing where it is missing.", where)
    return result


def is_missing(value: Any) -> bool:
    """Whether a value stands for `nothing`: None, NaN, or pandas' NA and NaT."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA has no truth value
        return type(value).__name__ == "NAType"


def encode(
    cases: Mapping[str, Sequence[Any]], settings: Mapping[str, Any], start: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Codes (n, categories) and standardised numbers (n, numbers) of n cases.

    Args:
        cases: Column -> n plain values.
        settings: The manifest's `preprocessing`: `categories` {column: [values by code; 0 = unknown]}, `continuous`
            {column: {mean, std, fill}}, `missing` {indicator column: the column it speaks of}.
        start: Number of the first case, for messages.

    Raises:
        DataError: A column is absent, or a value is no number where one is needed.
    """
    indicators: Mapping[str, str] = settings.get("missing", {})
    needed = [*(name for name in settings["categories"] if name not in indicators), *settings["continuous"]]
    absent = [name for name in needed if name not in cases]
    if absent:
        raise DataError(f"the input `{absent[0]}` is missing.", f"Give all of: {', '.join(needed)}.", "cases")
    size = len(cases[needed[0]])
    codes = np.zeros((size, len(settings["categories"])), dtype=np.int64)
    for column, (name, values) in enumerate(settings["categories"].items()):
        code = {value: index for index, value in enumerate(values) if index}
        if name in indicators:
            given: list[str | None] = ["true" if is_missing(v) else "false" for v in cases[indicators[name]]]
        elif isinstance(array := cases[name], np.ndarray) and array.dtype.kind in "Ubif":
            # Simulations ask about millions of rows that hold few values.
            unique, where = np.unique(array, return_inverse=True)
            codes[:, column] = np.array([code.get(category(value) or "", 0) for value in unique.tolist()])[where]
            continue
        else:
            given = [category(value) for value in cases[name]]
        codes[:, column] = [code.get(value, 0) for value in given]
    scaled = np.zeros((size, len(settings["continuous"])), dtype=np.float32)
    for column, (name, scale) in enumerate(settings["continuous"].items()):
        raw = _numbers(cases[name], name, start)
        raw = np.where(np.isnan(raw), scale["fill"], raw)
        scaled[:, column] = (raw - scale["mean"]) / scale["std"]
    return codes, scaled


def _numbers(values: Sequence[Any], name: str, start: int) -> NDArray[np.float64]:
    """Numbers (n,), NaN where missing: at once where numpy can, one by one where a value needs a message."""
    try:
        raw = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raw = np.zeros((0, 0))
    if raw.ndim == 1 and not np.isinf(raw).any():
        return raw
    return np.array([number(value, f"case {row}: {name}") for row, value in enumerate(values, start=start)], float)
