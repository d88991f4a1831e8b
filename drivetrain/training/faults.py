"""Faults of training, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.error import URLError

from drivetrain.errors import DrivetrainError, TrainingError

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

TASKS = ("image-classification", "table-classification")


def check_task(model: Model) -> None:
    """Refuse a task that there is no learner for.

    Raises:
        TrainingError: With the tasks there are.
    """
    if model.task not in TASKS:
        advice = f"There are: {', '.join(TASKS)}."
        raise TrainingError(f"the task `{model.task}` cannot be trained.", advice, f"models.{model.name}.task")


def explain(error: Exception, plan: Spec) -> DrivetrainError | None:
    """What a library's error means for the user; None when it is not one that is known."""
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
