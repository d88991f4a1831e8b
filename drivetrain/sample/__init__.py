"""Data that fit a plan, so that day one works without the team's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.sample.staging import staged

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.spec import Spec

__all__ = ["write"]


def write(spec: Spec, root: Path | None = None, seed: int = 42) -> list[Path]:
    """Write sample data to the locations of a plan.

    For the examples that scikit-learn has data for, these are real. For any other plan they are synthetic:
    `data/sample.json` says so, and evidence made from them does not pass the gates from *data* upwards. What is known
    about them (which input moves which outcome, and what each lever does) stands in `data/sample-truth.json`, which no
    project reads.

    Args:
        spec: The plan.
        root: The folder that its locations are relative to; the plan's own when None.
        seed: Seed of the draw; the same seed gives the same bytes.

    Returns:
        The files written, sorted.

    Raises:
        DataError: A location is not empty, outside of `root`, or no file.
        EnvironmentFault: scikit-learn, Pillow or Arrow is missing.
        MissingPartError: The plan has no data yet.
    """
    from drivetrain.sample.real import REAL, fits

    spec.require("data")
    folder = root or spec.root
    make = REAL.get(spec.slug)
    if make is not None and fits(spec):
        return staged(spec, folder, seed, make, synthetic=False)
    from drivetrain.sample.rows import make_world

    return staged(spec, folder, seed, make_world, synthetic=True)
