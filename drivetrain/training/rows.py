"""The rows that a model is trained and judged on, as one plain table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.artifact.tables import category
from drivetrain.errors import DataError, TrainingError
from drivetrain.source import labels_in
from drivetrain.training import cleaning
from drivetrain.training.schema import (
    MEDIA,
    bin_columns,
    classes,
    edges,
    input_kind,
    learns_bins,
    model_columns,
    predicted,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from drivetrain.artifact import Predictor
    from drivetrain.spec import Model, Spec


def rows(plan: Spec, model: Model, predictors: Mapping[str, Predictor] | None = None) -> pd.DataFrame:
    """Every row of a model, held-out ones included, with inputs and outcomes in the form that learners expect.

    Categories are text (None where missing), numbers float (NaN where missing), media absolute paths; a lever that is
    an input holds the setting that was used. Labels are lists; a number with bins also has the weight of each bin. Rows
    whose outcome was not observed are left out. What `cleaning.csv` says is applied.

    Args:
        plan: The plan.
        model: One of its models.
        predictors: Trained models by name, for inputs that are outcomes which these rows do not hold.

    Returns:
        The columns of the model's source and of its joins, the model's inputs and outcomes, `case` (row of the source)
        and `split` (train, validation, test, hold_out).

    Raises:
        DataError: The source or a column is missing, or no row is left.
    """
    from drivetrain import source

    name = plan.derived.model_data(model.name)
    outcome = predicted(model)
    frame: pd.DataFrame = source.cases(plan, name).to_pandas()
    if outcome not in frame:
        advice = "Add a join that brings it, or set the model's `data`."
        raise DataError(f"the outcome `{outcome}` is not in its rows.", advice, f"data.{name}")
    frame = _observed(plan, model, frame)
    truth = _outcome(plan, outcome, frame)
    inputs = {entry: _input(plan, model, frame, entry, predictors or {}) for entry in model_columns(plan, model)}
    frame = frame.assign(**{outcome: truth}, **inputs)
    # In the order of the inputs: pandas gives columns in reverse order as a view backwards, which torch cannot take.
    frame = frame[[*(column for column in frame if column not in inputs), *inputs]]
    frame = frame[frame[outcome].notna() & frame["split"].notna()]
    if frame.empty:
        what = f"no row is left for the model `{model.name}`: its outcome was never observed."
        raise DataError(what, "Check `observed_when`, `rows` and the labels.", f"data.{name}")
    frame = cleaning.apply(plan, model, frame)
    return _with_bins(plan, model, frame.reset_index(drop=True))


def check(plan: Spec, model: Model, frame: pd.DataFrame, part: str = "") -> None:
    """Refuse rows that a model cannot be trained on.

    Args:
        plan: The plan.
        model: One of its models.
        frame: Its rows.
        part: Which of its rows these are, in words; all of them when empty.

    Raises:
        DataError: Nothing is left to train or to validate on, an input is empty or infinite, a label is not in the
            plan, or a class has no row to train on.
    """
    train, validation = (frame[frame["split"] == split] for split in ("train", "validation"))
    place = f"data.{plan.derived.model_data(model.name)}" + (f" ({part})" if part else "")
    if train.empty or validation.empty:
        short = "train on" if train.empty else "validate on"
        raise DataError(f"there is no row to {short}.", "Collect more data, or change `split`.", place)
    if len(train) == 1:
        raise DataError("there is only one row to train on.", "Collect more data, or change `split`.", place)
    for name in plan.derived.model_inputs(model.name):
        blank = train[name].str.strip() == "" if input_kind(plan, model, name) == "text" else train[name].isna()
        if blank.all():
            advice = "Fill the column, or leave it out of `inputs`."
            raise DataError(f"the input `{name}` is empty in every row to train on.", advice, place)
        if input_kind(plan, model, name) in MEDIA and (gone := int(frame[name].isna().sum())):
            advice = "Name the files, or remove the rows."
            raise DataError(f"the input `{name}` names no file in {gone} rows.", advice, place)
        _finite(frame, name, place)
    outcome = predicted(model)
    spec, where = plan.outcome(outcome), f"{place}.outcomes.{outcome}"
    _finite(frame, outcome, where)
    if spec.type == "number":
        if spec.event and not spec.bins:
            advice = "Write its `bins`: a classifier over them knows what a censored row says."
            raise TrainingError("a number with censored rows cannot be learned as a mean.", advice, where)
        if spec.event and (model.task == "ratings" or model.task.endswith("classification")):
            advice = "Use `table-regression` or `image-regression`: over bins they know what a censored row says."
            raise TrainingError(f"`{model.task}` takes a censored number for a short one.", advice, where)
        if (
            model.distribution in ("poisson", "gamma", "lognormal")
            and not learns_bins(plan, model)
            and frame[outcome].min() < 0
        ):
            advice = "Write `distribution: empirical` or `normal`, or correct the rows."
            what = f"`{outcome}` is negative in some rows, and a {model.distribution} number never is."
            raise DataError(what, advice, f"models.{model.name}.distribution")
        if not model.task.endswith("classification"):
            return
    known = classes(plan, outcome, frame)
    if len(known) < 2:
        raise DataError("there is only one class, so there is nothing to learn.", "Check the labels.", where)
    if spec.type == "mask":
        return
    seen = frame[outcome].explode() if spec.type == "labels" else frame[outcome]
    if strange := sorted(set(seen.dropna()) - set(known)):
        named = ", ".join(f"`{value}`" for value in strange[:5])
        advice = "Add the label to `values`, or correct the rows."
        raise DataError(
            f"{int(seen.isin(strange).sum())} rows have a label that the plan does not list: {named}.", advice, where
        )
    learned = set(train[outcome].explode() if spec.type == "labels" else train[outcome])
    if spec.type != "number" and (empty := [value for value in known if value not in learned]):
        named = ", ".join(f"`{value}`" for value in empty[:5])
        raise DataError(f"no row to train on for {named}.", "Collect some, or take the class out of `values`.", where)


def _finite(frame: pd.DataFrame, name: str, where: str) -> None:
    import numpy as np

    if frame[name].dtype.kind != "f" or not (endless := np.flatnonzero(np.isinf(frame[name]))).size:
        return
    advice = f"Correct the value or leave it empty; the first is in row {int(frame['case'].iloc[endless[0]]) + 1}."
    raise DataError(f"`{name}` is infinite in {len(endless)} rows.", advice, where)


def _observed(plan: Spec, model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the plan trains this model on: `rows`, and `observed_when` of its outcome."""
    for condition in (model.rows, plan.outcome(predicted(model)).observed_when):
        if condition.strip() not in ("True", "1", "true"):
            frame = frame[_evaluate(plan, condition, frame) == 1]
    return frame.copy()


def _evaluate(plan: Spec, text: str, frame: pd.DataFrame) -> NDArray[Any]:
    """A case formula over the columns of a table, (n,); missing where a column is missing."""
    import numpy as np

    from drivetrain.spec.formula import evaluate

    formula = plan.derived.expand(text)
    constants = plan.objective.constants if plan.objective else {}
    names: dict[str, Any] = {name: constants[name].value for name in formula.names if name in constants}
    names["period"] = 0.0  # a row is a case as it was when it was decided
    for name in formula.names - names.keys():
        column = _logged(plan, name)
        if column not in frame:
            advice = "Only constants and columns of the source and of its joins can stand here."
            raise DataError(f"`{text}` speaks of `{name}`, which is no column of these rows.", advice)
        names[name] = plain(frame[column])
    return np.broadcast_to(np.asarray(evaluate(formula, names)), (len(frame),))


def _logged(plan: Spec, name: str) -> str:
    """The column that holds what a name meant in the past: for a lever, the setting that was used."""
    for lever in plan.levers:
        if lever.name == name and lever.history and lever.history.column:
            return str(lever.history.column)
    return name


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


def _outcome(plan: Spec, outcome: str, frame: pd.DataFrame) -> Any:
    import pandas as pd

    spec, values = plan.outcome(outcome), frame[outcome]
    if spec.type == "number":
        return values.astype(float)
    if spec.type == "labels":
        known = spec.values or []
        lists = [None if category(value) is None else labels_in(value, known) for value in values]
        return pd.Series(lists, frame.index, dtype=object)
    if spec.type == "mask":
        base = plan.root
        found = [None if category(value) is None else str((base / value).resolve()) for value in values]
        if gone := [path for path in found if path and not Path(path).is_file()]:
            where = f"outcomes.{outcome}"
            raise DataError(
                f"{len(gone)} masks are missing, the first is `{Path(gone[0]).name}`.", "Check them.", where
            )
        return found
    return [category(value) for value in values]


def _with_bins(plan: Spec, model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """The weight of each bin: one for the bin of an observed number, for a censored one the share that lies above.

    What a classifier learns is the name of the bin; the number then stands beside it (`number_of`).
    """
    import numpy as np

    if not learns_bins(plan, model):
        return frame
    outcome = predicted(model)
    names = bin_columns(plan, outcome)
    limits = np.array(edges(plan, outcome))
    number = frame[outcome].to_numpy(dtype=float).clip(limits[0], limits[-1])
    own = np.clip(np.searchsorted(limits, number, side="right") - 1, 0, len(names) - 1)
    weights = np.eye(len(names))[own]
    event = plan.outcome(outcome).event
    if event:
        censored = ~frame[event].fillna(False).astype(bool).to_numpy()
        above = (limits[1:] - number[:, None]) / np.diff(limits)
        weights[censored] = np.clip(above, 0, 1)[censored]
        weights[censored & (number >= limits[-1]), -1] = 1.0
    frame = frame.assign(**{name: weights[:, index] for index, name in enumerate(names)})
    if not model.task.endswith("classification"):
        return frame
    labels = np.array(classes(plan, outcome), dtype=object)
    return frame.assign(**{f"{outcome} number": frame[outcome], outcome: labels[own]})


def number_of(frame: pd.DataFrame, outcome: str) -> NDArray[Any]:
    """The number itself, also where a classifier learns the names of its bins, (n,)."""
    import numpy as np

    beside = f"{outcome} number"
    return np.asarray(frame[beside if beside in frame else outcome], dtype=np.float64)


def _input(plan: Spec, model: Model, frame: pd.DataFrame, name: str, predictors: Mapping[str, Predictor]) -> Any:
    kind = input_kind(plan, model, name)
    column = "series" if kind == "series" else _logged(plan, name)
    if column not in frame and plan.objective and name in plan.objective.terms:
        return _evaluate(plan, plan.objective.terms[name], frame).astype(float)
    maker = plan.derived.makers.get(name, "")
    if column not in frame and maker in predictors:
        return _foretold(predictors[maker], frame, name)
    if column not in frame:
        raise _nowhere(plan, model, name)
    values = frame[column]
    if kind == "category":
        return [category(value) for value in values]
    if kind in MEDIA:
        return [None if category(value) is None else str((plan.root / value).resolve()) for value in values]
    if kind == "text":
        return [category(value) or "" for value in values]
    return plain(values).astype(float)


def _nowhere(plan: Spec, model: Model, name: str) -> DataError:
    """An input that no row holds: a column that is missing, or a lever of which nobody wrote down how it was set."""
    if any(lever.name == name for lever in plan.levers):
        return DataError(
            f"`{model.name}` reads `{name}`, and no column says how it was set: what it does cannot be learned.",
            "Name the column that logged it (`history: {kind: …, data: …, column: …}`), or plan an experiment.",
            f"levers.{name}.history",
        )
    advice = "Add it to the source's `columns` or a join, or leave it out of `inputs`."
    return DataError(f"the input `{name}` is not in the rows of the model.", advice, f"models.{model.name}.inputs")


def _foretold(predictor: Predictor, frame: pd.DataFrame, outcome: str) -> Any:
    """What an earlier model says of rows that do not hold its outcome: the mean, or the likeliest class."""
    found = predictor.predict({name: frame[name].tolist() for name in predictor.inputs})[outcome]
    return found.quantiles.mean(axis=1) if found.quantiles is not None else found.likeliest


def columns(frame: pd.DataFrame, names: list[str]) -> dict[str, list[Any]]:
    """Columns as plain lists, as a predictor takes them."""
    return {name: frame[name].tolist() for name in names}
