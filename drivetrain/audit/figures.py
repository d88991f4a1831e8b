"""Figures of groups: shares and means, each with its interval, kept as arrays until they are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain import intervals
from drivetrain.audit.counts import Cells, Group, grouped, total

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rate:
    """A share in each group: `hits` of `total`, both (groups,)."""

    name: str
    hits: NDArray[Any]
    total: NDArray[Any]
    tested: bool = True

    def interval(self, level: float = intervals.LEVEL) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Estimate, low and high of every group."""
        return intervals.rate(self.hits, self.total, level)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean in each group.

    Attributes:
        name: What is averaged.
        sums: Sums of x, x², x³ and the number of x in each group, (groups, 4), where x was centred.
        centre: What was subtracted.
        tested: Whether groups are compared by it.
    """

    name: str
    sums: NDArray[Any]
    centre: float
    tested: bool = True

    def interval(self, level: float = intervals.LEVEL) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Estimate, low and high of every group."""
        found, low, high = intervals.mean(self.sums, level)
        return found + self.centre, low + self.centre, high + self.centre

    @property
    def sample(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Mean, variance and number of values of every group."""
        import numpy as np

        s1, s2, _, n = self.sums.T
        with np.errstate(invalid="ignore", divide="ignore"):
            m = s1 / n
            variance = np.where(n > 1, np.maximum(s2 - n * m**2, 0.0) / np.maximum(n - 1, 1), 0.0)
        return m + self.centre, variance, n


Figure = Rate | Mean


@dataclass(frozen=True, slots=True)
class Table:
    """Groups of some columns with their figures.

    Attributes:
        columns: Group columns; none for the whole.
        groups: Their values, in order; None is "missing".
        rows: Number of rows, (groups,).
        figures: What was measured.
    """

    columns: tuple[str, ...]
    groups: list[Group]
    rows: NDArray[Any]
    figures: list[Figure]

    @property
    def reference(self) -> int:
        """Place of the group that others are compared with: the largest."""
        return int(self.rows.argmax())


def classes_by_group(
    found: Cells, columns: Sequence[str], classes: Sequence[str], positive: str | None = None
) -> Table:
    """Errors, selection and calibration of a classifier in each group.

    Args:
        found: Cells by the group columns, `truth` and `predicted`; a sum `gap` (probability minus truth) is optional.
        columns: Group columns; none for the whole.
        classes: The classes, in order.
        positive: For two classes, the one that rates are about; None: rates for every class.
    """
    groups, place = grouped(found, columns)
    number = len(groups)
    truth, predicted = (_class_of(found, name) for name in ("truth", "predicted"))
    rows = total(place, number, found.rows)
    right = total(place, number, found.rows * (truth == predicted))
    figures: list[Figure] = [Rate("accuracy", right, rows)]
    for name in [positive] if positive is not None else classes:
        suffix = "" if positive is not None else f": {name}"
        is_true, is_said = truth == name, predicted == name
        n_true, n_said, n_both = (
            total(place, number, found.rows * mask) for mask in (is_true, is_said, is_true & is_said)
        )
        # Intersections of many classes would be thousands of comparisons, none of which could then be told from chance.
        told = positive is not None or len(columns) <= 1
        figures += [
            Rate(f"selection rate{suffix}", n_said, rows, told),
            Rate(f"true positive rate{suffix}", n_both, n_true, told),
            Rate(f"false positive rate{suffix}", n_said - n_both, rows - n_true, told),
            Rate(f"false negative rate{suffix}", n_true - n_both, n_true, False),
            Rate(f"precision{suffix}", n_both, n_said, False),
            Rate(f"share of cases{suffix}", n_true, rows, False),
        ]
    if "gap" in found.sums:
        figures.append(Mean("calibration gap", total(place, number, found.sums["gap"]), found.centre["gap"]))
    return Table(tuple(columns), groups, rows, figures)


def numbers_by_group(found: Cells, columns: Sequence[str], names: Sequence[str], tested: Sequence[str] = ()) -> Table:
    """Means of `names` in each group; groups are compared by those in `tested` (none given: by all)."""
    groups, place = grouped(found, columns)
    figures: list[Figure] = [
        Mean(name, total(place, len(groups), found.sums[name]), found.centre[name], not tested or name in tested)
        for name in names
    ]
    return Table(tuple(columns), groups, total(place, len(groups), found.rows), figures)


def settings_by_group(found: Cells, columns: Sequence[str], policy: str, settings: Sequence[str]) -> Table:
    """How often a policy chooses each setting, and what its choices are worth, in each group.

    Args:
        found: Cells by the group columns and `policy`, with a sum `value_<policy>`.
        columns: Group columns; none for the whole.
        policy: The policy.
        settings: The settings of the lever; none for a lever without named settings.
    """
    groups, place = grouped(found, columns)
    number = len(groups)
    rows = total(place, number, found.rows)
    value = f"value_{policy}"
    figures: list[Figure] = [Mean("value", total(place, number, found.sums[value]), found.centre[value])]
    if settings:
        chosen = _class_of(found, policy)
        # With two settings the one rate says all; testing the other as well would only cost power.
        told = settings[:1] if len(settings) == 2 else settings
        figures += [
            Rate(f"setting rate: {name}", total(place, number, found.rows * (chosen == name)), rows, name in told)
            for name in settings
        ]
    return Table(tuple(columns), groups, rows, figures)


def expected_calibration_error(found: Cells, columns: Sequence[str]) -> NDArray[Any]:
    """Mean distance of confidence and accuracy over ten bins of confidence, in each group: (groups,).

    Needs cells by `bin` and a sum `gap`; weighted by the rows of the bins.
    """
    import numpy as np

    groups, place = grouped(found, columns)
    bins = found.keys["bin"]
    both = np.ravel_multi_index([place, bins[1]], (len(groups), len(bins[0])))
    gap = total(
        both, len(groups) * len(bins[0]), found.sums["gap"][:, 0] + found.centre["gap"] * found.sums["gap"][:, 3]
    )
    per_group = np.abs(gap).reshape(len(groups), -1).sum(axis=1)
    return np.asarray(per_group / total(place, len(groups), found.rows))


def _class_of(found: Cells, name: str) -> NDArray[Any]:
    import numpy as np

    values, codes = found.keys[name]
    named: NDArray[Any] = np.asarray(values, dtype=object)[codes]
    return named
