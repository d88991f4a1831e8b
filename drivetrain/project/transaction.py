"""Several files changed as one: all of them, or none.

::

    .drivetrain/pending/  new/, old/, and journal.json as the last thing written: from then on files are changed
    .drivetrain/done/     pending/ renamed when all of them are: from then on the change stands
    .drivetrain/undo/     what the last change replaced, until the next one

A fault puts everything back at once. After a kill, `recover` does: it rolls a pending change back and tidies up after
one that was done. It only renames and deletes, so that it also works when the disk is full.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from drivetrain.errors import ProjectError

FOLDER = ".drivetrain"
_JOURNAL = "journal.json"


@dataclass(frozen=True, slots=True)
class Step:
    """One file of a change.

    Attributes:
        name: The file, relative to the project, with slashes.
        before: SHA-256 of what is there; None: nothing.
        after: SHA-256 of what will be there; None: nothing.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change that stands and can be taken back.

    Attributes:
        steps: Its files.
        folders: Folders that it made, outermost first.
    """

    steps: tuple[Step, ...]
    folders: tuple[str, ...]


def apply(project: Path, contents: Mapping[str, bytes | None]) -> Change:
    """Give files new contents (None: delete them), and keep what was there for `take_back`.

    Raises:
        OSError: It could not be done; everything is as it was.
    """
    return _run(project, contents, {}, undoing=False)


def last(project: Path) -> Change | None:
    """The change that `take_back` would take back; None when there is none."""
    return _read(project / FOLDER / "undo")


def take_back(project: Path) -> Change | None:
    """Undo the last change, bytes, modes and times of its files included; None when there is none.

    Raises:
        OSError: It could not be done; everything is as it was.
    """
    undo = project / FOLDER / "undo"
    change = _read(undo)
    if change is None:
        return None
    sources = {step.name: undo / "old" / step.name for step in change.steps if step.before is not None}
    _run(project, {step.name: None for step in change.steps}, sources, undoing=True)
    for folder in reversed(change.folders):
        with suppress(OSError):  # something of the user's is in it now
            os.rmdir(project / folder)
    return change


def recover(project: Path) -> bool:
    """Finish or roll back what a command that was killed has left; whether there was anything.

    Raises:
        ProjectError: A journal that cannot be read.
        OSError: A file cannot be put back.
    """
    home = project / FOLDER
    pending, done = home / "pending", home / "done"
    found = interrupted(project)
    if done.is_dir():
        change = _read(done)
        if change is not None:
            _prune(project, change)
        _settle(home)
    if pending.is_dir():
        change = _read(pending)
        if change is not None:
            _roll_back(project, pending, change)
        shutil.rmtree(pending)
    return found


def interrupted(project: Path) -> bool:
    """Whether a command that was killed has left something for `recover`."""
    return any((project / FOLDER / name).is_dir() for name in ("pending", "done"))


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _run(project: Path, contents: Mapping[str, bytes | None], sources: Mapping[str, Path], *, undoing: bool) -> Change:
    """Stage, change, and settle.

    Args:
        project: The project's folder.
        contents: File -> its bytes; None: delete it, or see `sources`.
        sources: File -> a file to copy, with its mode and times.
        undoing: The change takes another one back and leaves nothing to take back itself.
    """
    home = project / FOLDER
    made_home = not home.is_dir()
    pending = home / "pending"
    change: Change | None = None
    try:
        (pending / "new").mkdir(parents=True)
        (pending / "old").mkdir()
        steps = tuple(_stage(project, pending, name, data, sources.get(name)) for name, data in contents.items())
        change = Change(steps, _missing_folders(project, steps))
        _write_journal(pending, change, undoing)
        for folder in change.folders:
            (project / folder).mkdir()
        for step in change.steps:
            if step.after is None:
                (project / step.name).unlink(missing_ok=True)
            else:
                os.replace(pending / "new" / step.name, project / step.name)
        os.replace(pending, home / "done")
    except BaseException:
        if change is not None and (pending / _JOURNAL).is_file():
            _roll_back(project, pending, change)
        shutil.rmtree(pending, ignore_errors=True)
        if made_home:
            with suppress(OSError):
                home.rmdir()
        raise
    with suppress(OSError):  # the change stands; what is left to tidy up, the next command does
        _prune(project, change)
        _settle(home)
    return change


def _stage(project: Path, pending: Path, name: str, data: bytes | None, source: Path | None) -> Step:
    """Lay a file's new contents and a copy of its old ones beside each other."""
    here, new, old = project / name, pending / "new" / name, pending / "old" / name
    before = digest(here)
    if before is not None:
        old.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(here, old)
    if data is None and source is None:
        return Step(name, before, None)
    new.parent.mkdir(parents=True, exist_ok=True)
    if source is not None:
        shutil.copy2(source, new)
    else:
        new.write_bytes(data or b"")
        if before is not None:
            shutil.copymode(here, new)
    return Step(name, before, digest(new))


def _missing_folders(project: Path, steps: Sequence[Step]) -> tuple[str, ...]:
    missing: dict[str, None] = {}
    for step in steps:
        if step.after is None:
            continue
        for folder in reversed(Path(step.name).parents):
            if folder.parts and not (project / folder).is_dir():
                missing[folder.as_posix()] = None
    return tuple(missing)


def _write_journal(pending: Path, change: Change, undoing: bool) -> None:
    body = {"undoing": undoing, "folders": change.folders, "steps": [asdict(step) for step in change.steps]}
    draft = pending / f"{_JOURNAL}.draft"
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(body, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, pending / _JOURNAL)


def _read(folder: Path) -> Change | None:
    """The change that a journal describes; None when there is no journal."""
    path = folder / _JOURNAL
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        steps = tuple(Step(str(step["name"]), step["before"], step["after"]) for step in body["steps"])
        change = Change(steps, tuple(map(str, body["folders"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"cannot be read ({error}).", f"Your files are below {folder / 'old'}; take back what you need.", str(path)
        ) from error
    for name in (*(step.name for step in steps), *change.folders):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ProjectError(f"names a file outside of the project: {name!r}.", "It was tampered with.", str(path))
    return change


def _roll_back(project: Path, pending: Path, change: Change) -> None:
    """Put every file back; what a user wrote in the meantime is kept beside it."""
    for step in reversed(change.steps):
        here, old = project / step.name, pending / "old" / step.name
        now = digest(here)
        if now == step.before or (
            step.before is not None and not old.is_file()
        ):  # put back before, by a command killed
            continue
        if now is not None and now != step.after:
            os.replace(here, _free_name(here))
        if step.before is None:
            here.unlink(missing_ok=True)
        else:
            here.parent.mkdir(parents=True, exist_ok=True)
            os.replace(old, here)
    for folder in reversed(change.folders):
        with suppress(OSError):
            os.rmdir(project / folder)


def _free_name(path: Path) -> Path:
    """A name beside `path` that is not taken."""
    number = 1
    while (found := path.with_name(f"{path.stem}.edited-{number}{path.suffix}")).exists():
        number += 1
    return found


def _prune(project: Path, change: Change) -> None:
    """Remove folders that a deletion left empty."""
    for step in change.steps:
        if step.after is None:
            for folder in Path(step.name).parents:
                if folder.parts and (project / folder).is_dir() and not any((project / folder).iterdir()):
                    os.rmdir(project / folder)


def _settle(home: Path) -> None:
    """After a change that stands: what it replaced becomes what can be taken back. Safe to repeat."""
    done, undo = home / "done", home / "undo"
    if not (done / _JOURNAL).is_file():  # all but this folder was tidied up
        shutil.rmtree(done)
        return
    body = json.loads((done / _JOURNAL).read_text(encoding="utf-8"))
    if undo.is_dir():
        shutil.rmtree(undo)
    if body["undoing"]:
        shutil.rmtree(done)
    else:
        shutil.rmtree(done / "new", ignore_errors=True)
        os.replace(done, undo)
