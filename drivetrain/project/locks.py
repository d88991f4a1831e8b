"""One command at a time in a folder.

The lock is on the folder itself, so that no file is left behind, and the system takes it back when a process dies.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Wait until no other drivetrain writes in `folder`, then keep others waiting.

    Yields:
        Whether the lock is really held: Windows and some network file systems know no such lock, and then what looks
        abandoned may belong to a command that still runs.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
