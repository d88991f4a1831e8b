"""Projects for tests of training: the template's own files, copied as `drivetrain new` copies them, and a plan."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from drivetrain import load_spec
from drivetrain.spec import Spec

TEMPLATE = Path(__file__).parent.parent / "template"
PACKAGE = TEMPLATE / "{{ cookiecutter.slug }}" / "{{ cookiecutter.package }}"

DIGITS = """\
drivetrain: 1
project: {name: Letters}
objective:
  statement: Letters reach their district.
  value: "where(bin == digit, 1, -4)"
levers:
  - {name: bin, type: options, options_from: {outcome: digit}}
data:
  - name: letters
    kind: images
    location: data/letters
    outcomes: {digit: {column: folder, values: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], affected_by: []}}
models:
  - name: reader
    task: image-classification
    predicts: digit
    image: {size: 32, resize: squish}
    augment: {flip: false, rotate: 8}
    training: {epochs: 3, schedule: one_cycle, learning_rate: 0.005, batch_size: 20, pretrained: false}
deployment: {serve: [api], guards: {out_of_domain: {false_alarms: 0.05}}}
"""


def make(folder: Path, plan: str) -> Spec:
    """A project in `folder`: plan, package, one learner file per model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    spec = load_spec(folder)
    package = folder / spec.package
    (package / "learners").mkdir(parents=True, exist_ok=True)
    for init in (package / "__init__.py", package / "learners" / "__init__.py"):
        init.touch()
    shutil.copy(PACKAGE / "train.py", package)
    for model in spec.models:
        learner = TEMPLATE / "learners" / f"{model.task.replace('-', '_')}.py"
        shutil.copy(learner, package / "learners" / f"{model.name}.py")
    return spec


def write_digits(folder: Path, per_class: int) -> None:
    """Real digits as `folder/<digit>/<number>.png`, 32 by 32 pixels."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit in range(10):
        for row in np.flatnonzero(digits.target == digit)[:per_class]:
            path = folder / str(digit) / f"{row:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = (digits.images[row] * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(path)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a project as its user does."""
    environment = os.environ | {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )


def train(spec: Spec) -> subprocess.CompletedProcess[str]:
    """`make train`."""
    return python(spec.root, "-m", f"{spec.package}.train")
