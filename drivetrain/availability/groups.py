"""Groups: are there enough of each to say how well it is treated?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.availability.look import MISSING, Coded, Look, count, listed, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivetrain.findings import Finding

SMALL = 30
"""Below this many rows of a group in the test, an interval around its results says next to nothing."""


def groups(look: Look) -> Iterator[Finding]:
    """Findings about the groups of a source."""
    if not look.source.groups:
        yield look.finding(
            "DA130",
            "note",
            "no groups are recorded, so results by group cannot be audited.",
            "If people or places differ, name the columns under `groups`.",
            at="groups",
        )
    for name in look.source.groups:
        if name in look.rows:
            yield from _group(look, name, look.coded(name))


def _group(look: Look, name: str, values: Coded) -> Iterator[Finding]:
    import numpy as np

    tested_rows = (look.parts == 2) | (look.parts == 3)
    absent = values.codes < 0
    sizes = values.sizes()
    tested = values.sizes(tested_rows)
    if absent.any():
        sizes[MISSING], tested[MISSING] = int(absent.sum()), int(np.sum(absent & tested_rows))
    declared = look.source.columns.get(name)
    for value in (declared.values if declared else None) or []:
        sizes.setdefault(value, 0)
        tested.setdefault(value, 0)
    facts = {"counts": sizes, "tested": tested, "positives": _positives(look, values)}
    need, at = look.source.needs.per_group, f"groups.{name}"
    thin = [value for value, size in sizes.items() if need and size < need and value != MISSING]
    if thin:
        yield look.finding(
            "DA131",
            "fail",
            f"{need:,} rows of each group are needed; too few of {some(thin)}.",
            "Collect more of these.",
            at=at,
            affected=[f"{value}: {sizes[value]:,}" for value in thin],
            facts=facts,
        )
    small = [value for value in sizes if tested[value] < SMALL]
    if small:
        yield look.finding(
            "DA132",
            "warn",
            f"fewer than {SMALL} rows to test on, too few to audit: {some(small)}.",
            "Collect more of these, or join groups for which that is fair.",
            at=at,
            affected=[f"{value}: {tested[value]:,}" for value in small],
            facts=facts,
        )
    if absent.any():
        yield look.finding(
            "DA133",
            "warn",
            f"{count(sizes[MISSING], 'row', verb='have')} no value; they are audited as a group of their own.",
            "Find out what they are.",
            at=at,
            affected=look.names(np.flatnonzero(absent)),
            facts=facts,
        )
    if not thin and not small and not absent.any():
        yield look.finding("DA131", "pass", f"rows by group: {listed(sizes)}.", at=at, facts=facts)


def _positives(look: Look, values: Coded) -> dict[str, dict[str, int]]:
    """Rows with a true label, for each binary outcome and group."""
    found = {}
    for name, outcome in look.source.outcomes.items():
        if outcome.type == "binary" and name in look.rows:
            true = look.coded(name).having(["true"])
            found[name] = values.sizes(true)
            if (values.codes < 0).any():
                found[name][MISSING] = int((true & (values.codes < 0)).sum())
    return found
