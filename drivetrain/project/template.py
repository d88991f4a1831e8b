"""The template: where it lies, which learner a task gets, and what tells one version of it from another.

It is read as a whole, once: file -> bytes. Rendering, the learners and the version all take it from there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from drivetrain.errors import ProjectError

Files = Mapping[str, bytes]
"""File -> its bytes; names are relative, with slashes, in a fixed order."""

_HERE = Path(__file__).resolve().parent.parent
SETTINGS = "cookiecutter.json"
_LEARNERS = "learners/"
# What lies in a folder that was worked in, and is no part of a template.
LITTER = frozenset(
    {".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".DS_Store"}
)


def folder() -> Path:
    """The template's folder: inside the package when it was installed from a wheel, beside it in a checkout.

    Raises:
        ProjectError: Neither is there; the installation is broken.
    """
    for candidate in (_HERE / "_template", _HERE.parent / "template"):
        if (candidate / "cookiecutter.json").is_file():
            return candidate
    raise ProjectError("drivetrain's template is missing.", "Install drivetrain again.", "drivetrain")


def load(template: Path | None = None) -> Files:
    """Every file of a template; None: drivetrain's own.

    Raises:
        ProjectError: It is no template, or a file of it cannot be read.
    """
    source = template or folder()
    if not (source / SETTINGS).is_file():  # before everything below, say, a home folder is read
        raise ProjectError(f"there is no {SETTINGS}: this is no template.", "Name the folder that has it.", str(source))
    try:
        return {name: _read(os.path.join(source, name)) for name in names(source)}
    except OSError as error:
        raise ProjectError(
            f"cannot be read ({error.strerror}).", "Repair the template.", Path(str(error.filename)).name
        ) from error


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def names(source: Path) -> list[str]:
    """The files below a folder that tools did not leave there."""
    return sorted(_below(str(source), ""))


def _below(path: str, way: str) -> Iterator[str]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name in LITTER or entry.name.endswith((".pyc", ".pyo")):
                continue
            if entry.is_dir():
                yield from _below(entry.path, f"{way}{entry.name}/")
            elif entry.is_file():
                yield f"{way}{entry.name}"


def settings(template: Files) -> dict[str, Any]:
    """`cookiecutter.json` of a template.

    Raises:
        ProjectError: It cannot be read.
    """
    try:
        loaded = json.loads(template[SETTINGS])
    except ValueError as error:
        raise ProjectError(f"cannot be read ({error}).", "Repair the template.", SETTINGS) from error
    if not isinstance(loaded, dict):
        raise ProjectError("does not hold an object.", "Repair the template.", SETTINGS)
    return loaded


def learner(template: Files, task: str) -> bytes:
    """The learner's code for `task`.

    Raises:
        ProjectError: There is none; the message lists the tasks that have one.
    """
    known = tasks(template)
    if task not in known:
        raise ProjectError(f"there is no learner for the task {task!r}.", f"Tasks: {', '.join(known)}.", "models")
    return template[f"{_LEARNERS}{task.replace('-', '_')}.py"]


def tasks(template: Files) -> list[str]:
    """The tasks that have a learner, in alphabetical order."""
    paths = (PurePosixPath(name) for name in template if name.startswith(_LEARNERS) and name.endswith(".py"))
    return sorted(path.stem.replace("_", "-") for path in paths if len(path.parts) == 2 and path.name[0] != "_")


def version(template: Files) -> str:
    """SHA-256 over the names and bytes of all files of the template."""
    total = hashlib.sha256()
    for name, data in template.items():
        total.update(len(name.encode()).to_bytes(8, "big") + name.encode() + hashlib.sha256(data).digest())
    return total.hexdigest()
