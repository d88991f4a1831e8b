"""What was found out about files before, so that unchanged ones are not read again."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = ".drivetrain/cache"
VERSION = 6
"""Counts up whenever what is kept, or how it is found out, changes."""


def keys(paths: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each file that changes with its path, size or time of change, `(n,)`; 0 for files that are gone."""
    import numpy as np

    said: list[int] = []
    gone = []
    for place, path in enumerate(paths):
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            gone.append(place)
            said += (0, 0, 0, 0)
            continue
        name = path.encode(errors="replace")
        said += (zlib.crc32(name), status.st_size, abs(status.st_mtime_ns), status.st_ino)
    found = np.full(len(paths), VERSION, np.uint64)
    with np.errstate(over="ignore"):
        for column in np.array(said, np.uint64).reshape(-1, 4).T:
            found = (found ^ column) * np.uint64(0x9E3779B97F4A7C15)
            found ^= found >> np.uint64(29)
    found[gone] = 0
    return found


class Cache:
    """Facts about files, scores of pairs of them, which are alike, and errors; one file for each source.

    `learn` takes over what was found out, `keep` writes it.

    A cache that cannot be read or written is as good as none: the files are then read again.
    """

    def __init__(self, root: Path, name: str, layout: np.dtype[Any]) -> None:
        import numpy as np

        self.path = root / FOLDER / f"check-{name}.npz"
        self.layout = layout
        self.known = np.zeros(0, np.uint64)
        self.facts = np.zeros(0, layout)
        self.errors: dict[str, str] = {}
        self.scores: dict[str, float] = {}
        self.alike: dict[str, list[tuple[int, int, float]]] = {}
        self.fresh = False
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                if kept["facts"].dtype == layout and len(kept["known"]) == len(kept["facts"]):
                    self.known, self.facts = kept["known"], kept["facts"]
                    notes = json.loads(bytes(kept["notes"]))
                    self.errors, self.scores = notes["errors"], notes["scores"]
                    self.alike = {key: [(a, b, s) for a, b, s in pairs] for key, pairs in notes["alike"].items()}
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            pass

    def look_up(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Which of these keys are known, and the facts about them, `(n,)` each."""
        import numpy as np

        facts = np.zeros(len(wanted), self.layout)
        if not len(self.known):
            return np.zeros(len(wanted), bool), facts
        place = np.minimum(np.searchsorted(self.known, wanted), len(self.known) - 1)
        found = (self.known[place] == wanted) & (wanted != 0)
        facts[found] = self.facts[place[found]]
        return found, facts

    def learn(self, wanted: NDArray[np.uint64], facts: NDArray[Any], errors: dict[int, str]) -> None:
        """Take over what is known about these files; what was known about others is forgotten."""
        import numpy as np

        known, first = np.unique(wanted, return_index=True)
        there = known != 0
        self.known, self.facts = known[there], facts[first[there]]
        self.errors = {str(int(wanted[place])): error for place, error in errors.items() if wanted[place]}
        self.fresh = True

    def keep(self) -> None:
        """Write what was learnt, if anything, whole or not at all."""
        import numpy as np

        if not self.fresh:
            return
        notes = json.dumps({"errors": self.errors, "scores": self.scores, "alike": self.alike}).encode()
        buffer = io.BytesIO()
        np.savez(buffer, known=self.known, facts=self.facts, notes=np.frombuffer(notes, np.uint8))
        with contextlib.suppress(OSError), evidence.whole(self.path) as part:
            part.write_bytes(buffer.getbuffer())
            self.fresh = False
