"""How much of a label one column explains alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 64
RARE = 10
"""Rows of the second class below which nobody can tell what a column says of it."""


def skill(values: NDArray[Any], label: NDArray[Any], *, categories: bool, classes: bool) -> float:
    """Share of a label that a column explains, on rows that were not used to learn how.

    Numbers are cut into quantiles, an empty cell is a value of its own (a reason that is filled in only when somebody
    left gives the leaving away). Half of the rows say what each value means, the other half is predicted.

    Args:
        values: `(n,)`, numbers with NaN where empty, or codes of categories with -1.
        label: `(n,)`, numbers with NaN, or codes of classes with -1; rows without a label are left out.
        categories: Whether `values` are codes.
        classes: Whether `label` are codes.

    Returns:
        For classes the balanced accuracy, rescaled so that guessing gives 0 and knowing 1 (for two classes that of the
        best threshold, if it is larger: Youden's J); for numbers the larger of the explained variance (R²) of the bins
        and the squared rank correlation. 0 when there is too little to tell.
    """
    import numpy as np

    known = label >= 0 if classes else np.isfinite(label)
    values, label = values[known], label[known]
    # A few of one class stand apart in some column by chance.
    if len(label) < 20 or (classes and np.sort(np.bincount(label))[-2:].min() < RARE):
        return 0.0
    bins = values.astype(np.int64) + 1 if categories else _bins(values)
    # Even against odd rows would fail on a file sorted in pairs; a scrambled order does not.
    half = (np.arange(len(label), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(63) == 0
    if not classes:
        return _number(bins, values, label, half, categories)
    if not categories and not label.max() > 1:
        return max(_classes(bins, label, half), _threshold(values, label))
    return _classes(bins, label, half)


def filled(values: NDArray[Any], *, categories: bool) -> NDArray[np.bool_]:
    """Rows in which a column says something, `(n,)`."""
    import numpy as np

    return np.asarray(values >= 0) if categories or values.dtype == bool else np.isfinite(values)


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Each number's quantile; 0 where it is missing."""
    import numpy as np

    finite = np.isfinite(values)
    edges = np.unique(np.quantile(values[finite], np.linspace(0, 1, BINS + 1)[1:])) if finite.any() else np.zeros(1)
    few = np.unique(values[finite][: 4 * BINS])
    if len(few) <= BINS and np.isin(values[finite], few).all():
        edges = few
    return np.where(finite, np.searchsorted(edges, values) + 1, 0)


def _classes(bins: NDArray[np.int64], label: NDArray[np.int64], half: NDArray[np.bool_]) -> float:
    import numpy as np

    top, kinds = int(bins.max()) + 1, int(label.max()) + 1
    if kinds < 2 or top * kinds > 20_000_000:
        return 0.0
    share = np.bincount(label[half], minlength=kinds) + 1e-9
    table = np.bincount(bins[half] * kinds + label[half], minlength=top * kinds).reshape(top, kinds) / share
    # A value that was not met before still says that the cell is filled in.
    unmet = table[1:].sum(0).argmax() if table[1:].any() else np.argmax(share)
    guess = np.where(table.sum(1) > 0, table.argmax(1), unmet)[bins[~half]]
    truth = label[~half]
    there = np.bincount(truth, minlength=kinds)
    right = np.bincount(truth[guess == truth], minlength=kinds)[there > 0] / there[there > 0]
    return max(0.0, (float(right.mean()) - 1 / len(right)) / (1 - 1 / len(right))) if len(right) > 1 else 0.0


def _threshold(values: NDArray[Any], label: NDArray[np.int64]) -> float:
    """Youden's J of the best threshold: the largest distance between the distributions of two classes."""
    import numpy as np

    finite = np.isfinite(values)
    true = label[finite] == 1
    if not 0 < true.sum() < len(true) or finite.mean() < 0.9:
        return 0.0
    order = np.argsort(values[finite])
    ordered = values[finite][order]
    last = np.concatenate([ordered[1:] != ordered[:-1], [True]])
    distance = np.cumsum(np.where(true[order], 1 / true.sum(), -1 / (~true).sum()))
    return float(np.abs(distance[last]).max())


def _number(
    bins: NDArray[np.int64],
    values: NDArray[Any],
    label: NDArray[np.float64],
    half: NDArray[np.bool_],
    categories: bool,
) -> float:
    import numpy as np

    top = int(bins.max()) + 1
    size = np.bincount(bins[half], minlength=top)
    mean = np.where(size > 0, np.bincount(bins[half], label[half], top) / np.maximum(size, 1), label[half].mean())
    variance = float(np.var(label[~half]))
    if not variance:
        return 0.0
    explained = 1 - float(np.mean((label[~half] - mean[bins[~half]]) ** 2)) / variance
    if categories or not np.isfinite(values).all() or np.ptp(values) == 0:
        return max(0.0, explained)
    rank = np.corrcoef(np.unique(values, return_inverse=True)[1], np.unique(label, return_inverse=True)[1])
    return max(0.0, explained, float(rank[0, 1]) ** 2)
