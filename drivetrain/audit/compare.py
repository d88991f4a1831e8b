"""Groups against their reference: differences, ratios, and which of them chance does not explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from drivetrain import intervals
from drivetrain.audit.counts import Group
from drivetrain.audit.figures import Figure, Rate, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

Verdict = Literal["differs", "no difference that matters", "too few to tell"]

FOUR_FIFTHS = 0.8
"""Ratio of selection rates below which US agencies look closer (29 CFR 1607.4 D); a screen, not a verdict."""
FALSE_ALARM = 0.05
ENOUGH = 30
"""Rows below which a mean is not tested."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group compared with the reference by one figure.

    Attributes:
        subject: What was audited: a model's outcome, or the decisions.
        columns: Group columns.
        group: The group's values.
        reference: The reference's values.
        figure: Name of the figure.
        rows: Rows of the group that the figure rests on, and of the reference.
        value: The figure in the group and in the reference.
        difference: Group minus reference, with its interval (not adjusted).
        ratio: Group over reference, with its interval; NaN where the reference is zero or the figure is no share.
        p: Chance of so large a difference where there is none.
        p_adjusted: The same with all comparisons of this audit taken into account.
        screened: A selection rate below four fifths of the reference's.
        verdict: What can be said.
    """

    subject: str
    columns: tuple[str, ...]
    group: Group
    reference: Group
    figure: str
    rows: tuple[int, int]
    value: tuple[float, float]
    difference: tuple[float, float, float]
    ratio: tuple[float, float, float]
    p: float
    p_adjusted: float
    screened: bool
    verdict: Verdict


def compare(tables: Sequence[Table]) -> list[Comparison]:
    """Compare every group of every table with the table's largest group.

    Args:
        tables: Groups with their figures; each figure says which difference matters.

    Returns:
        All comparisons that were possible, in the order of the tables. A difference is said to be one only if its
        adjusted p-value, over all comparisons together, is below 5 %: Holm's method within single columns and within
        intersections, each of which gets half of the 5 %.
    """
    import numpy as np

    pairs = list(_pairs(tables))
    if not pairs:
        return []
    ours, theirs = (np.array([getattr(pair, side) for pair in pairs], float) for side in ("ours", "theirs"))
    difference = intervals.difference((ours[:, 0], ours[:, 1], ours[:, 2]), (theirs[:, 0], theirs[:, 1], theirs[:, 2]))
    p, ratios = np.ones(len(pairs)), np.full((3, len(pairs)), np.nan)
    rates = np.array([isinstance(pair.figure, Rate) for pair in pairs])
    if rates.any():
        counts = ours[rates, 3], ours[rates, 4], theirs[rates, 3], theirs[rates, 4]
        p[rates] = intervals.rate_test(*(np.rint(count) for count in counts))
        ratios[:, rates] = intervals.ratio(*counts)
    # With few and skewed values the tails of the test of means would not hold.
    means = ~rates & (np.minimum(ours[:, 4], theirs[:, 4]) >= ENOUGH)
    if means.any():
        samples = [(side[means, 0], side[means, 3], side[means, 4]) for side in (ours, theirs)]
        p[means] = intervals.mean_test(samples[0], samples[1])
    adjusted = _adjusted([len(pair.table.columns) > 1 for pair in pairs], p)
    return [
        _comparison(pair, [float(end[i]) for end in difference], ratios[:, i].tolist(), float(p[i]), float(adjusted[i]))
        for i, pair in enumerate(pairs)
    ]


class _Pair(NamedTuple):
    table: Table
    figure: Figure
    group: int
    # Estimate, low, high, then hits and total of a rate, or variance and number of a mean.
    ours: list[float]
    theirs: list[float]


def _pairs(tables: Sequence[Table]) -> Iterator[_Pair]:
    """Each group with its reference, where both have rows that the figure rests on."""
    import numpy as np

    for table in tables:
        ref = table.reference if table.groups else 0
        for figure in table.figures:
            if not figure.tested:
                continue
            basis = figure.counts if isinstance(figure, Rate) else figure.sample[1:]
            rows = np.stack([*figure.interval(), *basis], axis=1).tolist()
            for g in range(len(table.groups)):
                if g != ref and rows[g][4] > 0 and rows[ref][4] > 0:
                    yield _Pair(table, figure, g, rows[g], rows[ref])


def _adjusted(crossed: Sequence[bool], p: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    adjusted = np.ones(len(p))
    families = [family for family in (np.array(crossed), ~np.array(crossed)) if family.any()]
    for family in families:
        adjusted[family] = np.minimum(intervals.holm(p[family]) * len(families), 1.0)
    return adjusted


def _comparison(
    pair: _Pair, difference: Sequence[float], ratio: Sequence[float], p: float, p_adjusted: float
) -> Comparison:
    selection = pair.figure.name.startswith(("selection rate", "setting rate"))
    return Comparison(
        subject=pair.table.subject,
        columns=pair.table.columns,
        group=pair.table.groups[pair.group],
        reference=pair.table.groups[pair.table.reference],
        figure=pair.figure.name,
        rows=(int(pair.figure.shown[pair.group]), int(pair.figure.shown[pair.table.reference])),
        value=(pair.ours[0], pair.theirs[0]),
        difference=(difference[0], difference[1], difference[2]),
        ratio=(ratio[0], ratio[1], ratio[2]),
        p=p,
        p_adjusted=p_adjusted,
        screened=selection and ratio[0] < FOUR_FIFTHS,
        verdict=_verdict(difference[1], difference[2], p_adjusted, pair.figure.margin, _trusted(pair)),
    )


def _trusted(pair: _Pair) -> bool:
    """Whether enough was seen to trust an interval: of few values, or of values that are all alike, it is too short."""
    if isinstance(pair.figure, Rate):
        return True
    return all(side[4] >= ENOUGH and side[3] > 0 for side in (pair.ours, pair.theirs))


def _verdict(low: float, high: float, p_adjusted: float, least: float, trusted: bool) -> Verdict:
    if p_adjusted < FALSE_ALARM:
        return "differs"
    if not trusted:
        return "too few to tell"
    return "no difference that matters" if -least <= low and high <= least else "too few to tell"
