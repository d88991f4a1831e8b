"""`drivetrain update` and `drivetrain undo`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import GateError, ProjectError
from drivetrain.evidence import write_whole
from drivetrain.project import record, transaction
from drivetrain.project import template as templates
from drivetrain.project.changes import compare, diff
from drivetrain.project.locks import held
from drivetrain.project.merge import marked
from drivetrain.project.origin import origin as find_origin
from drivetrain.project.render import ANSWERS, CHECKLIST, render
from drivetrain.project.staging import why
from drivetrain.project.verify import verify

if TYPE_CHECKING:
    from drivetrain.project.changes import Changes
    from drivetrain.spec import Spec


@dataclass(frozen=True, slots=True)
class Updated:
    """An update that was made, or would be.

    Attributes:
        path: The project's folder.
        written: Files that were made or changed.
        deleted: Files that went.
        conflicts: File -> what a person has to decide there; anything here means exit 1.
        kept: File -> why it stays, or stays away.
        diff: What would change, as a unified diff; empty unless it was a dry run.
    """

    path: Path
    written: tuple[str, ...]
    deleted: tuple[str, ...]
    conflicts: Mapping[str, str]
    kept: Mapping[str, str]
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """An update that was taken back.

    Attributes:
        path: The project's folder.
        files: Files that are again as they were.
    """

    path: Path
    files: tuple[str, ...]


def update(project: str | Path = ".", *, dry_run: bool = False, template: Path | None = None) -> Updated:
    """Generate a project again from its plan, and merge the result with what the team made of it.

    The plan itself is never touched. Folder and package keep the names that they were generated with.

    Args:
        project: The project's folder, or one below it.
        dry_run: Only say what would change.
        template: Another template than drivetrain's own, for teams that forked it.

    Raises:
        SpecError: The plan cannot be read.
        GateError: Conflicts of an earlier update are still there.
        ProjectError: No project, or writing failed; everything is as it was.
    """
    from drivetrain.spec import load_spec

    root = _root(Path(project))
    with _told(root), held(root):
        if not dry_run:
            transaction.recover(root)
        elif transaction.interrupted(root):
            raise ProjectError(
                "an update was interrupted.", "Run `drivetrain update` without --dry-run first.", str(root)
            )
        before = record.read(root)
        spec = load_spec(root / record.PLAN)
        _refuse_unresolved(root, before)
        fresh = _render(spec, template, root, before)
        entry = fresh.pop(record.FILE)
        changes = compare(root, before, fresh, _swapped(spec, before))
        contents = dict(changes.contents)
        if dry_run:
            return _updated(root, changes, "".join(diff(root, contents)))
        if transaction.digest(root / record.FILE) != hashlib.sha256(entry).hexdigest():
            contents[record.FILE] = entry
        if contents:
            _apply(root, contents)
    return _updated(root, changes)


def undo(project: str | Path = ".") -> Undone:
    """Take the last update back, exactly.

    Raises:
        ProjectError: There is nothing to take back, or a file was changed since; everything is as it was.
    """
    root = _root(Path(project))
    with _told(root), held(root):
        transaction.recover(root)
        change = transaction.last(root)
        if change is None:
            raise ProjectError("there is no update to take back.", where=str(root))
        edited = [
            step.name
            for step in change.steps
            if step.name != record.FILE and transaction.digest(root / step.name) != step.after
        ]
        if edited:
            raise ProjectError(
                f"changed since the update: {', '.join(edited)}. Taking the update back would lose that.",
                "Nothing was changed. Move your changes aside, or put them into version control, and run it again.",
                str(root),
            )
        transaction.take_back(root)
    return Undone(root, tuple(step.name for step in change.steps))


def recover(project: str | Path = ".") -> bool:
    """Roll back or finish what an update that was killed has left in a project; whether there was anything."""
    root = Path(project)
    if not transaction.interrupted(root):
        return False
    with _told(root), held(root):
        return transaction.recover(root)


def _root(folder: Path) -> Path:
    """The project around a folder.

    Raises:
        ProjectError: There is none.
    """
    folder = folder.absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / record.FILE).is_file() or (candidate / transaction.FOLDER / "pending").is_dir():
            return candidate
    raise ProjectError(
        f"no project of drivetrain's is here or above: there is no {record.FILE}.",
        "Generate one with `drivetrain new`.",
        str(folder),
    )


def _render(spec: Spec, template: Path | None, root: Path, before: record.Record) -> dict[str, bytes]:
    """Every file as generated now, but for the plan, which is the team's."""
    source, where = templates.load(template), find_origin(before.vendor)
    files = render(spec, source, where, root, before)
    files[record.FILE] = record.entry(files, spec, source, where, before.slug, before.package)
    verify(files, given={record.PLAN, ANSWERS, CHECKLIST, record.FILE})
    del files[record.PLAN]
    return files


def _swapped(spec: Spec, before: record.Record) -> dict[str, str]:
    return {
        f"{before.package}/learners/{model.name}.py": before.models[model.name]
        for model in spec.models
        if before.models.get(model.name, model.task) != model.task
    }


def _refuse_unresolved(root: Path, before: record.Record) -> None:
    left = [name for name in before.digests if (root / name).is_file() and _is_marked(root / name)]
    if left:
        raise GateError(
            f"conflicts of the last update are still there: {', '.join(left)}.",
            "Decide between the marks, or take the update back with `drivetrain undo`.",
            str(root),
        )


def _is_marked(path: Path) -> bool:
    return marked(path.read_bytes().decode("utf-8", errors="replace"))


def _apply(root: Path, contents: dict[str, bytes | None]) -> None:
    if set(contents) == {record.FILE}:
        # One file needs no journal, and the update before this one can still be taken back.
        write_whole(root / record.FILE, (contents[record.FILE] or b"").decode())
    else:
        transaction.apply(root, contents)


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """A fault of the system, told as one of ours; what was under way has been put back by then."""
    try:
        yield
    except OSError as error:
        raise ProjectError(f"writing failed ({why(error)}). Everything is as it was.", where=str(root)) from error


def _updated(root: Path, changes: Changes, text: str = "") -> Updated:
    names = sorted(changes.contents)
    return Updated(
        root,
        tuple(name for name in names if changes.contents[name] is not None),
        tuple(name for name in names if changes.contents[name] is None),
        changes.conflicts,
        changes.kept,
        text,
    )
