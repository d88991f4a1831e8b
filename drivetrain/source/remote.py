"""Files on other machines, through fsspec: copied once beside the plan, and again when they change."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from drivetrain.errors import DataError, EnvironmentFault
from drivetrain.evidence import write_whole
from drivetrain.source.secrets import redacted, with_secrets, without_secrets

FOLDER = ".drivetrain/remote"
BATCH = 64
"""Files that are fetched at once."""
_STAMPS = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "md5", "islink")
_FRESH: set[str] = set()
"""Locations that say neither time nor tag of their files, and were fetched by this process."""


def copied(root: Path, name: str, location: str, endings: frozenset[str]) -> tuple[Path, list[Path]]:
    """Local copies of the files of a location, below `.drivetrain/remote/<source>/`.

    Args:
        root: Folder of the plan.
        name: The source.
        location: `s3://bucket/folder`, `https://host/file.csv`, with or without a glob; credentials come from the
            environment, as the protocol has it, or as `${NAME}` in the location.
        endings: Endings of the files of interest, in small letters.

    Returns:
        The folder of the copies, and the copies, sorted.

    Raises:
        DataError: The location cannot be reached, holds nothing of interest, or a copy was cut short.
        EnvironmentFault: The protocol needs a package that is missing.
    """
    where = f"data.{name}"
    full = with_secrets(location, where)
    target = root / FOLDER / name
    try:
        files, base, system = _listed(full, endings)
        if not files:
            raise DataError(f"`{redacted(location)}` holds nothing to read.", "Correct the location.", where)
        places = {remote: _place(target, base, remote, where) for remote in files}
        _fetch(system, files, places, target, location, where)
    except (DataError, EnvironmentFault):
        raise
    except ImportError as error:
        raise EnvironmentFault(
            f"`{location.split('://')[0]}://` needs a package that is missing ({error}).",
            "Install it with pip, for example s3fs or gcsfs.",
        ) from error
    except Exception as error:  # each protocol raises errors of its own
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"`{redacted(location)}` cannot be read ({without_secrets(said[0], full)[:200]}).",
            "Check the address, the network and the credentials.",
            where,
        ) from error
    return target, sorted(places.values())


def _listed(location: str, endings: frozenset[str]) -> tuple[dict[str, Mapping[str, Any]], str, Any]:
    """Files of interest with what the server says about them, the folder they lie in, and the file system."""
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    plain = urlsplit(path).path if "://" in path else path
    if any(mark in plain for mark in "*["):
        found = system.glob(path, detail=True)
        base = path.split("*")[0].split("[")[0].rsplit("/", 1)[0]
    elif _ending(plain) in endings or not system.isdir(path):
        found = {path: system.info(path)}
        base = path.rsplit("/", 1)[0]
    else:
        found = system.find(path, detail=True)
        base = path.rstrip("/")
    files = {
        str(remote): info
        for remote, info in found.items()
        if info.get("type") != "directory" and (_ending(urlsplit(str(remote)).path) in endings)
    }
    return files, base, system


def _ending(path: str) -> str:
    endings = PurePosixPath(path).suffixes[-2:]
    return "".join(endings if endings[-1:] == [".gz"] else endings[-1:]).lower()


def _place(target: Path, base: str, remote: str, where: str) -> Path:
    """Where a copy goes: a name that a server gives never leads out of the folder."""
    inside = remote[len(base) :] if remote.startswith(base) else remote
    parts = [part for part in PurePosixPath(urlsplit(inside).path).parts if part not in ("/", ".", "")]
    if not parts or ".." in parts or any("\\" in part or "\0" in part or ":" in part for part in parts):
        raise DataError(f"the server names a file `{inside[:80]}`, which is no plain name.", "Rename it there.", where)
    return target.joinpath(*parts)


def _fetch(
    system: Any,
    files: Mapping[str, Mapping[str, Any]],
    places: Mapping[str, Path],
    target: Path,
    location: str,
    where: str,
) -> None:
    """Copy what is new or changed, each file whole or not at all, and drop copies of what is gone."""
    index = target / "index.json"
    try:
        before = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    now = {remote: {key: str(info[key]) for key in _STAMPS if info.get(key)} for remote, info in files.items()}
    stamped = all(set(stamps) - {"size", "islink"} for stamps in now.values())
    todo = [
        remote
        for remote in files
        if before.get(remote) != now[remote] or not places[remote].is_file() or (not stamped and location not in _FRESH)
    ]
    target.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        stage = Path(tempfile.mkdtemp(prefix=".fetch-", dir=target))
        try:
            copies = [stage / str(number) for number in range(len(batch))]
            system.get(batch, [str(copy) for copy in copies])
            for remote, copy in zip(batch, copies, strict=True):
                size = files[remote].get("size")
                if size is not None and copy.stat().st_size != size:
                    raise DataError(
                        f"`{PurePosixPath(remote).name}` was cut short: {copy.stat().st_size:,} of {size:,} bytes.",
                        "Run it again; what is complete is not fetched twice.",
                        where,
                    )
                places[remote].parent.mkdir(parents=True, exist_ok=True)
                os.replace(copy, places[remote])
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        write_whole(index, json.dumps({k: v for k, v in now.items() if places[k].is_file()}) + "\n")
    kept = set(places.values()) | {index}
    for path in target.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
    _FRESH.add(location)
