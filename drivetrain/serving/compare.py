"""Whether a window of decisions still looks like the cases that the models were judged on.

Each series (a column, a score, the likeliest class, the setting, an outcome) is compared with its reference: numbers by
the Kolmogorov-Smirnov test, categories by the chi-squared test, both also by the population stability index (PSI). The
more series there are, the more of them differ by chance: p-values are held against Holm's bounds. A difference that is
certain but tiny is no alarm: its PSI must reach 0.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.01
"""Chance that any series of a stable window is called changed."""
MODERATE = 0.1
"""PSI from which a change is called moderate (Siddiqi, Credit Risk Scorecards, 2006)."""
LEAST = 30
"""Values on each side below which nothing is said."""
BINS = 10
EXPECTED = 5.0
"""Least expected count of a cell of the chi-squared test; rarer categories are taken together."""

Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One series of one window beside its reference.

    Attributes:
        series: Its name.
        kind: number or category.
        before: Number of reference values.
        now: Number of values in the window.
        p: p-value of the test; 1 where there are too few values to say anything.
        psi: Population stability index.
        told: What is seen: means, or the category that changed most.
        alarm: Whether the change is beyond chance and at least moderate.
    """

    series: str
    kind: Literal["number", "category"]
    before: int
    now: int
    p: float
    psi: float
    told: str
    alarm: bool = False


def compare(reference: Mapping[str, Values], window: Mapping[str, Values]) -> list[Change]:
    """Compare every series that both have; alarms first, then by PSI.

    Args:
        reference: Series -> values; None is missing. Texts and booleans are categories.
        window: The same, of a window.
    """
    found: list[Change] = []
    for name in reference.keys() & window.keys():
        found += _series(name, reference[name], window[name])
    tested = sorted(found, key=lambda change: change.p)
    rejected = set()
    for place, change in enumerate(tested):
        if change.p > FALSE_ALARMS / (len(tested) - place):
            break
        rejected.add(change.series)
    found = [_judged(change, change.series in rejected) for change in found]
    return sorted(found, key=lambda change: (not change.alarm, -change.psi, change.series))


def _judged(change: Change, certain: bool) -> Change:
    alarm = certain and change.psi >= MODERATE
    return Change(change.series, change.kind, change.before, change.now, change.p, change.psi, change.told, alarm)


def _series(name: str, before: Values, now: Values) -> list[Change]:
    """The changes of one series: its values, and how often it is missing."""
    known = [value for value in before if value is not None], [value for value in now if value is not None]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for side in known for value in side)
    found = [numbers(name, *known) if numeric and any(known) else categories(name, *known)]
    if len(known[0]) < len(before) or len(known[1]) < len(now):
        gaps = ["missing" if value is None else "there" for value in before]
        found.append(categories(f"{name}: missing", gaps, ["missing" if v is None else "there" for v in now]))
    return found


def numbers(name: str, before: Sequence[float], now: Sequence[float]) -> Change:
    """Two samples of numbers."""
    if len(before) < LEAST or len(now) < LEAST:
        return Change(name, "number", len(before), len(now), 1.0, 0.0, "too few values")
    from scipy.stats import ks_2samp

    old, new = np.asarray(before, dtype=float), np.asarray(now, dtype=float)
    # Equal bins of the reference; a value that is very frequent (zero, often) is a bin of its own.
    edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
    psi = stability(_binned(old, edges), _binned(new, edges))
    p = float(ks_2samp(old, new, method="auto").pvalue)
    return Change(name, "number", len(old), len(new), p, psi, f"mean {old.mean():.4g}, now {new.mean():.4g}")


def categories(name: str, before: Sequence[Any], now: Sequence[Any]) -> Change:
    """Two samples of categories."""
    if len(before) < LEAST or len(now) < LEAST:
        return Change(name, "category", len(before), len(now), 1.0, 0.0, "too few values")
    old, new = Counter(map(str, before)), Counter(map(str, now))
    table = _pooled(old, new)
    if table.shape[1] < 2:
        return Change(name, "category", len(before), len(now), 1.0, 0.0, "always the same")
    from scipy.stats import chi2_contingency, fisher_exact

    # Two categories, one of them rare, is where the chi-squared approximation is weakest.
    p = fisher_exact(table).pvalue if table.shape[1] == 2 else chi2_contingency(table).pvalue
    shares = {value: (old[value] / len(before), new[value] / len(now)) for value in old.keys() | new.keys()}
    most = max(sorted(shares), key=lambda value: abs(shares[value][1] - shares[value][0]))
    told = f"{most[:40]}: {shares[most][0]:.1%}, now {shares[most][1]:.1%}"
    return Change(name, "category", len(before), len(now), float(p), stability(table[0], table[1]), told)


def stability(before: NDArray[Any], now: NDArray[Any]) -> float:
    """Population stability index of two rows of counts over the same bins.

    The sum over the bins of (q - p) log(q / p), with half a case more in each bin, so that an empty one stays finite.
    """
    p = (before + 0.5) / (before + 0.5).sum()
    q = (now + 0.5) / (now + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum())


def _binned(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    places = np.searchsorted(edges, values, side="right")
    return np.asarray(np.bincount(places, minlength=len(edges) + 1))


def _pooled(old: Counter[str], new: Counter[str]) -> NDArray[np.int64]:
    """Counts (2, categories), with the categories that are too rare for the test taken together."""
    rows = np.array([[side[value] for value in sorted(old.keys() | new.keys())] for side in (old, new)])
    expected = rows.sum(axis=0) * (rows.sum(axis=1).min() / rows.sum())
    rare = expected < EXPECTED
    if rare.any():
        rows = np.column_stack([rows[:, ~rare], rows[:, rare].sum(axis=1)])
    return np.asarray(rows[:, rows.sum(axis=0) > 0])
