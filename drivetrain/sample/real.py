"""Real data that scikit-learn ships, for the examples that are about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.errors import EnvironmentFault
from drivetrain.sample.staging import target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from drivetrain.sample.staging import Make
    from drivetrain.spec import Spec


def _digits(spec: Spec, stage: Path, seed: int) -> Mapping[str, Any]:
    """1,797 handwritten digits of 8 x 8 pixels, one PNG file each, in a folder for each digit."""
    try:
        import numpy as np
        from PIL import Image
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _without(error) from error

    digits = load_digits()
    folder = stage / target(spec.data[0])
    # Ink is counted from 0 to 16 in each cell.
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for number, (picture, digit) in enumerate(zip(pictures, digits.target, strict=True)):
        path = folder / str(digit) / f"digit-{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, optimize=False)
    return {"real": "sklearn.datasets.load_digits", "rows": len(pictures)}


def _biopsies(spec: Spec, stage: Path, seed: int) -> Mapping[str, Any]:
    """569 biopsies with 30 measurements each, as Parquet."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from sklearn.datasets import load_breast_cancer
    except ImportError as error:
        raise _without(error) from error

    cancer = load_breast_cancer()
    columns = {name.replace(" ", "_"): cancer.data[:, place] for place, name in enumerate(cancer.feature_names)}
    malignant = cancer.target == list(cancer.target_names).index("malignant")
    path = stage / target(spec.data[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | {"malignant": malignant}), path)
    return {"real": "sklearn.datasets.load_breast_cancer", "rows": len(malignant)}


def _without(error: ImportError) -> EnvironmentFault:
    return EnvironmentFault(
        f"the data of this example come with scikit-learn, and `{error.name}` is not installed.",
        "Install it: pip install 'drivetrain[data,train]'",
    )


REAL: Mapping[str, Make] = {"mail-sorting": _digits, "clinic-triage": _biopsies}
"""The examples on real data, by slug."""


def fits(spec: Spec) -> bool:
    """Whether a plan asks for no more than these data have: one source, no groups, no names that say something."""
    return len(spec.data) == 1 and not spec.data[0].groups and spec.data[0].filename is None
