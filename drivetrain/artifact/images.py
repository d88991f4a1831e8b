"""Images to model inputs, pixel by pixel as fastai prepares its validation set."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_PAD_MODES = {"border": "edge", "reflection": "reflect"}


def read(value: Any, root: Path | None, where: str) -> Image:
    """An image from a path, its bytes, or an image that is already open.

    Args:
        value: `Path`, bytes, or a PIL image. Text is taken as a path only below `root`.
        root: The project's folder; None where text must never be a path (a service).
        where: The case, for messages.

    Raises:
        DataError: It cannot be read as an image.
    """
    from PIL import Image

    if isinstance(value, Image.Image):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        source: Any = io.BytesIO(value)
    elif isinstance(value, Path) or (isinstance(value, str) and root is not None):
        source = (root or Path()) / value
    elif isinstance(value, str):
        raise DataError("an image is expected as its bytes, not as text.", "Send the file itself.", where)
    else:
        raise DataError(f"an image is expected, not {type(value).__name__}.", "Give a path or the file's bytes.", where)
    try:
        with Image.open(source) as image:
            image.load()
            return image.copy()
    except FileNotFoundError as error:
        raise DataError(f"the image `{value}` is missing.", "Check the source's location.", where) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        named = f"`{value}`" if isinstance(source, Path) else "what was given"
        raise DataError(f"{named} cannot be read as an image.", "Replace or remove it.", where) from error


def prepare(image: Image, settings: Mapping[str, Any], where: str) -> NDArray[np.float32]:
    """One image as the model's input, (channels, height, width).

    Args:
        image: Any mode: grey, palette, alpha and 16 bits are converted as fastai does. An EXIF orientation is ignored,
            as fastai ignores it, unless the model was trained on upright copies.
        settings: The manifest's `preprocessing`: `size` [height, width], `resize`, `channels`, `mean`, `std`, and
            `copy` where it was trained on copies.
        where: The case, for messages.
    """
    try:
        if settings.get("copy"):
            image = shrunk(image, settings["copy"])
        sized = _resize(image.convert("RGB" if settings["channels"] == 3 else "L"), settings)
    except ValueError as error:
        raise DataError(f"an image of {image.size[0]} by {image.size[1]} pixels is too small.", where=where) from error
    pixels = np.asarray(sized, dtype=np.float32) / np.float32(255)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if settings.get("mean") is not None:
        pixels = (pixels - np.float32(settings["mean"])) / np.float32(settings["std"])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)


def shrunk(image: Image, copy: Mapping[str, Any]) -> Image:
    """An image as a model that was trained on copies sees it: upright, RGB, and no larger than it needs.

    Args:
        image: As the camera stored it.
        copy: `edge` in pixels, and which edges become that long: the `short`, the `long`, or `both`.

    Returns:
        A copy; a smaller image keeps its size.
    """
    from PIL.Image import Resampling

    image = upright(image).convert("RGB")
    width, height = image.size
    edge = int(copy["edge"])
    if copy["fit"] == "both":
        size = (edge, edge) if min(width, height) > edge else image.size
    else:
        scale = edge / (min if copy["fit"] == "short" else max)(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale))) if scale < 1 else image.size
    return image if size == image.size else image.resize(size, Resampling.BILINEAR)


def too_deep(image: Image) -> bool:
    """Whether a picture of more than 8 bits has values that are cut off, as fastai cuts them off in training."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return False
    return bool(np.asarray(image).max() > 255)


def upright(image: Image) -> Image:
    """An image turned as its EXIF orientation says; as it is where that cannot be read."""
    from PIL import ImageOps
    from PIL.ExifTags import Base

    try:
        orientation = image.getexif().get(Base.Orientation, 1)
        return image if orientation == 1 else ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):  # no picture is lost for its EXIF
        return image


def _resize(image: Image, settings: Mapping[str, Any]) -> Image:
    from PIL.Image import Resampling

    height, width = settings["size"]
    method = settings["resize"]
    if method == "squish":
        return image.resize((width, height), Resampling.BILINEAR)
    if method == "random_resized_crop":
        # In validation fastai squishes the whole image to a larger size, then takes the centre.
        margin = settings["margin"]
        larger = image.resize((width + margin, height + margin), Resampling.BILINEAR)
        left, top = margin // 2, margin // 2
        return larger.crop((left, top, left + width, top + height))
    return _crop_or_pad(image, width, height, method, settings.get("pad_mode", "zeros")).resize(
        (width, height), Resampling.BILINEAR
    )


def _crop_or_pad(image: Image, width: int, height: int, method: str, pad_mode: str) -> Image:
    """The part of an image that has the target's shape: inside it (crop) or around it (pad)."""
    from PIL.Image import fromarray, new

    own_width, own_height = image.size
    ratios = own_width / width, own_height / height
    scale = max(ratios) if method == "pad" else min(ratios)
    part_width, part_height = int(scale * width), int(scale * height)
    if not (part_width and part_height):
        raise ValueError("nothing is left of it")  # Pillow 13 would resize it to black
    left, top = int(0.5 * (own_width - part_width)), int(0.5 * (own_height - part_height))
    right, bottom = left + part_width, top + part_height
    inside = image.crop((max(left, 0), max(top, 0), min(right, own_width), min(bottom, own_height)))
    edges = (max(-left, 0), max(right - own_width, 0)), (max(-top, 0), max(bottom - own_height, 0))
    if not any(edges[0] + edges[1]):
        return inside
    if pad_mode == "zeros":
        canvas = new(inside.mode, (inside.width + sum(edges[0]), inside.height + sum(edges[1])))
        canvas.paste(inside, (edges[0][0], edges[1][0]))
        return canvas
    pixels = np.asarray(inside)
    around = [edges[1], edges[0], (0, 0)][: pixels.ndim]
    return fromarray(np.pad(pixels, around, mode=_PAD_MODES[pad_mode]))  # type: ignore[call-overload]
