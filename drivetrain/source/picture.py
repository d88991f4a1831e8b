"""Decoding pictures strictly: what a training run would stumble over is found before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EDGE = 32
"""Side, in pixels, of the square that a picture is looked at in; JPEG is decoded no larger than that needs."""


def decoded(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    """Format, colours, size and brightness of a picture; raises whatever its decoder does."""
    return _jpeg(data) if data[:2] == b"\xff\xd8" else _other(data)


def _jpeg(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    """Scaled grey decoding that stops at the first fault; Pillow lets a quarter of mid-file corruption pass."""
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    if colours in ("CMYK", "YCCK"):
        return _other(data)
    grey = simplejpeg.decode_jpeg(
        data, colorspace="GRAY", fastdct=True, min_height=EDGE, min_width=EDGE, min_factor=1, strict=True
    )
    return "JPEG", "L" if colours == "Gray" else "RGB", (width, height), grey[..., 0]


def _other(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
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
            kind, mode, size = picture.format or "", picture.mode, picture.size
            if mode.startswith("I"):
                # Sixteen bits: Pillow would cut them off at 255.
                deep = np.asarray(picture, np.float64)
                grey = (deep * (255.0 / max(deep.max(), 1.0))).astype(np.uint8)
            else:
                grey = np.asarray(picture.convert("L"))
    return kind, mode, size, grey


def unreadable(error: Exception) -> str:
    """What a decoder said, in one line that is the same on every run."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "is no picture in a format that is known"
    said = str(error).strip().splitlines()
    return f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"
