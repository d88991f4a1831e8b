"""What the names of files say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.availability.look import Look, count, some

if TYPE_CHECKING:
    from drivetrain.findings import Finding


def names(look: Look) -> Iterator[Finding]:
    """Files whose names the pattern of the plan does not fit."""
    import re

    if not look.source.filename or "path" not in look.own or look.own.files:
        return
    groups = list(re.compile(look.source.filename).groupindex)
    groups = [group for group in groups if group in look.own]
    if not groups:
        return
    misfits = [row for row, value in enumerate(look.own.column(groups[0]).to_pylist()) if value is None]
    if misfits:
        yield look.finding(
            "DA407",
            "warn",
            f"{count(len(misfits), 'file', verb='have')} a name that `filename` does not fit; "
            f"{some(groups)} is missing there.",
            "Rename them, or correct the pattern, which is searched in the path below `location`.",
            at="filename",
            affected=look.own_names(misfits),
        )
