"""Three-way merge of texts, line by line.

It needs no version control. It is written here because what PyPI offers either is under the GPL, which would bind all
who ship drivetrain, or merges by characters. `difflib` matches the lines; the tests hold it against `git merge-file`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

START, MIDDLE, END = "<<<<<<<", "=======", ">>>>>>>"
OURS, THEIRS = "yours", "drivetrain"


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged text.

    Attributes:
        text: The result, with marks around what could not be decided.
        conflicts: How many places are marked.
    """

    text: str
    conflicts: int


def merge(base: str, ours: str, theirs: str) -> Merged:
    """What both sides made of `base`, in one text.

    Every line that `ours` has and `base` has not is in the result, outside of marks or inside; so is every one that
    only `theirs` has. The line ends of `ours` are kept when all of its lines end alike.

    Args:
        base: The text that both sides started from.
        ours: The team's text.
        theirs: The text as it would be generated now.
    """
    end = "\r\n" if "\r\n" in ours and "\n" not in ours.replace("\r\n", "") else "\n"
    if end == "\r\n":
        base, theirs = (text.replace("\r\n", "\n").replace("\n", "\r\n") for text in (base, theirs))
    merged: list[str] = []
    conflicts = 0
    for old, left, right in _regions(_lines(base), _lines(ours), _lines(theirs)):
        if left == right or right == old:
            merged += left
        elif left == old:
            merged += right
        else:
            conflicts += 1
            merged += _marked(left, right, end)
    return Merged("".join(merged), conflicts)


def marked(text: str) -> bool:
    """Whether a text still holds a mark of a conflict; one end alone waits for a decision, too."""
    return not {f"{START} {OURS}", f"{END} {THEIRS}"}.isdisjoint(text.splitlines())


def _lines(text: str) -> list[str]:
    # Not str.splitlines: that also splits at form feeds and other characters that are part of a line in source code.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


Region = tuple[Sequence[str], Sequence[str], Sequence[str]]


def _regions(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[Region]:
    """The three texts cut into corresponding pieces: those on which all agree, and what lies between them."""
    old = left = right = 0
    for start, stop, at_left, at_right in _agreed(base, ours, theirs):
        if (old, left, right) != (start, at_left, at_right):
            yield base[old:start], ours[left:at_left], theirs[right:at_right]
        size = stop - start
        same = base[start:stop]
        yield same, same, same
        old, left, right = stop, at_left + size, at_right + size
    yield base[old:], ours[left:], theirs[right:]


def _agreed(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Runs of base lines that both sides kept: start and stop in `base`, start in `ours`, start in `theirs`."""
    lefts = SequenceMatcher(None, base, ours, autojunk=False).get_matching_blocks()
    rights = SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(lefts) and j < len(rights):
        left, right = lefts[i], rights[j]
        start, stop = max(left.a, right.a), min(left.a + left.size, right.a + right.size)
        if start < stop:
            yield start, stop, left.b + start - left.a, right.b + start - right.a
        if left.a + left.size <= right.a + right.size:
            i += 1
        else:
            j += 1


def _marked(ours: Sequence[str], theirs: Sequence[str], end: str) -> list[str]:
    """Both sides between marks; lines on which they agree at either edge stay outside."""
    head = 0
    while head < min(len(ours), len(theirs)) and ours[head] == theirs[head]:
        head += 1
    tail = 0
    while tail < min(len(ours), len(theirs)) - head and ours[-1 - tail] == theirs[-1 - tail]:
        tail += 1
    inner = slice(head, -tail or None)
    return [
        *ours[:head],
        f"{START} {OURS}{end}",
        *_ended(ours[inner], end),
        f"{MIDDLE}{end}",
        *_ended(theirs[inner], end),
        f"{END} {THEIRS}{end}",
        *(ours[len(ours) - tail :]),
    ]


def _ended(lines: Sequence[str], end: str) -> list[str]:
    """The lines, the last of them with a line end, so that a mark can follow it."""
    return [line if line.endswith("\n") else line + end for line in lines]
