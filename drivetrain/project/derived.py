"""Documents that follow from the plan and the evidence: written anew at any time, edits in them kept beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from drivetrain.evidence import write_whole
from drivetrain.project import record
from drivetrain.project.changes import free


def rewrite(project: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Write the documents anew that say something else than they should now, each whole or not at all.

    The project's record then knows them as generated, so that the next update does not take them for edited. One that
    was deleted stays away.

    Args:
        project: The project's folder.
        texts: Path below the project -> text as it stands now.

    Returns:
        Path of what was written -> path of what was edited in it and is kept beside it; empty: nothing was.

    Raises:
        ProjectError: The record of the project cannot be read; nothing was written.
    """
    known = record.read(project).digests if (project / record.FILE).exists() else None
    written: dict[str, str] = {}
    for name, text in texts.items():
        here = project / name
        if not here.is_file():
            continue
        # A checkout on Windows may have turned every line end; that is no edit.
        now, new = here.read_bytes().replace(b"\r\n", b"\n"), text.encode("utf-8")
        if now == new:
            continue
        written[name] = ""
        if known is not None and hashlib.sha256(now).hexdigest() != known.get(name):
            written[name] = free(project, name, "yours")
            write_whole(project / written[name], now.decode("utf-8", "replace"))
        write_whole(here, text)
    if known is not None and written:
        record.note(project, {name: texts[name] for name in written})
    return written
