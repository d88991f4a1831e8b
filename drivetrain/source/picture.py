"""Decoding pictures strictly: what a training run would stumble over is found before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.source import whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENTRIES = 0xB002
"""Tag of a multi-picture file that lists its pictures."""
EDGE = 32
"""Side, in pixels, of the square that a picture is looked at in; JPEG is decoded no larger than that needs."""


def decoded(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    """Format, colours, size and brightness of a picture; raises whatever its decoder does."""
    return _jpeg(data) if data[:2] == b"\xff\xd8" else _other(data)


def _jpeg(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    """Scaled grey decoding that stops at the first fault; Pillow lets a quarter of mid-file corruption pass."""
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    four = colours in ("CMYK", "YCCK")
    pixels = simplejpeg.decode_jpeg(
        data,
        colorspace="CMYK" if four else "GRAY",
        fastdct=True,
        min_height=EDGE,
        min_width=EDGE,
        min_factor=1,
        strict=True,
    )
    if whole.jpeg(data):
        # A file without its end lacks the second picture.
        return _other(data)
    if four:
        return "JPEG", "CMYK", (width, height), _of_inks(pixels)
    return "JPEG", "L" if colours == "Gray" else "RGB", (width, height), pixels[..., 0]


def _of_inks(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of four inks as JPEG keeps them, `(h, w, 4)`: inverted, so that 255 is no ink."""
    import numpy as np

    share = pixels.astype(np.float32) / 255
    return np.asarray((share[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)) * share[..., 3] * 255, np.uint8)


def _other(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    import io
    import warnings

    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        # What decoders mutter about a broken file comes again as an error, or is no fault.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as picture:
            kind, mode, size = picture.format or "", picture.mode, picture.size
            if size[0] * size[1] > (Image.MAX_IMAGE_PIXELS or 0):
                raise ValueError(f"{size[0]:,} x {size[1]:,} pixels are too many to unpack")
            picture.verify()
        whole.other(kind, data)
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            if mode.startswith("I"):
                # Sixteen bits: Pillow would cut them off at 255.
                deep = np.asarray(picture, np.float64)
                grey = (deep * (255.0 / max(deep.max(), 1.0))).astype(np.uint8)
            else:
                grey = np.asarray(picture.convert("L"))
            if kind == "TIFF":
                whole.tiff(data, getattr(picture, "tag_v2", {}))
            if kind == "WEBP":
                whole.webp(data, float(grey.std()))
            if kind == "MPO":
                _further(data, picture)
            for frame in range(1, getattr(picture, "n_frames", 1)):
                picture.seek(frame)
                picture.load()
                if kind == "TIFF":
                    whole.tiff(data, getattr(picture, "tag_v2", {}))
    return kind, mode, size, grey


def _further(data: bytes, picture: Any) -> None:
    """Decode what stands behind a phone's first picture as strictly as that; Pillow lets holes in it pass."""
    import simplejpeg

    for entry in picture.mpinfo[_ENTRIES][1:]:
        start = data.index(b"MPF\0") + 4 + entry["DataOffset"]
        part = data[start : start + entry["Size"]]
        simplejpeg.decode_jpeg(part, colorspace="GRAY", min_height=EDGE, min_width=EDGE, min_factor=1, strict=True)
        whole.jpeg(part)


def unreadable(error: Exception) -> str:
    """What a decoder said, in one line that is the same on every run."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "is no picture in a format that is known"
    said = str(error).strip().splitlines()
    return f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"
