"""SHA-256 of many files; those that did not change since the last time are not read again.

A file counts as unchanged when its path, size, inode, time of change and time of status change are what they were, and
both times lay well before it was read. The time of status change cannot be set back by a program, so a file whose
content was swapped and whose date was restored is read again.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.evidence import file_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = ".drivetrain/cache"
WORTH = 8_000_000
"""Bytes below which all files are read: keeping notes would cost more than it saves."""
SETTLED = 2_000_000_000
"""Nanoseconds after a change before a file is taken as settled; clocks of file systems are coarse."""


def digests(root: Path, name: str, files: Sequence[str]) -> tuple[list[str], int]:
    """SHA-256 of each file, hexadecimal, and their size together.

    Args:
        root: The plan's folder, in which notes are kept.
        name: What the notes are about: the source.
        files: Paths.

    Raises:
        OSError: A file cannot be read; its `filename` says which.
    """
    import numpy as np

    states = [os.stat(file) for file in files]
    size = sum(state.st_size for state in states)
    if size < WORTH:
        return [file_digest(Path(file)) for file in files], size
    notes = root / FOLDER / f"digests-{name}.npz"
    known = _read(notes)
    keys = np.array([_key(file, state) for file, state in zip(files, states, strict=True)], "V16")
    now = time.time_ns()
    found: list[bytes] = []
    fresh = False
    for file, key in zip(files, keys.tolist(), strict=True):
        kept = known.get(key)
        found.append(kept if kept is not None else bytes.fromhex(file_digest(Path(file))))
        fresh = fresh or kept is None
    if fresh:
        settled = [max(state.st_mtime_ns, state.st_ctime_ns) < now - SETTLED for state in states]
        _write(notes, keys[settled], np.array(found, "V32")[settled])
    return [digest.hex() for digest in found], size


def _key(file: str, state: os.stat_result) -> bytes:
    said = f"{file}\0{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {state.st_dev}"
    return hashlib.blake2b(os.fsencode(said), digest_size=16).digest()


def _read(notes: Path) -> dict[bytes, bytes]:
    """What is on record; notes that cannot be read are as good as none."""
    import numpy as np

    try:
        with np.load(notes, allow_pickle=False) as kept:
            keys, found = kept["keys"], kept["digests"]
        if keys.dtype != np.dtype("V16") or found.dtype != np.dtype("V32"):
            return {}
        return dict(zip(keys.tolist(), found.tolist(), strict=True))
    except Exception:  # whatever lies there in place of notes
        return {}


def _write(notes: Path, keys: NDArray[np.void], found: NDArray[Any]) -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, keys=keys, digests=found)
    try:
        with evidence.whole(notes) as part:
            part.write_bytes(buffer.getvalue())
    except OSError:
        return
