"""Evidence as it stands: what was measured, on what, and whether that is still what stands there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain import evidence
from drivetrain.errors import DrivetrainError, EvidenceError

if TYPE_CHECKING:
    from drivetrain.evidence import Evidence
    from drivetrain.spec import Spec

STEPS = ("check", "train", "decide", "audit")


class Record(NamedTuple):
    """A step's evidence as it stands.

    Attributes:
        step: The step.
        created: UTC time, ISO 8601.
        synthetic: Made from sample data.
        data: Sources that it read.
        stale: Paths of the plan whose value is no longer what it read.
        other_data: Sources whose data are no longer those that it read.
        result: What it measured.
    """

    step: str
    created: str
    synthetic: bool
    data: tuple[str, ...]
    stale: tuple[str, ...]
    other_data: tuple[str, ...]
    result: Mapping[str, Any]

    @property
    def fresh(self) -> bool:
        """Whether it was made from what stands there now."""
        return not self.stale and not self.other_data

    @property
    def changes(self) -> str:
        """What has changed since, in words."""
        return ", ".join([*self.stale, *(f"the data of {name}" for name in self.other_data)])


def records(spec: Spec) -> tuple[dict[str, Record], list[str]]:
    """The records of all steps that were run, and what is wrong with those that cannot be read."""
    found: dict[str, Record] = {}
    faults = []
    known: dict[str, str | None] = {}
    for step in STEPS:
        try:
            read = evidence.read(spec.root, step)
        except EvidenceError as error:
            faults.append(error.message)
            continue
        if read:
            stale = tuple(evidence.stale(read, spec.digest))
            other = tuple(_other_data(spec, read, known))
            found[step] = Record(step, read.created, read.synthetic, tuple(read.data), stale, other, read.result)
    return found, faults


def _other_data(spec: Spec, record: Evidence, known: dict[str, str | None]) -> list[str]:
    """Sources of a record whose data have changed since it was made.

    Hashing all data would make every review as slow as reading them. So a source is hashed only if one of its files or
    folders was touched after the record was made; sources that are not here, or on another machine, are not judged.
    """
    changed = []
    for name, entry in record.data.items():
        if not any(source.name == name for source in spec.data) or not _touched(spec, name, record.created):
            continue
        if name not in known:
            known[name] = _digest(spec, name)
        if known[name] is not None and known[name] != entry.get("sha256"):
            changed.append(name)
    return changed


def _digest(spec: Spec, name: str) -> str | None:
    from drivetrain import source

    try:
        return source.fingerprint(spec, name).sha256
    except DrivetrainError:
        return None


def _touched(spec: Spec, name: str, created: str) -> bool:
    """Whether a file or folder of a source is newer than a record."""
    from drivetrain.source.database import is_database
    from drivetrain.source.locate import is_url, locate, location

    try:
        source = spec.source(name)
        where = location(source)
        if is_url(where) or is_database(where):
            return False
        # Times are recorded in whole seconds.
        moment = datetime.fromisoformat(created).timestamp() - 1
        files = locate(spec, source)
        folders = {path.parent for path in files.paths} | {files.base}
        return any(_time(path) >= moment for path in (*folders, *files.paths))
    except (DrivetrainError, ValueError):
        return False


def _time(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
