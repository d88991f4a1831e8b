"""Durations as a plan writes them: `30 days`."""

import re

DURATION = r"^[0-9]+(\.[0-9]+)? (second|minute|hour|day|week|month|year)s?$"
_SECONDS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 604800.0,
    "month": 365.25 / 12 * 86400.0,
    "year": 365.25 * 86400.0,
}


def seconds(duration: str) -> float:
    """Length of a `Dur`: a month is a twelfth of a year, a year 365.25 days.

    Raises:
        ValueError: `duration` is not written like `30 days`.
    """
    if not re.fullmatch(DURATION.strip("^$"), duration):
        raise ValueError(f"{duration!r} is no duration like '30 days'")
    amount, unit = duration.split()
    return float(amount) * _SECONDS[unit.removesuffix("s")]
