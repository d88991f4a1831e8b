"""Sounds and series in fastai's pipelines, by the rules that the service follows too.

Each file is drawn once, in parallel, before training starts; every epoch then reads the picture. Pictures lie beside
the copies of large images, and may be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fastai.torch_core import TensorImage
from fasttransform import Transform
from numpy.typing import NDArray

from drivetrain import evidence
from drivetrain.artifact import signals
from drivetrain.training.copies import FOLDER, place
from drivetrain.training.schema import inputs_of_kind

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model, Spec

FITTED = 500
"""Training rows from which the range of the values is taken."""
VERSION = 1
"""Counts up whenever what is drawn of a signal changes."""


class Planes(TensorImage):  # type: ignore[misc]
    """A picture with a channel for each channel of the signal."""

    def show(self, ctx: Any = None, **named: Any) -> Any:
        """Draw the channels in grey, beside each other."""
        return TensorImage(torch.cat(list(self), dim=1)[None]).show(ctx=ctx, **named)


class Picture(Transform):  # type: ignore[misc]
    """From a file of sound or sensor values to a picture with values from 0 to 1.

    Args:
        settings: As the manifest keeps them: `kind` (sound, series), `method`, `size`, and what the method needs.
        files: File -> where its picture lies.
    """

    order = 0

    def __init__(self, settings: dict[str, Any], files: dict[str, str]) -> None:
        super().__init__()
        self.settings, self.files = settings, files

    def encodes(self, path: str) -> Planes:
        """The picture of one file."""
        drawn = self.files.get(path)
        return Planes(torch.from_numpy(np.load(drawn) if drawn else _draw(path, self.settings)))

    def __getstate__(self) -> dict[str, Any]:
        """An exported learner may be loaded where there are no pictures: it then draws what it is given."""
        return self.__dict__ | {"files": {}}


def picture(plan: Spec, model: Model, cases: pd.DataFrame) -> Picture:
    """The picture that `encode` describes, drawn of every case.

    By default these are the frequencies of a sound, and the Gramian field of a series.

    Args:
        plan: The plan; the pictures lie beside it.
        model: Its `encode` and `image.size` say what is drawn.
        cases: The rows whose files will be read; those to train on give channels and ranges that the plan leaves open.

    Raises:
        DataError: A file cannot be read.
    """
    sound = model.task.startswith("audio")
    [column] = inputs_of_kind(plan, model, "audio" if sound else "series")[:1]
    settings = _fitted(wanted(model, column), list(cases.loc[cases["split"] == "train", column]))
    named = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=8).hexdigest()
    folder = plan.root / FOLDER / f"{VERSION}-{settings['kind']}-{named}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = list(dict.fromkeys(cases[column]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = list(pool.map(lambda path: _drawn(path, plan.root, folder, settings), paths))
    return Picture(settings, dict(zip(paths, drawn, strict=True)))


def wanted(model: Model, column: str) -> dict[str, Any]:
    """What the plan says of the pictures, with a default for what it leaves open."""
    sound = model.task.startswith("audio")
    encode = model.encode
    method = (encode.method if encode else None) or ("spectrogram" if sound else "gramian")
    settings: dict[str, Any] = {
        "kind": "sound" if sound else "series",
        "column": column,
        "method": method,
        "size": model.image.size,
    }
    if sound:
        settings["sample_rate"] = (encode.sample_rate if encode else None) or 16_000
    else:
        settings["channels"] = list((encode.channels if encode else None) or [])
    if method == "spectrogram":
        fft = (encode.fft if encode else None) or (1024 if sound else 64)
        hop = (encode.hop if encode else None) or max(1, fft // 4)
        mels = (encode.mels if encode else None) or (64 if sound else 0)
        settings |= {"fft": fft, "hop": hop, "mels": mels}
        settings.setdefault("sample_rate", 1)
    return settings


def _fitted(settings: dict[str, Any], train: list[str]) -> dict[str, Any]:
    """The settings with the channels that the plan leaves open, and the range of each, from the training rows."""
    if settings.get("channels") == []:
        settings = settings | {"channels": signals.channels(Path(train[0]))}
    if settings["method"] == "spectrogram":
        return settings
    some = [_signal(path, settings) for path in train[:FITTED]]
    low = np.min([np.quantile(one, 0.005, axis=1) for one in some], axis=0)
    high = np.max([np.quantile(one, 0.995, axis=1) for one in some], axis=0)
    return settings | {"low": low.tolist(), "high": high.tolist()}


def _signal(path: str, settings: dict[str, Any]) -> signals.Signal:
    name = "/".join(Path(path).parts[-2:])
    if settings["kind"] == "sound":
        return signals.sound(Path(path), None, settings["sample_rate"], name)
    return signals.series(Path(path), None, settings["channels"], name)


def _draw(path: str, settings: dict[str, Any]) -> NDArray[np.float32]:
    return signals.picture(_signal(path, settings), settings)


def _drawn(path: str, root: Path, folder: Path, settings: dict[str, Any]) -> str:
    """The file with the picture of `path`, made if it is not there yet."""
    file = place(path, root, folder, ".npy")
    if not file.exists():
        with evidence.whole(file) as part, part.open("wb") as stream:
            np.save(stream, _draw(path, settings))
    return str(file)
