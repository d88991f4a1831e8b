"""Serve a trained model: onnxruntime and the manifest, nothing that came with training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.artifact import outcomes
from drivetrain.artifact.distribution import Distribution, Floats, energy
from drivetrain.artifact.inputs import Cases, Feed, feeds
from drivetrain.artifact.manifest import digest, read_manifest
from drivetrain.artifact.tables import category
from drivetrain.errors import ArtifactError, DataError, EnvironmentFault


class Predictor:
    """A loaded artifact.

    Attributes:
        manifest: What was read, verified.
        outcomes: Outcome -> its classes, in the order of the model's outputs; none for a number.
    """

    def __init__(
        self, manifest: Mapping[str, Any], sessions: Mapping[str, Any], root: Path | None, origin: tuple[Any, ...]
    ) -> None:
        self.manifest = manifest
        self.outcomes = {name: tuple(manifest["outcomes"][name].get("classes", ())) for name in manifest["predicts"]}
        self._sessions, self._root, self._origin = sessions, root, origin
        self._reads = {file: {entry.name for entry in session.get_inputs()} for file, session in sessions.items()}

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Another process loads the artifact itself, and verifies it; it must see the same files."""
        return _again, (*self._origin, digest(self._origin[0]))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that `predict` needs; the lever is among them where each of its settings has a network."""
        return tuple(entry["name"] for entry in self.manifest["inputs"])

    def predict(self, cases: Cases) -> dict[str, Distribution]:
        """The distribution of every outcome for n cases.

        Args:
            cases: Input column -> n values. Media are a `Path` or their bytes (an image also a PIL image; text only if
                the artifact was loaded with a `root`); a missing value in a table is None.

        Raises:
            DataError: An input is absent or cannot be used; the message names the case.
        """
        return self.distributions(self.logits(cases))

    def distributions(self, logits: Floats) -> dict[str, Distribution]:
        """`predict` of logits that are already at hand."""
        found, start = {}, 0
        for name in self.manifest["predicts"]:
            entry = self.manifest["outcomes"][name]
            stop = start + outcomes.width(entry)
            found[name] = outcomes.distribution(entry, logits[:, start:stop])
            start = stop
        return found

    def scores(self, cases: Cases) -> Floats:
        """The out-of-domain score (n,): above the manifest's threshold a case is unlike the training data."""
        return self.score_logits(self.logits(cases))

    def score_logits(self, logits: Floats) -> Floats:
        """`scores` of logits that are already at hand, so that a service runs the network once."""
        if self.manifest["out_of_domain"]["score"] != "energy":
            return logits[:, -1]  # the network measures the distance itself
        entry = self.manifest["outcomes"][self.manifest["predicts"][0]]
        return energy(logits[:, : outcomes.width(entry)], float(self.manifest["temperature"]))

    def logits(self, cases: Cases) -> Floats:
        """The network's outputs (n, width), before the softmax; for a mask (n, k, height, width).

        The last column is the out-of-domain distance where the manifest's score is one.
        """
        if "arms" in self.manifest:
            return self._by_arm(cases)
        return self._run("model.onnx", self.manifest["preprocessing"], cases)

    def _by_arm(self, cases: Cases) -> Floats:
        """Each case through the network of its setting."""
        lever, arms = self.manifest["arms"]["lever"], self.manifest["arms"]["settings"]
        if lever not in cases:
            raise DataError(f"the input `{lever}` is missing.", "Say which setting each case gets.", "cases")
        chosen = [category(value) for value in cases[lever]]
        if strange := [(row, setting) for row, setting in enumerate(chosen) if setting not in arms]:
            row, setting = strange[0]
            advice = f"There are: {', '.join(arms)}."
            raise DataError(f"no model was trained for the setting `{setting}`.", advice, f"case {row}: {lever}")
        found = np.zeros((len(chosen), self._width))
        for setting, arm in arms.items():
            rows = [row for row, one in enumerate(chosen) if one == setting]
            if rows:
                part = {
                    name: values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
                    for name, values in cases.items()
                    if name in self.inputs
                }
                found[rows] = self._run(arm["file"], arm["preprocessing"], part)
        return found

    @cached_property
    def _width(self) -> int:
        total = sum(outcomes.width(self.manifest["outcomes"][name]) for name in self.manifest["predicts"])
        return int(total + (self.manifest["out_of_domain"]["score"] != "energy"))

    def _run(self, file: str, settings: Mapping[str, Any], cases: Cases) -> Floats:
        session, reads, width = self._sessions[file], self._reads[file], self._width
        rows = [_outputs(session, feed, reads) for feed in feeds(cases, settings, self._root)]
        if not rows:
            return np.zeros((0, width))
        logits = (rows[0] if len(rows) == 1 else np.concatenate(rows)).astype(np.float64)
        if logits.shape[1] != width:
            where = f"artifacts/{self.manifest['model']}"
            raise ArtifactError(f"the network has {logits.shape[1]} outputs, the manifest {width}.", where=where)
        return logits


def _outputs(session: Any, feed: Feed, reads: set[str]) -> Floats:
    [logits] = session.run(["logits"], {name: array for name, array in feed.items() if name in reads})
    return np.asarray(logits)


def load(folder: Path, root: Path | None = None, network: Path | None = None) -> Predictor:
    """The predictor of an artifact, after every hash in its manifest was verified.

    Args:
        folder: `artifacts/<model>`.
        root: Below it, text stands for a path of a media file. None (a service) refuses text where media are expected.
        network: A file to run in place of the artifact's own network: the same one in another precision.

    Raises:
        ArtifactError: The artifact is missing, was changed, or is of another format.
        EnvironmentFault: onnxruntime is not installed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    where = f"artifacts/{folder.name}"
    networks = [arm["file"] for arm in manifest["arms"]["settings"].values()] if "arms" in manifest else ["model.onnx"]
    for name in networks:
        if name not in manifest["files"]:
            raise ArtifactError(f"the manifest names no `{name}`.", "Run `make train` again.", where)
    try:
        import onnxruntime
    except ImportError as error:
        raise EnvironmentFault(
            "onnxruntime is not installed.", "Install the extra: drivetrain[train] or drivetrain[serve]."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # As many threads as this process may use, not as the machine has; and idle ones sleep: onnxruntime's spin, and take
    # the processor from whoever reads the next request.
    options.intra_op_num_threads = _cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        sessions = {
            name: onnxruntime.InferenceSession(network or folder / name, options, providers=["CPUExecutionProvider"])
            for name in networks
        }
    except Exception as error:  # onnxruntime raises its own kinds, which share no public base
        raise ArtifactError(f"the network cannot be loaded ({error}).", where=where) from error
    return Predictor(manifest, sessions, root, (folder.absolute(), root, network))


@lru_cache(maxsize=16)
def _again(folder: Path, root: Path | None, network: Path | None, manifest: str) -> Predictor:
    """An artifact that another process has loaded already; once, however often it is asked for."""
    if digest(folder) != manifest:
        raise ArtifactError("is another one here.", "Let all workers see the same files.", f"artifacts/{folder.name}")
    return load(folder, root, network)


def _cores() -> int:
    """Processors that this process may use: in a container or under `taskset` fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
