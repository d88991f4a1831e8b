"""How much of a label one column explains alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BINS = 64


def skill(values: NDArray[Any], label: pa.ChunkedArray) -> float:
    """Share of a label that a column explains, on rows that were not used to learn how.

    Numbers are cut into quantiles, an empty cell is a value of its own (a reason that is filled in only when somebody
    left gives the leaving away). Half of the rows say what each value means, the other half is predicted.

    Args:
        values: `(n,)`, numbers, truth values or text.
        label: `(n,)`, numbers or classes; rows without are left out.

    Returns:
        For classes the balanced accuracy, rescaled so that guessing gives 0 and knowing 1 (for two classes that of the
        best threshold, if it is larger: Youden's J); for numbers the larger of the explained variance (R²) of the bins
        and the squared rank correlation. 0 when there is too little to tell.
    """
    import numpy as np
    import pyarrow as pa

    known = np.flatnonzero(np.asarray(label.is_valid()))
    if len(known) < 20:
        return 0.0
    bins = _bins(values[known])
    # Even against odd rows would fail on a file sorted in pairs; a scrambled order does not.
    order = np.argsort((np.arange(len(known), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20))
    learn, judge = order[: len(order) // 2], order[len(order) // 2 :]
    chosen = label.take(pa.array(known))
    if pa.types.is_floating(label.type) or pa.types.is_integer(label.type):
        return _number(bins, values[known], np.asarray(chosen.to_numpy(), float), learn, judge)
    return max(_classes(bins, chosen, learn, judge), _threshold(values[known], chosen))


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Each value's bin: itself for categories, its quantile for numbers; 0 where it is missing."""
    import numpy as np

    if values.dtype.kind in "UOb":
        return np.unique(values.astype(str), return_inverse=True)[1] + 1
    finite = np.isfinite(values)
    distinct = np.unique(values[finite])
    if len(distinct) <= BINS:
        edges = distinct
    else:
        edges = np.unique(np.quantile(values[finite], np.linspace(0, 1, BINS + 1)[1:]))
    return np.where(finite, np.searchsorted(edges, values) + 1, 0)


def _classes(
    bins: NDArray[np.int64], label: pa.ChunkedArray, learn: NDArray[np.int64], judge: NDArray[np.int64]
) -> float:
    import numpy as np
    import pyarrow.compute as pc

    classes = np.asarray(pc.dictionary_encode(label.cast("string")).combine_chunks().indices, np.int64)
    top, kinds = int(bins.max()) + 1, int(classes.max()) + 1
    if kinds < 2 or top * kinds > 20_000_000:
        return 0.0
    share = np.bincount(classes[learn], minlength=kinds) + 1e-9
    table = np.bincount(bins[learn] * kinds + classes[learn], minlength=top * kinds).reshape(top, kinds) / share
    usual = np.argmax(share)
    guess = np.where(table.sum(1) > 0, table.argmax(1), usual)[bins[judge]]
    truth = classes[judge]
    right = [float(np.mean(guess[truth == kind] == kind)) for kind in np.unique(truth)]
    return max(0.0, (float(np.mean(right)) - 1 / len(right)) / (1 - 1 / len(right))) if len(right) > 1 else 0.0


def _threshold(values: NDArray[Any], label: pa.ChunkedArray) -> float:
    """Youden's J of the best threshold: the largest distance between the distributions of two classes."""
    import numpy as np
    import pyarrow as pa

    if values.dtype.kind in "UOb" or not pa.types.is_boolean(label.type):
        return 0.0
    finite = np.isfinite(values)
    true = np.asarray(label.to_numpy(zero_copy_only=False), bool)[finite]
    if not 0 < true.sum() < len(true) or finite.mean() < 0.9:
        return 0.0
    place = np.unique(values[finite], return_inverse=True)[1]
    shares = [np.cumsum(np.bincount(place[side], minlength=place.max() + 1)) / side.sum() for side in (true, ~true)]
    return float(np.abs(shares[0] - shares[1]).max())


def _number(
    bins: NDArray[np.int64],
    values: NDArray[Any],
    label: NDArray[np.float64],
    learn: NDArray[np.int64],
    judge: NDArray[np.int64],
) -> float:
    import numpy as np

    top = int(bins.max()) + 1
    size = np.bincount(bins[learn], minlength=top)
    mean = np.where(size > 0, np.bincount(bins[learn], label[learn], top) / np.maximum(size, 1), label[learn].mean())
    variance = float(np.var(label[judge]))
    if not variance:
        return 0.0
    explained = 1 - float(np.mean((label[judge] - mean[bins[judge]]) ** 2)) / variance
    if values.dtype.kind in "UOb" or not np.isfinite(values).all() or np.ptp(values) == 0:
        return max(0.0, explained)
    rank = np.corrcoef(np.unique(values, return_inverse=True)[1], np.unique(label, return_inverse=True)[1])
    return max(0.0, explained, float(rank[0, 1]) ** 2)
