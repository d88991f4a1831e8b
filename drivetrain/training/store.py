"""How a learner prepares its cases, as a manifest says it; and a learner back from its artifact."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.artifact.manifest import read_manifest
from drivetrain.artifact.tables import category
from drivetrain.artifact.texts import LIMIT
from drivetrain.errors import ArtifactError, TrainingError

if TYPE_CHECKING:
    from drivetrain.spec import Model, Spec


def load_learner(folder: Path, setting: str | None = None) -> Any:
    """The fastai learner of an artifact, for going on training or for a notebook.

    It is a pickle, so it is loaded only when its SHA-256 stands in the manifest.

    Args:
        folder: `artifacts/<model>`.
        setting: Of the lever, where each of its settings has a learner.

    Raises:
        ArtifactError: The artifact is missing or was changed, or the learner's own code cannot be imported.
    """
    import fastai.callback.all  # noqa: F401  (gives learners the methods that notebooks use)
    from fastai.learner import load_learner as load

    folder = Path(folder)
    manifest = read_manifest(folder)
    where, name = f"artifacts/{folder.name}", "learner.pkl"
    if "arms" in manifest:
        settings = manifest["arms"]["settings"]
        if setting not in settings:
            raise ArtifactError(f"there is no learner for `{setting}`.", f"There are: {', '.join(settings)}.", where)
        name = settings[setting]["learner"]
    if name not in manifest["files"]:
        raise ArtifactError(f"the manifest names no `{name}`.", "Run `make train` again.", where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fastai warns of pickles; the hash was verified above
        try:
            return load(folder / name)
        except (ImportError, AttributeError) as error:
            what = f"the learner refers to code that is not here ({error})."
            raise ArtifactError(what, "Run this inside the project that trained it.", where) from error


def inputs(model: Model) -> tuple[str, ...]:
    """Names of the arrays that a served network takes."""
    if model.task == "ratings":
        return ("categories",)
    if model.task.startswith("table"):
        return ("categories", "numbers")
    if model.task.startswith("image-text"):
        return ("image", "tokens")
    return ("tokens",) if model.task.startswith("text") else ("image",)


def settings(plan: Spec, model: Model, learn: Any) -> dict[str, Any]:
    """How a learner prepares its cases.

    Raises:
        TrainingError: The service cannot repeat it.
    """
    task = model.task
    if task.startswith("table") or task == "ratings":
        return table_settings(learn)
    if task.startswith("image-text"):
        image = image_settings(learn, _column(plan, model, "image"))
        return {"kind": "image+text", "image": image, "text": text_settings(learn, 1)}
    if task.startswith("image"):
        return image_settings(learn, _column(plan, model, "image"))
    if task.startswith("text"):
        return text_settings(learn, 0)
    return dict(_step(learn, 0, "Picture").settings)


def _column(plan: Spec, model: Model, kind: str) -> str:
    from drivetrain.training.schema import inputs_of_kind

    return inputs_of_kind(plan, model, kind)[0]


def _step(learn: Any, place: int, name: str) -> Any:
    """A transform of the learner's `place`-th input."""
    for step in learn.dls.valid_ds.tls[place].tfms.fs:
        if type(step).__name__ == name:
            return step
    raise TrainingError(f"the data block has no `{name}`, which the service would repeat.", "Keep it in the block.")


def text_settings(learn: Any, place: int) -> dict[str, Any]:
    """Columns and vocabulary of a text input."""
    columns = list(_step(learn, place, "Words").names)
    vocab = list(_step(learn, place, "Numericalize").vocab)
    return {"kind": "text", "columns": columns, "vocab": vocab, "limit": LIMIT}


def image_settings(learn: Any, column: str) -> dict[str, Any]:
    """Size, resizing and normalisation of the validation images.

    Raises:
        TrainingError: It resizes in a way that the service cannot repeat.
    """
    from fastai.vision.all import Normalize, RandomResizedCrop, Resize

    from drivetrain.training.copies import Copies

    items, batches = (getattr(learn.dls.valid, event).fs for event in ("after_item", "after_batch"))
    resized = [step for step in items if isinstance(step, (Resize, RandomResizedCrop))]
    if len(resized) != 1:
        what = (
            f"the learner has {len(resized)} of `Resize` and `RandomResizedCrop` in `item_tfms`; the service needs one."
        )
        raise TrainingError(what, "Keep exactly one of them.")
    [step] = resized
    width, height = (int(edge) for edge in step.size)
    found: dict[str, Any] = {"kind": "image", "column": column, "size": [height, width]}
    if isinstance(step, RandomResizedCrop):
        margin = int(np.ceil(max(step.size) * step.val_xtra / 8) * 8)
        found |= {"resize": "random_resized_crop", "margin": margin}
    else:
        found["resize"] = str(step.method)
        if found["resize"] == "pad":
            found["pad_mode"] = str(step.pad_mode)
    channels = int(learn.dls.valid.one_batch()[0].shape[1])
    found |= {"channels": channels, "mean": None, "std": None}
    for step in learn.dls.valid_ds.tls[0].tfms.fs:
        if isinstance(step, Copies):
            found["copy"] = dict(step.settings)
    for step in batches:
        if isinstance(step, Normalize):
            found |= {"mean": step.mean.flatten().tolist(), "std": step.std.flatten().tolist()}
    return found


def table_settings(learn: Any) -> dict[str, Any]:
    """Codes of the categories, scales of the numbers and what fills their gaps."""
    table = learn.dls.train_ds
    steps = {type(step).__name__: step for step in table.procs.fs}
    names = list(table.cont_names)
    filled = steps["FillMissing"].na_dict if "FillMissing" in steps else {}
    medians = steps["FillComplete"].medians if "FillComplete" in steps else {}
    scale = steps.get("Normalize")
    codes = steps["Categorify"].classes if "Categorify" in steps else {}
    continuous = {}
    for name in names:
        mean, std = (float(scale.means[name]), float(scale.stds[name])) if scale else (0.0, 1.0)
        continuous[name] = {"mean": mean, "std": std, "fill": float((medians | filled).get(name, mean))}
    indicators = {f"{name}_na": name for name in filled if f"{name}_na" in table.cat_names}
    categories = {name: [None, *(category(value) for value in list(codes[name])[1:])] for name in table.cat_names}
    # What was always known in training is a guess of the network's where it is not: the guard asks for these.
    complete = [name for name in names if name not in filled]
    complete += [name for name in categories if name not in indicators and (table.items[name] != 0).all()]
    return {
        "kind": "table",
        "categories": categories,
        "continuous": continuous,
        "missing": indicators,
        "complete": complete,
    }
