"""A folder beside the target, in which all is made before anything is put in place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from drivetrain.errors import TargetError
from drivetrain.project.locks import held

PREFIX = ".drivetrain-new-"
_ABANDONED = 3600.0  # seconds after which a leftover is taken for abandoned where folders cannot be locked


@contextmanager
def staging(into: Path) -> Iterator[Path]:
    """An empty folder on the file system of `into`, gone afterwards; so are leftovers of commands that were killed.

    `into` is made when it is not there, and removed again when nothing came of it.

    Raises:
        TargetError: `into` is no folder, or nothing can be written there.
    """
    made = _make(into)
    try:
        with held(into) as alone:
            _sweep(into, alone)
            try:
                stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=into))
            except OSError as error:
                raise TargetError(f"nothing can be written there ({error.strerror}).", where=str(into)) from error
            try:
                yield stage
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    finally:
        for folder in made:  # innermost first; one that is not empty stays, and so do those around it
            with suppress(OSError):
                os.rmdir(folder)


def write(project: Path, files: Mapping[str, bytes]) -> None:
    """Write a project's files into a folder that is made for them, with the modes that new files have here."""
    made: set[str] = set()
    for name, data in files.items():
        path = os.path.join(project, name)
        folder = os.path.dirname(path)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        with open(path, "wb") as stream:
            stream.write(data)


def place(project: Path, target: Path) -> None:
    """Move a finished project to where nothing, or an empty folder, is: in one step, or not at all.

    Raises:
        TargetError: Something came in the way.
    """
    try:
        if os.name == "nt" and target.is_dir():
            target.rmdir()
        os.replace(project, target)
    except OSError as error:
        raise TargetError(f"the project cannot be put there ({error.strerror}).", where=str(target)) from error


def free(target: Path) -> None:
    """Refuse a target that is anything but absent or an empty folder.

    Raises:
        TargetError: What is in the way, and what to do.
    """
    advice = (
        "Nothing was changed. Choose another folder with `-o`, or update the project there with `drivetrain update`."
    )
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise TargetError("there is already something of that name.", advice, str(target))
    try:
        taken = target.is_dir() and any(target.iterdir())
    except OSError as error:
        raise TargetError(f"cannot be read ({error.strerror}).", advice, str(target)) from error
    if taken:
        raise TargetError("the folder exists and is not empty.", advice, str(target))


def why(error: OSError) -> str:
    """The system's own words for what went wrong, also where a library wrapped them."""
    if error.strerror is None and isinstance(error.__cause__, OSError):
        return why(error.__cause__)
    if error.strerror is None and error.args and isinstance(error.args[0], list):  # shutil: one entry a file
        return "; ".join(sorted({str(entry[-1]) for entry in error.args[0]}))
    return str(error.strerror or error)


def _make(into: Path) -> list[Path]:
    missing = []
    folder = into
    while not folder.exists() and not folder.is_symlink():
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise TargetError("is not a folder.", "Choose another one with `-o`.", str(folder))
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        for folder in missing:
            with suppress(OSError):
                os.rmdir(folder)
        raise TargetError(f"the folder cannot be made ({error.strerror}).", where=str(into)) from error
    return missing


def _sweep(into: Path, alone: bool) -> None:
    """Remove what killed commands left: under the lock every staging folder is one."""
    for leftover in into.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if leftover.is_symlink() or not leftover.is_dir():
                continue
            if alone or time.time() - leftover.stat().st_mtime > _ABANDONED:
                shutil.rmtree(leftover, ignore_errors=True)
