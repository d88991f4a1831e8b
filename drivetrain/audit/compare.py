"""Groups against their reference: differences, ratios, and which of them chance does not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivetrain import intervals
from drivetrain.audit.counts import Group
from drivetrain.audit.figures import Rate, Table

Verdict = Literal["differs", "no difference that matters", "too few to tell"]

MARGIN = 0.05
"""A difference of two shares below this is taken for one that does not matter."""
FOUR_FIFTHS = 0.8
"""Ratio of selection rates below which US agencies look closer (29 CFR 1607.4 D); a screen, not a verdict."""
FALSE_ALARM = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group compared with the reference by one figure.

    Attributes:
        columns: Group columns.
        group: The group's values.
        reference: The reference's values.
        figure: Name of the figure.
        rows: Rows of the group that the figure rests on, and of the reference.
        value: The figure in the group and in the reference.
        difference: Group minus reference, with its interval (not adjusted).
        ratio: Group over reference; None where the reference is zero or the figure is no share.
        p: Chance of so large a difference where there is none.
        p_adjusted: The same with all comparisons of this audit taken into account (Holm).
        screened: A selection rate below four fifths of the reference's.
        verdict: What can be said.
    """

    columns: tuple[str, ...]
    group: Group
    reference: Group
    figure: str
    rows: tuple[int, int]
    value: tuple[float, float]
    difference: tuple[float, float, float]
    ratio: float | None
    p: float
    p_adjusted: float
    screened: bool
    verdict: Verdict


def compare(tables: Sequence[Table], margin: float = MARGIN, value_margin: float = 0.0) -> list[Comparison]:
    """Compare every group of every table with the table's largest group.

    Args:
        tables: Groups with their figures.
        margin: Least difference of two shares that matters.
        value_margin: The same for means, in their unit.

    Returns:
        All comparisons that were possible, in the order of the tables. A difference is said to be one only if Holm's
        adjusted p-value, over all comparisons together, is below 5 %.
    """
    import numpy as np

    raw = []
    for table in tables:
        if len(table.groups) < 2:
            continue
        ref = table.reference
        for figure in table.figures:
            if not figure.tested:
                continue
            if isinstance(figure, Rate):
                against = (np.full(len(table.groups), figure.hits[ref]), np.full(len(table.groups), figure.total[ref]))
                d, low, high = intervals.rate_difference(figure.hits, figure.total, *against)
                p = intervals.rate_test(figure.hits, figure.total, *against)
                n, least = figure.total, margin
            else:
                m, v, n = figure.sample
                same = tuple(np.full(len(m), a[ref]) for a in (m, v, n))
                d, low, high, p = intervals.mean_difference((m, v, n), (same[0], same[1], same[2]))
                least = value_margin if figure.name == "value" else margin
            value = figure.interval()[0]
            for g in range(len(table.groups)):
                if g != ref and n[g] > 0 and n[ref] > 0:
                    raw.append((table, figure, g, ref, n, value, (d[g], low[g], high[g]), float(p[g]), least))
    adjusted = intervals.holm([entry[7] for entry in raw])
    found = []
    for (table, figure, g, ref, n, value, (d, low, high), chance, least), p_adjusted in zip(raw, adjusted, strict=True):
        share = isinstance(figure, Rate)
        ratio = float(value[g] / value[ref]) if share and value[ref] > 0 else None
        selection = figure.name.startswith(("selection rate", "setting rate"))
        found.append(
            Comparison(
                columns=table.columns,
                group=table.groups[g],
                reference=table.groups[ref],
                figure=figure.name,
                rows=(int(n[g]), int(n[ref])),
                value=(float(value[g]), float(value[ref])),
                difference=(float(d), float(low), float(high)),
                ratio=ratio,
                p=chance,
                p_adjusted=float(p_adjusted),
                screened=bool(selection and ratio is not None and ratio < FOUR_FIFTHS),
                verdict=_verdict(float(low), float(high), float(p_adjusted), least),
            )
        )
    return found


def _verdict(low: float, high: float, p_adjusted: float, least: float) -> Verdict:
    if p_adjusted < FALSE_ALARM:
        return "differs"
    return "no difference that matters" if -least <= low and high <= least else "too few to tell"
