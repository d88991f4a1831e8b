"""Reading pictures strictly: what a training run would stumble over, found before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL = 64
"""Shorter side, in pixels, that a picture is decoded to where the format can be scaled."""

_ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jfif", ".jpe"},
    "PNG": {".png"},
    "GIF": {".gif"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
    "PPM": {".ppm", ".pgm", ".pbm"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
}


class Picture(NamedTuple):
    """What one file shows.

    Attributes:
        error: Why it cannot be read; empty when it can.
        digest: BLAKE2b of its bytes; equal for exact copies.
        format: What the bytes are (`JPEG`, `PNG`, …), whatever the name says.
        mode: Pillow's name of the colours.
        width: In pixels.
        height: In pixels.
        mean: Mean brightness, 0 to 255.
        spread: Standard deviation of the brightness.
    """

    error: str
    digest: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    mean: float = 0.0
    spread: float = 0.0

    def wrong_ending(self, suffix: str) -> bool:
        """Whether the file's name claims another format."""
        return self.format in _ENDINGS and suffix.lower() not in _ENDINGS[self.format]


def look_at(path: str) -> Picture:
    """Read and decode one file; never raises for what is in it."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        return Picture(f"cannot be read ({error.strerror})")
    if not data:
        return Picture("is empty")
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    try:
        return _decoded(data, digest)
    except Exception as error:  # a decoder may raise anything on hostile bytes, and one file must not end the run
        return Picture(_reason(error), digest)


def look_at_all(paths: list[str]) -> list[Picture]:
    """Several files, so that a process is sent a hundred names rather than one."""
    return [look_at(path) for path in paths]


def _reason(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"


def _decoded(data: bytes, digest: str) -> Picture:
    if data[:2] == b"\xff\xd8":
        return _jpeg(data, digest)
    return _other(data, digest)


def _jpeg(data: bytes, digest: str) -> Picture:
    """Scaled grey decoding that stops at the first fault; Pillow lets a quarter of mid-file corruption pass."""
    import numpy as np
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    if colours in ("CMYK", "YCCK"):
        return _other(data, digest)
    grey = simplejpeg.decode_jpeg(
        data, colorspace="GRAY", fastdct=True, min_height=SMALL, min_width=SMALL, min_factor=1, strict=True
    )[..., 0]
    mode = "L" if colours == "Gray" else "RGB"
    return Picture("", digest, "JPEG", mode, width, height, float(np.mean(grey)), float(np.std(grey)))


def _other(data: bytes, digest: str) -> Picture:
    import io
    import warnings

    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        # A picture of more than 89 million pixels is reported as unreadable rather than unpacked.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as picture:
            picture.verify()
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            kind, mode, (width, height) = picture.format or "", picture.mode, picture.size
            grey: NDArray[np.uint8] = np.asarray(picture.convert("L"))
    return Picture("", digest, kind, mode, width, height, float(grey.mean()), float(grey.std()))
