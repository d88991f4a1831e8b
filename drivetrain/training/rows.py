"""The rows that a model is trained and judged on, as one plain table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.artifact.tables import category
from drivetrain.errors import DataError, MissingPartError, TrainingError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

MEDIA = ("image", "audio")
_KINDS = {
    "number": "number",
    "integer": "number",
    "boolean": "category",
    "category": "category",
    "id": "category",
    "time": "time",
    "text": "text",
    "path": "category",
    "image": "image",
    "audio": "audio",
}


def rows(plan: Spec, model: Model) -> pd.DataFrame:
    """Every row of a model, held-out ones included, with inputs and outcomes in the form that learners expect.

    Categories are text (None where missing), numbers float (NaN where missing), media absolute paths; a lever that is
    an input holds the setting that was used. Rows whose outcome was not observed are left out.

    Args:
        plan: The plan.
        model: One of its models.

    Returns:
        The columns of the model's source and of its joins, the model's inputs and outcomes, `case` (row of the source)
        and `split` (train, validation, test, hold_out).

    Raises:
        DataError: The source or a column is missing, or no row is left.
    """
    from drivetrain import source

    name = plan.derived.model_data(model.name)
    frame: pd.DataFrame = source.cases(plan, name).to_pandas()
    frame = _observed(plan, model, frame)
    for entry in plan.derived.model_inputs(model.name):
        frame[entry] = _input(plan, model, frame, entry)
    for outcome in outcomes(model):
        if outcome not in frame:
            raise DataError(
                f"the outcome `{outcome}` is not in its rows.", "Add a join, or set the model's `data`.", name
            )
        if plan.outcome(outcome).type != "number":
            frame[outcome] = [category(value) for value in frame[outcome]]
        frame = frame[frame[outcome].notna()]
    if frame.empty:
        what = f"no row is left for the model `{model.name}`"
        raise DataError(
            f"{what}: the outcome was never observed.", "Check `observed_when`, `rows` and the labels.", name
        )
    return frame.reset_index(drop=True)


def outcomes(model: Model) -> list[str]:
    """The outcomes of a model.

    Raises:
        MissingPartError: The plan does not say yet what it predicts.
    """
    if not model.predicts:
        advice = "Write `predicts` in the plan, then run this again."
        raise MissingPartError("it is not known yet what the model predicts.", advice, f"models.{model.name}")
    return list(model.predicts)


def classes(plan: Spec, outcome: str, cases: pd.DataFrame | None = None) -> list[str]:
    """The classes of an outcome: as the plan lists them, or the labels that occur, sorted.

    Args:
        plan: The plan.
        outcome: A category or binary outcome.
        cases: The rows whose labels count when the plan lists no `values`.
    """
    spec = plan.outcome(outcome)
    if spec.type == "binary":
        return ["false", "true"]
    if spec.values:
        return list(spec.values)
    if cases is None:
        raise TrainingError("the plan lists no `values`.", "List them.", f"{outcome}")
    return sorted({str(value) for value in cases[outcome] if value is not None})


def check(plan: Spec, model: Model, frame: pd.DataFrame) -> None:
    """Refuse rows that a model cannot be trained on.

    Raises:
        DataError: Nothing is left to train or to validate on, an input is empty, a label is not in the plan, or a class
            has no row to train on.
    """
    train, validation = (frame[frame["split"] == split] for split in ("train", "validation"))
    place = f"data.{plan.derived.model_data(model.name)}"
    if train.empty or validation.empty:
        short = "train on" if train.empty else "validate on"
        raise DataError(f"there is no row to {short}.", "Collect more data, or change `split`.", place)
    for name in plan.derived.model_inputs(model.name):
        if train[name].isna().all():
            advice = "Fill the column, or leave it out of `inputs`."
            raise DataError(f"the input `{name}` is empty in every row to train on.", advice, place)
    for outcome in outcomes(model):
        if plan.outcome(outcome).type not in ("category", "binary"):
            continue
        where = f"{place}.outcomes.{outcome}"
        known = classes(plan, outcome, frame)
        if strange := sorted(set(frame[outcome]) - set(known)):
            named = ", ".join(f"`{value}`" for value in strange[:5])
            count = int(frame[outcome].isin(strange).sum())
            advice = "Add the label to `values`, or correct the rows."
            raise DataError(f"{count} rows have a label that the plan does not list: {named}.", advice, where)
        if empty := [value for value in known if not (train[outcome] == value).any()]:
            named = ", ".join(f"`{value}`" for value in empty[:5])
            advice = "Collect some, or take the class out of `values`."
            raise DataError(f"no row to train on for {named}.", advice, where)
        if len(known) < 2:
            raise DataError("there is only one class, so there is nothing to learn.", "Check the labels.", where)


def input_kind(plan: Spec, model: Model, name: str) -> str:
    """What an input is: `number`, `category`, `time`, `text`, `image` or `audio`."""
    for lever in plan.levers:
        if lever.name == name:
            return "category" if lever.type == "options" else "number"
    source = plan.source(plan.derived.model_data(model.name))
    sources = [source, *(plan.source(join.data) for join in source.join if join.data)]
    for one in sources:
        if name in one.columns:
            return _KINDS[one.columns[name].type]
    for one in plan.data:
        if name in one.outcomes:
            return "number" if one.outcomes[name].type == "number" else "category"
    if plan.objective and name in plan.objective.terms:
        return "number"
    return name if name in MEDIA else "text" if name == "text" else "category"


def table_inputs(plan: Spec, model: Model) -> tuple[list[str], list[str]]:
    """The inputs of a table model: categories, and numbers.

    Raises:
        TrainingError: An input is neither.
    """
    kinds = {name: input_kind(plan, model, name) for name in plan.derived.model_inputs(model.name)}
    if strange := [name for name, kind in kinds.items() if kind not in ("category", "number", "time")]:
        what = f"a table model cannot read `{strange[0]}`, which is {kinds[strange[0]]}."
        raise TrainingError(what, "Leave it out of `inputs`.", f"models.{model.name}")
    if not kinds:
        advice = "Declare `columns` in the source, or list `inputs`."
        raise TrainingError("the model has no inputs.", advice, f"models.{model.name}")
    numbers = [name for name, kind in kinds.items() if kind != "category"]
    return [name for name in kinds if name not in numbers], numbers


def _observed(plan: Spec, model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the plan trains this model on: `rows`, and `observed_when` of its outcomes."""
    conditions = [model.rows, *(plan.outcome(outcome).observed_when for outcome in outcomes(model))]
    for condition in conditions:
        if condition.strip() in ("True", "1", "true"):
            continue
        frame = frame[_evaluate(condition, frame)]
    return frame.copy()


def _evaluate(text: str, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """A condition over the columns of a table; a row in which it is missing does not fulfil it."""
    import numpy as np

    from drivetrain.spec import formula

    parsed = formula.parse(text)
    if absent := sorted(parsed.names - set(frame.columns)):
        advice = "Only columns of the source and of its joins can choose rows."
        raise DataError(f"`{text}` speaks of `{absent[0]}`, which is no column here.", advice)
    columns = {name: plain(frame[name]) for name in parsed.names}
    return np.broadcast_to(np.asarray(formula.evaluate(parsed, columns)) == 1, (len(frame),))


def plain(column: pd.Series) -> NDArray[Any]:
    """A column as formulas take it: booleans, float numbers (times as seconds), or text."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return np.asarray((column - pd.Timestamp(0)).dt.total_seconds(), dtype=float)
    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return np.asarray(column, dtype=bool)
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
    values = [value for value in column if category(value) is not None]
    if values and all(isinstance(value, bool) for value in values):
        return np.asarray(column.astype("boolean").to_numpy(dtype=float, na_value=np.nan))
    return np.array([category(value) or "" for value in column], dtype=str)


def _input(plan: Spec, model: Model, frame: pd.DataFrame, name: str) -> Any:
    kind = input_kind(plan, model, name)
    column = name
    for lever in plan.levers:
        if lever.name == name:
            column = (lever.history.column if lever.history else None) or name
    if column not in frame:
        where = f"models.{model.name}.inputs"
        advice = "Add it to the source's `columns` or a join, or leave it out of `inputs`."
        raise DataError(f"the input `{name}` is not in the rows of the model.", advice, where)
    values = frame[column]
    if kind == "category":
        return [category(value) for value in values]
    if kind in MEDIA:
        return [str((plan.root / value).resolve()) for value in values]
    if kind == "text":
        return [category(value) or "" for value in values]
    return plain(values).astype(float)


def columns(frame: pd.DataFrame, names: list[str]) -> Mapping[str, list[Any]]:
    """Columns as plain lists, as a predictor takes them."""
    return {name: frame[name].tolist() for name in names}
