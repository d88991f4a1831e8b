"""Which data these are: one hash for a source, and whether `drivetrain sample` made any of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivetrain.errors import DataError
from drivetrain.source.database import file_of, is_database
from drivetrain.source.digests import digests
from drivetrain.source.locate import locate, location, relative
from drivetrain.source.secrets import redacted, with_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.spec import Spec

SAMPLE = "data/sample.json"
"""What `drivetrain sample` wrote, with the hash of each file."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a source is made of.

    Attributes:
        sha256: Of the files' paths and bytes; equal exactly when these are.
        files: Number of files.
        bytes: Their size together.
        synthetic: Whether a file among them is unchanged sample data, wherever it was moved.
    """

    sha256: str
    files: int
    bytes: int
    synthetic: bool

    def as_json(self) -> dict[str, str | bool]:
        """What evidence keeps of it."""
        return {"sha256": self.sha256, "synthetic": self.synthetic}


def fingerprint(spec: Spec, name: str) -> Fingerprint:
    """Hash the files of a source.

    Raises:
        DataError: The source is missing or a file cannot be read.
    """
    source = spec.source(name)
    made = _made(spec.root)
    total = hashlib.sha256()
    where = location(source)
    if is_database(where):
        file = file_of(spec.root, with_secrets(where, f"data.{name}"))
        if file is None:
            return _of_rows(spec, name)
        if not file.is_file():
            raise DataError(f"`{redacted(where)}` is not there.", "Correct the path below the plan.", f"data.{name}")
        names: tuple[str, ...] = (str(file),)
    else:
        names = locate(spec, source).names
    try:
        found, size = digests(spec.root, name, names)
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}).", where=relative(error.filename or where, spec.root)
        ) from error
    for one, digest in zip(names, found, strict=True):
        total.update(f"{digest} {relative(one, spec.root)}\n".encode())
    synthetic = not made.isdisjoint(found)
    return Fingerprint(total.hexdigest(), len(names), size, synthetic)


def has_samples(root: Path) -> bool:
    """Whether `drivetrain sample` put synthetic data below this folder."""
    return bool(_made(root))


def _of_rows(spec: Spec, name: str) -> Fingerprint:
    """Of what a server holds: the rows that the plan reads."""
    import pyarrow as pa

    from drivetrain.source.read import table

    rows = table(spec, name).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    content = sink.getvalue()
    return Fingerprint(hashlib.sha256(content).hexdigest(), 0, content.size, False)


def _made(root: Path) -> frozenset[str]:
    """Hashes of sample data that are not real."""
    path = root / SAMPLE
    if not path.exists():
        return frozenset()
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(map(str, body["files"].values())) if body["synthetic"] else frozenset()
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError(
            f"cannot be read ({error}), so sample data cannot be told from real data.",
            "Restore it, or delete all data that `drivetrain sample` wrote together with it.",
            SAMPLE,
        ) from error
