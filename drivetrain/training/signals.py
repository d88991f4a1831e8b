"""Sounds and series in fastai's pipelines, by the rules that the service follows too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fastai.torch_core import TensorImage
from fasttransform import Transform

from drivetrain.artifact import signals
from drivetrain.training.rows import inputs_of_kind

if TYPE_CHECKING:
    from drivetrain.spec import Model, Spec

FITTED = 500
"""Training rows from which the range of the values is taken."""


class Picture(Transform):  # type: ignore[misc]
    """From a file of sound or sensor values to a picture with values from 0 to 1.

    Args:
        settings: As the manifest keeps them: `kind` (sound, series), `method`, `size`, and what the method needs.
    """

    order = 0

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings

    def setups(self, files: Any) -> None:
        """Take the channels that the plan leaves open, and the range of each, from the training rows."""
        if files is not None and self.settings.get("channels") == []:
            self.settings = self.settings | {"channels": signals.channels(Path(files[0]))}
        if files is None or self.settings["method"] == "spectrogram" or "low" in self.settings:
            return
        some = [self._signal(path) for path in files[: min(FITTED, len(files))]]
        low = np.min([np.quantile(one, 0.005, axis=1) for one in some], axis=0)
        high = np.max([np.quantile(one, 0.995, axis=1) for one in some], axis=0)
        self.settings = self.settings | {"low": low.tolist(), "high": high.tolist()}

    def encodes(self, path: str) -> TensorImage:
        """The picture of one file."""
        return TensorImage(torch.from_numpy(signals.picture(self._signal(path), self.settings)))

    def _signal(self, path: str) -> signals.Signal:
        name = Path(path).name
        if self.settings["kind"] == "sound":
            return signals.sound(Path(path), None, self.settings["sample_rate"], name)
        return signals.series(Path(path), None, self.settings["channels"], name)


def picture(plan: Spec, model: Model) -> Picture:
    """The picture that `encode` describes; by default frequencies of a sound, the Gramian field of a series."""
    sound = model.task.startswith("audio")
    [column] = inputs_of_kind(plan, model, "audio" if sound else "series")[:1]
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
    return Picture(settings)
