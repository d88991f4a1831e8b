"""What was fetched and what never can be: a line for each, written as it happens, so that a kill costs one file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivetrain.errors import DataError, EnvironmentFault
from drivetrain.evidence import write_whole

FOLDER = ".collect"
"""Hidden, so that nothing in it is taken for data."""
OLD = 86_400.0
"""Seconds after which a half-written file is nobody's any more."""
_FORMULA = ("=", "+", "-", "@")


class Journal:
    """The record of one source's collecting, below its folder.

    Attributes:
        base: Folder of the source.
        kept: Address and group -> line of a file that was kept.
        refused: Address and group -> why it never can be had.
    """

    def __init__(self, base: Path, where: str) -> None:
        self.base, self.where = base, where
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.refused: dict[tuple[str, str], str] = {}
        self.digests: dict[str, str] = {}
        try:
            (base / FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFault(
                f"`{base}` cannot be written ({error.strerror}).", "Make room for it, or change its rights."
            ) from error
        self._path = base / FOLDER / "journal.jsonl"
        self._read()
        self._clear()

    def _read(self) -> None:
        """What earlier runs noted; a line that a kill cut short, and a file that somebody took away, do not count."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"its journal cannot be read ({error.strerror}).", "Delete it.", self.where) from error
        for line in lines:
            try:
                entry = json.loads(line)
                key = (str(entry["url"]), str(entry["group"]))
                if "file" in entry and self._inside(str(entry["file"])):
                    self.kept[key] = entry
                    self.digests[str(entry["sha256"])] = str(entry["file"])
                elif "refused" in entry:
                    self.refused[key] = str(entry["refused"])
            except (ValueError, KeyError, TypeError):
                continue

    def _inside(self, name: str) -> bool:
        """Whether a file that the journal names is there, below the folder."""
        path = self.base / name
        return ".." not in Path(name).parts and not Path(name).is_absolute() and path.is_file()

    def _clear(self) -> None:
        for path in (self.base / FOLDER).glob("part-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD:
                    path.unlink()

    def keep(self, url: str, group: str, body: bytes, ending: str, label: str, facts: Mapping[str, str]) -> str | None:
        """Write a file's line, then the file, whole; None when the very same bytes are there already.

        In this order a stop at any moment leaves no file without its licence; a line without its file counts for none.

        The name comes from the bytes: what a server calls a file never becomes a path.
        """
        digest = hashlib.sha256(body).hexdigest()
        if digest in self.digests:
            return None
        folder = plain_name(label)
        name = f"{folder}/{digest[:20]}{ending}" if folder else f"{digest[:20]}{ending}"
        path = self.base / name
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"url": url, "group": group, "file": name, "sha256": digest, "fetched": now, "facts": dict(facts)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix="part-", dir=self.base / FOLDER)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(body)
                os.chmod(part, 0o644)
                self.kept[url, group] = entry
                self._write(entry)
                os.replace(part, path)
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise EnvironmentFault(
                f"`{path}` cannot be written ({error.strerror}).",
                "Make room for it; what was fetched so far is kept, and `drivetrain collect` goes on.",
            ) from error
        self.digests[digest] = name
        return name

    def refuse(self, url: str, group: str, why: str) -> None:
        """Note what never can be had, so that it is not asked for again."""
        self.refused[url, group] = why
        self._write({"url": url, "group": group, "refused": why})

    def _write(self, entry: Mapping[str, Any]) -> None:
        # The line break in front: a line that a kill cut short must not swallow the next one.
        with self._path.open("ab") as stream:
            stream.write(b"\n" + json.dumps(entry).encode())

    def publish(self) -> Path:
        """Write `records.csv`: every file with its address, licence, creator and attribution."""
        there = (entry for entry in self.kept.values() if self._inside(str(entry["file"])))
        entries = sorted(there, key=lambda entry: str(entry["file"]))
        names = list(dict.fromkeys(name for entry in entries for name in entry.get("facts", {})))
        names = [name for name in names if name not in ("file", "url", "sha256", "fetched")]
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["file", *names, "url", "sha256", "fetched"])
        before = self._annotated(names)
        if before:
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerow(["file", *names, *before[0], "url", "sha256", "fetched"])
        for entry in entries:
            facts = entry.get("facts", {})
            added = before[1].get(str(entry["file"]), [""] * len(before[0])) if before else []
            row = [entry["file"], *(facts.get(name, "") for name in names), *added]
            writer.writerow([_cell(str(v)) for v in [*row, entry["url"], entry["sha256"], entry["fetched"]]])
        path = self.base / "records.csv"
        write_whole(path, buffer.getvalue())
        return path

    def _annotated(self, names: list[str]) -> tuple[list[str], dict[str, list[str]]] | None:
        """Columns that people added to `records.csv`: they are theirs, and stay."""
        try:
            with (self.base / "records.csv").open(encoding="utf-8-sig", newline="") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, UnicodeDecodeError, csv.Error):
            return None
        ours = {"file", "url", "sha256", "fetched", *names}
        added = [name for name in (rows[0] if rows else {}) if name and name not in ours]
        if not added:
            return None
        return added, {str(row.get("file")): [str(row.get(name) or "") for name in added] for row in rows}


def plain_name(text: str) -> str:
    """A name for a folder: letters, digits and dashes, never a way out of where it lies."""
    return re.sub(r"[^\w]+", "-", text.strip().lower()).strip("-_")[:60]


def _cell(text: str) -> str:
    """A cell as a spreadsheet shows it, never runs it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
