"""A wheel of the drivetrain that runs now, for `new --vendor`.

The wheel is put together from the installed files and their metadata, so that it needs no build tool, no network and no
checkout; the same version always gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from drivetrain.project import template
from drivetrain.project.origin import installed

FOLDER = "vendor"
_PACKAGE = Path(__file__).resolve().parent.parent
# The earliest date that a zip file can hold: a wheel must not differ by when it was made.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def wheel() -> tuple[str, bytes]:
    """Name and bytes of `drivetrain-<version>-py3-none-any.whl`."""
    found = installed()
    info = f"drivetrain-{found.version}.dist-info"
    contents = dict(sorted(_package()))
    contents[f"{info}/METADATA"] = (found.read_text("METADATA") or "").encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: drivetrain\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents[f"{info}/entry_points.txt"] = (found.read_text("entry_points.txt") or "").encode()
    licence = found.read_text("licenses/LICENSE")
    if licence:
        contents[f"{info}/licenses/LICENSE"] = licence.encode()
    rows = [f"{name},{_digest(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return f"drivetrain-{found.version}-py3-none-any.whl", packed.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    for name in template.names(_PACKAGE):
        if not name.startswith("_template/"):
            yield f"drivetrain/{name}", (_PACKAGE / name).read_bytes()
    for name, data in template.load().items():
        yield f"drivetrain/_template/{name}", data


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
