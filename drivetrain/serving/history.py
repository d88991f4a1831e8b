"""What was served before: plan, models, policy and evidence of each release, so that one command goes back to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from drivetrain import evidence
from drivetrain.errors import ServiceError

FOLDER = "served"
KEPT = 5
"""Releases that are kept."""
LATER = "~"
"""Sorts after the name of every release."""


def keep(root: Path, models: list[str]) -> str:
    """Keep what is about to be served, if it is not kept yet.

    Large files are linked where the file system can: a release costs next to no space.

    Args:
        root: The project's folder, all of whose hashes were just verified.
        models: Names of its models.

    Returns:
        Name of the release; empty when the folder cannot be written, as in a container with a read-only file system.
    """
    folder = root / "artifacts" / FOLDER
    digest = evidence.file_digest(root / "artifacts" / "policy.json")[:12]
    for release in releases(root):
        if release.endswith(digest):
            return release
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{digest}"
    wanted = ["drivetrain.yaml", "artifacts/policy.json", "evidence/train.json", "evidence/decide.json"]
    wanted += [str(path.relative_to(root)) for model in models for path in (root / "artifacts" / model).iterdir()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            for part in wanted:
                _take(root / part, staged / part)
            os.replace(staged, folder / name)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
    except OSError:
        return ""
    for old in releases(root)[:-KEPT]:
        shutil.rmtree(folder / old, ignore_errors=True)
    return name


def releases(root: Path) -> list[str]:
    """Names of the releases that are kept, the oldest first."""
    with contextlib.suppress(OSError):
        return sorted(path.name for path in (root / "artifacts" / FOLDER).iterdir() if path.name[0] != ".")
    return []


def current(root: Path) -> str:
    """The release that the project's own folder holds; a name later than all others when it was not served yet."""
    try:
        digest = evidence.file_digest(root / "artifacts" / "policy.json")[:12]
    except OSError:
        digest = ""
    return next((name for name in releases(root) if digest and name.endswith(digest)), LATER)


def before(root: Path, current: str) -> str:
    """The release before another one.

    Raises:
        ServiceError: There is none.
    """
    earlier = [name for name in releases(root) if name < current]
    if not earlier:
        raise ServiceError("nothing was served before this.", "Pause the service instead.", f"artifacts/{FOLDER}")
    return earlier[-1]


def place(root: Path, release: str) -> Path:
    """The folder that a release is served from; the project's own when no release is named.

    Raises:
        ServiceError: It is not there.
    """
    if not release:
        return root
    if release not in releases(root):
        raise ServiceError(f"there is no release `{release}`.", "See which there are: the command `status`.", FOLDER)
    return root / "artifacts" / FOLDER / release


def _take(source: Path, target: Path) -> None:
    """Link a file of an artifact, which is replaced and never edited; copy what people edit."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in (".onnx", ".pkl"):
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)
