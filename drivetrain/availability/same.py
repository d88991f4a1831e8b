"""Is one picture the other one, compressed, resized, darkened or cropped? What differs between them is looked at.

One picture is laid over the other (a box with four free sides, found from coarse to fine: Lucas and Kanade 1981), given
its tones (one curve for all colours), and taken off. A copy leaves what compressing and resizing explain; forms filled
in differently, X-rays of two patients, two plots on the same axes leave a place that nothing explains, and the worst
place decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

LEVELS = (32, 64, 128, 384, 768)
"""Longer sides, in pixels, at which two pictures are laid over each other and compared."""
MARGIN = 0.03
"""Share of a side that is left out at each edge: a crop by 2 % took it away."""
REACH = 0.055
"""Shares of a side by which an edge may be moved: a crop, and a bit."""
STRETCH = 1.07
"""Ratio of the two shapes (width by height) from which on neither is a crop of the other."""
STEPS = 4
CELL, CELLS = 4, 3
"""Pixels of a cell, and cells of a place's side; places overlap."""
GRAIN = 9.0
"""Square of the difference in brightness (0 to 255) that rounding and resampling leave anywhere."""
TINT = 60.0
"""The same for the mean colour of a place."""


class Open(NamedTuple):
    """A picture as it is compared.

    Attributes:
        picture: In colours, no longer than the last of LEVELS.
        light: The same in grey.
        grain: Variance that JPEG's rounding leaves in the brightness, at most, where it is compared.
        tint: The same for the colours, as means of places.
        grey: Whether it has no colours.
    """

    picture: Image
    light: Image
    grain: float
    tint: float
    grey: bool


class Alike(NamedTuple):
    """How well two pictures fit.

    Each difference is that of the worst place: a variance, divided by what is to be seen there and what compressing
    explains.

    Attributes:
        whole: Correlation of the brightness.
        light: Difference in brightness.
        shape: What of it is left when the place may be moved by less than a pixel, and its contrast changed.
        colour: Difference in colour.
    """

    whole: float
    light: float
    shape: float
    colour: float

    @property
    def same(self) -> bool:
        """Whether nothing is left but what compressing, resizing, darkening and cropping explain."""
        return self.light <= LIGHT and self.shape <= SHAPE and self.colour <= COLOUR


STRANGERS = Alike(0.0, float("inf"), float("inf"), float("inf"))
LIGHT, SHAPE, COLOUR = 10.0, 0.3, 5.0
"""Differences up to which two pictures are the same. Over 21 kinds of pictures copies reached 8.4, 0.24 and 4.2; of
invoices that differ in a few numbers alone, the closest to each other had a shape of 0.5."""
EARLY, UNSURE = 5.0, 0.4
"""Differences in light and shape at which no finer look is taken; the lines of small forms do not yet lie exactly."""


@lru_cache(maxsize=64)
def opened(path: str) -> Open:
    """A picture's file, made as small as comparing allows; on white, where it lets shine through."""
    import warnings

    from PIL import Image

    most = LEVELS[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as file:
            long = max(file.size)
            grey = file.mode in ("1", "L", "LA", "I", "F", "I;16")
            file.draft("RGB", (most, most))
            light, colour = _rounding(getattr(file, "quantization", None) or {}, max(1.0, long / most))
            picture: Image.Image = file
            if file.mode in ("RGBA", "LA", "PA") or "transparency" in file.info:
                picture = Image.alpha_composite(Image.new("RGBA", file.size, "white"), file.convert("RGBA"))
            picture = picture.convert("RGB")
    scale = max(picture.size) / most
    if scale > 1:
        size = (max(1, round(picture.width / scale)), max(1, round(picture.height / scale)))
        picture = picture.resize(size, Image.Resampling.BOX if scale >= 2 else Image.Resampling.BILINEAR)
    return Open(picture, picture.convert("L"), light, colour, grey)


def _rounding(tables: dict[int, list[int]], scale: float) -> tuple[float, float]:
    """Variance that rounding the waves of JPEG's blocks leaves after a blur, in brightness and in colour.

    Args:
        tables: Steps of the 64 waves, brightness first.
        scale: By how much the picture is made smaller before it is compared.
    """
    import numpy as np

    if not tables:
        return 0.0, 0.0
    waves = np.arange(8) / 16 * scale
    kept = np.exp(-2 * (np.pi * np.hypot(waves[:, None], waves)) ** 2)
    first = np.asarray(tables[0], float).reshape(8, 8)
    last = np.asarray(tables[max(tables)], float).reshape(8, 8)
    # Half a step is the most that a wave can be off; a third of its square is the mean.
    light = float(((first / 2) ** 2 / 3 * kept).sum() / 64)
    colour = float(((last[:2, :2] / 2) ** 2 / 3).sum() / 64)
    return light, colour


def likeness(one: str, other: str) -> Alike:
    """How well two pictures fit, from coarse to fine; ends where they already differ.

    Args:
        one: A file.
        other: Another one.

    Returns:
        The measure at the finest size at which both can be compared, or at the first that tells them apart.
    """
    import numpy as np

    a, b = opened(one), opened(other)
    stretch = b.picture.width / b.picture.height
    if not 1 / STRETCH < a.picture.width / a.picture.height / stretch < STRETCH:
        return STRANGERS
    longest = min(max(a.picture.size), max(b.picture.size), LEVELS[-1])
    sides = [level for level in LEVELS if level < 0.75 * longest] + [longest]
    start = np.array([MARGIN, 1 - MARGIN, MARGIN, 1 - MARGIN])
    boxes, fits = [start], STRANGERS
    for side in sides:
        size = (side, max(8, round(side / stretch))) if stretch >= 1 else (max(8, round(side * stretch)), side)
        boxes = [box for box in (_laid(a.light, b.light, box, size) for box in boxes) if box is not None]
        if not boxes:
            return STRANGERS
        if side < LEVELS[2] and side != sides[-1]:
            # Lines and rows of text that repeat may lead astray: as they lie is tried as well.
            boxes = [boxes[0], start]
            continue
        found = [(_compared(a, b, box, size), box) for box in boxes]
        fits, box = min(found, key=lambda one: one[0].shape)
        boxes = [box]
        if fits.light > EARLY or fits.shape > UNSURE or fits.colour > COLOUR:
            return fits
    return fits


def _cut(picture: Image, box: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """A part of a picture (left, right, top, bottom as shares of its sides) at some size."""
    import numpy as np
    from PIL import Image

    left, right, top, bottom = np.clip(box, 0, 1) * np.repeat(picture.size, 2)
    part = picture.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(part, np.float32)


def _soft(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurred by a pixel (weights 1 4 6 4 1), edges repeated."""
    import numpy as np

    for _ in range(2):
        wide, count = np.pad(image, ((2, 2), (0, 0)), mode="edge"), len(image)
        part = [wide[start : start + count] for start in range(5)]
        image = np.asarray((part[0] + part[4] + 4 * (part[1] + part[3]) + 6 * part[2]).T / 16, np.float32)
    return image


def _laid(a: Image, b: Image, box: NDArray[Any], size: tuple[int, int]) -> NDArray[Any] | None:
    """The box of `a` that shows what `b` shows inside its margins; None when none near by does."""
    import numpy as np

    width, height = size
    start = np.array([MARGIN, 1 - MARGIN, MARGIN, 1 - MARGIN])
    wanted = _soft(_cut(b, start, size)).ravel()
    across = (np.arange(width, dtype=np.float32) + 0.5) / width
    down = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    pixels = np.array([width, width, height, height]) / (1 - 2 * MARGIN)
    for _ in range(STEPS):
        have = _soft(_cut(a, box, size))
        slope_down, slope_across = np.gradient(have)
        columns = [
            slope_across * (1 - across),
            slope_across * across,
            slope_down * (1 - down),
            slope_down * down,
            have,
            np.ones_like(have),
        ]
        matrix = np.stack([column.ravel() for column in columns])
        square = (matrix @ matrix.T).astype(float)
        # Stripes say nothing about moves along them.
        square[np.arange(4), np.arange(4)] += 4e-3 * have.size
        try:
            found = np.linalg.solve(square, (matrix @ wanted).astype(float))
        except np.linalg.LinAlgError:
            return None
        moved = np.clip(found[:4] / (found[4] if abs(found[4]) > 0.05 else 0.05), -2, 2)
        box = np.clip(box + moved / pixels, start - REACH, start + REACH)
        if not np.isfinite(box).all():
            return None
        if np.abs(moved).max() < 0.03:
            break
    return box


def _compared(one: Open, other: Open, box: NDArray[Any], size: tuple[int, int]) -> Alike:
    import numpy as np

    a = _cut(one.picture, box, size)
    b = _cut(other.picture, np.array([MARGIN, 1 - MARGIN, MARGIN, 1 - MARGIN]), size)
    a = _toned(a, b)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey_a, grey_b = a @ weights, b @ weights
    soft_a, soft_b = _soft(grey_a), _soft(grey_b)
    grain = GRAIN + one.grain + other.grain
    spread = float(soft_a.std() * soft_b.std())
    if spread < 1e-6:
        return STRANGERS
    whole = float(((soft_a - soft_a.mean()) * (soft_b - soft_b.mean())).mean() / spread)
    seen_a, seen_b = _variance(soft_a), _variance(soft_b)
    light = float((_places((soft_a - soft_b) ** 2) / ((seen_a + seen_b) / 2 + grain)).max())
    shape = float((_unexplained(soft_a, soft_b) / (np.maximum(seen_a, seen_b) + grain)).max())
    if one.grey or other.grey:
        return Alike(whole, light, shape, 0.0)
    left, seen = np.zeros_like(seen_a), np.zeros_like(seen_a)
    for channel in (0, 2):
        tint_a, tint_b = a[..., channel] - grey_a, b[..., channel] - grey_b
        left += _places(tint_a - tint_b) ** 2
        seen += (_variance(tint_a) + _variance(tint_b)) / 2
    colour = float((left / (seen + TINT + one.tint + other.tint)).max())
    return Alike(whole, light, shape, colour)


def _unexplained(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Variance of the difference inside each place that neither a small move nor another contrast explains.

    The least squares of b - a on a constant, a itself and its two slopes, each held near zero by what is plausible.
    """
    import numpy as np

    down, across = np.gradient(a)
    columns = [np.ones_like(a), a - 128, across, down]
    difference = b - a
    pixels = (CELL * CELLS) ** 2
    square = np.empty((*_places(a).shape, 4, 4))
    for row in range(4):
        for column in range(row, 4):
            square[..., row, column] = square[..., column, row] = _places(np.asarray(columns[row] * columns[column]))
    square[..., range(4), range(4)] += np.array([0.01 / pixels, 4, 2, 2])
    known = np.stack([_places(np.asarray(column * difference)) for column in columns], axis=-1)
    found = np.linalg.solve(square, known[..., None])[..., 0]
    return np.asarray(np.maximum(_places(difference * difference) - (found * known).sum(-1), 0), np.float32)


def _toned(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """`a` in the tones of `b`: one curve, a polynomial of third degree, for all three colours."""
    import numpy as np

    have, want = a.ravel()[::5] / 255, b.ravel()[::5] / 255
    powers = np.stack([np.ones_like(have), have, have**2, have**3])
    square = (powers @ powers.T).astype(float) + 1e-6 * len(have) * np.eye(4)
    c = np.linalg.solve(square, (powers @ want).astype(float)).astype(np.float32)
    share = a / 255
    return np.asarray((c[0] + share * (c[1] + share * (c[2] + share * c[3]))) * 255)


def _places(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each place."""
    import numpy as np

    rows, columns = (max(number // CELL, CELLS) for number in image.shape)
    if image.shape[0] < rows * CELL or image.shape[1] < columns * CELL:
        missing = [(0, max(0, CELL * CELLS - number)) for number in image.shape]
        image = np.pad(image, missing, mode="edge")
    # Adding up slices takes a third of the time that a sum over two axes does.
    whole = image[: rows * CELL, : columns * CELL]
    bands = sum(whole[start::CELL] for start in range(CELL))
    cells = sum(np.asarray(bands)[:, start::CELL] for start in range(CELL))
    tall = sum(np.asarray(cells)[start : rows - CELLS + 1 + start] for start in range(CELLS))
    wide = sum(np.asarray(tall)[:, start : columns - CELLS + 1 + start] for start in range(CELLS))
    return np.asarray(wide / (CELL * CELLS) ** 2, np.float32)


def _variance(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The variance inside each place."""
    import numpy as np

    return np.asarray(np.maximum(_places(image * image) - _places(image) ** 2, 0))
