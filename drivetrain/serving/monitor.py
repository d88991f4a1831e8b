"""Alarms on action rates, while the service runs.

A rate is compared between the latest decisions and the cases that `decide` evaluated. It alarms when chance alone does
not explain their ratio, and the ratio may well be the plan's factor (2: doubled, or halved).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain import evidence, policy
from drivetrain.serving.assessed import DEFER

if TYPE_CHECKING:
    from drivetrain.policy import Problem
    from drivetrain.spec import Spec

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
LISTED = 20
"""Settings whose shares `decide` writes down at most."""
OTHERS = "any other setting"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A setting that is chosen far more, or far less, than when it was evaluated.

    Attributes:
        setting: Its label.
        rate: Share of the latest decisions that take it; of a shelf, that show it.
        expected: Share among the cases that were evaluated.
    """

    setting: str
    rate: float
    expected: float

    def __str__(self) -> str:
        change = "more" if self.rate > self.expected else "less"
        return f"{self.setting} is chosen {change} often than expected: {self.rate:.1%} instead of {self.expected:.1%}"


def taken(problem: Problem, chosen: str | None) -> tuple[str, ...]:
    """What a decision does, as its rates are watched.

    Of a shelf these are the items that it shows: hardly two orders are the same. Of a queue it is nothing, since the
    place of a case depends on who else waits. Beside them stand the settings of the other levers.

    Args:
        problem: The plan as the policy sees it.
        chosen: What the policy chose; None where it left the case to a person.
    """
    if chosen is None:
        return (DEFER,)
    return policy.done(problem, chosen)


class Monitor:
    """The latest decisions, and what they are compared with.

    Args:
        expected: Setting -> its share among the cases that `decide` evaluated.
        cases: Number of these cases; 0 where nothing is known of them, and nothing is said then.
        factor: The plan's `action_rate_change`.
        rest: What settings that are not among the expected ones are counted as; None: each is counted as it is, and
            empty: they are not counted.
    """

    def __init__(self, expected: Mapping[str, float], cases: int, factor: float, rest: str | None = None) -> None:
        self._expected, self._cases, self._factor, self._rest = dict(expected), cases, factor, rest
        self._latest: deque[tuple[str, ...]] = deque(maxlen=LATEST)
        self._since_look = 0

    @classmethod
    def of(cls, spec: Spec, problem: Problem) -> Monitor:
        """A project's: the policy's choices among the cases that `decide` evaluated are what is expected."""
        decided = evidence.read(spec.root, "decide")
        result: Mapping[str, Any] = decided.result if decided is not None else {}
        rows = [row["shares"] for row in result.get("policies", ()) if row["name"] == "optimized"]
        shares: dict[str, float] = dict(rows[0]) if rows else {}
        factor = spec.deployment.monitoring.action_rate_change if spec.deployment else 2.0
        # The places of a queue alone are no rates: they depend on who else waits.
        alone = problem.ranking is not None and not problem.items and len(problem.levers) == 1
        cases = int(result.get("cases", 0)) if shares and not alone else 0
        # Of very many settings `decide` lists those that it took most.
        if problem.items:
            return cls(shares, cases, factor, "" if len(shares) >= LISTED else None)
        left = 1 - sum(shares.values())
        if left <= 1e-6:
            return cls(shares, cases, factor)
        return cls(shares | {OTHERS: left}, cases, factor, OTHERS)

    def count(self, settings: tuple[str, ...]) -> list[Alarm]:
        """Count what one decision of the policy does; alarms when it is time to look."""
        self._latest.append(settings)
        self._since_look += 1
        if self._since_look < EVERY:
            return []
        self._since_look = 0
        return self.look(self._latest)

    def look(self, decisions: Collection[tuple[str, ...]]) -> list[Alarm]:
        """Alarms on some decisions, all seen together."""
        if len(decisions) < LEAST or not self._cases:
            return []
        named = Counter(self._named(setting) for settings in decisions for setting in settings)
        named.pop("", None)
        return alarms(named, self._expected, self._cases, self._factor, total=len(decisions))

    def _named(self, setting: str) -> str:
        if self._rest is None or setting in self._expected or setting == DEFER:
            return setting
        return self._rest

    def forget(self) -> None:
        """Begin a new window, after people have looked at an alarm."""
        self._latest.clear()
        self._since_look = 0


def alarms(
    counts: Mapping[str, int],
    expected: Mapping[str, float],
    cases: int,
    factor: float,
    deviations: float = DEVIATIONS,
    total: int | None = None,
) -> list[Alarm]:
    """Settings whose rate has changed by the factor, beyond chance.

    Args:
        counts: Setting -> how often it was chosen in the window.
        expected: Setting -> its share among the evaluated cases.
        cases: Number of evaluated cases.
        factor: The ratio that alarms, greater than 1, in either direction.
        deviations: Standard errors of the log ratio beyond which chance explains nothing.
        total: Decisions in the window; None: each has one setting.
    """
    total = sum(counts.values()) if total is None else total
    found = []
    for setting in sorted(counts.keys() | expected.keys()):
        now, before = counts.get(setting, 0), expected.get(setting, 0.0) * cases
        # Half a case more on each side keeps the logarithm finite where a setting never came up.
        ratio = math.log((now + 0.5) / (total + 1)) - math.log((before + 0.5) / (cases + 1))
        error = math.sqrt(1 / (now + 0.5) - 1 / (total + 1) + 1 / (before + 0.5) - 1 / (cases + 1))
        if abs(ratio) > deviations * error and abs(ratio) + REACH * error >= math.log(factor):
            found.append(Alarm(setting, now / total if total else 0.0, expected.get(setting, 0.0)))
    return found
