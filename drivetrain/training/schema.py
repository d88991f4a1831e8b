"""What a model reads and predicts, as the plan tells it: columns, their kinds, classes and bins."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from drivetrain.errors import MissingPartError, TrainingError
from drivetrain.spec.derived import reads

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Model, Spec

MEDIA = ("image", "audio", "series")


def predicted(model: Model) -> str:
    """The outcome of a model.

    Raises:
        MissingPartError: The plan does not say yet what it predicts.
        TrainingError: It predicts several.
    """
    where = f"models.{model.name}.predicts"
    if not model.predicts:
        advice = "Write `predicts` in the plan, then run this again."
        raise MissingPartError("it is not known yet what the model predicts.", advice, where)
    if len(model.predicts) > 1:
        raise TrainingError("a learner predicts one outcome.", "Write one model for each of them.", where)
    return model.predicts[0]


def model_columns(plan: Spec, model: Model) -> list[str]:
    """The inputs of a model, and the lever whose settings have a network each."""
    return [*plan.derived.model_inputs(model.name), *([model.arms] if model.arms else [])]


def classes(plan: Spec, outcome: str, cases: pd.DataFrame | None = None) -> list[str]:
    """The classes of an outcome: as the plan lists them, or the labels that occur, sorted.

    Args:
        plan: The plan.
        outcome: A category, labels, a mask, a binary outcome, or a number with bins.
        cases: The rows whose labels count when the plan lists no `values`.
    """
    spec = plan.outcome(outcome)
    if spec.type == "binary":
        return ["false", "true"]
    if spec.values:
        return list(spec.values)
    if spec.type == "number":
        limits = edges(plan, outcome)
        return [f"{low:g} to {high:g}" for low, high in pairwise(limits)]
    if cases is None or spec.type == "mask":
        raise TrainingError("the plan lists no `values`.", "List them.", f"outcomes.{outcome}")
    values = cases[outcome].explode() if spec.type == "labels" else cases[outcome]
    return sorted({str(value) for value in values.dropna()})


def edges(plan: Spec, outcome: str) -> list[float]:
    """The edges of a number's bins; its limits widen the outermost."""
    spec = plan.outcome(outcome)
    found = sorted(map(float, spec.bins or []))
    if spec.minimum is not None and found and spec.minimum < found[0]:
        found.insert(0, float(spec.minimum))
    if spec.maximum is not None and found and spec.maximum > found[-1]:
        found.append(float(spec.maximum))
    return found


def targets(plan: Spec, model: Model) -> list[str]:
    """The columns that a network learns: the outcome, or the weights of its bins."""
    outcome = predicted(model)
    return bin_columns(plan, outcome) if learns_bins(plan, model) else [outcome]


def learns_bins(plan: Spec, model: Model) -> bool:
    """Whether a model predicts a number through its bins; a product of factors is one number, whatever its bins."""
    outcome = plan.outcome(predicted(model))
    return outcome.type == "number" and bool(outcome.bins) and model.task != "ratings"


def bin_columns(plan: Spec, outcome: str) -> list[str]:
    """Names of the columns with the weights of a number's bins."""
    return [f"{outcome} bin {index}" for index in range(len(edges(plan, outcome)) - 1)]


def input_kind(plan: Spec, model: Model, name: str) -> str:
    """What an input is: `number`, `category`, `time`, `text`, `image`, `audio` or `series`."""
    return plan.derived.input_kind(model.name, name)


def check_inputs(plan: Spec, model: Model) -> None:
    """Refuse a model one of whose inputs its network would never see.

    Raises:
        TrainingError: With what its task reads.
    """
    if unread := plan.derived.unread(model.name):
        named = ", ".join(f"`{name}` ({kind})" for name, kind in unread.items())
        advice = "Leave it out of `inputs`; a lever of `options` may stand under `arms`."
        what = f"`{model.task}` reads {reads(model.task)[1]}, and would never see {named}."
        raise TrainingError(what, advice, f"models.{model.name}.inputs")


def table_inputs(plan: Spec, model: Model) -> tuple[list[str], list[str]]:
    """The inputs of a table model: categories, and numbers.

    Raises:
        TrainingError: There is none, or one is neither.
    """
    check_inputs(plan, model)
    kinds = {name: input_kind(plan, model, name) for name in plan.derived.model_inputs(model.name)}
    if not kinds:
        advice = "Declare `columns` in the source, or list `inputs`."
        raise TrainingError("the model has no inputs.", advice, f"models.{model.name}")
    numbers = [name for name, kind in kinds.items() if kind != "category"]
    return [name for name in kinds if name not in numbers], numbers


def inputs_of_kind(plan: Spec, model: Model, *kinds: str) -> list[str]:
    """The inputs of some kinds, in the plan's order.

    Raises:
        TrainingError: There is none.
    """
    found = [name for name in plan.derived.model_inputs(model.name) if input_kind(plan, model, name) in kinds]
    if not found:
        what = f"the task `{model.task}` needs an input that is {' or '.join(kinds)}."
        raise TrainingError(what, "List it under `inputs`.", f"models.{model.name}")
    return found
