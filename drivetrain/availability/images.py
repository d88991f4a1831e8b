"""Reading pictures strictly: what a training run would stumble over, found before; and what each looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL = 64
"""Shorter side, in pixels, that a picture is decoded to where the format can be scaled."""
EDGE = 32
"""Side of the square that the hash is made of."""
THUMB = 16
MODES = ("", "1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "other")
FORMATS = ("", "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "MPO", "other")
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


@dataclass
class Seen:
    """What a number of pictures show.

    Attributes:
        facts: One record for each picture, `(n,)`, with the fields of `record()`; zeros where it cannot be read.
        errors: Place -> why that picture cannot be read.
    """

    facts: NDArray[Any]
    errors: dict[int, str]


@lru_cache(maxsize=1)
def record() -> np.dtype[Any]:
    """Layout of what is kept of a picture: 300 bytes, so that a million fit into memory.

    `digest` is BLAKE2b of the bytes; `mean` and `spread` are of the brightness, 0 to 255; `hash` tells what it looks
    like; `thumb` is a square of 16 x 16 grey pixels.
    """
    import numpy as np

    return np.dtype(
        [
            ("digest", "u8"),
            ("hash", "u8"),
            ("width", "u4"),
            ("height", "u4"),
            ("mean", "f4"),
            ("spread", "f4"),
            ("format", "u1"),
            ("mode", "u1"),
            ("thumb", "u1", (THUMB * THUMB,)),
        ]
    )


def wrong_ending(format: int, suffix: str) -> bool:
    """Whether a file's name claims another format than its bytes have."""
    name = FORMATS[format]
    return name in _ENDINGS and suffix.lower() not in _ENDINGS[name]


def look_at_all(paths: Sequence[str]) -> Seen:
    """Read and decode files; never raises for what is in them."""
    import numpy as np

    seen = Seen(np.zeros(len(paths), record()), {})
    for place, path in enumerate(paths):
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            seen.errors[place] = f"cannot be read ({error.strerror})"
            continue
        if not data:
            seen.errors[place] = "is empty"
            continue
        try:
            _note(seen.facts[place], data)
        except Exception as error:  # a decoder may raise anything on hostile bytes, and one file must not end the run
            said = str(error).strip().splitlines()
            seen.errors[place] = f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"
            seen.facts[place] = np.zeros((), record())
    return seen


def _note(fact: Any, data: bytes) -> None:
    """Decode one picture and note what it shows."""
    kind, mode, (width, height), grey = _jpeg(data) if data[:2] == b"\xff\xd8" else _other(data)
    small = _shrunk(grey)
    fact["digest"] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    fact["hash"] = _hash(small)
    fact["width"], fact["height"] = width, height
    fact["mean"], fact["spread"] = float(grey.mean()), float(grey.std())
    fact["format"] = FORMATS.index(kind if kind in FORMATS else "other")
    fact["mode"] = MODES.index(mode if mode in MODES else "other")
    fact["thumb"] = small.reshape(THUMB, EDGE // THUMB, THUMB, EDGE // THUMB).mean((1, 3)).ravel()


def _jpeg(data: bytes) -> tuple[str, str, tuple[int, int], NDArray[np.uint8]]:
    """Scaled grey decoding that stops at the first fault; Pillow lets a quarter of mid-file corruption pass."""
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    if colours in ("CMYK", "YCCK"):
        return _other(data)
    grey = simplejpeg.decode_jpeg(
        data, colorspace="GRAY", fastdct=True, min_height=SMALL, min_width=SMALL, min_factor=1, strict=True
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


def _shrunk(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A square of 32 x 32 mean brightnesses."""
    import numpy as np
    from PIL import Image

    if grey.shape == (2 * EDGE, 2 * EDGE):
        return np.asarray(grey.reshape(EDGE, 2, EDGE, 2).mean((1, 3), dtype=np.float32))
    return np.asarray(Image.fromarray(grey).resize((EDGE, EDGE), Image.Resampling.BOX), np.float32)


@lru_cache(maxsize=1)
def _waves() -> NDArray[np.float32]:
    """The nine slowest cosine waves over 32 steps, `(9, 32)`."""
    import numpy as np

    steps = np.arange(EDGE)
    return np.cos(np.pi * (2 * steps[None] + 1) * np.arange(9)[:, None] / (2 * EDGE)).astype(np.float32)


def _hash(small: NDArray[np.float32]) -> int:
    """64 bits that change little when a picture is compressed, resized, darkened or cropped a little.

    The signs of the 64 slowest waves of the discrete cosine transform against their median (Zauner 2010), the mean
    brightness left out.
    """
    import numpy as np

    waves = _waves()
    strength = waves @ small @ waves.T
    chosen = np.concatenate([strength[:8, :8].ravel()[1:], strength[:1, 8]])
    return int.from_bytes(np.packbits(chosen > np.median(chosen)).tobytes(), "little")
