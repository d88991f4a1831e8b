"""Figures of groups: shares and means, each with its interval, kept as arrays until they are written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain import intervals
from drivetrain.audit.counts import Cells, Group, grouped, plain, total
from drivetrain.audit.outcomes import COVERAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 0.05
"""A difference of two shares below this is taken for one that does not matter; of two errors, times their spread."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share in each group: `hits` of `total`, both (groups,).

    Attributes:
        name: What is counted.
        hits: How often it is so; where rows have weights, of as many as equal ones would say as much (Kish 1965).
        total: Of how many; likewise.
        shown: Of how many rows, (groups,).
        tested: Whether groups are compared by it.
        margin: Least difference that matters.
        repeats: Design effect: how many rows say as much as one, where rows of the same entity are alike.
    """

    name: str
    hits: NDArray[Any]
    total: NDArray[Any]
    shown: NDArray[Any]
    tested: bool = True
    margin: float = MARGIN
    repeats: float = 1.0

    @property
    def counts(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Hits and total, as many as independent rows would say as much."""
        return self.hits / self.repeats, self.total / self.repeats

    def interval(self, level: float = intervals.LEVEL) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Estimate, low and high of every group."""
        return intervals.rate(*self.counts, level)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean in each group.

    Attributes:
        name: What is averaged.
        sums: Sums of x, x², x³ and the number of x in each group, (groups, 4), where x was centred; where rows have
            weights, of as many as equal ones would say as much (Kish 1965).
        centre: What was subtracted.
        shown: Number of rows with an x, (groups,).
        tested: Whether groups are compared by it.
        margin: Least difference that matters, in the unit of x.
        root: The figure is the root of the mean: x is a square.
        repeats: Design effect, as of a rate.
        likely: Where x is a probability minus whether it came true: sums of the probability, of its square, and how
            often it came true, (groups, 3).
        ends: Least and greatest x minus centre in each group, (groups, 2), where that is known.
    """

    name: str
    sums: NDArray[Any]
    centre: float
    shown: NDArray[Any]
    tested: bool = True
    margin: float = 0.0
    root: bool = False
    repeats: float = 1.0
    likely: NDArray[Any] | None = None
    ends: NDArray[Any] | None = None

    def interval(self, level: float = intervals.LEVEL) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Estimate, low and high of every group."""
        import numpy as np

        if self.likely is not None:
            likely = self.likely / self.repeats
            return intervals.gap(_about_zero(self.sums, self.centre) / self.repeats, likely[:, :2], likely[:, 2], level)
        found, low, high = (end + self.centre for end in intervals.mean(self.sums / self.repeats, level, self.ends))
        if not self.root:
            return found, low, high
        rooted = [np.sqrt(np.maximum(end, 0.0)) for end in (found, low, high)]
        return rooted[0], rooted[1], rooted[2]

    @property
    def sample(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Mean, variance and number of values of every group; as many as independent ones would say as much."""
        import numpy as np

        s1, s2, _, n = self.sums.T
        with np.errstate(invalid="ignore", divide="ignore"):
            m = s1 / n
            variance = np.where(n > 1, np.maximum(s2 - n * m**2, 0.0) / np.maximum(n - 1, 1), 0.0)
        return m + self.centre, variance, n / self.repeats


Figure = Rate | Mean


@dataclass(frozen=True, slots=True)
class Table:
    """Groups of some columns with their figures.

    Attributes:
        columns: Group columns; none for the whole.
        groups: Their values, in order; None is "missing".
        rows: Number of rows, (groups,).
        figures: What was measured.
        subject: What was audited: a model's outcome, or the decisions.
    """

    columns: tuple[str, ...]
    groups: list[Group]
    rows: NDArray[Any]
    figures: list[Figure]
    subject: str = ""

    @property
    def reference(self) -> int:
        """Place of the group that others are compared with: the largest."""
        return int(self.rows.argmax())


def classes_by_group(
    found: Cells, columns: Sequence[str], classes: Sequence[str], positive: str | None = None
) -> Table:
    """Errors, selection and calibration of a classifier in each group.

    Args:
        found: Cells by the group columns, `truth` and `predicted`; a sum `gap` is optional: the probability minus
            truth of the second class of two, else that of the predicted class minus whether it was right.
        columns: Group columns; none for the whole.
        classes: The classes, in order.
        positive: For two classes, the one that rates are about; None: rates for every class.
    """
    import numpy as np

    groups, place = grouped(found, columns)
    number = len(groups)
    truth, predicted = (_class_of(found, name) for name in ("truth", "predicted"))
    rows = total(place, number, found.rows)
    every = np.ones(len(found.rows), bool)

    def rate(name: str, hit: NDArray[Any], among: NDArray[Any], told: bool) -> Rate:
        return _rate(found, place, number, name, hit, among, told)

    figures: list[Figure] = [rate("accuracy", truth == predicted, every, True)]
    for name in [positive] if positive is not None else classes:
        suffix = "" if positive is not None else f": {name}"
        is_true, is_said = truth == name, predicted == name
        # Intersections of many classes would be thousands of comparisons, none of which could then be told from chance.
        told = positive is not None or len(columns) <= 1
        figures += [
            rate(f"selection rate{suffix}", is_said, every, told),
            rate(f"true positive rate{suffix}", is_said, is_true, told),
            rate(f"false positive rate{suffix}", is_said, ~is_true, told),
            rate(f"false negative rate{suffix}", ~is_said, is_true, False),
            rate(f"precision{suffix}", is_true, is_said, False),
            rate(f"share of cases{suffix}", is_true, every, False),
        ]
    if "gap" in found.sums:
        likely = _likely(found, place, number, truth == (classes[1] if len(classes) == 2 else predicted))
        figures.append(_mean(found, place, number, "calibration gap", "gap", margin=MARGIN, likely=likely))
    return Table(plain(columns), groups, rows, figures)


def numbers_by_group(found: Cells, columns: Sequence[str], margin: float = 0.0) -> Table:
    """Errors of a predicted number in each group, and how often the truth lay inside the predicted range.

    Args:
        found: Cells by the group columns, with sums `error`, `absolute error`, `squared error` and, where a range was
            predicted, of 0 and 1 under `COVERAGE`.
        columns: Group columns; none for the whole.
        margin: Least difference of two errors that matters, in the number's unit.
    """
    groups, place = grouped(found, columns)

    def mean(name: str, shown: str, **options: Any) -> Mean:
        return _mean(found, place, len(groups), shown, name, **options)

    figures: list[Figure] = [
        mean("error", "error", margin=margin),
        mean("absolute error", "absolute error", margin=margin),
        mean("squared error", "root mean squared error", tested=False, root=True),
    ]
    if COVERAGE in found.sums:
        inside = _mean(found, place, len(groups), COVERAGE, COVERAGE)
        hits = inside.sums[:, 0] + inside.centre * inside.sums[:, 3]
        hits = hits.round() if found.weights is None else hits
        figures.append(Rate(COVERAGE, hits, inside.sums[:, 3], inside.shown))
    return Table(plain(columns), groups, total(place, len(groups), found.rows), figures)


def decisions_by_group(
    found: Cells,
    columns: Sequence[str],
    values: Mapping[str, str],
    settings: Mapping[str, tuple[str, Sequence[str]]],
    means: Mapping[str, str] | None = None,
    margin: float = 0.0,
) -> Table:
    """What a policy's choices are worth, and which settings it chooses, in each group.

    Args:
        found: Cells by the group columns and the policy's settings, with sums of values and of numbers that were set.
        columns: Group columns; none for the whole.
        values: Figure -> its sum, in the objective's unit.
        settings: Lever with named settings -> its column, and the settings.
        means: Lever with numbers for settings -> its sum.
        margin: Least difference in value that matters.
    """
    import numpy as np

    groups, place = grouped(found, columns)
    number = len(groups)
    rows = total(place, number, found.rows)
    every = np.ones(len(found.rows), bool)
    figures: list[Figure] = [_mean(found, place, number, name, key, margin=margin) for name, key in values.items()]
    for lever, (key, names) in settings.items():
        chosen = _class_of(found, key)
        # With two settings the one rate says all; testing the other as well would only cost power.
        told = names[:1] if len(names) == 2 else names
        label = "" if len(settings) + len(means or {}) == 1 else f"{lever} = "
        figures += [
            _rate(found, place, number, f"setting rate: {label}{name}", chosen == name, every, name in told)
            for name in names
        ]
    figures += [_mean(found, place, number, f"mean setting: {lever}", key) for lever, key in (means or {}).items()]
    return Table(plain(columns), groups, rows, figures)


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
    return np.asarray(per_group / total(place, len(groups), found.amounts()[:, 1]))


def _rate(
    found: Cells,
    place: NDArray[Any],
    groups: int,
    name: str,
    hit: NDArray[Any],
    among: NDArray[Any],
    tested: bool = True,
) -> Rate:
    """How often cells are a hit, among some of them, in each group."""
    amounts = found.amounts()
    of, hits = (total(place, groups, amounts * mask[:, None]) for mask in (among, hit & among))
    share = _as_equal(of[:, 1], of[:, 2])
    return Rate(name, hits[:, 1] * share, of[:, 1] * share, of[:, 0], tested)


def _mean(found: Cells, place: NDArray[Any], groups: int, name: str, key: str, **options: Any) -> Mean:
    """The mean of a number in each group."""
    sums, ends = total(place, groups, found.sums[key]), _ends(found, place, groups, key)
    if found.weights is None:
        return Mean(name, sums, found.centre[key], sums[:, 3], ends=ends, **options)
    share = _as_equal(sums[:, 3], sums[:, 4])[:, None]
    return Mean(name, sums[:, :4] * share, found.centre[key], sums[:, 5], ends=ends, **options)


def _ends(found: Cells, place: NDArray[Any], groups: int, key: str) -> NDArray[Any] | None:
    """The least and the greatest of a number in each group."""
    import numpy as np

    if key not in found.ends:
        return None
    ends = np.full((groups, 2), np.nan)
    np.fmin.at(ends[:, 0], place, found.ends[key][:, 0])
    np.fmax.at(ends[:, 1], place, found.ends[key][:, 1])
    return ends


def _likely(found: Cells, place: NDArray[Any], groups: int, came_true: NDArray[Any]) -> NDArray[Any]:
    """Sums of the probabilities behind the gaps, of their squares, and how often they came true: (groups, 3)."""
    import numpy as np

    gap, square, _, count = _about_zero(found.sums["gap"][:, :4], found.centre["gap"]).T
    events = np.where(came_true, count, 0.0)
    sums = np.stack([gap + events, square + np.where(came_true, 2 * gap + count, 0.0), events], axis=1)
    every = total(place, groups, sums)
    if found.weights is None:
        return every
    of = total(place, groups, found.sums["gap"])
    return np.asarray(every * _as_equal(of[:, 3], of[:, 4])[:, None])


def _about_zero(sums: NDArray[Any], centre: float) -> NDArray[Any]:
    """Sums of x, x², x³ and the number of x, from those of x minus a centre."""
    import numpy as np

    s1, s2, s3, n = sums.T
    c = centre
    moved = [s1 + c * n, s2 + 2 * c * s1 + c**2 * n, s3 + 3 * c * s2 + 3 * c**2 * s1 + c**3 * n, n]
    return np.stack(moved, axis=1)


def _as_equal(weights: NDArray[Any], squares: NDArray[Any]) -> NDArray[Any]:
    """What makes sums of weights those of as many equal rows as say as much: sum w / sum w²; 0 without rows."""
    import numpy as np

    found: NDArray[Any] = np.divide(weights, squares, out=np.zeros(len(weights)), where=squares > 0)
    return found


def _class_of(found: Cells, name: str) -> NDArray[Any]:
    import numpy as np

    values, codes = found.keys[name]
    named: NDArray[Any] = np.asarray(values, dtype=object)[codes]
    return named
