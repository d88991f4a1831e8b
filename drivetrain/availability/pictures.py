"""Findings about pictures: what cannot be read, what is odd, what is there twice."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drivetrain.availability.images import Picture
from drivetrain.availability.leaks import sides
from drivetrain.availability.look import Look, count, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding

DARK, BRIGHT, FLAT = 12.0, 246.0, 3.0
"""Mean brightness below or above which, and spread below which, nothing is to be seen (0 to 255)."""


def pictures(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    """Findings about the files of a source.

    Args:
        look: The source.
        seen: What each of its rows shows, `(n,)`.
    """
    yield from _readable(look, seen)
    yield from _endings(look, seen)
    yield from _odd(look, seen)
    yield from _blank(look, seen)
    yield from _copies(look, seen)
    yield from _names(look)


def _readable(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    broken = [row for row, picture in enumerate(seen) if picture.error]
    if not broken:
        yield look.finding("DA401", "pass", f"{count(len(seen), 'picture')} can be read.")
        return
    affected = [f"{name}: {seen[row].error}" for name, row in zip(look.own_names(broken), broken, strict=True)]
    yield look.finding(
        "DA401",
        "fail",
        f"{count(len(broken), 'picture')} of {len(seen):,} cannot be read.",
        "Fetch them again, or take them out.",
        affected=affected,
        facts={"files": look.own_names(broken)},
    )


def _endings(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    paths = look.own.column("path").to_pylist()
    wrong = [row for row, p in enumerate(seen) if not p.error and p.wrong_ending(PurePosixPath(paths[row]).suffix)]
    if wrong:
        affected = [f"{paths[row]}: is {seen[row].format}" for row in wrong]
        yield look.finding(
            "DA402",
            "warn",
            f"{count(len(wrong), 'picture')} have a wrong ending.",
            "Rename them: some programs go by the ending.",
            affected=affected,
            facts={"files": [paths[row] for row in wrong]},
        )


def _odd(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    """Colours and sizes that hardly any other picture has."""
    import numpy as np

    good = [row for row, picture in enumerate(seen) if not picture.error]
    if not good:
        return
    modes = Counter(seen[row].mode for row in good)
    usual = modes.most_common(1)[0][0]
    rare = [row for row in good if seen[row].mode != usual and modes[seen[row].mode] < 0.05 * len(good)]
    if rare:
        yield look.finding(
            "DA403",
            "note",
            f"{count(len(rare), 'picture')} have unusual colours ({some(sorted({seen[row].mode for row in rare}))}; "
            f"most are {usual}).",
            "All are converted for training; check that they show the same kind of thing.",
            affected=look.own_names(rare),
            facts={"modes": dict(modes)},
        )
    shape = np.array([(seen[row].width, seen[row].height) for row in good], float)
    area, aspect = np.log(shape.prod(1)), np.log(shape[:, 0] / shape[:, 1])
    odd = (np.abs(area - np.median(area)) > np.log(16)) | (np.abs(aspect - np.median(aspect)) > np.log(3))
    if 0 < odd.sum() <= 0.05 * len(good):
        rows = [good[place] for place in np.flatnonzero(odd)]
        yield look.finding(
            "DA404",
            "warn",
            f"{count(len(rows), 'picture')} have an odd size or shape.",
            "Look at them: thumbnails and strips often are no pictures of the thing.",
            affected=[
                f"{name}: {seen[row].width} x {seen[row].height}"
                for name, row in zip(look.own_names(rows), rows, strict=True)
            ],
            facts={"files": look.own_names(rows)},
        )


def _blank(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    dark = [
        row
        for row, p in enumerate(seen)
        if not p.error and (p.spread < FLAT or (p.mean < DARK and p.spread < DARK) or p.mean > BRIGHT)
    ]
    if dark:
        yield look.finding(
            "DA405",
            "warn",
            f"{count(len(dark), 'picture')} are blank, or too dark or bright to show anything.",
            "Look at them, and take out those that show nothing.",
            affected=look.own_names(dark),
            facts={
                "brightness": {
                    name: round(seen[row].mean, 1) for name, row in zip(look.own_names(dark), dark, strict=True)
                }
            },
        )


def _copies(look: Look, seen: Sequence[Picture]) -> Iterator[Finding]:
    import numpy as np

    digests = np.array([picture.digest if not picture.error else f"!{row}" for row, picture in enumerate(seen)])
    _, unit, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    again = np.flatnonzero(sizes[unit] > 1)
    if not len(again):
        yield look.finding("DA307", "pass", "no picture is there twice.")
        return
    across = sides(look.own_parts, np.where(sizes[unit] > 1, unit, -1))
    groups = copies(look, unit, again)
    yield look.finding(
        "DA307",
        "fail" if across.any() else "warn",
        f"{count(len(again), 'picture')} are exact copies of another one"
        + (f", {int(across.sum()):,} of them in several parts of the split." if across.any() else "."),
        "Take the copies out." + (" The test would reward remembering them." if across.any() else ""),
        affected=groups,
        facts={"files": look.own_names(again), "across": look.own_names(np.flatnonzero(across))},
    )
    yield from conflicts(look, unit, again, "DA308", "exact copies")


def copies(look: Look, unit: NDArray[np.int64], rows: NDArray[np.int64]) -> list[str]:
    """Groups of rows of the same unit, each as one line."""
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(int(unit[row]), []).append(int(row))
    return [" = ".join(look.own_names(group)) for group in groups.values()]


def conflicts(look: Look, unit: NDArray[np.int64], rows: NDArray[np.int64], id: str, what: str) -> Iterator[Finding]:
    """Copies that are labelled differently."""
    for outcome in look.source.outcomes:
        if outcome not in look.own:
            continue
        labels = look.own.column(outcome).to_pylist()
        seen: dict[int, set[str]] = {}
        for row in rows:
            if labels[row] is not None:
                seen.setdefault(int(unit[row]), set()).add(str(labels[row]))
        wrong = [row for row in rows if len(seen.get(int(unit[row]), ())) > 1]
        if wrong:
            yield look.finding(
                id,
                "fail",
                f"{count(len(wrong), 'picture')} are {what} with different labels.",
                "At least one label of each is wrong: correct it.",
                at=f"outcomes.{outcome}",
                affected=[f"{name}: {labels[row]}" for name, row in zip(look.own_names(wrong), wrong, strict=True)],
                facts={"files": look.own_names(wrong)},
            )


def _names(look: Look) -> Iterator[Finding]:
    """Files whose names the pattern of the plan does not fit."""
    import re

    if not look.source.filename:
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
            f"{count(len(misfits), 'file')} have a name that `filename` does not fit; their {some(groups)} is missing.",
            "Rename them, or correct the pattern.",
            at="filename",
            affected=look.own_names(misfits),
        )
