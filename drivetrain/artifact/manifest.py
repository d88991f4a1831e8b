"""The manifest of an artifact: written whole or not at all, and verified before anything else is read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivetrain.errors import ArtifactError
from drivetrain.evidence import file_digest, write_whole

FORMAT = 1
NAME = "manifest.json"
_REQUIRED: dict[str, type] = {
    "model": str,
    "task": str,
    "predicts": list,
    "outcomes": dict,
    "inputs": list,
    "preprocessing": dict,
    "files": dict,
}
_ADVICE = "Run `make train` again, or restore the folder from where it was trained."


def write(staged: Path, folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Turn a staged folder of files into the artifact `folder`, replacing the one before.

    Args:
        staged: A folder on the same file system as `folder`, holding the files; it is gone afterwards.
        folder: `artifacts/<model>`.
        manifest: Everything but `format`, `created` and `files`, which are filled in here.

    Returns:
        `folder`.
    """
    files = sorted(path for path in staged.iterdir() if path.name != NAME)
    body = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **manifest,
        "files": {path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in files},
    }
    write_whole(staged / NAME, json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return put(staged, folder)


def put(staged: Path, folder: Path) -> Path:
    """Move a whole folder into place, replacing the one before.

    A folder cannot be replaced in one step: the old one moves aside, so that a reader meets the old, none, or the new.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    if folder.exists():
        os.replace(folder, aside / folder.name)
    try:
        os.replace(staged, folder)
    except OSError:
        if (aside / folder.name).exists():
            os.replace(aside / folder.name, folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def amend(folder: Path, **entries: Any) -> None:
    """Add entries to the manifest of an artifact, e.g. figures that were measured through it."""
    body = read_manifest(folder) | entries
    write_whole(folder / NAME, json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact whose every file has the hash that it names.

    Raises:
        ArtifactError: The folder or its manifest is missing or unreadable, of another format, or a file was changed.
    """
    path = folder / NAME
    where = _where(path)
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError("there is no trained model here.", "Run `make train` first.", _where(folder)) from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the manifest cannot be read ({error}).", _ADVICE, where) from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        seen = body.get("format") if isinstance(body, dict) else None
        advice = "Train again with this version of drivetrain, or install the one that wrote it."
        raise ArtifactError(f"the manifest has format {seen!r}; this version reads {FORMAT}.", advice, where)
    for key, kind in _REQUIRED.items():
        if not isinstance(body.get(key), kind):
            raise ArtifactError(f"the manifest lacks `{key}`.", _ADVICE, where)
    for name, entry in body["files"].items():
        _verify(folder, name, entry)
    return body


def digest(folder: Path) -> str:
    """SHA-256 of the manifest, which names every other file's: it stands for the whole artifact."""
    try:
        return file_digest(folder / NAME)
    except OSError as error:
        raise ArtifactError("there is no trained model here.", "Run `make train` first.", _where(folder)) from error


def _verify(folder: Path, name: str, entry: Any) -> None:
    path = folder / name
    # The manifest is data: a name in it may not lead out of the folder.
    if Path(name).name != name or name in ("", ".", ".."):
        raise ArtifactError(f"`{name}` is not a plain file of this folder.", _ADVICE, _where(folder / NAME))
    if not path.is_file():
        raise ArtifactError("the file is missing.", _ADVICE, _where(path))
    if not isinstance(entry, dict) or file_digest(path) != entry.get("sha256"):
        raise ArtifactError("the file is not the one that was trained (its SHA-256 differs).", _ADVICE, _where(path))


def _where(path: Path) -> str:
    """The last parts of a path: enough to find it, without this machine's folders."""
    return "/".join(path.parts[-3:]) if path.is_absolute() else path.as_posix()
