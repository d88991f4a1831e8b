"""From trained learners to an artifact that is calibrated, checked and judged."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import artifact
from drivetrain.artifact.distribution import Distribution
from drivetrain.artifact.outcomes import width
from drivetrain.errors import TrainingError
from drivetrain.training import baseline, calibration, heads, store
from drivetrain.training.rows import columns
from drivetrain.training.schema import input_kind, model_columns, predicted

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model, Spec

TOLERANCE = 1e-4
"""How far served outputs may be from the learner's: probabilities, or standard deviations of a number."""
COMPARED = 128
"""Cases on which they are compared."""
FALSE_ALARMS = 0.01
JOINED = "energy+mahalanobis"
FITTED = 2000
"""Training rows on which an out-of-domain distance is fitted."""
HELD_OUT = ("test", "hold_out")
_PACKAGES = ("drivetrain", "fastai", "torch", "torchvision", "onnx", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class Part:
    """One exported learner.

    Attributes:
        setting: Of the lever, where each of its settings has a learner; else None.
        files: The network's and the learner's.
        preprocessing: How it prepares its cases.
        temperature: What its outputs were divided by.
        score: How strange cases are told: `energy+mahalanobis`, `energy`, `mahalanobis` or `unknown`.
        cases: Some validation rows, and the learner's outputs on them.
        seen: These outputs.
    """

    setting: str | None
    files: tuple[str, str]
    preprocessing: Mapping[str, Any]
    temperature: float
    score: str
    cases: pd.DataFrame
    seen: NDArray[np.float64]


def export(
    plan: Spec, model: Model, learn: Any, cases: pd.DataFrame, folder: Path, setting: str | None, number: int
) -> Part:
    """Calibrate a trained learner and write its network and its export into `folder`.

    Args:
        plan: The plan.
        model: What was trained.
        learn: The learner; its last layer is changed by the calibration.
        cases: The rows that it was trained and validated on.
        folder: Where the files go.
        setting: Of the lever, if each of its settings has a learner.
        number: Of that setting.

    Raises:
        TrainingError: The network cannot be calibrated, or the service could not prepare its inputs.
    """
    from drivetrain.training import network

    outcome = predicted(model)
    head = heads.of(plan, model, outcome)
    preparation = store.settings(plan, model, learn)
    validation = cases[cases["split"] == "validation"].reset_index(drop=True)
    with learn.no_logging():
        temperature = _calibrate(plan, model, learn, head, validation, cases)
        score = _score(plan, model, head, learn)
        distance, last = _distance(learn, model, score, cases)
        files = ("model.onnx", "learner.pkl") if setting is None else (f"model-{number}.onnx", f"learner-{number}.pkl")
        names = store.inputs(model)
        example = learn.dls.valid.one_batch()[: len(names)]
        learn.model.cpu().eval()
        inner = network.TextNetwork(learn.model, 1) if names == ("tokens",) else learn.model
        network.export(network.Served(inner, distance, last), example, names, folder / files[0])
        # The export keeps no optimizer; one that was made before a bias was folded in could not even be made anew.
        learn.opt = None
        learn.export(folder.resolve() / files[1])
        sample = validation.sample(min(COMPARED, len(validation)), random_state=0).reset_index(drop=True)
        seen = _outputs(learn, learn.dls.test_dl(sample))
    return Part(setting, files, preparation, temperature, score, sample, seen)


def assemble(
    plan: Spec,
    model: Model,
    parts: Sequence[Part],
    frame: pd.DataFrame,
    staged: Path,
    target: Path,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the artifact of exported learners, and measure it on cases that training did not see.

    Args:
        plan: The plan.
        model: What was trained.
        parts: Its exported learners.
        frame: All rows of the model.
        staged: The folder with their files; it becomes `target`.
        target: Where the artifact is put.
        body: What the run adds to the manifest.

    Returns:
        JSON data: the figures of the model and of its baseline, by split; beside them `predictions`, the columns for
        the run, and `validation`, truth and distribution of the validation rows.

    Raises:
        TrainingError: What is served is not what the learner predicts.
    """
    outcome = predicted(model)
    head = heads.of(plan, model, outcome)
    entry = head.entry(plan, outcome, frame)
    alarms = FALSE_ALARMS
    if plan.deployment and plan.deployment.guards:
        alarms = plan.deployment.guards.out_of_domain.false_alarms
    domain = {"score": parts[0].score, "threshold": 0.0, "false_alarms": alarms}
    manifest = _manifest(plan, model, parts, entry, domain) | dict(body)
    artifact.write(staged, target, manifest)
    predictor = artifact.load(target, root=plan.root)
    difference = max(_compare(predictor, part, head, entry, model) for part in parts)
    unseen = (frame["split"] != "train").to_numpy()
    rest = frame[unseen].reset_index(drop=True)
    outputs = predictor.logits(columns(rest, list(predictor.inputs)))
    truth = head.targets(plan, outcome, frame)[unseen]
    validation = (rest["split"] == "validation").to_numpy()
    # Behind the outputs there may be the distance, which is none of the model's classes.
    entry = head.finish(model, entry, outputs[validation, : width(entry)], truth[validation])
    domain["threshold"] = (
        0.5
        if domain["score"] == "unknown"
        else calibration.threshold(predictor.score_logits(outputs[validation]), alarms)
    )
    artifact.manifest.amend(target, outcomes={outcome: entry}, out_of_domain=domain)
    found = artifact.load(target, root=plan.root).distributions(outputs)[outcome]
    rival = head.baseline(plan, model, frame[~unseen], rest, outcome, entry)
    figures = _by_split(head, rest, truth, found, entry)
    artifact.manifest.amend(target, metrics=figures["held_out"])
    return {
        "task": model.task,
        "predicts": [outcome],
        "classes": {outcome: entry.get("classes", [])},
        "rows": {split: int((frame["split"] == split).sum()) for split in ("train", "validation", *HELD_OUT)},
        "metrics": figures,
        "baseline": {"kind": baseline.kind(model), "metrics": _by_split(head, rest, truth, rival, entry)},
        "calibration": {"kind": model.calibration, "temperature": [part.temperature for part in parts]},
        "out_of_domain": domain,
        "parity": difference,
        "predictions": head.table(found, rest, outcome),
        "validation": (truth[validation], _some(found, validation)),
    }


def _manifest(
    plan: Spec, model: Model, parts: Sequence[Part], entry: Mapping[str, Any], domain: Mapping[str, Any]
) -> dict[str, Any]:
    names = model_columns(plan, model)
    body = {
        "model": model.name,
        "task": model.task,
        "predicts": [predicted(model)],
        "outcomes": {predicted(model): dict(entry)},
        "inputs": [{"name": name, "type": input_kind(plan, model, name)} for name in names],
        "preprocessing": dict(parts[0].preprocessing),
        # Networks of several settings have a temperature each; their scores are those of what is served.
        "temperature": parts[0].temperature if len(parts) == 1 else 1.0,
        "out_of_domain": dict(domain),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}},
    }
    if parts[0].setting is not None:
        settings = {
            str(part.setting): {"file": part.files[0], "learner": part.files[1], "preprocessing": part.preprocessing}
            for part in parts
        }
        body["arms"] = {"lever": model.arms, "settings": settings}
    return body


def _by_split(
    head: Any, frame: pd.DataFrame, truth: NDArray[Any], found: Distribution, entry: dict[str, Any]
) -> dict[str, Any]:
    splits = {"validation": ("validation",), "test": ("test",), "hold_out": ("hold_out",), "held_out": HELD_OUT}
    figures = {}
    for name, members in splits.items():
        rows = frame["split"].isin(members).to_numpy()
        figures[name] = head.figures(truth[rows], _some(found, rows), entry)
    return figures


def _some(found: Distribution, rows: NDArray[np.bool_]) -> Distribution:
    """The distribution of some rows."""
    quantiles = found.quantiles[rows] if found.quantiles is not None else None
    return Distribution(found.classes, found.probabilities[rows], quantiles)


def _outputs(learn: Any, dl: Any) -> NDArray[np.float64]:
    """What the network gives for the rows of a data loader, in their order."""
    outputs = learn.get_preds(dl=dl, act=_as_is)[0].numpy().astype(np.float64)
    return np.asarray(outputs[:, None] if outputs.ndim == 1 else outputs)


def _as_is(outputs: Any) -> Any:
    return outputs


def _calibrate(plan: Spec, model: Model, learn: Any, head: Any, validation: pd.DataFrame, cases: pd.DataFrame) -> float:
    """Fold a temperature into the learner; class weights of its loss are taken back first."""
    if model.calibration == "none" or head is heads.numbers:
        return 1.0
    before = _outputs(learn, learn.dls.valid)
    if head is heads.masks:
        truth = learn.get_preds(dl=learn.dls.valid, act=_as_is)[1].numpy()
    else:
        truth = head.targets(plan, predicted(model), cases)[(cases["split"] == "validation").to_numpy()]
    weight = getattr(getattr(learn.loss_func, "func", None), "weight", None)
    offsets = None if weight is None else -np.log(weight.cpu().numpy())
    shifted = before if offsets is None else before + offsets
    found = float(head.calibrate(shifted, truth))
    calibration.fold(learn.model, found, offsets)
    if np.abs(_outputs(learn, learn.dls.valid) - shifted / found).max() > 1e-3 * max(
        1.0, np.abs(shifted / found).max()
    ):
        advice = "End the network with the layer that gives the classes, or set `calibration: none`."
        where = f"models.{model.name}"
        raise TrainingError("the network cannot be calibrated: its outputs are not its last layer's.", advice, where)
    return found


def _score(plan: Spec, model: Model, head: Any, learn: Any) -> str:
    """How strange cases are told: as the plan says where the outcome allows it.

    Where the plan says `energy`, the energy of classes is joined by the distance, which alone tells what looks much
    like a class and is none; a network without a last layer to look at has its energy alone.
    """
    if model.task == "ratings":
        return "unknown"
    asked = plan.deployment.guards.out_of_domain.score if plan.deployment and plan.deployment.guards else "energy"
    if head is heads.masks:
        return "energy"
    if asked != "mahalanobis" and head.SCORE == JOINED and not calibration.linear_layers(learn.model):
        return "energy"
    return "mahalanobis" if asked == "mahalanobis" else str(head.SCORE)


def _distance(learn: Any, model: Model, score: str, cases: pd.DataFrame) -> tuple[Any, Any]:
    """The module that measures the distance, and the layer whose inputs it looks at."""
    from drivetrain.training import network

    if score == "energy":
        return None, None
    if score == "unknown":
        return network.Unknown(), None
    import torch

    last, seen = calibration.last_layer(learn.model), []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().cpu()))
    train = cases[cases["split"] == "train"]
    sample = train.sample(min(FITTED, len(train)), random_state=0).reset_index(drop=True)
    try:
        classes = hasattr(learn.dls, "vocab") and model.task.endswith("classification")
        dl = learn.dls.test_dl(sample, with_labels=classes) if classes else learn.dls.test_dl(sample)
        found = learn.get_preds(dl=dl, act=_as_is, reorder=False)
    finally:
        hook.remove()
    features = torch.cat(seen)
    labels = found[1].ravel() if classes and found[1] is not None else torch.zeros(len(features))
    distance = network.whitening(features, labels)
    return (network.Joined(distance, features, found[0]) if score == JOINED else distance), last


def _compare(predictor: artifact.Predictor, part: Part, head: Any, entry: dict[str, Any], model: Model) -> float:
    """The largest difference between what is served and what the learner gives.

    Raises:
        TrainingError: It is more than `TOLERANCE`.
    """
    served = predictor.logits(columns(part.cases, list(predictor.inputs)))[:, : width(entry)]
    difference = float(np.abs(head.scale(served, entry) - head.scale(part.seen, entry)).max())
    if not difference <= TOLERANCE:
        what = f"the exported model and the learner disagree by {difference:.2g} (at most {TOLERANCE:g} is allowed)."
        advice = "Keep to the transforms that the service knows: Resize, RandomResizedCrop, Normalize and augmentation."
        raise TrainingError(what, advice, f"models.{model.name}")
    return difference
