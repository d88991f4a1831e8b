"""Findings about pictures: what cannot be read, what is odd, what is there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.availability.alike import LEAST, groups
from drivetrain.availability.images import FORMATS, MODES, Seen, wrong_ending
from drivetrain.availability.leaks import sides
from drivetrain.availability.look import Look, coded, count, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.findings import Finding, Level

DARK, BRIGHT, FLAT = 12.0, 246.0, 3.0
"""Mean brightness below or above which, and spread below which, nothing is to be seen (0 to 255)."""
SHOWN = 16
"""Steps of brightness between the darkest and the brightest sixteenth of a side, from which on something is shown."""
CERTAIN = 0.85
"""Share of its worst place that a picture must explain of the other, so that a near copy in another part of the split
fails the check; of copies, 19 in 20 explain more."""


def pictures(look: Look, seen: Seen, near: Sequence[tuple[int, int, float]]) -> Iterator[Finding]:
    """Findings about the files of a source.

    Args:
        look: The source.
        seen: What each of its own rows shows, `(n,)`.
        near: Pairs that are the same picture in another form.
    """
    yield from _readable(look, seen)
    good = readable(seen)
    if len(good):
        yield from _endings(look, seen, good)
        yield from _odd(look, seen, good)
        yield from _blank(look, seen, good)
        yield from _copies(look, seen)
        yield from _near(look, seen, near)
        yield from _tells(look, seen, good)


def readable(seen: Seen) -> NDArray[np.int64]:
    """Places of the pictures that can be read."""
    import numpy as np

    return np.flatnonzero(seen.facts["width"] > 0)


def _readable(look: Look, seen: Seen) -> Iterator[Finding]:
    if not seen.errors:
        yield look.finding("DA401", "pass", f"{count(len(seen.facts), 'picture')} can be read.")
        return
    broken = sorted(seen.errors)
    names = look.own_names(broken)
    yield look.finding(
        "DA401",
        "fail",
        f"{count(len(broken), 'picture')} of {len(seen.facts):,} cannot be read.",
        "Fetch them again, or take them out.",
        affected=[f"{name}: {seen.errors[row]}" for name, row in zip(names, broken, strict=True)],
        facts={"files": names},
    )


def _endings(look: Look, seen: Seen, good: NDArray[np.int64]) -> Iterator[Finding]:
    import numpy as np

    # There are few formats and few endings, however many files.
    endings = coded(look.own.column("suffix"))
    codes = endings.codes[good].astype(np.int64) * len(FORMATS) + seen.facts["format"][good]
    bad = [
        code
        for code in np.unique(codes).tolist()
        if wrong_ending(code % len(FORMATS), endings.values[code // len(FORMATS)])
    ]
    rows = good[np.isin(codes, bad)]
    formats = [FORMATS[format] for format in seen.facts["format"][rows].tolist()]
    wrong = list(zip(look.own_names(rows), formats, strict=True))
    if wrong:
        yield look.finding(
            "DA402",
            "warn",
            f"{count(len(wrong), 'picture', verb='have')} a wrong ending.",
            "Rename them: some programs go by the ending.",
            affected=[f"{name}: is {format}" for name, format in wrong],
            facts={"files": [name for name, _ in wrong]},
        )


def _odd(look: Look, seen: Seen, good: NDArray[np.int64]) -> Iterator[Finding]:
    """Colours and sizes that hardly any other picture has."""
    import numpy as np

    modes = np.bincount(seen.facts["mode"][good], minlength=len(MODES))
    usual = int(modes.argmax())
    rare = good[(seen.facts["mode"][good] != usual) & (modes[seen.facts["mode"][good]] < 0.05 * len(good))]
    if len(rare):
        kinds = [MODES[mode] for mode in np.unique(seen.facts["mode"][rare])]
        yield look.finding(
            "DA403",
            "note",
            f"{count(len(rare), 'picture', verb='have')} unusual colours ({some(kinds)}; most are {MODES[usual]}).",
            "All are converted for training; check that they show the same kind of thing.",
            affected=look.own_names(rare),
            facts={"modes": {MODES[mode]: int(modes[mode]) for mode in np.flatnonzero(modes)}},
        )
    width, height = (seen.facts[side][good].astype(float) for side in ("width", "height"))
    area, shape = np.log(width * height), np.log(width / height)
    odd = (np.abs(area - np.median(area)) > np.log(16)) | (np.abs(shape - np.median(shape)) > np.log(3))
    if 0 < odd.sum() <= 0.05 * len(good):
        names = look.own_names(good[odd])
        sizes = zip(names, width[odd], height[odd], strict=True)
        yield look.finding(
            "DA404",
            "warn",
            f"{count(len(names), 'picture', verb='have')} an odd size or shape.",
            "Look at them: thumbnails and strips often are no pictures of the thing.",
            affected=[f"{name}: {w:.0f} x {h:.0f}" for name, w, h in sizes],
            facts={"files": names},
        )


def _blank(look: Look, seen: Seen, good: NDArray[np.int64]) -> Iterator[Finding]:
    import numpy as np

    mean, spread = seen.facts["mean"][good], seen.facts["spread"][good]
    # A white page with a few thin lines is bright, and not empty; nor is a night with a lamp in it.
    extreme = ((mean < DARK) | (mean > BRIGHT)) & (spread < DARK)
    thumbs = seen.facts["thumb"][good[extreme]]
    extreme[extreme] = np.ptp(thumbs, axis=1) < SHOWN
    empty = (spread < FLAT) | extreme
    if empty.any():
        names = look.own_names(good[empty])
        yield look.finding(
            "DA405",
            "warn",
            f"{count(len(names), 'picture', verb='are')} blank, or too dark or bright to show anything.",
            "Look at them, and take out those that show nothing.",
            affected=names,
            facts={"brightness": dict(zip(names, mean[empty].round(1).tolist(), strict=True))},
        )


def _copies(look: Look, seen: Seen) -> Iterator[Finding]:
    import numpy as np

    _, unit, sizes = np.unique(seen.facts["digest"], return_inverse=True, return_counts=True)
    unit = np.where((sizes[unit] > 1) & (seen.facts["width"] > 0), unit, -1)
    again = np.flatnonzero(unit >= 0)
    if not len(again):
        yield look.finding("DA307", "pass", "no picture is there twice.")
        return
    across = np.flatnonzero(sides(look.own_parts, unit))
    yield look.finding(
        "DA307",
        "fail" if len(across) else "warn",
        f"{count(len(again), 'picture', verb='are')} exact copies of another one"
        + (f", {len(across):,} of them in several parts of the split." if len(across) else "."),
        "Take the copies out." + (" The test would reward remembering them." if len(across) else ""),
        affected=copies(look, unit, again),
        facts={"files": look.own_names(again), "across": look.own_names(across)},
    )
    yield from conflicts(look, unit, again, "DA308", "exact copies", "fail")


def _near(look: Look, seen: Seen, near: Sequence[tuple[int, int, float]]) -> Iterator[Finding]:
    import numpy as np

    if not near:
        tiny = np.minimum(seen.facts["width"], seen.facts["height"]).max() < LEAST
        what = (
            "pictures this small cannot be told from near copies." if tiny else "no picture is a near copy of another."
        )
        yield look.finding("DA309", "note" if tiny else "pass", what)
        return
    unit = groups(len(seen.facts), near)
    sizes = np.bincount(unit, minlength=len(unit))
    unit = np.where(sizes[unit] > 1, unit, -1)
    rows = np.flatnonzero(unit >= 0)
    names = {int(row): name for row, name in zip(rows, look.own_names(rows), strict=True)}
    across = [(a, b, s) for a, b, s in near if look.own_parts[a] != look.own_parts[b]]
    grave = any(score >= CERTAIN for _, _, score in across)
    yield look.finding(
        "DA309",
        "fail" if grave else "warn",
        f"{count(len(rows), 'picture', verb='are')} near copies of another one "
        "(compressed, resized, darkened or cropped)"
        + (f", in {count(len(across), 'pair')} across parts of the split." if across else "."),
        "Keep one of each, or name what they have in common as `entity`, so that they stay on one side.",
        affected=[f"{names[a]} ~ {names[b]} ({score:.2f})" for a, b, score in near],
        facts={
            "pairs": [[names[a], names[b]] for a, b, _ in near],
            "across": [[names[a], names[b]] for a, b, _ in across],
        },
    )
    yield from conflicts(look, unit, rows, "DA310", "near copies", "warn")


def _tells(look: Look, seen: Seen, good: NDArray[np.int64]) -> Iterator[Finding]:
    """Facts of the file, not of the thing, from which the label can be read off: the camera, not the disease."""
    import numpy as np

    from drivetrain.availability.sheet import SUSPECT
    from drivetrain.availability.skill import skill

    facts = {
        "format": seen.facts["format"],
        "colours": seen.facts["mode"],
        "size": seen.facts["width"].astype(float) * 100_003 + seen.facts["height"],
        "brightness": seen.facts["mean"],
    }
    for outcome, declared in look.source.outcomes.items():
        if outcome not in look.own or declared.type not in ("binary", "category"):
            continue
        label = coded(look.own.column(outcome)).codes[good]
        for name, values in facts.items():
            brightness = name == "brightness"
            numbers = values[good] if brightness else np.unique(values[good], return_inverse=True)[1]
            score = skill(numbers, label, categories=not brightness, classes=True)
            if score >= SUSPECT:
                yield look.finding(
                    "DA311",
                    "warn",
                    f"the {name} of a picture alone explains {score:.0%} of `{outcome}`.",
                    "A model will learn where pictures came from: collect all classes in the same way.",
                    at=f"outcomes.{outcome}",
                    facts={"skill": score, "fact": name},
                )


def copies(look: Look, unit: NDArray[np.int64], rows: NDArray[np.int64]) -> list[str]:
    """Groups of rows of the same unit, each as one line."""
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(int(unit[row]), []).append(int(row))
    return [" = ".join(look.own_names(group)) for group in groups.values()]


def conflicts(
    look: Look, unit: NDArray[np.int64], rows: NDArray[np.int64], id: str, what: str, level: Level
) -> Iterator[Finding]:
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
                level,
                f"{count(len(wrong), 'picture', verb='are')} {what} with different labels.",
                "At least one label of each is wrong: correct it.",
                at=f"outcomes.{outcome}",
                affected=[f"{name}: {labels[row]}" for name, row in zip(look.own_names(wrong), wrong, strict=True)],
                facts={"files": look.own_names(wrong)},
            )
