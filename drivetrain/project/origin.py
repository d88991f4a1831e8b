"""Where this drivetrain came from, so that a project can ask for the same one.

`pip` records the origin of what it did not take from an index (PEP 610, `direct_url.json`). Only a version-control
address is of use to somebody else: a folder of this machine is not, and is never written anywhere.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from drivetrain import __version__
from drivetrain.errors import ProjectError

NAME = "drivetrain"


class Origin(NamedTuple):
    """How a generated project requires drivetrain.

    Attributes:
        kind: `vcs` (a recorded address), `vendor` (a wheel inside the project), `index` (installed by its name alone)
            or `local` (from a folder or file of this machine, of which nothing is written).
        version: The version that runs now.
        address: `git+https://…@commit`; empty unless `kind` is `vcs`.
    """

    kind: Literal["vcs", "vendor", "index", "local"]
    version: str
    address: str = ""

    def requirement(self) -> str:
        """The requirement after PEP 508: the recorded address, or this very version."""
        return f"{NAME} @ {self.address}" if self.address else f"{NAME}=={self.version}"


class Installed(NamedTuple):
    """What `pip` knows of an installed package: its version, and the folder with its metadata."""

    version: str
    folder: Path

    def read_text(self, name: str) -> str | None:
        """A file of the metadata; None where there is none."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError:
            return None


def installed() -> Installed:
    """The metadata of the drivetrain that runs now.

    `importlib.metadata` finds the same, and loads a parser of e-mail for it.

    Raises:
        ProjectError: It runs without having been installed, or another version was installed.
    """
    for entry in sys.path:
        folder = os.path.join(entry, f"{NAME}-{__version__}.dist-info")
        if os.path.isdir(folder):
            return Installed(__version__, Path(folder))
    raise ProjectError(f"drivetrain {__version__} is not installed here.", "Install it: `pip install -e .`", NAME)


def origin(vendor: bool = False) -> Origin:
    """How a project that is generated now should require drivetrain.

    Args:
        vendor: A wheel is put into the project.
    """
    found = installed()
    if vendor:
        return Origin("vendor", found.version)
    recorded = found.read_text("direct_url.json")
    if recorded is None:
        return Origin("index", found.version)
    address = _address(recorded)
    return Origin("vcs", found.version, address) if address else Origin("local", found.version)


def _address(recorded: str) -> str:
    """The version-control address in `direct_url.json`; empty when it names a folder, a file or nothing of use."""
    try:
        entry = json.loads(recorded)
        vcs, commit = entry["vcs_info"]["vcs"], entry["vcs_info"]["commit_id"]
        parts = urlsplit(entry["url"])
    except (ValueError, KeyError, TypeError):
        return ""
    if parts.scheme in {"", "file"} or parts.hostname in {None, "localhost", "127.0.0.1", "::1"}:
        return ""
    # A password or token in the address stays here; ssh needs its user ("git@").
    host = parts.netloc.rpartition("@")[2]
    user = parts.username if parts.scheme.endswith("ssh") and parts.username else ""
    clean = urlunsplit((parts.scheme, f"{user}@{host}" if user else host, parts.path, "", ""))
    folder = entry.get("subdirectory")
    return f"{vcs}+{clean}@{commit}" + (f"#subdirectory={folder}" if folder else "")
