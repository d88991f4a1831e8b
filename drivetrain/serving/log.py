"""The log: every decision and every outcome that came back, appended and never changed.

A record counts as written when `write` has returned: one `write(2)` of whole lines to a file opened for appending,
which outlives a kill of the process. The disk is asked to keep it (`fsync`) within a second, by a thread of its own, so
that a power cut costs that second at most and nobody waits for the disk.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from drivetrain.errors import ServiceError

LOG = "log"
"""Folder of the log, in the project."""
SEGMENT_BYTES = 64 * 2**20
SYNC_SECONDS = 1.0


class Log:
    """An append-only log of JSON lines in a folder of segments.

    Every process writes segments of its own, so that a start after a kill never appends to half a line.

    Args:
        folder: Where the segments lie; made when the first record comes.
        segment_bytes: A segment that has grown beyond this is closed, and a new one begun.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self._segment_bytes = folder, segment_bytes
        self._lock = threading.Lock()
        self._file: int | None = None
        self._size = self._part = 0
        self._syncing: threading.Timer | None = None
        self._fault: OSError | None = None

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append records, all of them or none that will be read.

        Raises:
            ServiceError: The disk is full or the folder cannot be written; nothing was acknowledged then.
        """
        lines = b"".join([to_json(record, inf_nan_mode="null") + b"\n" for record in records])
        with self._lock:
            try:
                if self._fault is not None:
                    fault, self._fault = self._fault, None
                    raise fault
                self._append(self._open(), lines)
                self._sync_soon()
            except OSError as error:
                # What follows half a line must not be glued to it: the next record begins a new segment.
                self._close()
                raise ServiceError(f"the log cannot be written ({error.strerror}).", where=self.folder.name) from error

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        with self._lock:
            if self._syncing is not None:
                self._syncing.cancel()
                self._syncing = None
            if self._file is not None:
                os.fsync(self._file)
            self._close()

    def _sync_soon(self) -> None:
        if self._syncing is None:
            self._syncing = threading.Timer(SYNC_SECONDS, self._sync)
            self._syncing.daemon = True
            self._syncing.start()

    def _sync(self) -> None:
        with self._lock:
            self._syncing = None
            if self._file is None:
                return
            # The file may be closed, and a new segment begun, while the disk writes.
            file = os.dup(self._file)
        try:
            os.fsync(file)
        except OSError as error:
            self._fault = error  # whoever writes next is told
        finally:
            os.close(file)

    def _append(self, file: int, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(file, rest) :]
        self._size += len(lines)

    def _open(self) -> int:
        if self._file is not None and self._size >= self._segment_bytes:
            os.fsync(self._file)
            self._close()
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._part += 1
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}-{self._part:04d}.jsonl"
            self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
            self._size = 0
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every whole record of a log, oldest segment first.

    The last line of a segment may be torn by a kill; nobody was told that it was written, and it is left out.

    Raises:
        ServiceError: A line within a segment is no record: the log was changed by hand.
    """
    for segment in sorted(folder.glob("*.jsonl")):
        with segment.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise ServiceError(
                        "is not a record of this log.", "Restore the file.", f"{segment.name}:{number}"
                    ) from error
                yield record
