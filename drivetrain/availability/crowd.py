"""A finer look at pictures that resemble many others: pages of one form, screens of one program, X-rays.

What they have in common says nothing about which two are the same. So all are laid over their mean, and what is left
of each without the mean and without what moving or blurring it changes tells its copy from the others; once with and
once without the few ways in which most of them differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain.availability.thumbs import normal, shifted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 96
"""Pixels of a side at which crowds are looked at."""
NEXT, SPARE = 3, 12
"""Of each picture, how many that are left closest are looked at, and how many where these leave a doubt."""
WAYS, ENOUGH = 4, 12
"""Ways in which most of them differ, left out where there are ENOUGH pictures for each."""
REACH, STEPS, ROUNDS = 0.04, 4, 2


def finer(paths: Sequence[str]) -> NDArray[np.uint8]:
    """Squares of 96 x 96 brightnesses, `(n, 96, 96)`; zeros for what cannot be read any more."""
    import numpy as np
    from PIL import Image

    from drivetrain.availability.same import opened

    found = np.zeros((len(paths), SIDE, SIDE), np.uint8)
    for place, path in enumerate(paths):
        try:
            found[place] = np.asarray(opened(path).light.resize((SIDE, SIDE), Image.Resampling.BOX))
        except Exception:  # a file that changed meanwhile must not end the run
            continue
    return found


class Closest(NamedTuple):
    """Which pictures are most likely the same.

    Attributes:
        pairs: Places, `(m, 2)`.
        close: How close, `(m,)`.
        spare: Whether others are closer to the first of the pair, NEXT of them, `(m,)`.
    """

    pairs: NDArray[np.int64]
    close: NDArray[np.float32]
    spare: NDArray[np.bool_]


def closest(squares: NDArray[np.uint8]) -> Closest:
    """Of each picture of a crowd those that are most likely the same."""
    import numpy as np

    left = _left(_laid(squares.astype(np.float32)))
    ways = min(WAYS, len(left) // ENOUGH)
    # Bottles differ in the colour of many, pages of a form in what hardly any two share: each has its own ranking.
    found = [_nearest(left)] + ([_nearest(_without(left, ways))] if ways else [])
    return Closest(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _nearest(flat: NDArray[np.float32]) -> Closest:
    """Of each picture the SPARE closest, the closest first."""
    import numpy as np

    length = np.sqrt(np.einsum("ij,ij->i", flat, flat))[:, None] + 1e-6
    flat = flat / length
    most = min(SPARE, len(flat) - 1)
    pairs, close = [], []
    for start in range(0, len(flat), 500):
        alike = flat[start : start + 500] @ flat.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -2
        columns = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        near = np.take_along_axis(alike, columns, axis=1)
        order = np.argsort(-near, axis=1)
        columns, near = np.take_along_axis(columns, order, axis=1), np.take_along_axis(near, order, axis=1)
        pairs.append(np.stack([np.repeat(start + rows, most), columns.ravel()], axis=1))
        close.append(near.ravel())
    spare = np.tile(np.arange(most) >= NEXT, len(flat))
    return Closest(np.concatenate(pairs), np.concatenate(close), spare)


def _laid(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """All pictures laid over their mean, slightly blurred (inverse compositional: Baker and Matthews 2004)."""
    import numpy as np

    soft = _soft(squares)
    softer = _soft(soft)
    edges, shown = np.zeros((4, len(squares)), np.float32), softer
    for _ in range(ROUNDS):
        mean = normal(normal(shown.reshape(len(shown), -1)).mean(0)[None])[0]
        moves = _moves(mean)
        moves -= (moves @ mean)[:, None] * mean
        inner = moves @ moves.T
        step = np.linalg.solve(inner + 1e-3 * np.trace(inner) / 4 * np.eye(4), moves)
        for _ in range(STEPS):
            flat = normal(shown.reshape(len(shown), -1))
            fits = np.maximum(flat @ mean, 0.3)
            wanted = step @ (mean[:, None] - (flat / fits[:, None]).T)
            edges = np.clip(edges + np.clip(wanted, -1, 1), -REACH * SIDE, REACH * SIDE).astype(np.float32)
            shown = shifted(softer, edges)
    return shifted(soft, edges)


def _left(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of each picture without what all have in common, `(n, 9216)`."""
    import numpy as np

    blurred = squares
    for _ in range(6):
        blurred = _soft(blurred)
    flat = normal((squares - blurred).reshape(len(squares), -1))
    mean = flat.mean(0)
    square = mean.reshape(SIDE, SIDE)
    bent = [np.gradient(np.gradient(square, axis=axis), axis=axis).ravel() for axis in (0, 1)]
    common = np.linalg.qr(np.stack([mean, *_moves(mean), *bent]).T)[0].astype(np.float32)
    flat -= (flat @ common) @ common.T
    return np.asarray(flat - flat.mean(0), np.float32)


def _without(flat: NDArray[np.float32], ways: int) -> NDArray[np.float32]:
    """Pictures without the ways in which most of them differ."""
    import numpy as np

    # Components by way of the pictures, of which there are fewer than pixels.
    strength, mix = np.linalg.eigh(flat @ flat.T)
    axes = (flat.T @ mix[:, -ways:]) / np.sqrt(np.maximum(strength[-ways:], 1e-12))
    return np.asarray(flat - (flat @ axes) @ axes.T, np.float32)


def _moves(flat: NDArray[Any]) -> NDArray[Any]:
    """What moving each of the four edges inwards changes, `(4, 9216)`."""
    import numpy as np

    down, across = np.gradient(flat.reshape(SIDE, SIDE))
    ramp = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    moves = [across * (1 - ramp), -across * ramp, down * (1 - ramp[:, None]), -down * ramp[:, None]]
    found = np.stack([move.ravel() for move in moves])
    return np.asarray(found - found.mean(1, keepdims=True))


def _soft(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurred by less than a pixel (weights 1 2 1)."""
    import numpy as np

    for _ in range(2):
        wide = np.pad(squares, ((0, 0), (1, 1), (0, 0)), mode="edge")
        squares = np.asarray((wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4, np.float32).swapaxes(1, 2)
    return squares
