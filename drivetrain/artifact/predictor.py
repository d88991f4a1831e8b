"""Serve a trained model: onnxruntime and the manifest, nothing that came with training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.artifact import images, tables
from drivetrain.artifact.distribution import Distribution, Floats, energy, softmax
from drivetrain.artifact.manifest import read_manifest
from drivetrain.errors import ArtifactError, DataError, EnvironmentFault

Cases = Mapping[str, Sequence[Any]]
BATCH = 64
"""Cases per run of the network: enough to be fast, few enough for large images to fit."""


class Predictor:
    """A loaded artifact.

    Attributes:
        manifest: What was read, verified.
        outcomes: Outcome -> its classes, in the order of the model's outputs.
    """

    def __init__(self, manifest: Mapping[str, Any], session: Any, root: Path | None) -> None:
        self.manifest = manifest
        self.outcomes = {name: tuple(manifest["outcomes"][name]["classes"]) for name in manifest["predicts"]}
        self._session, self._root = session, root
        self._wanted = {entry.name for entry in session.get_inputs()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that `predict` needs."""
        return tuple(entry["name"] for entry in self.manifest["inputs"])

    def predict(self, cases: Cases) -> dict[str, Distribution]:
        """The distribution of every outcome for n cases.

        Args:
            cases: Input column -> n values. An image is a `Path`, its bytes or a PIL image (text only if the artifact
                was loaded with a `root`); a missing value in a table is None.

        Raises:
            DataError: An input is absent or cannot be used; the message names the case.
        """
        return self.distributions(self.logits(cases))

    def distributions(self, logits: Floats) -> dict[str, Distribution]:
        """`predict` from logits that are already at hand."""
        found, start = {}, 0
        for name, classes in self.outcomes.items():
            found[name] = Distribution(classes, softmax(logits[:, start : start + len(classes)]))
            start += len(classes)
        return found

    def scores(self, cases: Cases) -> Floats:
        """The out-of-domain score (n,): above the manifest's threshold a case is unlike the training data."""
        return self.score_logits(self.logits(cases))

    def score_logits(self, logits: Floats) -> Floats:
        """`scores` of logits that are already at hand, so that a service runs the network once."""
        width = len(next(iter(self.outcomes.values())))
        return energy(logits[:, :width], float(self.manifest["temperature"]))

    def logits(self, cases: Cases) -> Floats:
        """Calibrated logits (n, sum of classes over the outcomes), before the softmax."""
        rows = [self._run(feed) for feed in self._feeds(cases)]
        width = sum(map(len, self.outcomes.values()))
        if not rows:
            return np.zeros((0, width))
        logits = np.concatenate(rows).astype(np.float64)
        if logits.shape[1] != width:
            where = f"artifacts/{self.manifest['model']}"
            raise ArtifactError(f"the network has {logits.shape[1]} outputs, the manifest {width}.", where=where)
        return logits

    def _feeds(self, cases: Cases) -> Iterator[dict[str, NDArray[Any]]]:
        settings = self.manifest["preprocessing"]
        if settings["kind"] == "image":
            name = settings["column"]
            if name not in cases:
                raise DataError(f"the input `{name}` is missing.", where="cases")
            values = cases[name]
            for start in range(0, len(values), BATCH):
                yield {"image": self._images(values, start, settings)}
        else:
            codes, scaled = tables.encode(cases, settings)
            if len(codes):
                yield {"categories": codes, "numbers": scaled}

    def _images(self, values: Sequence[Any], start: int, settings: Mapping[str, Any]) -> NDArray[np.float32]:
        rows = []
        for row in range(start, min(start + BATCH, len(values))):
            where = f"case {row}: {settings['column']}"
            value = values[row]
            rows.append(images.prepare(images.read(value, self._root, where), settings, where))
        return np.stack(rows)

    def _run(self, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        [logits] = self._session.run(["logits"], {k: v for k, v in feed.items() if k in self._wanted})
        return np.asarray(logits)


def load(folder: Path, root: Path | None = None) -> Predictor:
    """The predictor of an artifact, after every hash in its manifest was verified.

    Args:
        folder: `artifacts/<model>`.
        root: Below it, text stands for a path of a media file. None (a service) refuses text where media are expected.

    Raises:
        ArtifactError: The artifact is missing, was changed, or is of another format.
        EnvironmentFault: onnxruntime is not installed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if "model.onnx" not in manifest["files"]:
        raise ArtifactError(
            "the manifest names no `model.onnx`.", "Run `make train` again.", f"artifacts/{folder.name}"
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise EnvironmentFault("onnxruntime is not installed.", "Install the extra: drivetrain[serve].") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds, which share no public base
        raise ArtifactError(f"the network cannot be loaded ({error}).", where=f"artifacts/{folder.name}") from error
    return Predictor(manifest, session, root)
