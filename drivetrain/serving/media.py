"""Files that come with a case: base64 to bytes, bytes to an image, and how large it may be."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.serving.limits import Limits, Refused, kind, short

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""Formats whose header tells the size that will be decoded; others (TIFF, EPS, ICO …) hold surprises."""

LOOKED_AT = (32, 32)
"""Size in which brightness and contrast are measured."""


def content(value: Any, where: str) -> bytes:
    """The bytes of a file in base64, with or without the head of a data address."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise Refused(f"is {kind(value)}, not a file in base64.", where=where)
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        # Tools that write base64 break its lines.
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("is not base64.", where=where) from None


def image(data: bytes, where: str, pixels: int) -> Image:
    """Decode an image, after its header has said how large it will be."""
    from PIL import Image, UnidentifiedImageError

    try:
        found = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
        width, height = found.size
        if width * height > pixels:
            what = f"is an image of {width} x {height} pixels; a request may bring {pixels:,} more."
            raise Refused(what, where=where, status=413)
        found.load()
    except Image.DecompressionBombError:
        raise Refused("is an image with far too many pixels.", where=where, status=413) from None
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused(f"is not an image ({', '.join(IMAGE_FORMATS)}).", where=where) from None
    except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files.
        raise Refused(f"is an image that cannot be decoded ({short(error)}).", where=where) from None
    return found


def audio(data: bytes, where: str, limits: Limits) -> bytes:
    """A WAV file."""
    if len(data) > limits.audio_bytes:
        raise Refused(f"has {len(data):,} bytes; at most {limits.audio_bytes:,}.", where=where, status=413)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise Refused("is not a WAV file.", where=where)
    return data


def series(value: Any, where: str, limits: Limits) -> bytes:
    """A series as the bytes of a CSV file: such a file in base64, or {channel: numbers}."""
    if isinstance(value, Mapping):
        columns = list(value.values())
        if not columns or not all(isinstance(column, list) for column in columns):
            raise Refused("is no {channel: [number, …]}.", where=where)
        if len({len(column) for column in columns}) > 1:
            raise Refused("has channels of different length.", where=where)
        if any(isinstance(v, bool) or not isinstance(v, int | float | None) for column in columns for v in column):
            raise Refused("holds a value that is no number.", where=where)
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(value)
        writer.writerows(zip(*columns, strict=True))
        data = buffer.getvalue().encode()
    else:
        data = content(value, where)
    if len(data) > limits.audio_bytes:
        raise Refused(f"has {len(data):,} bytes; at most {limits.audio_bytes:,}.", where=where, status=413)
    return data


def look(image: Image) -> dict[str, float]:
    """What can be said of a picture without knowing what it shows, so that a change of camera or light is noticed.

    Returns:
        Width and height in pixels; brightness and contrast (mean and standard deviation of grey) from 0 to 1.
    """
    from PIL.Image import Resampling

    # Reducing before converting: a photo of many megapixels costs a few milliseconds this way.
    small = image.convert("RGB") if image.mode in ("P", "PA") else image
    if small.size != LOOKED_AT:
        small = small.resize(LOOKED_AT, Resampling.BOX, reducing_gap=1.5)
    grey = np.frombuffer(small.convert("L").tobytes(), dtype=np.uint8) / 255
    mean = float(grey.sum()) / grey.size
    return {
        "width": float(image.width),
        "height": float(image.height),
        "brightness": mean,
        "contrast": max(0.0, float(grey @ grey) / grey.size - mean * mean) ** 0.5,
    }
