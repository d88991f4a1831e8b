"""A project whose model runs on a phone: photos of day and night, and a small network that tells them apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import browsing
import numpy as np
import served

from drivetrain import device, load_spec
from drivetrain.device.assemble import RUNTIME, RUNTIME_FILES

PLAN = served.LIGHT_PLAN.replace("values: [bright, dark, strange]", "values: [bright, dark]").replace(
    "image: {size: 8, resize: squish}", "image: {size: 32, resize: crop}"
)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def photo(stream: np.random.Generator, light: float) -> Any:
    """A photo of any shape: blurred colours, noise, and a level of light from 0 to 130."""
    from PIL import Image

    width, height = (int(edge) for edge in stream.integers(30, 200, 2))
    colours = Image.fromarray(stream.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((width, height))
    pixels = np.asarray(colours) * 0.5 + stream.normal(0, 12, (height, width, 3)) + light
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_photos(folder: Path, count: int = 240) -> None:
    """Photos in `dark/` and `bright/`, as JPEG, PNG and WEBP."""
    stream = np.random.default_rng(5)
    for number in range(count):
        dark = number % 2 == 0
        place = folder / ("dark" if dark else "bright")
        place.mkdir(parents=True, exist_ok=True)
        suffix = ("jpg", "jpg", "png", "webp")[number // 2 % 4]
        options = {"quality": int(stream.integers(60, 96))} if suffix != "png" else {}
        light = stream.uniform(0, 75) if dark else stream.uniform(45, 130)  # dusk may be either
        photo(stream, light).save(place / f"{number:03d}.{suffix}", **options)


def network(folder: Path, path: Path) -> None:
    """Train three convolutions for a second, and write them as ONNX."""
    import torch
    from torch import nn

    from drivetrain.artifact import images
    from drivetrain.training.network import export

    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    files = sorted(folder.rglob("*.*"))[::3]
    rows = [images.prepare(images.read(file, None, ""), PREPARATION, "") for file in files]
    inputs = torch.from_numpy(np.stack(rows))
    truth = torch.tensor([int(file.parent.name == "dark") for file in files])
    optimiser = torch.optim.Adam(model.parameters(), 0.003)
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(inputs), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    export(model, [inputs[:2]], ["image"], path)


PREPARATION = {
    "kind": "image", "column": "image", "size": [32, 32], "resize": "crop", "channels": 3, "mean": MEAN, "std": STD,
}  # fmt: skip


def phone(folder: Path, serve: str = "{kind: device}", plan: str = PLAN) -> Path:
    """The project, trained and decided, with the pages and the runtime that `make device` fetches."""
    write_photos(folder / "data/photos")
    network(folder / "data/photos", folder / "trained.onnx")
    manifest = {
        "model": "eye",
        "task": "image-classification",
        "predicts": ["sky"],
        "run": "20261125T120000-ef56",
        "outcomes": {"sky": {"type": "category", "classes": ["bright", "dark"]}},
        "inputs": [{"name": "image", "type": "image"}],
        "preprocessing": PREPARATION,
        "temperature": 1.0,
        "out_of_domain": {"score": "energy", "threshold": 1e6, "false_alarms": 0.01},
        "synthetic": False,
    }
    body = (folder / "trained.onnx").read_bytes()
    served._project(folder, plan.replace("serve: [api, voila]", f"serve: [{serve}]"), {"eye": (body, manifest)})
    runtime = folder / RUNTIME
    runtime.mkdir(parents=True)
    for file in RUNTIME_FILES:
        fetched = browsing.MODULES / "onnxruntime-web/dist" / file
        if fetched.is_file():
            shutil.copyfile(fetched, runtime / file)
        else:  # `make test` has no npm: nothing runs the page there
            (runtime / file).touch()
    shutil.copytree(served.SERVE.parent.parent / "web", folder / "web")
    return folder


def built(folder: Path) -> dict[str, Any]:
    """What `make device` says of it."""
    return device.build(load_spec(folder))
