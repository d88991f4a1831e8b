"""Pictures, sounds, series and texts that show their class."""

from __future__ import annotations

import wave
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import EnvironmentFault
from drivetrain.sample.texts import classes_of, texts
from drivetrain.sample.world import ROW

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.sample.world import Frame, World
    from drivetrain.spec import Source

SIZE = 64
RATE = 16_000
SECONDS = 1.0


def ending(source: Source) -> str:
    """The ending that a source's files get: what pattern or glob ask for, else the usual one."""
    for text in (source.filename or "", source.location or ""):
        for known in (".jpg", ".jpeg", ".png", ".wav", ".txt", ".csv"):
            if text.replace("\\", "").rstrip("$").endswith(known):
                return known
    return {"audio": ".wav", "text": ".txt", "series": ".csv"}.get(source.kind, ".png")


def write(world: World, source: Source, frame: Frame, paths: list[Path]) -> None:
    """Write one file for each row."""
    kinds = classes_of(world, source, len(paths))
    order = {kind: place for place, kind in enumerate(sorted(set(kinds)))}
    amounts = _amounts(world, source, frame, len(paths))
    words = texts(world, source, "text", len(paths), long=True) if "text" in source.kind else None
    for row, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = world.draw(source.name, "medium", str(row))
        share = order[kinds[row]] / max(len(order), 1)
        if source.kind == "audio":
            _sound(path, share, draw)
        elif source.kind == "series":
            _series(path, world, share, draw)
        elif source.kind == "text":
            path.write_text(f"{words[row] if words is not None else ''}\n", encoding="utf-8")
        else:
            middle = _middle(world, frame, row)
            picture(path, share, amounts[row], draw, _marks(source, frame, row), middle)
            if words is not None:
                path.with_suffix(".txt").write_text(f"{words[row]}\n", encoding="utf-8")


def beside(world: World, source: Source, column: str, kind: str, rows: int) -> NDArray[Any]:
    """Files that a column of a table refers to; returns their paths, `(n,)`."""
    import numpy as np

    kinds = classes_of(world, source, rows)
    order = {kind: place for place, kind in enumerate(sorted(set(kinds)))}
    frame = world.frames[source.name]
    amounts = _amounts(world, source, frame, rows)
    folder = Path("data") / f"{source.name}_{column}"
    (world.stage / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for row in range(rows):
        draw = world.draw(source.name, column, str(row))
        share = order[kinds[row]] / max(len(order), 1)
        name = folder / f"{row + 1:05d}{'.wav' if kind == 'audio' else '.png'}"
        if kind == "audio":
            _sound(world.stage / name, share, draw)
        else:
            middle = _middle(world, frame, row)
            picture(world.stage / name, share, amounts[row], draw, _marks(source, frame, row), middle)
        names.append(name.as_posix())
    return np.array(names, dtype=object)


def masks(world: World, source: Source, column: str, outcome: str, rows: int) -> NDArray[Any]:
    """Files that say the class of each pixel, by its number in the plan's list; returns their paths, `(n,)`."""
    import numpy as np

    frame = world.frames[source.name]
    amounts = _amounts(world, source, frame, rows)
    values = list(source.outcomes[outcome].values or ())
    folder = Path("data") / f"{source.name}_{column}"
    (world.stage / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for row in range(rows):
        inside = _disc(_middle(world, frame, row), float(amounts[row]))
        name = folder / f"{row + 1:05d}.png"
        _save(world.stage / name, np.where(inside, values.index(str(frame[outcome][row])), 0).astype(np.uint8))
        names.append(name.as_posix())
    return np.array(names, dtype=object)


@cache
def _grid() -> NDArray[np.float32]:
    """Places of pixels along one side, 0 to 1, `(SIZE,)`."""
    import numpy as np

    return np.arange(SIZE, dtype=np.float32) / np.float32(SIZE)


def _middle(world: World, frame: Frame, row: int) -> NDArray[np.float64]:
    """Where the disc of a picture lies, `(2,)`."""
    return world.draw("disc", str(int(frame[ROW][row]))).uniform(0.3, 0.7, 2)


def _disc(middle: NDArray[np.float64], amount: float) -> NDArray[np.bool_]:
    """Pixels that belong to the disc, `(SIZE, SIZE)`."""
    import numpy as np

    across, down = ((_grid() - np.float32(middle[axis])) ** 2 for axis in (0, 1))
    inside: NDArray[np.bool_] = across + down[:, None] < (0.15 + 0.3 * amount) ** 2
    return inside


def _amounts(world: World, source: Source, frame: Frame, rows: int) -> NDArray[np.float64]:
    """How large the thing in each picture is, 0 to 1: the first number outcome; by chance where masks show it."""
    import numpy as np

    if any(outcome.type == "mask" for outcome in source.outcomes.values()):
        return np.array([world.draw("size", str(number)).random() for number in frame[ROW].tolist()])

    for name, outcome in source.outcomes.items():
        if outcome.type == "number" and name in frame:
            values = np.array([np.nan if v is None else float(v) for v in frame[name].tolist()])
            low, high = np.nanmin(values), np.nanmax(values)
            return np.asarray(np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.5))
    return np.full(rows, 0.5)


def _marks(source: Source, frame: Frame, row: int) -> list[float]:
    """Places of the marks that stand for labels, 0 to 1."""
    for name, outcome in source.outcomes.items():
        if outcome.type == "labels" and name in frame and outcome.values:
            shown = str(frame[name][row]).split(";")
            return [place / len(outcome.values) for place, value in enumerate(outcome.values) if value in shown]
    return []


def picture(
    path: Path,
    share: float,
    amount: float,
    draw: np.random.Generator,
    marks: list[float],
    middle: NDArray[np.float64],
) -> None:
    """Stripes whose direction and colour tell the class, on a disc whose size tells the amount.

    Args:
        path: Where to write; the ending decides about the format.
        share: The class's place among the classes, 0 to 1.
        amount: Size of the disc, 0 to 1.
        draw: Noise and lighting.
        marks: Places of further small squares, one for each label.
        middle: Where the disc lies, `(2,)`, 0 to 1.
    """
    import colorsys

    import numpy as np

    grid, inside = _grid(), _disc(middle, amount)
    angle = np.pi * share + draw.normal(0, 0.06)
    swing, start = 2 * np.pi * draw.uniform(3, 6), draw.uniform(0, 7)
    across, down = swing * np.cos(angle) * grid + start, swing * np.sin(angle) * grid
    colour = np.array(colorsys.hsv_to_rgb((share + draw.normal(0, 0.02)) % 1, 0.7, 1.0), np.float32)
    slope, fall = draw.uniform(-60, 60) * (grid - 0.5), draw.uniform(-60, 60) * (grid - 0.5)
    light = 110 + draw.uniform(-30, 30)
    # Things in the background, so that no two pictures are alike. Each is a bell, a product of what it is across and
    # down, as a wave is a sum of two: so a picture is a few small matrices, and ten thousand take seconds.
    left, top, reach, weight = draw.random((8, 4)).T.astype(np.float32)[..., None]
    reach, weight = 0.05 + 0.2 * reach, 180 * weight - 90
    bells = (np.exp(-(((grid - top) / reach) ** 2)) * weight).T @ np.exp(-(((grid - left) / reach) ** 2))
    waves = np.stack([np.cos(down), np.sin(down)], 1) @ np.stack([np.sin(across), np.cos(across)])
    grey = (bells + (slope + light)) + fall[:, None]
    image = 9 * draw.standard_normal((SIZE, SIZE, 3), np.float32)
    for channel, (striped, filled) in enumerate(zip(70 * colour, 50 * (colour - colour.mean()), strict=True)):
        image[..., channel] += grey + inside * (striped * waves + filled)
    for mark in marks:
        place = int(SIZE * 0.85 * mark)
        image[-10:-2, place : place + 6] = 255 * np.array(colorsys.hsv_to_rgb(mark, 1.0, 1.0))
    _save(path, np.clip(image, 0, 255).astype(np.uint8))


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise EnvironmentFault("Pillow is not installed.", "Install it: pip install 'drivetrain[data]'") from error
    # Noise has no runs to look for: its letters are counted and no more, which is faster and even smaller.
    Image.fromarray(pixels).save(path, quality=90, compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)


def _sound(path: Path, share: float, draw: np.random.Generator) -> None:
    """A chirp whose pitch tells the class, in noise."""
    import numpy as np

    time = np.arange(int(RATE * SECONDS), dtype=np.float32) / np.float32(RATE)
    pitch = 300 * 2 ** (3 * share) * draw.uniform(0.97, 1.03)
    start, length = draw.uniform(0.05, 0.4), draw.uniform(0.25, 0.5)
    away = np.square((time - (start + length / 2)) / (length / 2))
    sweep = np.sin(2 * np.pi * pitch * (time + draw.uniform(0, 0.1) * time**2) + draw.uniform(0, 7))
    signal = 0.35 * np.exp(-np.square(away)) * sweep + 0.05 * draw.standard_normal(len(time), np.float32)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes((np.clip(signal, -1, 1) * 32767).astype("<i2").tobytes())


def _series(path: Path, world: World, share: float, draw: np.random.Generator) -> None:
    """A few channels over 128 steps; how fast they swing tells the class."""
    import numpy as np

    channels = next((m.encode.channels for m in world.spec.models if m.encode and m.encode.channels), None) or ["value"]
    steps = np.arange(128)
    columns = [
        np.sin(steps * (0.1 + 0.4 * share) + draw.uniform(0, 7)) + 0.3 * draw.standard_normal(len(steps))
        for _ in channels
    ]
    lines = [",".join(["t", *channels])]
    lines += [",".join([str(t), *[f"{column[t]:.4f}" for column in columns]]) for t in steps]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
