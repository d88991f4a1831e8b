"""Alarms on action rates, while the service runs.

A rate is compared between the latest decisions and the cases that `decide` evaluated. It alarms when chance alone does
not explain their ratio, and the ratio may well be the plan's factor (2: doubled, or halved).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

LATEST = 2000
"""Decisions in the window."""
LEAST = 100
"""Decisions before anything is said."""
EVERY = 100
"""Decisions between two looks."""
DEVIATIONS = 3.5
"""Standard errors that chance does not explain: looks are many, settings too, and an alarm stops the service."""
REACH = 2.0
"""Standard errors by which a ratio may miss the factor and still count as it."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A setting that is chosen far more, or far less, than when it was evaluated.

    Attributes:
        setting: Its label.
        rate: Share of the latest decisions.
        expected: Share among the cases that were evaluated.
    """

    setting: str
    rate: float
    expected: float

    def __str__(self) -> str:
        change = "more" if self.rate > self.expected else "less"
        return f"{self.setting} is chosen {change} often than expected: {self.rate:.1%} instead of {self.expected:.1%}"


class Monitor:
    """The latest decisions, and what they are compared with.

    Args:
        expected: Setting -> its share among the cases that `decide` evaluated.
        cases: Number of these cases.
        factor: The plan's `action_rate_change`.
    """

    def __init__(self, expected: Mapping[str, float], cases: int, factor: float) -> None:
        self._expected, self._cases, self._factor = dict(expected), cases, factor
        self._latest: deque[str] = deque(maxlen=LATEST)
        self._since_look = 0

    def count(self, setting: str) -> list[Alarm]:
        """Count one decision of the policy; alarms when it is time to look."""
        self._latest.append(setting)
        self._since_look += 1
        if self._since_look < EVERY or len(self._latest) < LEAST or not self._cases:
            return []
        self._since_look = 0
        return alarms(Counter(self._latest), self._expected, self._cases, self._factor)

    def forget(self) -> None:
        """Begin a new window, after people have looked at an alarm."""
        self._latest.clear()
        self._since_look = 0


def alarms(
    counts: Mapping[str, int], expected: Mapping[str, float], cases: int, factor: float, deviations: float = DEVIATIONS
) -> list[Alarm]:
    """Settings whose rate has changed by the factor, beyond chance.

    Args:
        counts: Setting -> how often it was chosen in the window.
        expected: Setting -> its share among the evaluated cases.
        cases: Number of evaluated cases.
        factor: The ratio that alarms, greater than 1, in either direction.
        deviations: Standard errors of the log ratio beyond which chance explains nothing.
    """
    total = sum(counts.values())
    found = []
    for setting in sorted(counts.keys() | expected.keys()):
        now, before = counts.get(setting, 0), expected.get(setting, 0.0) * cases
        # Half a case more on each side keeps the logarithm finite where a setting never came up.
        ratio = math.log((now + 0.5) / (total + 1)) - math.log((before + 0.5) / (cases + 1))
        error = math.sqrt(1 / (now + 0.5) - 1 / (total + 1) + 1 / (before + 0.5) - 1 / (cases + 1))
        if abs(ratio) > deviations * error and abs(ratio) + REACH * error >= math.log(factor):
            found.append(Alarm(setting, now / total if total else 0.0, expected.get(setting, 0.0)))
    return found
