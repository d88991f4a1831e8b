"""Images reach the network as fastai would bring them there, without fastai."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drivetrain.artifact import images
from drivetrain.errors import DataError

MODES = ["RGB", "L", "1", "P", "RGBA", "LA", "I;16", "CMYK", "exif", "jpeg"]
SIZES = [(64, 64), (97, 41), (31, 80), (8, 8), (200, 33)]


def picture(mode: str, size: tuple[int, int]) -> bytes:
    """An image file of a mode, with something to see in every corner."""
    rng = np.random.default_rng(sum(size))
    width, height = size
    base = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    stream = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(rng.integers(0, 2**16, (height, width), dtype=np.uint16)).save(stream, "PNG")
    elif mode == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6  # rotated by 90 degrees
        base.save(stream, "JPEG", exif=exif)
    elif mode == "jpeg":
        base.save(stream, "JPEG")
    elif mode == "P":
        base.quantize(16).save(stream, "PNG", transparency=3)
    else:
        base.convert(mode).save(stream, "TIFF" if mode == "CMYK" else "PNG")
    return stream.getvalue()


def fastai_input(path: Path, step: Any) -> np.ndarray:
    """What fastai's validation pipeline makes of a file."""
    from fastai.vision.all import IntToFloatTensor, PILImage, Pipeline, ToTensor

    prepared = Pipeline([PILImage.create, step, ToTensor()], split_idx=1)(path)
    return np.asarray(IntToFloatTensor()(prepared[None])[0])


@pytest.fixture(scope="module")
def steps() -> dict[str, Any]:
    from drivetrain.training.torchvision import make_importable

    make_importable()
    from fastai.vision.all import RandomResizedCrop, Resize

    return {
        "squish": Resize(48, method="squish"),
        "crop": Resize((40, 56), method="crop"),
        "pad zeros": Resize((40, 56), method="pad", pad_mode="zeros"),
        "pad border": Resize(48, method="pad", pad_mode="border"),
        "pad reflection": Resize(48, method="pad", pad_mode="reflection"),
        "random_resized_crop": RandomResizedCrop(48),
    }


SETTINGS: dict[str, dict[str, Any]] = {
    "squish": {"size": [48, 48]},
    "crop": {"size": [40, 56]},
    "pad zeros": {"size": [40, 56], "pad_mode": "zeros"},
    "pad border": {"size": [48, 48], "pad_mode": "border"},
    "pad reflection": {"size": [48, 48], "pad_mode": "reflection"},
    "random_resized_crop": {"size": [48, 48], "margin": 8},
}


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_and_shape_matches_fastai(how: str, mode: str, steps: dict[str, Any], tmp_path: Path) -> None:
    settings = {"resize": how.split()[0], "channels": 3, "mean": None, "std": None} | SETTINGS[how]
    for number, size in enumerate(SIZES):
        path = tmp_path / str(number)
        path.write_bytes(picture(mode, size))
        expected = fastai_input(path, steps[how])
        for value in (path, path.read_bytes(), Image.open(path)):
            ours = images.prepare(images.read(value, None, "case"), settings, "case")
            np.testing.assert_allclose(ours, expected, atol=1e-5, err_msg=f"{mode} {size} {how}")


def test_normalisation_is_done_only_when_the_manifest_says_so() -> None:
    settings: dict[str, Any] = {"resize": "squish", "size": [8, 8], "channels": 3, "mean": None, "std": None}
    image = Image.open(io.BytesIO(picture("RGB", (8, 8))))
    plain = images.prepare(image, settings, "case")
    scaled = images.prepare(image, settings | {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.1, 0.5]}, "case")
    expected = (plain - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.2, 0.1, 0.5])[:, None, None]
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_image_is_named_with_its_case(content: bytes) -> None:
    with pytest.raises(DataError, match="case 3"):
        images.read(content, None, "case 3: image")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    content = picture("jpeg", (64, 64))
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"half\.jpg"):
        images.read("half.jpg", tmp_path, "case 0: image")
    with pytest.raises(DataError, match="missing"):
        images.read("gone.jpg", tmp_path, "case 0: image")
