"""Bad input gives one clear message, and everything stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import DIGITS, make, python, write_digits

from drivetrain.errors import DataError, DrivetrainError, TrainingError

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
