"""Reading pictures strictly: what a training run would stumble over, found before; and what each looks like."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drivetrain.source.picture import EDGE, decoded, unreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THUMB = 16
AT_ONCE = 64 * 1024
"""Bytes that are asked for at once; most pictures of a data set are smaller."""
COARSE = 320
"""Longer side up to which means are taken exactly: Pillow's box filter counts a pixel wholly or not at all."""
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

    `digest` is the XXH3 of the bytes; `mean` and `spread` are of the brightness, 0 to 255; `hash` tells what it looks
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
    from xxhash import xxh3_64_intdigest

    seen = Seen(np.zeros(len(paths), record()), {})
    small = np.zeros((len(paths), EDGE, EDGE), np.uint8)
    digests = [0] * len(paths)
    outside = [(0, 0, 0, 0)] * len(paths)
    for place, path in enumerate(paths):
        try:
            data = _bytes(path)
        except (OSError, ValueError) as error:
            seen.errors[place] = f"cannot be read ({getattr(error, 'strerror', '') or error})"
            continue
        if not data:
            seen.errors[place] = "is empty"
            continue
        try:
            kind, mode, (width, height), grey = decoded(data)
            small[place] = _shrunk(grey, width, height)
        except Exception as error:  # a decoder may raise anything on hostile bytes, and one file must not end the run
            seen.errors[place] = unreadable(error)
            continue
        digests[place] = xxh3_64_intdigest(data)
        outside[place] = (width, height, _place(FORMATS, kind), _place(MODES, mode))
    seen.facts["digest"] = digests
    for name, values in zip(("width", "height", "format", "mode"), zip(*outside, strict=True), strict=False):
        seen.facts[name] = values
    _look(seen.facts, small)
    return seen


def _bytes(path: str) -> bytes:
    """A file; in as few calls as there can be, for there are many small ones."""
    stream = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        found = os.read(stream, AT_ONCE)
        while part := os.read(stream, max(AT_ONCE, len(found))):
            found += part
        return found
    finally:
        os.close(stream)


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name if name in names else "other")


def _look(facts: NDArray[Any], small: NDArray[np.uint8]) -> None:
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
    flat = small.reshape(len(small), -1).astype(np.float32)
    mean = flat.mean(1)
    facts["mean"] = mean
    facts["spread"] = np.sqrt(np.maximum(np.einsum("ij,ij->i", flat, flat) / EDGE**2 - mean**2, 0))
    strength = waves @ flat.reshape(small.shape) @ waves.T
    chosen = np.concatenate([strength[:, :8, :8].reshape(-1, 64)[:, 1:], strength[:, 0, 8:9]], axis=1)
    halves = np.partition(chosen, 32, axis=1)
    middle = (halves[:, :32].max(1) + halves[:, 32]) / 2
    bits = np.packbits(chosen > middle[:, None], axis=1)
    facts["hash"] = np.ascontiguousarray(bits).view(np.uint64)[:, 0]
    # Adding up slices takes a quarter of the time that a mean over two axes does.
    parts = small.reshape(-1, THUMB, half, EDGE)
    rows = parts[:, :, 0].astype(np.uint16) + parts[:, :, 1]
    facts["thumb"] = ((rows[:, :, ::half] + rows[:, :, 1::half]) // half**2).reshape(-1, THUMB**2)


def _shrunk(grey: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A square of 32 x 32 mean brightnesses.

    Args:
        grey: The picture, or a JPEG scaled to some eighths of its size: rounded up, so that it is padded at its edges.
        width: Of the picture, in pixels.
        height: The same.
    """
    import numpy as np
    from PIL import Image

    right, bottom = _filled(width, grey.shape[1]), _filled(height, grey.shape[0])
    if grey.shape == (EDGE, EDGE) == (bottom, right):
        return grey
    if max(grey.shape) <= COARSE:
        means = _shares(grey.shape[0], bottom) @ grey.astype(np.float32) @ _shares(grey.shape[1], right).T
        return np.asarray(np.rint(means), np.uint8)
    return np.asarray(Image.fromarray(grey).resize((EDGE, EDGE), Image.Resampling.BOX, box=(0, 0, right, bottom)))


@lru_cache(maxsize=512)
def _shares(count: int, filled: float) -> NDArray[np.float32]:
    """How much of each of `count` pixels, of which the first `filled` show something, lies in each of 32 parts."""
    import numpy as np

    edges = np.linspace(0, filled, EDGE + 1)
    pixels = np.arange(count)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.maximum(inside, 0) / (filled / EDGE), np.float32)


@lru_cache(maxsize=512)
def _filled(full: int, scaled: int) -> float:
    """Of the pixels of a scaled side, those that the picture fills."""
    return next((full * part / 8 for part in range(1, 8) if -(-full * part // 8) == scaled < full), float(scaled))


@lru_cache(maxsize=1)
def _waves() -> NDArray[np.float32]:
    """The nine slowest cosine waves over 32 steps, `(9, 32)`."""
    import numpy as np

    steps = np.arange(EDGE)
    return np.cos(np.pi * (2 * steps[None] + 1) * np.arange(9)[:, None] / (2 * EDGE)).astype(np.float32)
