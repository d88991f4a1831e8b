"""What an update would do to each file: decided first, all of it, before anything is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.project.merge import merge
from drivetrain.project.render import DERIVED

if TYPE_CHECKING:
    from drivetrain.project.record import Record


@dataclass(slots=True)
class Changes:
    """The files of an update.

    Attributes:
        contents: File -> its new bytes; None: it goes.
        conflicts: File -> what a person has to decide there.
        kept: File -> why it stays although the plan has no use for it any more, or why it stays away.
    """

    contents: dict[str, bytes | None] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def compare(project: Path, record: Record, fresh: Mapping[str, bytes], swapped: Mapping[str, str]) -> Changes:
    """Decide on every file that was generated the last time or is generated now.

    Args:
        project: The project's folder.
        record: What was generated the last time.
        fresh: File -> bytes as generated now.
        swapped: Learner's file -> its task until now, where the plan names another task for the model.
    """
    changes = Changes()
    for name in sorted({*record.digests, *fresh}):
        here = project / name
        if _elsewhere(project, name):
            if _digest(fresh.get(name)) != record.digests.get(name):
                changes.conflicts[name] = "lies behind a link, or where a folder is; it was not touched"
            continue
        now = here.read_bytes() if here.is_file() else None
        _decide(changes, project, name, now, record, fresh.get(name), swapped.get(name))
    return changes


def _decide(
    changes: Changes, project: Path, name: str, now: bytes | None, record: Record, new: bytes | None, task: str | None
) -> None:
    old = record.digests.get(name)
    if now is not None and b"\r\n" in now and b"\n" not in now.replace(b"\r\n", b""):
        # A checkout on Windows may have turned every line end; that is no edit, and stays so.
        new = None if new is None else _unix(new).replace(b"\n", b"\r\n")
        old = _digest(now) if _digest(_unix(now)) == old else old
    if now is None:
        if old is None and new is not None:
            changes.contents[name] = new
        elif new is not None and _digest(new) != old:
            changes.kept[name] = "was deleted here and stays away"
    elif new is None:
        if _digest(now) == old:
            changes.contents[name] = None
        else:
            changes.kept[name] = "is not generated any more; it stays because it was edited here"
    elif _digest(new) in {_digest(now), old}:
        return
    elif _digest(now) == old:
        changes.contents[name] = new
    elif name in DERIVED:
        aside = free(project, name, "yours", changes.contents)
        changes.contents |= {name: new, aside: now}
        changes.kept[aside] = f"holds what was edited in {name}, which is always written from the plan"
    elif task is not None:
        aside = free(project, name, task.replace("-", "_"), changes.contents)
        changes.contents |= {name: new, aside: now}
        changes.conflicts[name] = f"is the learner of another task now; the edited one is kept as {aside}"
    else:
        _merge(changes, project, name, record.files.get(name) or "", now, new)


def _merge(changes: Changes, project: Path, name: str, base: str, now: bytes, new: bytes) -> None:
    try:
        ours, theirs = now.decode("utf-8"), new.decode("utf-8")
    except UnicodeDecodeError:
        aside = free(project, name, "new", changes.contents)
        changes.contents[aside] = new
        changes.conflicts[name] = f"is no text and was changed here; the new one lies beside it as {aside}"
        return
    merged = merge(base, ours, theirs)
    if merged.text != ours:
        changes.contents[name] = merged.text.encode("utf-8")
    if merged.conflicts:
        places = "1 place" if merged.conflicts == 1 else f"{merged.conflicts} places"
        changes.conflicts[name] = f"{places} between <<<<<<< and >>>>>>>"


def diff(project: Path, contents: Mapping[str, bytes | None]) -> Iterator[str]:
    """A unified diff of what would change, line by line."""
    for name, data in sorted(contents.items()):
        here = project / name
        before = here.read_bytes() if here.is_file() else None
        try:
            old, new = ((text or b"").decode("utf-8").splitlines(keepends=True) for text in (before, data))
        except UnicodeDecodeError:
            yield f"Binary file {name} differs\n"
            continue
        source = f"a/{name}" if before is not None else "/dev/null"
        target = f"b/{name}" if data is not None else "/dev/null"
        for line in unified_diff(old, new, source, target):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _unix(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _elsewhere(project: Path, name: str) -> bool:
    """Whether a file is not the project's own: reached through a link, or a folder in its place."""
    here = project / name
    on_the_way = [project / folder for folder in Path(name).parents if folder.parts]
    return (
        here.is_symlink()
        or (here.exists() and not here.is_file())
        or any(folder.is_symlink() or (folder.exists() and not folder.is_dir()) for folder in on_the_way)
    )


def free(project: Path, name: str, word: str, taken: Container[str] = ()) -> str:
    """A name beside `name` that is taken neither now nor by what is about to be written."""
    path = Path(name)
    tried = path.with_name(f"{path.stem}_{word}{path.suffix}")
    number = 2
    while (project / tried).exists() or (project / tried).is_symlink() or tried.as_posix() in taken:
        tried = path.with_name(f"{path.stem}_{word}_{number}{path.suffix}")
        number += 1
    return tried.as_posix()
