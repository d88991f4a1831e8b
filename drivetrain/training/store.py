"""From a trained learner to the files of an artifact, and back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.artifact.manifest import read_manifest
from drivetrain.errors import ArtifactError, TrainingError

if TYPE_CHECKING:
    from drivetrain.spec.models import Model

OPSET = 17


def export(learn: Any, folder: Path, inputs: tuple[str, ...]) -> None:
    """Write `model.onnx` (any number of cases per run) and `learner.pkl` into `folder`.

    Args:
        learn: A trained learner.
        folder: An existing folder.
        inputs: Names of the network's inputs, in order.
    """
    import torch

    network = learn.model.cpu().eval()
    batch = learn.dls.valid.one_batch()[: len(inputs)]
    example = tuple(one.detach().cpu().as_subclass(torch.Tensor) for one in batch)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # The newer, dynamo-based exporter gives the same network and takes ten times as long.
        torch.onnx.export(
            network,
            example,
            str(folder / "model.onnx"),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes={name: {0: "cases"} for name in (*inputs, "logits")},
            opset_version=OPSET,
            dynamo=False,
        )
    learn.export(folder.resolve() / "learner.pkl")


def load_learner(folder: Path) -> Any:
    """The fastai learner of an artifact, for going on training or for a notebook.

    It is a pickle, so it is loaded only when its SHA-256 stands in the manifest.

    Raises:
        ArtifactError: The artifact is missing or was changed, or the learner's own code cannot be imported.
    """
    import fastai.callback.all  # noqa: F401  (gives learners the methods that notebooks use)
    from fastai.learner import load_learner as load

    folder = Path(folder)
    manifest = read_manifest(folder)
    if "learner.pkl" not in manifest["files"]:
        where = f"artifacts/{folder.name}"
        raise ArtifactError("the manifest names no `learner.pkl`.", "Run `make train` again.", where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fastai warns of pickles; the hash was verified above
        try:
            return load(folder / "learner.pkl")
        except (ImportError, AttributeError) as error:
            what = f"the learner refers to code that is not here ({error})."
            raise ArtifactError(
                what, "Run this inside the project that trained it.", f"artifacts/{folder.name}"
            ) from error


def image_settings(learn: Any, column: str) -> dict[str, Any]:
    """How a learner prepares images of its validation set, as a manifest says it.

    Raises:
        TrainingError: It resizes in a way that the service cannot repeat.
    """
    from fastai.vision.all import Normalize, RandomResizedCrop, Resize

    items, batches = (getattr(learn.dls.valid, event).fs for event in ("after_item", "after_batch"))
    resized = [step for step in items if isinstance(step, (Resize, RandomResizedCrop))]
    if len(resized) != 1:
        what = (
            f"the learner has {len(resized)} of `Resize` and `RandomResizedCrop` in `item_tfms`; the service needs one."
        )
        raise TrainingError(what, "Keep exactly one of them.")
    [step] = resized
    width, height = (int(edge) for edge in step.size)
    settings: dict[str, Any] = {"kind": "image", "column": column, "size": [height, width]}
    if isinstance(step, RandomResizedCrop):
        margin = int(np.ceil(max(step.size) * step.val_xtra / 8) * 8)
        settings |= {"resize": "random_resized_crop", "margin": margin}
    else:
        settings |= {"resize": str(step.method)}
        if settings["resize"] == "pad":
            settings["pad_mode"] = str(step.pad_mode)
    channels = int(learn.dls.valid.one_batch()[0].shape[1])
    settings |= {"channels": channels, "mean": None, "std": None}
    for step in batches:
        if isinstance(step, Normalize):
            settings |= {"mean": step.mean.flatten().tolist(), "std": step.std.flatten().tolist()}
    return settings


def table_settings(learn: Any) -> dict[str, Any]:
    """How a learner prepares the rows of a table, as a manifest says it."""
    from fastai.tabular.all import Categorify, FillMissing, Normalize

    from drivetrain.artifact.tables import category
    from drivetrain.training.tables import FillComplete

    table = learn.dls.train_ds
    steps = {type(step): step for step in table.procs.fs}
    names = list(table.cont_names)
    filled = steps[FillMissing].na_dict if FillMissing in steps else {}
    medians = steps[FillComplete].medians if FillComplete in steps else {}
    scale = steps.get(Normalize)
    codes = steps[Categorify].classes if Categorify in steps else {}
    continuous = {}
    for name in names:
        mean, std = (float(scale.means[name]), float(scale.stds[name])) if scale else (0.0, 1.0)
        continuous[name] = {"mean": mean, "std": std, "fill": float((medians | filled).get(name, mean))}
    indicators = {f"{name}_na": name for name in filled if f"{name}_na" in table.cat_names}
    categories = {name: [None, *(category(value) for value in list(codes[name])[1:])] for name in table.cat_names}
    return {"kind": "table", "categories": categories, "continuous": continuous, "missing": indicators}


def settings(learn: Any, model: Model, inputs: list[str]) -> dict[str, Any]:
    """How a learner prepares its cases, as a manifest says it.

    Raises:
        TrainingError: The service cannot repeat it.
    """
    if model.task.startswith("table"):
        return table_settings(learn)
    return image_settings(learn, inputs[0])
