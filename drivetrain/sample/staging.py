"""Writing sample data whole or not at all, and only where nothing is yet."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError
from drivetrain.evidence import file_digest, write_whole
from drivetrain.source import SAMPLE

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

TRUTH = "data/sample-truth.json"
"""What is known about sample data; for tests and the curious, never read by a project."""

Make = Callable[["Spec", Path, int], Mapping[str, Any]]
"""Writes the files below a folder, as the plan places them, and returns what is known about them."""


def target(source: Source) -> Path:
    """Where a source's files go, relative to the plan: the folder or file, of a glob the folder before it.

    Raises:
        DataError: The location is absolute, leads out of the plan's folder, or is no file at all.
    """
    where = source.location or f"data/{source.name}"
    if "://" in where:
        raise DataError(
            f"`{where.split('://')[0]}://` is no place for sample data.",
            "Give a path below the plan, for the time being.",
            f"data.{source.name}",
        )
    parts = Path(where).parts
    glob = next((place for place, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    path = Path(*parts[:glob])
    if path.is_absolute() or ".." in parts or path == Path():
        raise DataError(
            f"`{where}` does not lie below the plan.",
            "Sample data are written below it only; use a path such as `data/…`.",
            f"data.{source.name}",
        )
    return path


def staged(spec: Spec, root: Path, seed: int, make: Make, *, synthetic: bool) -> list[Path]:
    """Let `make` write into a folder beside, then put everything in place at once.

    Raises:
        DataError: A location is not empty.
    """
    targets = sorted({target(source) for source in spec.data})
    for path in targets:
        refuse_if_there(root, path)
    root.mkdir(parents=True, exist_ok=True)
    data = (root / TRUTH).parent
    there = data.exists()
    stage = Path(tempfile.mkdtemp(prefix=".sample-", dir=root))
    placed: list[Path] = []
    try:
        truth = make(spec, stage, seed)
        files = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
        body = {
            "format": 1,
            "plan": spec.slug,
            "seed": seed,
            "synthetic": synthetic,
            "files": {path.as_posix(): file_digest(stage / path) for path in files},
        }
        for path in files:
            if not any(path.is_relative_to(one) for one in targets):
                refuse_if_there(root, path.parent)
                targets.append(path.parent)
        data.mkdir(exist_ok=True)
        for path in targets:
            if (stage / path).exists():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                if (root / path).is_dir():
                    (root / path).rmdir()
                os.replace(stage / path, root / path)
                placed.append(root / path)
        write_whole(root / TRUTH, json.dumps(truth, indent=2, ensure_ascii=False) + "\n")
        write_whole(root / SAMPLE, json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    except BaseException:
        for path in placed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with suppress(OSError):
            if not there:
                data.rmdir()
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return [root / path for path in files]


def refuse_if_there(root: Path, path: Path) -> None:
    """Raise when a location holds anything."""
    place = root / path
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise DataError(
            "is not empty; nothing was written.",
            "Sample data go only where no data are: move these away first, or use your own.",
            path.as_posix(),
        )
