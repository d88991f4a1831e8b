"""How far the areas of a mask may be off: what was missed where much the same was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.artifact.distribution import Floats

CELLS = 4_000_000
"""Cases are taken in chunks of so many (case, row, class) cells."""


def likely(spread: Mapping[str, Any], mean: Floats, levels: int) -> Floats:
    """Equally likely areas (n, k, levels); the j-th of all classes belong together.

    Areas of one picture are not independent: what is not road is something else. So they are drawn as they were missed
    together on validation rows.

    Args:
        spread: What the manifest says: `said` and `seen`, areas of m validation rows (m, k), and `near`, how many rows
            speak of a case.
        mean: Predicted areas (n, k).
        levels: How many.
    """
    said, seen = np.asarray(spread["said"], dtype=float), np.asarray(spread["seen"], dtype=float)
    share = (np.arange(levels) + 0.5) / levels
    found = np.empty((*mean.shape, levels))
    step = max(1, CELLS // max(1, said.size))
    for start in range(0, len(mean), step):
        part = mean[start : start + step]
        below = weights(part, said, spread["near"]).cumsum(axis=1)
        rows = np.array([np.searchsorted(line, share * line[-1]) for line in below]).reshape(len(part), levels)
        values = part[:, None] + (seen - said)[np.minimum(rows, len(said) - 1)]
        found[start : start + step] = np.clip(values, 0, 1).transpose(0, 2, 1)
    return found


def weights(mean: Floats, said: Floats, near: int) -> Floats:
    """How much each validation row speaks of each case, (n, m): all alike, or the nearest `near` by a tricube.

    Distances are Hellinger's, in which a hundredth more counts the more, the less there is.
    """
    if near >= len(said):
        return np.ones((len(mean), len(said)))
    apart = np.linalg.norm(np.sqrt(mean)[:, None] - np.sqrt(said)[None], axis=2)
    reach = np.maximum(np.partition(apart, near, axis=1)[:, near], 1e-9)[:, None]
    return np.asarray((1 - np.minimum(apart / reach, 1) ** 3) ** 3)
