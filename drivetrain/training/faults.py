"""Faults of training, explained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from drivetrain.artifact import images
from drivetrain.errors import DataError, DrivetrainError, TrainingError
from drivetrain.training.schema import classes, input_kind, model_columns, predicted

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


def check_masks(plan: Spec, model: Model, frame: pd.DataFrame) -> None:
    """Refuse masks that say nothing of their image: of another shape, or with pixels that are no class.

    Args:
        plan: The plan.
        model: One of its models; nothing is done for one that predicts no mask.
        frame: Its rows.

    Raises:
        DataError: With the first mask that does not fit, and how many do not.
    """
    outcome = predicted(model)
    if plan.outcome(outcome).type != "mask":
        return
    columns = [name for name in model_columns(plan, model) if input_kind(plan, model, name) == "image"]
    known = classes(plan, outcome)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = zip(frame[columns[0]], frame[outcome], strict=True)
        found = [what for what in pool.map(lambda pair: _misfit(pair[0], pair[1], known), pairs) if what]
    if found:
        more = f" ({len(found)} masks do not fit.)" if len(found) > 1 else ""
        advice = "The value of a mask's pixel is the number of its class, and it lies over its image." + more
        raise DataError(found[0], advice, f"outcomes.{outcome}")


def _misfit(image: str, mask: str, known: list[str]) -> str | None:
    """What is wrong with a mask; nothing where it fits, or cannot be read, which is told elsewhere."""
    import numpy as np
    from PIL import Image

    name = Path(mask).name
    try:
        with Image.open(mask) as opened:
            size, mode, highest = opened.size, opened.mode, int(np.asarray(opened.convert("L")).max())
        with Image.open(image) as opened:
            width, height = images.upright(opened).size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if highest >= len(known):
        colours = ": of a picture with a palette the colours are read, so save it as plain grey" if mode == "P" else ""
        return f"the mask `{name}` has pixels of {highest}, and there are only {len(known)} classes, from 0{colours}."
    if abs(width * size[1] - height * size[0]) > 0.02 * height * size[0]:
        return f"the mask `{name}` is {size[0]} by {size[1]} pixels, its image {width} by {height}."
    return None


def explain(error: Exception, plan: Spec, frames: Mapping[str, pd.DataFrame]) -> DrivetrainError | None:
    """What a library's error means for the user; None when it is not one that is known.

    Args:
        error: What was raised while a run was under way.
        plan: The plan.
        frames: The rows of the run, by model.
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
    from fastai.data.external import URLs, fastai_cfg
    from torchvision.models import get_model_weights

    ways = []
    for model in plan.models:
        if model.training.pretrained and model.task == "text-classification":
            archive = URLs.WT103_FWD.rsplit("/", 1)[-1]
            ways.append(f"unpack {archive} ({URLs.WT103_FWD}) in {fastai_cfg().path('model')}")
        elif model.training.pretrained and model.architecture:
            folder = f"{torch.hub.get_dir()}/checkpoints"
            try:
                address = get_model_weights(model.architecture)["DEFAULT"].url
                ways.append(f"put {address.rsplit('/', 1)[-1]} ({address}) into {folder}")
            except (ValueError, KeyError):
                ways.append(f"put the weights of {model.architecture} into {folder}")
    way = " and ".join(dict.fromkeys(ways)) or "put the weights into torch's cache folder"
    advice = f"Either {way}, or train without them: `training: {{pretrained: false}}`."
    return TrainingError(f"the pretrained weights cannot be downloaded ({error}).", advice)


def unreadable(plan: Spec, frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """Image files of a run, masks among them, that cannot be read, relative to the plan's folder."""
    paths: dict[str, None] = {}
    for name, frame in frames.items():
        model = plan.model(name)
        columns = [column for column in model_columns(plan, model) if input_kind(plan, model, column) == "image"]
        if plan.outcome(predicted(model)).type == "mask":
            columns.append(predicted(model))
        paths |= dict.fromkeys(path for column in columns for path in frame[column])
    found = []
    for path in paths:
        try:
            images.read(Path(path), None, "")
        except DataError:
            found.append(Path(os.path.relpath(path, plan.root)).as_posix())
    return found
