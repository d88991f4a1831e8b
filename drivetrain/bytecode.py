"""What compiling gave, kept between runs: code of templates, and that a project's Python compiles at all."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, FileSystemBytecodeCache


class _Cache(FileSystemBytecodeCache):
    """A cache that a full disk or a strange file in it can slow down, but not break."""

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def cache(settings: str) -> FileSystemBytecodeCache | None:
    """The user's own cache; None where there is no folder that only the user can write.

    The cache holds code, so a folder that others can write would let them run theirs.

    Args:
        settings: What, beside its text and the version of Jinja, decides what a template becomes when it is compiled.
    """
    folder = _own_folder()
    kind = hashlib.sha256(f"{jinja2.__version__} {settings}".encode()).hexdigest()[:16]
    return _Cache(str(folder), f"{kind}-%s.cache") if folder else None


def compiled(sources: Iterable[bytes]) -> Path | None:
    """A file that is there once somebody made it, to say that this Python compiles all of `sources`.

    None where there is no folder for it.
    """
    folder = _own_folder()
    total = hashlib.sha256(sys.version.encode())
    for source in sources:
        total.update(hashlib.sha256(source).digest())
    return folder / f"{total.hexdigest()}.compiles" if folder else None


def _own_folder() -> Path | None:
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder if os.access(folder, os.W_OK) else None


def _folder() -> Path:
    """Where this system keeps what may be thrown away."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "drivetrain" / "templates"
