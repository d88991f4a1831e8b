"""Findings about ratings: users and items with too few, pairs rated twice, and how few items have most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drivetrain.availability.look import Look, count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding, Level

THIN = 5
"""Ratings below which a user or an item is hardly known."""


def stars(look: Look) -> Iterator[Finding]:
    """Findings about a source of ratings."""
    import numpy as np

    pair = look.source.ratings
    if pair is None or not pair.user or not pair.item:
        yield look.finding(
            "DA700", "fail", "does not say who rated what.", "Write `ratings: {user: …, item: …}`.", at="ratings"
        )
        return
    for role, name in (("user", pair.user), ("item", pair.item)):
        yield from _thin(look, role, name)
    users, items = look.coded(pair.user).codes.astype(np.int64), look.coded(pair.item).codes.astype(np.int64)
    unknown = np.flatnonzero((users < 0) | (items < 0))
    if len(unknown):
        yield look.finding(
            "DA704",
            "fail",
            f"{count(len(unknown), 'rating', verb='name')} no user or no item.",
            "Take them out.",
            at="ratings",
            affected=look.names(unknown),
            facts={"rows": len(unknown)},
        )
    both = users * (int(items.max(initial=0)) + 2) + items
    _, place, times = np.unique(both, return_inverse=True, return_counts=True)
    twice = np.flatnonzero((times[place] > 1) & (users >= 0) & (items >= 0))
    if len(twice):
        yield look.finding(
            "DA703",
            "warn",
            f"{count(len(twice), 'rating', verb='are')} of a user and an item that occur together more than once.",
            "Keep the last one, or the mean.",
            at="ratings",
            affected=look.names(twice),
            facts={"rows": len(twice)},
        )
    yield from _popularity(look, items[items >= 0])


def _thin(look: Look, role: str, name: str) -> Iterator[Finding]:
    import numpy as np

    coded = look.coded(name)
    sizes = np.bincount(coded.codes[coded.codes >= 0], minlength=len(coded.values))
    thin = np.flatnonzero(sizes < THIN)
    share = len(thin) / max(len(sizes), 1)
    facts = {"thin": len(thin), "all": len(sizes), "median": float(np.median(sizes)) if len(sizes) else 0.0}
    level: Level = "warn" if share > 0.2 else "pass"
    yield look.finding(
        "DA701",
        level,
        f"{count(len(thin), role)} of {len(sizes):,} ({share:.0%}) have fewer than {THIN} ratings.",
        "Recommend what is popular to those, or collect a few ratings first." if level == "warn" else "",
        at="ratings",
        affected=[coded.values[place] for place in thin] if level == "warn" else (),
        facts=facts | {"role": role},
    )


def _popularity(look: Look, items: NDArray[np.int64]) -> Iterator[Finding]:
    import numpy as np

    sizes = np.sort(np.bincount(items))[::-1]
    if not len(sizes) or not sizes.sum():
        return
    top = max(1, len(sizes) // 100)
    head = float(sizes[:top].sum() / sizes.sum())
    tenth = float(sizes[: max(1, len(sizes) // 10)].sum() / sizes.sum())
    rising = np.sort(sizes)
    gini = float(
        2 * np.sum(np.arange(1, len(rising) + 1) * rising) / (len(rising) * rising.sum()) - 1 - 1 / len(rising)
    )
    skewed = tenth > 0.7 or head > 0.3
    yield look.finding(
        "DA702",
        "warn" if skewed else "pass",
        f"the most popular tenth of the items has {tenth:.0%} of the ratings, the top hundredth {head:.0%}.",
        "A model will mostly recommend what sells anyway: compare it with that, and look at rare items apart."
        if skewed
        else "",
        at="ratings",
        facts={"top_hundredth": head, "top_tenth": tenth, "gini": gini},
    )
