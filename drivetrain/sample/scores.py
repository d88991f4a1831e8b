"""What inputs explain of an outcome: a score of each row, with weights that are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.errors import SpecError
from drivetrain.sample.world import Frame, World

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivetrain.spec import Source

STRENGTH = 1.4
"""Standard deviation of the part of a logit that inputs explain: an AUROC of about 0.8."""


def inputs_of(world: World, name: str, frame: Frame) -> list[str]:
    """Columns that move an outcome: what its model takes in, else what is known before."""
    features: list[str] = []
    for model in world.spec.models:
        if name in (model.predicts or []):
            try:
                features += world.spec.derived.model_inputs(model.name)
            except SpecError:
                continue
    declared = {n: c for s in world.spec.data for n, c in s.columns.items()}
    usable = [
        n
        for n, c in declared.items()
        if n in frame
        and c.role == "feature"
        and c.known == "before"
        and c.use == "both"
        and c.type not in ("id", "text", "path", "image", "audio")
    ]
    chosen = [n for n in dict.fromkeys(features) if n in usable or (n in frame and n in world.truth)]
    return chosen or usable


def scored(
    world: World, source: Source, name: str, frame: Frame, rows: int, kind: str = "weights"
) -> tuple[NDArray[np.float64], dict[str, float]]:
    """A sum of standardised inputs with mean 0 and standard deviation 1, and the weight of each."""
    import numpy as np

    draw = world.draw(source.name, name, kind)
    total, weights = np.zeros(rows), dict[str, float]()
    for place, column in enumerate(inputs_of(world, name, frame)):
        weight = float(draw.choice([-1, 1]) * draw.uniform(0.6, 1.0) / (1 + place // 3))
        if column in world.known.ranges:
            continue
        total = total + weight * standard(frame[column], world.draw(column, "levels"))
        if frame[column].dtype.kind in "UO":
            world.levels[column] = levels(frame[column], world.draw(column, "levels"))
        weights[column] = weight
    spread = float(total.std()) or 1.0
    return total / spread, {column: weight / spread for column, weight in weights.items()}


def levels(values: NDArray[Any], draw: np.random.Generator) -> dict[str, float]:
    """The number that stands for each category."""
    import numpy as np

    kinds = np.unique(values.astype(str)).tolist()
    return dict(zip(kinds, draw.uniform(-1, 1, len(kinds)).tolist(), strict=True))


def standard(values: NDArray[Any], draw: np.random.Generator) -> NDArray[np.float64]:
    """A column with mean 0 and standard deviation 1; categories get a level each."""
    import numpy as np

    if values.dtype.kind in "UO":
        level = levels(values, draw)
        numbers = np.array([level[value] for value in values.astype(str).tolist()])
    else:
        numbers = values.astype(float)
    numbers = np.where(np.isfinite(numbers), numbers, 0.0)
    centred: NDArray[np.float64] = numbers - numbers.mean()
    return centred / (float(numbers.std()) or 1.0)
