"""The template: where it lies, which learner a task gets, and what tells one version of it from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from drivetrain.errors import ProjectError

_HERE = Path(__file__).resolve().parent.parent
# What lies in a folder that was worked in, and is no part of a template.
LITTER = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".DS_Store"})


def folder() -> Path:
    """The template's folder: inside the package when it was installed from a wheel, beside it in a checkout.

    Raises:
        ProjectError: Neither is there; the installation is broken.
    """
    for candidate in (_HERE / "_template", _HERE.parent / "template"):
        if (candidate / "cookiecutter.json").is_file():
            return candidate
    raise ProjectError("drivetrain's template is missing.", "Install drivetrain again.", "drivetrain")


def settings(template: Path) -> dict[str, Any]:
    """`cookiecutter.json` of a template.

    Raises:
        ProjectError: It cannot be read.
    """
    path = template / "cookiecutter.json"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProjectError(f"cannot be read ({error}).", "Repair the template.", path.name) from error
    if not isinstance(loaded, dict):
        raise ProjectError("does not hold an object.", "Repair the template.", path.name)
    return loaded


def learner(template: Path, task: str) -> Path:
    """The learner's file for `task`.

    Raises:
        ProjectError: There is none; the message lists the tasks that have one.
    """
    path = template / "learners" / f"{task.replace('-', '_')}.py"
    known = tasks(template)
    if task not in known:
        raise ProjectError(f"there is no learner for the task {task!r}.", f"Tasks: {', '.join(known)}.", "models")
    return path


def tasks(template: Path) -> list[str]:
    """The tasks that have a learner, in alphabetical order."""
    found = (path.stem for path in (template / "learners").glob("*.py"))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def files(template: Path) -> Iterator[Path]:
    """Every file that belongs to the template, in a fixed order."""
    for path in sorted(template.rglob("*")):
        if path.is_file() and not litter(path.relative_to(template)):
            yield path


def litter(path: Path) -> bool:
    """Whether a path only came about by working in the template."""
    return path.suffix in {".pyc", ".pyo"} or not LITTER.isdisjoint(path.parts)


@cache
def version(template: Path) -> str:
    """SHA-256 over the names and bytes of all files of the template."""
    total = hashlib.sha256()
    for path in files(template):
        name = path.relative_to(template).as_posix().encode()
        total.update(len(name).to_bytes(8, "big") + name + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
