"""Small helpers that a learner file calls by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.errors import TrainingError
from drivetrain.training.schema import inputs_of_kind

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model, Spec


WHOLE = ("googlenet", "inception", "maxvit", "mnasnet", "vit_")
"""Beginnings of the names of torchvision's networks that cannot be cut before their last pooling."""


def architecture(model: Model) -> Any:
    """The function that builds the body of a vision model: a name of torchvision's or fastai's, e.g. `resnet18`.

    Raises:
        TrainingError: There is no architecture of that name, or fastai cannot use it.
    """
    from difflib import get_close_matches

    import torchvision.models
    from fastai.vision.models import xresnet

    name = model.architecture or "resnet18"
    every = torchvision.models.list_models(module=torchvision.models)
    known = [one for one in every if not one.startswith(WHOLE)]
    if name in every and name not in known:
        advice = "Take another, e.g. resnet18 or convnext_tiny, or write the network into the learner's file."
        where = f"models.{model.name}.architecture"
        raise TrainingError(f"fastai cannot part `{name}` into a body and a head.", advice, where)
    if name in known:
        return getattr(torchvision.models, name)
    if name.startswith("xresnet") and hasattr(xresnet, name):
        return getattr(xresnet, name)
    near = get_close_matches(name, known, 3)
    advice = f"Did you mean {', '.join(near)}?" if near else "Take one of torchvision's, e.g. resnet18."
    raise TrainingError(f"there is no architecture `{name}`.", advice, f"models.{model.name}.architecture")


def batch_size(model: Model, cases: pd.DataFrame) -> int:
    """Rows per step: as the plan says, but never more than there are, because fastai drops an incomplete batch.

    Raises:
        TrainingError: It is one, and the network compares the rows of a batch (batch normalisation).
    """
    if model.training.batch_size == 1 and model.task != "ratings":
        where = f"models.{model.name}.training.batch_size"
        raise TrainingError("a batch of one row cannot be normalised.", "Write 2 or more.", where)
    return min(model.training.batch_size, int((cases["split"] == "train").sum()))


def class_weights(model: Model, dls: Any) -> Any:
    """Weights of the classes in the loss (the rarer, the heavier; one on average over the rows), or None.

    Calibration takes them back later, so that probabilities still mean frequencies.
    """
    import numpy as np
    import torch

    if model.training.class_weights == "none":
        return None
    [outcome] = model.predicts or [""]
    labels = dls.train_ds.items[outcome].to_numpy()
    vocab = list(dls.vocab)
    if not isinstance(vocab[-1], str):  # of a text its words, and then the classes
        vocab = list(vocab[-1])
    if not np.issubdtype(labels.dtype, np.integer):
        labels = np.array([vocab.index(label) for label in labels])
    counts = np.bincount(labels, minlength=len(vocab)).clip(1)  # a bin of numbers may be empty
    return torch.tensor(len(labels) / (len(vocab) * counts), dtype=torch.float32, device=dls.device)


def medium(plan: Spec, model: Model) -> str:
    """The input that is an image, a sound or a series."""
    return inputs_of_kind(plan, model, "image", "audio", "series")[0]


def is_training(learn: Any) -> bool:
    """Whether a learner is fitted in earnest: not to find a learning rate, to validate or to predict."""
    return bool(learn.create_mbar) and not hasattr(learn, "lr_finder")
