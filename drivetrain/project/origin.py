"""Where this drivetrain came from, so that a project can ask for the same one.

`pip` records the origin of what it did not take from an index (PEP 610, `direct_url.json`). Only a version-control
address is of use to somebody else: a folder of this machine is not, and is never written anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from drivetrain.errors import ProjectError

NAME = "drivetrain"


@dataclass(frozen=True, slots=True)
class Origin:
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


def installed() -> Distribution:
    """The metadata of the drivetrain that runs now.

    Raises:
        ProjectError: It runs without having been installed.
    """
    try:
        return distribution(NAME)
    except PackageNotFoundError as error:
        raise ProjectError("drivetrain is not installed here.", "Install it: `pip install -e .`", NAME) from error


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
