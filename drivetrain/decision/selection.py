"""Cases whose outcome was never observed: the others stand in for them, by the inverse of their chance to be seen.

A loan that was refused is never repaid, a survey that was not answered says nothing. Leaving such cases out compares
policies on the kind of case that gets observed. Weighing each observed case by 1 / P(observed | what is known) undoes
that wherever nothing but what is known decides what is observed (Robins, Rotnitzky and Zhao 1994, missing at random).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 0.02
"""No case counts for more than 50: a rarer one would carry the figure alone."""
FOLDS = 5
BINS = 8
MOST_KINDS = 30
"""Categories with more values than this are no context: each would be seen or not on its own."""
FEWEST = 20
"""With fewer observed, or unobserved, cases there is nothing to learn from: all count alike."""


def chance(context: Mapping[str, Any], seen: NDArray[np.bool_], seed: int = 42) -> Floats:
    """P(observed | context) of each case, shape (n,), from folds that the case is not in.

    Additive logistic regression on eighths of each number and on categories.

    Args:
        context: Column -> n values; what is neither number, truth value nor short text is left out.
        seen: Which cases were observed, shape (n,).
        seed: Of the folds.
    """
    count, hits = len(seen), int(seen.sum())
    share = np.full(count, max(LEAST, hits / count if count else 1.0))
    if hits == count or min(hits, count - hits) < FEWEST:
        return np.ones(count) if hits == count else share
    columns = [column for values in context.values() for column in _indicators(values)]
    if not columns:
        return share
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    table = np.column_stack(columns)
    for fitted, left_out in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(table, seen):
        model = LogisticRegression(C=10.0, max_iter=500).fit(table[fitted], seen[fitted])
        share[left_out] = model.predict_proba(table[left_out])[:, 1]
    return np.asarray(np.clip(share, LEAST, 1.0))


def said(seen: NDArray[np.bool_], chances: Floats) -> str:
    """What a report says about it; empty where all were observed."""
    if seen.all():
        return ""
    low, high = float(chances[seen].min()), float(chances[seen].max())
    return (
        f"The outcome was not observed in {1 - seen.mean():.0%} of the cases. The others stand in for them by the "
        f"inverse of their chance to be observed ({low:.2g} to {high:.2g}), which is right where nothing but what is "
        "known of a case decides that."
    )


def _indicators(values: Any) -> list[Floats]:
    """A column as 0 and 1: eighths of a number, kinds of a category, missing as a kind of its own."""
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    if array.ndim != 1:
        return []
    if array.dtype.kind == "O":
        if all(isinstance(value, str | bool) or value is None for value in array):
            array = np.array(["" if value is None else str(value) for value in array])
        else:
            return []
    if array.dtype.kind == "U":
        kinds = np.unique(array)
        return [(array == kind).astype(float) for kind in kinds[1:]] if len(kinds) <= MOST_KINDS else []
    if array.dtype.kind not in "iufb":
        return []
    number = array.astype(float)
    there = np.isfinite(number)
    if not there.any():
        return []
    edges = np.unique(np.quantile(number[there], np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.where(there, np.searchsorted(edges, number), -1)
    return [(bins == place).astype(float) for place in np.unique(bins)[1:]]
