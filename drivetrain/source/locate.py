"""From a location in the plan to files on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import DataError

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

IMAGES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
AUDIO = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})
TEXTS = frozenset({".txt", ".md"})
TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz"})

_GLOB = re.compile(r"[*?\[]")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SIDE_FILES = frozenset({"records.csv"})


@dataclass(frozen=True)
class Files:
    """The files of one source.

    Attributes:
        base: The folder that `filename` patterns are searched below.
        names: The files, sorted, so that every machine sees the same order; as text, for there may be a million.
        media: True when each file is one row; False when the files hold rows.
    """

    base: Path
    names: tuple[str, ...]
    media: bool

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The files as paths."""
        return tuple(Path(name) for name in self.names)


def is_url(location: str) -> bool:
    """Whether a location names another machine or a database."""
    return bool(_URL.match(location))


def suffix(path: Path | str) -> str:
    """The ending of a file's name in small letters, `.csv.gz` counted as one."""
    name = str(path).rpartition(os.sep)[2].lower()
    stem, dot, ending = name.rpartition(".")
    if not stem:
        return ""
    return f".{stem.rpartition('.')[2]}.gz" if ending == "gz" and "." in stem[1:] else dot + ending


def relative(path: Path | str, root: Path | str) -> str:
    """A file as the plan would name it: relative to the plan's folder, with `/` on every system."""
    text, folder = str(path), f"{root}{os.sep}"
    # Nearly all files lie below the plan, and there may be a million of them.
    below = text[len(folder) :] if text.startswith(folder) else ""
    if below and f"{os.sep}.." not in below and not below.startswith(".."):
        return below.replace(os.sep, "/")
    return Path(os.path.relpath(path, root)).as_posix()


def location(source: Source) -> str:
    """Where a source lies: its `location`, or `data/<source>` when it is collected.

    Raises:
        DataError: The plan names neither.
    """
    if source.location:
        return str(source.location)
    if source.collect is not None:
        return f"data/{source.name}"
    raise DataError("has no `location` yet.", "Say in the plan where the data lie.", f"data.{source.name}")


def locate(spec: Spec, source: Source) -> Files:
    """The files of a source.

    Raises:
        DataError: Nothing is there, or nothing of the source's kind.
    """
    where = location(source)
    named = f"data.{source.name}"
    if is_url(where):
        from drivetrain.source import remote

        kinds = _suffixes(source.kind)
        base, paths = remote.copied(spec.root, source.name, where, kinds | TABLES)
        media = [path for path in paths if suffix(path) in kinds]
        return Files(base, tuple(map(str, media or paths)), bool(media) and kinds is not TABLES)
    path = spec.root / where
    # A folder may be called `[2024]`.
    if _GLOB.search(where) and not path.exists():
        base, pattern = _split_glob(spec.root, where)
        matching = base.glob(pattern) if base.is_dir() else ()
        matches = sorted(p for p in matching if p.is_file() and not _hidden(p, base))
        if not matches:
            raise DataError(f"no file matches `{where}`.", _advice(source), named)
        tables = any(suffix(p) in TABLES for p in matches)
        return Files(
            base,
            tuple(_as_text(str(match)) for match in matches),
            source.kind == "series" or (source.kind != "table" and not tables),
        )
    if path.is_file():
        return Files(path.parent, (str(path),), False)
    if not path.exists():
        raise DataError(f"`{where}` is not there.", _advice(source), named)
    wanted = _suffixes(source.kind)
    there = list(_walk(str(path)))
    found = _ending(there, wanted)
    if not found and source.kind not in ("table", "ratings"):
        wanted = TABLES
        found = _ending(there, wanted)
    if not found:
        endings = ", ".join(sorted(_suffixes(source.kind)))
        raise DataError(f"`{where}` holds no file that ends in {endings}.", _advice(source), named)
    # Each file of a folder is one series, though it holds a table.
    return Files(path, tuple(found), source.kind == "series" or wanted is not TABLES)


def _ending(names: Iterable[str], suffixes: Iterable[str]) -> list[str]:
    """Files of these kinds; none of the names begins with a dot."""
    endings = tuple(suffixes)
    return [name for name in names if name.lower().endswith(endings)]


def _suffixes(kind: str) -> frozenset[str]:
    if kind.startswith("images"):
        return IMAGES
    return {"audio": AUDIO, "text": TEXTS, "series": TABLES}.get(kind, TABLES)


def _split_glob(root: Path, where: str) -> tuple[Path, str]:
    parts = Path(where).parts
    first = next(i for i, part in enumerate(parts) if _GLOB.search(part))
    return root.joinpath(*parts[:first]), "/".join(parts[first:])


def _walk(folder: str) -> Iterator[str]:
    """Files below a folder in the order of their names, folder by folder; hidden and side files are left out.

    A link back to a folder above is followed only once.
    """
    top = os.stat(folder)
    open_, seen = [_entries(folder)], {(top.st_dev, top.st_ino)}
    while open_:
        for entry in open_[-1]:
            if entry.is_file():
                if entry.name not in _SIDE_FILES:
                    yield _as_text(entry.path)
            elif entry.is_dir():
                status = os.stat(entry.path)
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    open_.append(_entries(entry.path))
                    break
            elif entry.is_symlink():
                # It leads nowhere, which whoever reads it says.
                yield _as_text(entry.path)
        else:
            open_.pop()


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What stands in a folder, by its name."""
    try:
        with os.scandir(folder) as entries:
            return iter(sorted([entry for entry in entries if entry.name[0] != "."], key=attrgetter("name")))
    except OSError as error:
        what = f"the folder `{os.path.basename(folder)}` cannot be read ({error.strerror})."
        raise DataError(what, "Ask for the right to read it, or move it away.", folder) from error


def _as_text(name: str) -> str:
    """A file's name; bytes in it that are no text are spelled out, and the file is then reported as unreadable."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _hidden(path: Path, base: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(base).parts)


def _advice(source: Source) -> str:
    if source.collect is not None:
        return "`drivetrain collect` fetches it; `drivetrain sample` writes sample data to start with."
    return "Put the data there, change `location`, or start with sample data: `drivetrain sample` writes some that fit."
