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

EDGE = 32
"""Side, in pixels, of the square that a picture is looked at in; JPEG is decoded no larger than that needs."""
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
    small = np.zeros((len(paths), EDGE, EDGE), np.float32)
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
            kind, mode, (width, height), grey = decoded(data)
            small[place] = grey if grey.shape == (EDGE, EDGE) else _shrunk(grey)
        except Exception as error:  # a decoder may raise anything on hostile bytes, and one file must not end the run
            said = str(error).strip().splitlines()
            seen.errors[place] = f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"
            continue
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
        seen.facts[place] = (digest, 0, width, height, 0, 0, _place(FORMATS, kind), _place(MODES, mode), 0)
    _look(seen.facts, small)
    return seen


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name if name in names else "other")


def _look(facts: NDArray[Any], small: NDArray[np.float32]) -> None:
    """Fill in brightness, hash and thumb of many pictures at once.

    The hash is 64 bits that change little when a picture is compressed, resized, darkened or cropped a little: the
    signs of the 64 slowest waves of the discrete cosine transform against their median (Zauner 2010), the mean
    brightness left out.

    Args:
        facts: Records to fill in, `(n,)`.
        small: Brightness, `(n, 32, 32)`.
    """
    import numpy as np

    waves, half = _waves(), EDGE // THUMB
    facts["mean"] = small.mean((1, 2))
    facts["spread"] = small.std((1, 2))
    strength = waves @ small @ waves.T
    chosen = np.concatenate([strength[:, :8, :8].reshape(-1, 64)[:, 1:], strength[:, 0, 8:9]], axis=1)
    bits = np.packbits(chosen > np.median(chosen, axis=1, keepdims=True), axis=1)
    facts["hash"] = np.ascontiguousarray(bits).view(np.uint64)[:, 0]
    facts["thumb"] = small.reshape(-1, THUMB, half, THUMB, half).mean((2, 4)).reshape(-1, THUMB * THUMB)


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


def _shrunk(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square of 32 x 32 mean brightnesses."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(grey).resize((EDGE, EDGE), Image.Resampling.BOX))


@lru_cache(maxsize=1)
def _waves() -> NDArray[np.float32]:
    """The nine slowest cosine waves over 32 steps, `(9, 32)`."""
    import numpy as np

    steps = np.arange(EDGE)
    return np.cos(np.pi * (2 * steps[None] + 1) * np.arange(9)[:, None] / (2 * EDGE)).astype(np.float32)
