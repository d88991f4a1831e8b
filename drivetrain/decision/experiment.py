"""The experiment that would make a figure causal: how many cases, and the code that draws the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import NormalDist
from string import Template

CODE = Template(
    '''"""Draw the setting of `$lever` for a share of the cases, the same for the same case, and log its probability."""

import hashlib

ARMS = $arms
SEED = $seed


def draw(unit: str) -> tuple[str, float]:
    """The setting of one $unit, and the probability with which it was drawn; log both, before the outcome is known."""
    digest = hashlib.sha256(f"{SEED}:{unit}".encode()).digest()
    level = int.from_bytes(digest[:8], "big") / 2**64
    for setting, share in ARMS.items():
        if level < share:
            return setting, share
        level -= share
    return setting, share


if __name__ == "__main__":
    import csv
    import sys

    table = csv.writer(sys.stdout)
    table.writerow(["unit", "$lever", "propensity"])
    for line in sys.stdin:
        table.writerow([line.strip(), *draw(line.strip())])
'''
)


def cases_needed(
    deviation: float, difference: float, *, share: float = 0.5, power: float = 0.8, level: float = 0.95
) -> int:
    """Cases of a randomised comparison of two policies that finds a difference of means.

    n = (z_level + z_power)² σ² / (share (1 - share) δ²), the normal approximation (Cohen 1988).

    Args:
        deviation: Standard deviation σ of one case's value.
        difference: Difference δ of the means that should be found.
        share: Of the cases that get the new policy.
        power: Probability of finding it.
        level: Confidence of the two-sided interval.
    """
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)
    return ceil((z * deviation / difference) ** 2 / (share * (1 - share)))


def code(lever: str, settings: Sequence[str], unit: str, *, shares: Mapping[str, float] | None = None) -> str:
    """A program that draws settings: deterministic by unit, so that it can be repeated and checked."""
    arms = dict(shares) if shares else {setting: round(1 / len(settings), 6) for setting in settings}
    return CODE.substitute(lever=lever, arms=repr(arms), seed=repr(f"{lever}-1"), unit=" ".join(unit.split()))
