"""What a step measured, and on what.

Each step of a project leaves one JSON record, `evidence/<step>.json`. It carries hashes of the data and of *the fields
of the plan that the step read*, so that a review can say which evidence a change has made stale: a typo in a name
makes nothing stale, a changed cost makes the decision stale and the training not.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from drivetrain.errors import EvidenceError

FOLDER = "evidence"
FORMAT = 1


class Evidence(NamedTuple):
    """One record.

    Attributes:
        step: `check`, `train`, `decide`, `audit` …
        created: UTC time, ISO 8601.
        synthetic: True when any of the data were sample data; gates from *data* upwards refuse it.
        reads: Path in the plan -> SHA-256 of what stood there.
        data: Source -> `{"sha256": …, "synthetic": …}`.
        artifacts: Name -> SHA-256 of what was used or written.
        result: What was measured; the step's own layout.
    """

    step: str
    created: str
    synthetic: bool
    reads: Mapping[str, str]
    data: Mapping[str, Mapping[str, Any]]
    artifacts: Mapping[str, str]
    result: Mapping[str, Any]


def record(
    root: Path,
    step: str,
    result: Mapping[str, Any],
    *,
    reads: Mapping[str, str],
    data: Mapping[str, Mapping[str, Any]],
    artifacts: Mapping[str, str] | None = None,
) -> Path:
    """Write `evidence/<step>.json` below `root`, whole or not at all.

    Args:
        root: The project's folder.
        step: Name of the step, which is the file's name.
        result: What was measured, as JSON data. NaN and infinity are refused: JSON has no such numbers.
        reads: `{path: spec.digest(path)}` of the fields that the result depends on.
        data: One entry per source that was read.
        artifacts: SHA-256 of models and policies that were used or written.

    Raises:
        EvidenceError: `result` is not JSON data.
    """
    body = {
        "format": FORMAT,
        "step": step,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "synthetic": any(entry.get("synthetic") for entry in data.values()),
        "reads": dict(sorted(reads.items())),
        "data": dict(sorted(data.items())),
        "artifacts": dict(sorted((artifacts or {}).items())),
        "result": result,
    }
    try:
        text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    except (TypeError, ValueError) as error:
        raise EvidenceError(
            f"the result of `{step}` is not JSON data ({error}).", where=f"{FOLDER}/{step}.json"
        ) from error
    path = root / FOLDER / f"{step}.json"
    write_whole(path, text)
    return path


def read(root: Path, step: str) -> Evidence | None:
    """The record of `step` below `root`; None when the step was not run yet.

    Raises:
        EvidenceError: The file is there and cannot be read.
    """
    path = root / FOLDER / f"{step}.json"
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return Evidence(
            step=str(body["step"]),
            created=str(body["created"]),
            synthetic=bool(body["synthetic"]),
            reads=dict(body["reads"]),
            data=dict(body["data"]),
            artifacts=dict(body["artifacts"]),
            result=dict(body["result"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"cannot be read ({error}).", f"Run `make {step}` again.", where=f"{FOLDER}/{path.name}"
        ) from error


def stale(evidence: Evidence, digest: Callable[[str], str]) -> list[str]:
    """Paths of the plan whose value is no longer what the step read.

    Args:
        evidence: The record.
        digest: `spec.digest` of the plan as it stands.
    """
    return [path for path, seen in evidence.reads.items() if digest(path) != seen]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, and on the disk before it takes its name."""
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside another that takes its place when all went well: a reader never meets half of it.

    Raises:
        OSError: The folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        # mkstemp makes files that only their owner can read; evidence is shared as any other file of the project is.
        part.chmod(0o666 & ~_mask())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@cache
def _mask() -> int:
    """What this process keeps from the others; asked once, for asking means setting it for a moment."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON data")
