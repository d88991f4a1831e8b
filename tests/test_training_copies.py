"""Large images are shrunk once: what a model sees is what the service computes, and the files stay as they are."""

from __future__ import annotations

import hashlib
import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from projects import DIGITS, make

from drivetrain.artifact import images
from drivetrain.errors import DataError
from drivetrain.spec import Spec

pytestmark = pytest.mark.train
SIZES = [(301, 200), (64, 333), (128, 128), (20, 30), (1, 200), (97, 40)]
TURNS = {  # EXIF orientation -> how the upright picture lies in the file
    1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
}  # fmt: skip


def written(folder: Path) -> None:
    """Pictures of many shapes; those of class 1 have their red corner at the top left only when they are turned."""
    rng = np.random.default_rng(0)
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number, (width, height) in enumerate(SIZES):
            pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / str(digit) / f"{number}.png")
    for orientation, turns in TURNS.items():
        picture = Image.new("RGB", (240, 120), (0, 0, 200))
        picture.paste((250, 0, 0), (0, 0, 80, 60))
        for turn in turns:
            picture = picture.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(folder / "1" / f"turned-{orientation}.jpg", exif=exif, quality=95)


@pytest.fixture(scope="module", params=["crop", "pad", "squish", "random_resized_crop"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spec]:
    folder = tmp_path_factory.mktemp(request.param)
    written(folder / "data" / "letters")
    plan = DIGITS.replace("resize: squish", f"resize: {request.param}").replace("Letters", f"p_{request.param}")
    spec = make(folder, plan)
    sys.path.insert(0, str(folder))
    yield spec
    sys.path.remove(str(folder))


def digests(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_model_and_service_see_the_same_pixels(project: Spec) -> None:
    from drivetrain.training import rows, store

    model = project.models[0]
    frame = rows(project, model)
    before = digests(project.root / "data")
    cases = frame.assign(split=np.where(np.arange(len(frame)) % 3, "train", "validation"))
    learners = importlib.import_module(f"{project.package}.learners.{model.name}")
    dls = learners.get_dls(project, model, cases)
    assert digests(project.root / "data") == before
    learn = learners.get_learner(dls, model)
    settings = store.settings(project, model, learn)
    assert settings["copy"]["edge"] == (64 if model.image.resize == "random_resized_crop" else 32)
    loader = dls.test_dl(cases)
    seen = np.concatenate([batch[0].cpu().numpy() for batch in loader])
    for number, path in enumerate(cases["image"]):
        served = images.prepare(images.read(Path(path), None, ""), settings, "")
        assert np.abs(served - seen[number]).max() < 4e-6, path
    # A learner that was moved to another machine finds no copies, and sees the same.
    reader = pickle.loads(pickle.dumps(next(step for step in dls.valid_ds.tls[0].tfms.fs if hasattr(step, "files"))))
    assert not reader.files
    for path in cases["image"]:
        here, there = (one._do_one({"image": path}, "image") for one in (dls.valid_ds.tls[0].tfms.fs[0], reader))
        first, second = (images.read(Path(x) if isinstance(x, str) else x, None, "") for x in (here, there))
        np.testing.assert_array_equal(np.asarray(first.convert("RGB")), np.asarray(second))


def test_pictures_stand_upright(project: Spec) -> None:
    from drivetrain.training import rows
    from drivetrain.training.copies import copies

    model = project.models[0]
    frame = rows(project, model)
    reader = copies(project, model, frame)
    for path in (path for path in frame["image"] if "turned" in path):
        with Image.open(reader({"image": path})) as copy:
            pixels = np.asarray(copy.convert("RGB")).astype(int)
        height, width = pixels.shape[:2]
        corner = pixels[: height // 4, : width // 4].mean(axis=(0, 1))
        assert corner[0] > 200, path
        assert corner[2] < 60, path
        assert pixels[-height // 4 :, -width // 4 :].mean(axis=(0, 1))[2] > 150, path


def test_a_copy_is_made_once_and_again_when_its_file_changes(project: Spec) -> None:
    import os

    from drivetrain.training import rows
    from drivetrain.training.copies import copies

    model = project.models[0]
    frame = rows(project, model)
    first = copies(project, model, frame).files
    path = next(path for path, copy in first.items() if copy != path and path.endswith(".png"))
    made = Path(first[path]).stat().st_mtime_ns
    assert copies(project, model, frame).files == first
    assert Path(first[path]).stat().st_mtime_ns == made
    Image.new("RGB", (300, 300), (1, 2, 3)).save(path)
    os.utime(path, ns=(made + 10**9, made + 10**9))
    again = copies(project, model, frame).files[path]
    assert again != first[path]
    with Image.open(again) as copy:
        assert copy.getpixel((5, 5)) == (1, 2, 3)


def test_strange_exif_and_modes_are_read_as_fastai_reads_them(tmp_path: Path) -> None:
    copy = {"edge": 8, "fit": "short"}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"):
        image = Image.new(mode, (30, 20))
        assert images.shrunk(image, copy).size == (12, 8)
    photo = Image.new("RGB", (30, 20))
    photo.info["exif"] = b"Exif\x00\x00MM\x00*\x00\x00\x00\xff\x01\x12"
    assert images.shrunk(photo, copy).size == (12, 8)
    photo.getexif()[0x0112] = 99
    assert images.shrunk(photo, copy).size == (12, 8)
    assert ImageOps.exif_transpose(photo).size == (30, 20)


def test_an_image_that_is_cut_off_is_named(tmp_path: Path) -> None:
    from drivetrain.training import start
    from drivetrain.training.copies import copies

    written(tmp_path / "data" / "letters")
    spec = make(tmp_path, DIGITS)
    broken = tmp_path / "data/letters/1/turned-6.jpg"
    broken.write_bytes(broken.read_bytes()[:400])

    def train() -> None:
        with start(spec) as run:
            for job in run.jobs():
                copies(spec, job.model, job.everything)

    with pytest.raises(DataError, match=r"letters/1/turned-6\.jpg"):
        train()
    assert not list((tmp_path / ".drivetrain/copies").rglob(".*.bmp.*"))


def test_pictures_of_twelve_bits_are_refused_and_not_made_white(tmp_path: Path) -> None:
    from drivetrain.training.copies import _copied

    copy = {"edge": 64, "fit": "short"}
    for highest, name in ((255, "dark"), (4095, "x-ray")):
        ramp = np.linspace(0, highest, 64).astype(np.uint16)
        Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / f"{name}.png")
    assert _copied(str(tmp_path / "dark.png"), tmp_path, tmp_path, copy) == str(tmp_path / "dark.png")
    with pytest.raises(DataError, match=r"x-ray\.png: a picture of more than 8 bits"):
        _copied(str(tmp_path / "x-ray.png"), tmp_path, tmp_path, copy)
