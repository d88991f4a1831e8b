"""A trained model on disk, and the predictor that serves it.

An artifact is a folder: `manifest.json` says what the model predicts, from which inputs, how they are prepared, and the
SHA-256 of every file beside it; `model.onnx` is what is served; `learner.pkl` is fastai's export, for people who go on
training. Loading verifies every hash before anything is read, and never unpickles.
"""

from __future__ import annotations

from drivetrain.artifact.distribution import Distribution
from drivetrain.artifact.manifest import digest, read_manifest, write
from drivetrain.artifact.predictor import Predictor, load

__all__ = ["Distribution", "Predictor", "digest", "load", "read_manifest", "write"]
