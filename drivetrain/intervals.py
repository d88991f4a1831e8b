"""Confidence intervals and tests that keep their promise on small and skewed samples.

References:
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    Hall (1992), On the removal of skewness by transformation.
    Newcombe (1998), Interval estimation for the difference between independent proportions.
    Zou and Donner (2008), Construction of confidence limits about effect measures.
    Walter (1975), The distribution of Levin's measure of attributable risk.
    Holm (1979), A simple sequentially rejective multiple test procedure.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[Any]

LEVEL = 0.95

FEW = 10
"""With fewer events (or fewer cases without one) than this, what they say of their own spread is not to be trusted."""

ASTRAY = 3.0
"""Spread of a gap over what its probabilities explain, above which they explain nothing."""


def rate(hits: ArrayLike, total: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats, Floats]:
    """Share with its Wilson interval.

    Args:
        hits: Number of successes, (n,).
        total: Number of trials, (n,).
        level: Confidence.

    Returns:
        estimate, low, high, each (n,) in [0, 1]; NaN where there was no trial.
    """
    import numpy as np

    k, n = np.asarray(hits, float), np.asarray(total, float)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.where(n > 0, k / n, np.nan)
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # Rounding must not exclude a bound that is exactly reached.
    low = np.where(k == 0, np.where(n > 0, 0.0, np.nan), np.maximum(middle - half, 0.0))
    high = np.where(k == n, np.where(n > 0, 1.0, np.nan), np.minimum(middle + half, 1.0))
    return p, low, high


def mean(sums: ArrayLike, level: float = LEVEL, ends: ArrayLike | None = None) -> tuple[Floats, Floats, Floats]:
    """Mean with Hall's interval, which allows for skewness; Student's t where there is none.

    Values that are one of two, such as the cost of a right and of a wrong decision, are a share in other units: these
    have Wilson's interval.

    Args:
        sums: Sums of x, x², x³ and the number of x, (n, 4); centre x beforehand, or digits are lost.
        level: Confidence.
        ends: Least and greatest x, (n, 2); None: not known, and Hall's interval for all.

    Returns:
        estimate, low, high, each (n,); NaN where there is no value, and an infinite interval for a single one.
    """
    import numpy as np
    from scipy.special import stdtrit

    s1, s2, s3, n = np.asarray(sums, float).T
    with np.errstate(invalid="ignore", divide="ignore"):
        m = np.where(n > 0, s1 / n, np.nan)
        variance = np.maximum(s2 / n - m**2, 0.0)
        third = s3 / n - 3 * m * s2 / n + 2 * m**3
        skew = np.where(variance > 0, third / np.maximum(variance, 1e-300) ** 1.5, 0.0)
        error = np.sqrt(variance / np.maximum(n - 1, 1))
        t = stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2)
        low = m - error * _unskewed(t, skew, n)
        high = m - error * _unskewed(-t, skew, n)
    alone = n == 1
    low, high = np.where(alone, -np.inf, low), np.where(alone, np.inf, high)
    if ends is None:
        return m, low, high
    least, most = np.asarray(ends, float).T
    wide = most - least
    # The sum of (x - least) (most - x) is nothing exactly where each x is one of the two.
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (least + most) * s1 - s2 - n * least * most
        two = (wide > 0) & (np.abs(between) < 1e-9 * n * wide**2)
        _, rare, often = rate((s1 - n * least) / np.where(two, wide, 1.0), n, level)
    return m, np.where(two, least + wide * rare, low), np.where(two, least + wide * often, high)


def of_cases(
    values: ArrayLike, weights: ArrayLike, entity: NDArray[Any] | None = None, level: float = LEVEL
) -> tuple[float, float, float]:
    """Weighted mean of cases with the interval of `mean`.

    Cases of unequal weight are counted as the number of equal ones that say as much (Kish 1965), and cases that share
    an entity are divided by their design effect (Rao and Scott 1992).

    Args:
        values: Of each case, (n,).
        weights: Not negative, not all 0, (n,).
        entity: Number of the person, machine or place that each case belongs to, from 0 on, (n,); None: each its own.
        level: Confidence.

    Returns:
        estimate, low, high.
    """
    import numpy as np

    x, w = np.asarray(values, float), np.asarray(weights, float)
    w = w * (w.sum() / (w**2).sum())
    found = float(w @ x / w.sum())
    x = x - found
    spread = float(((w * x) ** 2).sum())
    alike = float((np.bincount(entity, w * x) ** 2).sum()) / spread if entity is not None and spread > 0 else 1.0
    sums = np.array([w @ x, w @ x**2, w @ x**3, w.sum()]) / max(alike, 1.0)
    counted = x[w > 0]
    _, low, high = mean(sums[None], level, [[counted.min(), counted.max()]])
    return found, found + float(low[0]), found + float(high[0])


def gap(sums: ArrayLike, likely: ArrayLike, events: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats, Floats]:
    """Mean of probability minus event (1 or 0), with an interval that holds where events are rare as well.

    A group without a single event has hardly any spread of its own, and yet it does not show that there never will be
    one. So this is Wilson's interval with the case's own probability p in place of the common share: all δ with
    n (d - δ)² ≤ z² φ Σ q (1 - q) / n, q = p - δ, where d is the observed gap. φ is the spread that was seen over
    the one that the probabilities explain; where events are few it may widen the interval only, and where it is beyond
    all reason the interval reaches as far as Hall's too. With one p for all and φ = 1 it is Wilson's interval.

    Args:
        sums: Sums of g, g², g³ and the number of g, (n, 4), of the gaps g = p - event.
        likely: Sums of p and of p², (n, 2).
        events: Number of events, (n,).
        level: Confidence.

    Returns:
        estimate, low, high, each (n,); NaN where there is no case.
    """
    import numpy as np

    (s1, s2, _, n), (p1, p2), hits = np.asarray(sums, float).T, np.asarray(likely, float).T, np.asarray(events, float)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        d, free = np.where(n > 0, s1 / n, np.nan), 1 - 2 * p1 / n
        spread = np.maximum(p1 / n - p2 / n, 0.0)
        seen = np.maximum(s2 / n - d**2, 0.0) * n / np.maximum(n - 1, 1)
        phi = seen / np.maximum(spread - d * free - d**2, 1e-9)
        few, astray = np.minimum(hits, n - hits) < FEW, phi > ASTRAY
        w = z**2 * np.where(few, np.clip(phi, 1.0, ASTRAY), phi)
        middle, half = d - w * free / (2 * n), np.sqrt(
            np.maximum((d - w * free / (2 * n)) ** 2 - (1 + w / n) * (d**2 - w * spread / n), 0.0)
        )  # fmt: skip
        low, high = (middle - half) / (1 + w / n), (middle + half) / (1 + w / n)
    _, least, most = mean(sums, level)
    return d, np.where(astray, np.minimum(low, least), low), np.where(astray, np.maximum(high, most), high)


def _unskewed(t: Floats, skew: Floats, n: Floats) -> Floats:
    """Inverse of Hall's monotone cubic transformation at `t`.

    g(T) = T + a T² + a² T³ / 3 + b with a = skew / (3 √n), b = skew / (6 √n); it removes the skewness of the
    studentised mean up to 1/n.
    """
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = skew / (3 * np.sqrt(n)), skew / (6 * np.sqrt(n))
        solved = (np.cbrt(1 + 3 * a * (t - b)) - 1) / a
    return np.where(np.abs(a) < 1e-9, t, solved)


def difference(
    first: tuple[ArrayLike, ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike, ArrayLike]
) -> tuple[Floats, Floats, Floats]:
    """Difference of two independent figures from their own intervals (the method of variance estimates recovery).

    With Wilson's intervals it is Newcombe's interval for shares; with Hall's it allows for skewness.

    Args:
        first: Estimate, low and high of the one, each (n,).
        second: The same of the other.

    Returns:
        first minus second, low, high.
    """
    import numpy as np

    (p, low_p, high_p), (q, low_q, high_q) = ([np.asarray(a, float) for a in figure] for figure in (first, second))
    low = p - q - np.sqrt((p - low_p) ** 2 + (high_q - q) ** 2)
    return p - q, low, p - q + np.sqrt((high_p - p) ** 2 + (q - low_q) ** 2)


def ratio(
    hits: ArrayLike, total: ArrayLike, hits_of: ArrayLike, total_of: ArrayLike, level: float = LEVEL
) -> tuple[Floats, Floats, Floats]:
    """Ratio of two independent shares with Walter's interval on the log scale: first over second.

    Returns:
        estimate (NaN where the second share is zero), low, high.
    """
    import numpy as np

    a, n, b, m = (np.asarray(x, float) for x in (hits, total, hits_of, total_of))
    z = NormalDist().inv_cdf(0.5 + level / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = np.where(b > 0, (a / n) / (b / m), np.nan)
        centre = np.log((a + 0.5) / (n + 0.5)) - np.log((b + 0.5) / (m + 0.5))
        half = z * np.sqrt(np.maximum(1 / (a + 0.5) - 1 / (n + 0.5) + 1 / (b + 0.5) - 1 / (m + 0.5), 0.0))
    low = np.where(a == 0, 0.0, np.exp(centre - half))
    return estimate, low, np.where(b == 0, np.inf, np.exp(centre + half))


def rate_test(hits: ArrayLike, total: ArrayLike, hits_of: ArrayLike, total_of: ArrayLike) -> Floats:
    """Fisher's exact test that two shares are equal, two-sided by doubling; 1 where there is nothing to compare."""
    import numpy as np
    from scipy.stats import hypergeom

    a, n, b, m = (np.asarray(x, float) for x in (hits, total, hits_of, total_of))
    law = hypergeom(n + m, a + b, n)
    p = 2 * np.minimum(law.cdf(a), law.sf(a - 1))
    return np.where((n > 0) & (m > 0), np.minimum(p, 1.0), 1.0)


def mean_test(first: tuple[ArrayLike, ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike, ArrayLike]) -> Floats:
    """Test that two means are equal, two-sided, which rare extremes do not fool.

    A small group in which a rare loss did not happen has hardly any variance, and Welch's test would call it different;
    one in which it happened twice is far out by the variance of all. So the p-value is the larger of Welch's and of the
    test with the variance of both samples together.

    Args:
        first: Mean, variance (n - 1 below the line) and number of the one sample, each (n,).
        second: The same of the other.

    Returns:
        p-values; 1 where there is nothing to compare.
    """
    import numpy as np
    from scipy.special import stdtr

    (m1, v1, n1), (m2, v2, n2) = ((np.asarray(a, float) for a in sample) for sample in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        e1, e2 = v1 / n1, v2 / n2
        error = np.sqrt(e1 + e2)
        freedom = (e1 + e2) ** 2 / (e1**2 / np.maximum(n1 - 1, 1) + e2**2 / np.maximum(n2 - 1, 1))
        apart = np.abs(m1 - m2)
        # Under "no difference" the two samples are one; its spread includes that of the means.
        spread = ((n1 - 1) * v1 + (n2 - 1) * v2 + n1 * n2 / (n1 + n2) * apart**2) / (n1 + n2 - 1)
        pooled = np.sqrt(spread * (1 / n1 + 1 / n2))
        p = np.maximum(2 * stdtr(freedom, -apart / error), 2 * stdtr(n1 + n2 - 2, -apart / pooled))
    # Two samples without any spread differ or not for certain, but so few values cannot show it.
    return np.where((n1 > 1) & (n2 > 1) & (error > 0), p, 1.0)


def holm(p_values: ArrayLike) -> Floats:
    """p-values after Holm: alarms below 5 % are false in at most 5 % of audits, however many comparisons there are."""
    import numpy as np

    p = np.asarray(p_values, float)
    if p.size == 0:
        return p
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
