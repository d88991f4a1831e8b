"""From a trained learner to an artifact that is calibrated, checked and judged."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import artifact
from drivetrain.artifact.distribution import energy
from drivetrain.errors import TrainingError
from drivetrain.training import baseline, calibration, metrics, store
from drivetrain.training.rows import classes, columns, input_kind, outcomes

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.training.runs import Job

TOLERANCE = 1e-4
"""How far served probabilities may be from the learner's."""
COMPARED = 128
"""Cases on which they are compared."""
FALSE_ALARMS = 0.01
HELD_OUT = ("test", "hold_out")
_PACKAGES = ("drivetrain", "fastai", "torch", "torchvision", "onnx", "numpy", "pandas")


def judge(plan: Spec, job: Job, learn: Any, staging: Path, folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Calibrate a learner, write its artifact below `staging`, and measure it on cases that training did not see.

    Args:
        plan: The plan.
        job: What was trained.
        learn: The trained learner; its last layer is changed by the calibration.
        staging: Where the artifact is put, under the model's name.
        folder: The run's folder, for the predictions.
        manifest: What the run adds to the manifest.

    Returns:
        JSON data: the figures of the model and of its baseline, by split.

    Raises:
        TrainingError: The served probabilities are not the learner's.
    """
    model = job.model
    names = {outcome: classes(plan, outcome, job.everything) for outcome in outcomes(model)}
    inputs = plan.derived.model_inputs(model.name)
    with learn.no_logging():
        temperature = _calibrate(learn, model.calibration)
        logits, _ = _validation(learn)
    alarms = FALSE_ALARMS
    if plan.deployment and plan.deployment.guards:
        alarms = plan.deployment.guards.out_of_domain.false_alarms
    scores = energy(logits[:, : len(next(iter(names.values())))], temperature)
    body = {
        "model": model.name,
        "task": model.task,
        "predicts": list(names),
        **manifest,
        "outcomes": {name: {"type": plan.outcome(name).type, "classes": known} for name, known in names.items()},
        "inputs": [{"name": name, "type": input_kind(plan, model, name)} for name in inputs],
        "preprocessing": store.settings(learn, model, inputs),
        "temperature": temperature,
        "out_of_domain": {
            "score": "energy",
            "threshold": float(np.quantile(scores, 1 - alarms)),
            "false_alarms": alarms,
        },
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}},
    }
    staged = Path(tempfile.mkdtemp(dir=staging))
    fed = ("categories", "numbers") if model.task.startswith("table") else ("image",)
    store.export(learn, staged, fed)
    artifact.write(staged, staging / model.name, body)
    predictor = artifact.load(staging / model.name, root=plan.root)
    difference = _compare(learn, predictor, job.cases, inputs)
    found = predictor.predict(columns(job.everything, inputs))
    [outcome] = names
    known, frame = names[outcome], job.everything
    labels = np.array([known.index(label) for label in frame[outcome]])
    probabilities = found[outcome].probabilities
    _write_predictions(folder / f"predictions-{model.name}.parquet", frame, outcome, known, probabilities)
    rival = baseline.probabilities(plan, model, frame[frame["split"] == "train"], frame, outcome, known)
    figures = _by_split(frame, labels, probabilities, known)
    artifact.manifest.amend(staging / model.name, metrics=figures["held_out"])
    return {
        "task": model.task,
        "predicts": list(names),
        "classes": {name: list(values) for name, values in names.items()},
        "rows": {split: int((frame["split"] == split).sum()) for split in ("train", "validation", *HELD_OUT)},
        "metrics": figures,
        "baseline": {"kind": baseline.kind(model), "metrics": _by_split(frame, labels, rival, known)},
        "calibration": {"kind": model.calibration, "temperature": temperature},
        "out_of_domain": body["out_of_domain"],
        "parity": difference,
    }


def _by_split(
    frame: pd.DataFrame, labels: NDArray[Any], probabilities: NDArray[Any], known: list[str]
) -> dict[str, Any]:
    splits = {"validation": ("validation",), "test": ("test",), "hold_out": ("hold_out",), "held_out": HELD_OUT}
    chosen = {name: frame["split"].isin(parts).to_numpy() for name, parts in splits.items()}
    return {name: metrics.classification(labels[rows], probabilities[rows], known) for name, rows in chosen.items()}


def _validation(learn: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits and class numbers of the validation rows."""
    logits, labels = learn.get_preds(dl=learn.dls.valid, act=_as_is)
    return logits.numpy().astype(np.float64), labels.numpy().astype(np.int64).ravel()


def _as_is(outputs: Any) -> Any:
    return outputs


def _calibrate(learn: Any, kind: str) -> float:
    """Fold a temperature into the learner; class weights of its loss are taken back first."""
    before, labels = _validation(learn)
    weight = getattr(getattr(learn.loss_func, "func", None), "weight", None)
    offsets = -np.log(weight.cpu().numpy()) if weight is not None else np.zeros(before.shape[1])
    if kind == "none":
        return 1.0
    found = calibration.temperature(before + offsets, labels)
    calibration.fold(learn.model, found, offsets if weight is not None else None)
    after, _ = _validation(learn)
    if np.abs(after - (before + offsets) / found).max() > 1e-3:
        advice = "End the network with the Linear layer that gives the classes, or set `calibration: none`."
        raise TrainingError("the network cannot be calibrated: its outputs are not those of its last layer.", advice)
    return found


def _compare(learn: Any, predictor: artifact.Predictor, cases: pd.DataFrame, inputs: list[str]) -> float:
    """The largest difference between served and learned probabilities.

    Raises:
        TrainingError: It is more than `TOLERANCE`.
    """
    validation = cases[cases["split"] == "validation"]
    sample = validation.sample(min(COMPARED, len(validation)), random_state=0).reset_index(drop=True)
    with learn.no_logging():
        learned = learn.get_preds(dl=learn.dls.test_dl(sample))[0].numpy()
    served = np.concatenate([one.probabilities for one in predictor.predict(columns(sample, inputs)).values()], axis=1)
    difference = float(np.abs(served - learned).max())
    if not difference <= TOLERANCE:
        what = f"the exported model and the learner disagree by {difference:.2g} (at most {TOLERANCE:g} is allowed)."
        advice = "Keep to the transforms that the service knows: Resize, RandomResizedCrop, Normalize and augmentation."
        raise TrainingError(what, advice, f"models.{predictor.manifest['model']}")
    return difference


def _write_predictions(
    path: Path, frame: pd.DataFrame, outcome: str, known: list[str], probabilities: NDArray[np.float64]
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kept = (frame["split"] != "train").to_numpy()
    table = pa.table(
        {
            "case": pa.array(frame["case"][kept], pa.int64()),
            "split": pa.array(frame["split"][kept], pa.string()),
            "truth": pa.array(frame[outcome][kept], pa.string()),
            **{f"p_{name}": probabilities[kept, index] for index, name in enumerate(known)},
        }
    )
    parquet.write_table(table, path)
