"""Bad input gives one clear message, and everything stays as it was."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from projects import DIGITS, make, python, write_digits

from drivetrain import examples
from drivetrain.errors import DataError, DrivetrainError, TrainingError
from drivetrain.spec import load_text

pytestmark = pytest.mark.train


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}


def refused(folder: Path, plan: str, per_class: int = 6) -> DrivetrainError:
    """What starting to train says; nothing may be written."""
    from drivetrain.training import start

    spec = make(folder, plan)
    if per_class and not (folder / "data").exists():
        write_digits(folder / "data" / "letters", per_class)
    before = tree(folder)
    with pytest.raises(DrivetrainError) as caught, start(spec) as run:
        next(run.jobs())
    assert tree(folder) == before
    assert caught.value.exit_code == 2
    return caught.value


def test_a_missing_data_folder(tmp_path: Path) -> None:
    error = refused(tmp_path, DIGITS, per_class=0)
    assert isinstance(error, DataError)
    assert "data/letters" in error.message


def test_a_class_without_images(tmp_path: Path) -> None:
    write_digits(tmp_path / "data" / "letters", 6)
    for path in (tmp_path / "data" / "letters" / "3").iterdir():
        path.unlink()
    error = refused(tmp_path, DIGITS)
    assert isinstance(error, DataError)
    assert "`3`" in error.message
    assert "data.letters.outcomes.digit" in error.message


def test_a_label_that_the_plan_does_not_list(tmp_path: Path) -> None:
    write_digits(tmp_path / "data" / "letters", 6)
    (tmp_path / "data" / "letters" / "9").rename(tmp_path / "data" / "letters" / "nine")
    assert "`nine`" in refused(tmp_path, DIGITS).message


def test_nothing_to_validate_on(tmp_path: Path) -> None:
    plan = DIGITS.replace("    outcomes:", "    split: {validation: 0}\n    outcomes:")
    assert "validate" in refused(tmp_path, plan).message


def test_a_plan_without_models(tmp_path: Path) -> None:
    assert "models" in refused(tmp_path, DIGITS[: DIGITS.index("models:")]).message


def test_an_architecture_that_does_not_exist(tmp_path: Path) -> None:
    from drivetrain.training import architecture

    spec = make(tmp_path, DIGITS.replace("    image:", "    architecture: resnet19\n    image:"))
    with pytest.raises(TrainingError, match=r"`resnet19`.*resnet18"):
        architecture(spec.model("reader"))


@pytest.mark.parametrize(("name", "said"), [("vit_b_16", "body and a head"), ("fcn_resnet50", "no architecture")])
def test_an_architecture_that_cannot_be_used(name: str, said: str, tmp_path: Path) -> None:
    from drivetrain.training import architecture

    spec = make(tmp_path, DIGITS.replace("    image:", f"    architecture: {name}\n    image:"))
    with pytest.raises(TrainingError, match=said):
        architecture(spec.model("reader"))


def test_weights_that_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make(tmp_path, DIGITS.replace(", pretrained: false", ""))
    write_digits(tmp_path / "data" / "letters", 6)
    before = tree(tmp_path)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("TORCH_HOME", str(tmp_path.parent / "empty"))
    done = python(tmp_path, "-m", f"{spec.package}.train")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "pretrained: false" in done.stderr
    assert str(tmp_path.parent / "empty" / "hub" / "checkpoints") in done.stderr
    assert ".pth" in done.stderr
    assert tree(tmp_path) == before


def test_weights_of_a_text_model_lie_where_fastai_keeps_them() -> None:
    from fastai.data.external import fastai_cfg

    from drivetrain.training.faults import no_weights

    text = examples.path("support-tickets").read_text(encoding="utf-8")
    spec = load_text(text.replace("pretrained: false", "pretrained: true"))
    said = str(no_weights(URLError("no network"), spec))
    assert "unpack wt103-fwd.tgz (https://" in said
    assert f" in {fastai_cfg().path('model')}, or " in said
    assert "pretrained: false" in said


def test_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    spec = make(tmp_path, DIGITS.replace("epochs: 3", "epochs: 1"))
    write_digits(tmp_path / "data" / "letters", 12)
    broken = sorted((tmp_path / "data" / "letters" / "4").iterdir())[0]
    broken.write_bytes(b"no image")
    before = tree(tmp_path)
    done = python(tmp_path, "-m", f"{spec.package}.train")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"data/letters/4/{broken.name}" in done.stderr
    assert tree(tmp_path) == before


TABLE = """\
drivetrain: 1
project: {name: Rows}
objective: {statement: It works., value: "where(act == 'a', 1, 0)"}
levers:
  - {name: act, type: options, options: [a, b]}
data:
  - name: rows
    kind: table
    location: data/rows.parquet
    columns: {size: number, photo: image}
    outcomes:
      cost: {column: cost, type: number, affected_by: []}
      outline: {column: outline, type: mask, values: [ground, shape], affected_by: []}
models:
  - {name: guess, TASK, training: {TRAINING}}
"""


def rows(folder: Path, masks: dict[int, Any], **columns: Any) -> None:
    """Forty rows with pictures of 30 by 20 pixels, their masks, and columns with some values changed."""
    pictures = folder / "data" / "pictures"
    pictures.mkdir(parents=True)
    paths = [f"data/pictures/{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        Image.new("RGB", (30, 20)).save(folder / path)
        masks.get(number, Image.new("L", (30, 20))).save(pictures / f"mask-{number}.png")
    outlines = [path.replace("pictures/", "pictures/mask-") for path in paths]
    frame = pd.DataFrame({"size": np.arange(40.0), "photo": paths, "cost": np.arange(40.0), "outline": outlines})
    for name, values in columns.items():
        frame[name] = [values.get(number, value) for number, value in enumerate(frame[name])]
    frame.to_parquet(folder / "data" / "rows.parquet")


SIZE = "task: table-regression, predicts: cost, inputs: [size]"
PHOTO = "task: image-regression, predicts: cost, inputs: [photo]"
OUTLINE = "task: image-segmentation, predicts: outline, inputs: [photo]"


@pytest.mark.parametrize(
    ("task", "masks", "columns", "said"),
    [
        (SIZE, {}, {"size": {3: np.inf, 5: np.inf}}, "`size` is infinite in 2 rows"),
        (SIZE, {}, {"cost": {3: -np.inf}}, "`cost` is infinite in 1 rows"),
        (SIZE + ", distribution: poisson", {}, {"cost": {3: -1.0}}, "negative in some rows"),
        (PHOTO, {}, {"photo": {3: None}}, "names no file in 1 rows"),
        (PHOTO.replace("[photo]", "[photo, size, act]"), {}, {}, "would never see `size` (number), `act` (category)"),
        (SIZE.replace("[size]", "[size, photo]"), {}, {}, "would never see `photo` (image)"),
        (OUTLINE, {7: Image.new("L", (20, 30))}, {}, "the mask `mask-7.png` is 20 by 30 pixels, its image 30 by 20"),
        (OUTLINE, {7: Image.new("L", (30, 20), 255)}, {}, "has pixels of 255, and there are only 2 classes"),
    ],
)
def test_values_that_nothing_can_be_learned_from(
    task: str, masks: dict[int, Any], columns: dict[str, Any], said: str, tmp_path: Path
) -> None:
    rows(tmp_path, masks, **columns)
    assert said in refused(tmp_path, TABLE.replace("TASK", task).replace("TRAINING", "epochs: 1")).message


def test_a_mask_of_the_same_shape_in_another_size_is_taken(tmp_path: Path) -> None:
    from drivetrain.training import start

    rows(tmp_path, {number: Image.new("L", (60, 40)) for number in range(40)})
    spec = make(tmp_path, TABLE.replace("TASK", OUTLINE).replace("TRAINING", "epochs: 1"))
    with suppress(KeyboardInterrupt), start(spec) as run:
        assert len(next(run.jobs()).cases) == 32
        raise KeyboardInterrupt


def test_a_batch_of_one_row(tmp_path: Path) -> None:
    from drivetrain.training import batch_size

    spec = make(tmp_path, TABLE.replace("TASK", SIZE).replace("TRAINING", "batch_size: 1"))
    with pytest.raises(TrainingError, match=r"models\.guess\.training\.batch_size: a batch of one row"):
        batch_size(spec.models[0], pd.DataFrame({"split": ["train"] * 9}))


def test_a_rate_that_is_far_too_high(tmp_path: Path) -> None:
    rows(tmp_path, {})
    training = "epochs: 3, learning_rate: 1.0e+9, batch_size: 8, schedule: one_cycle"
    spec = make(tmp_path, TABLE.replace("TASK", SIZE).replace("TRAINING", training))
    done = python(tmp_path, "-m", f"{spec.package}.train")
    assert done.returncode == 2, done.stderr
    assert "models.guess: the loss is no number any more" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "artifacts").iterdir())


def test_a_log_file_holds_lines_and_no_progress_bars() -> None:
    import io
    import sys
    import warnings

    from fastprogress.fastprogress import ConsoleProgressBar

    from drivetrain.training.log import spoken

    file = io.StringIO()
    with spoken(file):
        for _ in ConsoleProgressBar(range(5), leave=False):
            pass
        print("a bar drew over itself\rthe team's own line")
        for _ in ConsoleProgressBar(range(5), leave=False):
            pass
        print("to stderr", file=sys.stderr)
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=1)
        ConsoleProgressBar(range(5))  # a download that cannot begin
    assert file.getvalue() == "the team's own line\nto stderr\n"
