"""Runs that were stopped half-way: found again, told from runs that are under way, cleared away when they are stale."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from drivetrain.evidence import file_digest, write_whole
from drivetrain.training import cleaning

if TYPE_CHECKING:
    from drivetrain.spec import Spec

PREFIX = ".run-"
STATE = "run.json"
_PACKAGES = ("torch", "fastai", "drivetrain")


def key(plan: Spec, data: dict[str, Any], read: dict[str, str]) -> str:
    """What a run depends on, as one hash: with another plan, other data or other code it cannot go on."""
    package = plan.root / plan.package
    code = {path.relative_to(package).as_posix(): file_digest(path) for path in sorted(package.rglob("*.py"))}
    versions = {name: metadata.version(name) for name in _PACKAGES}
    decided = [str(one) for one in cleaning.read(plan.root)]
    text = json.dumps([data, read, code, versions, decided], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def begin(folder: Path, name: str, key: str) -> IO[str]:
    """Make the folder of a run and hold it.

    Returns:
        A file that stays open, and the folder held, as long as the process lives.
    """
    folder.mkdir(parents=True)
    held = _hold(folder)
    assert held is not None
    write_whole(folder / STATE, json.dumps({"name": name, "key": key}) + "\n")
    return held


def find(artifacts: Path, key: str) -> tuple[Path, str, IO[str]] | None:
    """The run that may go on: its folder, its name, and the file that holds it. Stale runs are cleared away.

    A run that another process holds is left alone.
    """
    found: tuple[Path, str, IO[str]] | None = None
    for folder in sorted(artifacts.glob(f"{PREFIX}*"), reverse=True):
        held = _hold(folder)
        if held is None:
            continue
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            fits = state["key"] == key and found is None
        except (OSError, ValueError, KeyError, TypeError):
            fits = False
        if fits:
            found = folder, str(state["name"]), held
            continue
        held.close()
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _hold(folder: Path) -> IO[str] | None:
    """Lock a folder for this process; None when another holds it."""
    try:
        stream = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError:
        return None
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows: an open file cannot be removed, which is lock enough for clearing away
        return stream
    except OSError:
        stream.close()
        return None
    return stream
