"""Faults of training, explained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from drivetrain.artifact import images
from drivetrain.errors import DataError, DrivetrainError, TrainingError

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

TASKS = (
    "image-classification", "image-multilabel", "image-regression", "image-segmentation", "text-classification",
    "table-classification", "table-regression", "ratings", "image-text-classification", "audio-classification",
    "series-classification",
)  # fmt: skip


def check_task(model: Model) -> None:
    """Refuse a task that there is no learner for.

    Raises:
        TrainingError: With the tasks there are.
    """
    if model.task not in TASKS:
        advice = f"There are: {', '.join(TASKS)}."
        raise TrainingError(f"the task `{model.task}` cannot be trained.", advice, f"models.{model.name}.task")


def explain(error: Exception, plan: Spec, frames: Iterable[pd.DataFrame]) -> DrivetrainError | None:
    """What a library's error means for the user; None when it is not one that is known.

    Args:
        error: What was raised while a run was under way.
        plan: The plan.
        frames: The rows of the run.
    """
    from PIL.Image import DecompressionBombError

    if isinstance(error, (OSError, SyntaxError, DecompressionBombError)) and (broken := unreadable(plan, frames)):
        named = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        return DataError(f"cannot be read as images: {named}.", "Replace or remove them; `make check` lists all.")
    if isinstance(error, (URLError, ConnectionError)):
        return no_weights(error, plan)
    if "out of memory" in str(error).lower():
        advice = "Make `training.batch_size` or `image.size` smaller."
        return TrainingError("the memory does not suffice.", advice)
    return None


def no_weights(error: Exception, plan: Spec) -> TrainingError:
    """Pretrained weights could not be downloaded: both ways out."""
    import torch
    from torchvision.models import get_model_weights

    ways = []
    for model in plan.models:
        if model.training.pretrained and model.architecture:
            folder = f"{torch.hub.get_dir()}/checkpoints"
            try:
                address = get_model_weights(model.architecture)["DEFAULT"].url
                ways.append(f"put {address.rsplit('/', 1)[-1]} ({address}) into {folder}")
            except (ValueError, KeyError):
                ways.append(f"put the weights of {model.architecture} into {folder}")
    way = " and ".join(dict.fromkeys(ways)) or "put the weights into torch's cache folder"
    advice = f"Either {way}, or train without them: `training: {{pretrained: false}}`."
    return TrainingError(f"the pretrained weights cannot be downloaded ({error}).", advice)


def unreadable(plan: Spec, frames: Iterable[pd.DataFrame]) -> list[str]:
    """Image files of a run that cannot be read, relative to the plan's folder."""
    found = []
    for path in dict.fromkeys(path for frame in frames if "image" in frame for path in frame["image"]):
        try:
            images.read(Path(path), None, "")
        except DataError:
            found.append(Path(os.path.relpath(path, plan.root)).as_posix())
    return found
