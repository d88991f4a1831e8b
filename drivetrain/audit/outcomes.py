"""What was predicted against what came true, one table per outcome: classes, labels, numbers and areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.errors import EvidenceError

if TYPE_CHECKING:
    import pyarrow as pa

BINS = 10
COVERAGE = "inside the 90 % range"
EVENT = "event "
"""Prefix of a column that is false where an outcome is censored."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Held-out predictions of one outcome.

    Attributes:
        model: The model.
        outcome: What it predicts; of several labels, or areas, one.
        run: Run that they come from.
        classes: The classes, in the order of the probabilities; None for a number.
        table: `case`, `split`, `truth`, the group columns, and `predicted`, `gap`, `bin` (classes) or `error`,
            `absolute error`, `squared error` and, where a range was predicted, `inside the 90 % range` (a number).
        unlabelled: Held-out rows left out because their outcome was not observed.
        censored: Held-out rows left out because only a bound of their outcome is known.
    """

    model: str
    outcome: str
    run: str
    classes: tuple[str, ...] | None
    table: pa.Table
    unlabelled: int
    censored: int = 0


def by_outcome(
    found: pa.Table, model: str, outcomes: Sequence[str], run: str, where: str, events: Mapping[str, str]
) -> list[Predictions]:
    """One entry per outcome and, for labels and areas, per class.

    Args:
        found: Held-out rows as training wrote them, with the group columns beside them.
        model: The model.
        outcomes: What it predicts.
        run: The run.
        where: The file, for messages.
        events: Outcome -> column that is false where the outcome is censored.

    Raises:
        EvidenceError: A column is missing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    entries = []
    for outcome in outcomes:
        kept = found if len(outcomes) == 1 else _only(found, outcome, outcomes)
        event, censored = f"{EVENT}{events.get(outcome)}", 0
        if event in found.column_names:
            seen = pc.fill_null(found[event].cast(pa.bool_()), False)
            kept, censored = kept.filter(seen), pc.sum(pc.invert(seen)).as_py() or 0
        entries += _outcome(kept, model, outcome, run, where, censored)
    return entries


def _only(found: pa.Table, outcome: str, outcomes: Sequence[str]) -> pa.Table:
    """The columns of one of several outcomes: `truth_<outcome>`, `p_<outcome>_<class>`, `predicted_<outcome>`."""
    renamed = {f"{kind}_{outcome}": kind for kind in ("truth", "prediction", "predicted")}
    for name in found.column_names:
        # The longest name wins: `p_a_b_x` is of the outcome `a_b`, if there is one, and not of `a`.
        owner = max((o for o in outcomes if name.startswith(f"p_{o}_")), key=len, default=None)
        if owner == outcome:
            renamed[name] = f"p_{name.removeprefix(f'p_{outcome}_')}"
    kept = [n for n in found.column_names if n in renamed or not n.startswith(("truth", "p_", "predict"))]
    return found.select(kept).rename_columns([renamed.get(n, n) for n in kept])


def _outcome(found: pa.Table, model: str, outcome: str, run: str, where: str, censored: int) -> list[Predictions]:
    import pyarrow as pa

    names = found.column_names
    labels = [name.removeprefix("p_") for name in names if name.startswith("p_")]
    areas = [name.removeprefix("area_") for name in names if name.startswith("area_")]
    own = [name for name in names if not name.startswith(("p_", "truth", "area_"))]
    if areas and all(f"truth_{area}" in names for area in areas):
        columns = [(area, found[f"truth_{area}"], found[f"area_{area}"]) for area in areas]
        tables = [
            (area, found.select(own).append_column("truth", t).append_column("mean", a)) for area, t, a in columns
        ]
        return [_one(table, model, f"{outcome}: area of {area}", run, where, censored) for area, table in tables]
    truth = found["truth"] if "truth" in names else None
    if truth is not None and (pa.types.is_list(truth.type) or pa.types.is_large_list(truth.type)):
        there = [None if row is None else set(row) for row in truth.to_pylist()]
        truths = {label: pa.array([None if row is None else label in row for row in there]) for label in labels}
    elif truth is None and labels and all(f"truth_{label}" in names for label in labels):
        truths = {label: found[f"truth_{label}"] for label in labels}
    else:
        return [_one(found, model, outcome, run, where, censored)]
    entries = []
    for label, is_true in truths.items():
        said = found[f"p_{label}"].to_numpy().astype(float)
        table = found.select(own).append_column("truth", _words(is_true))
        table = table.append_column("p_false", pa.array(1 - said)).append_column("p_true", pa.array(said))
        entries.append(_one(table, model, f"{outcome}: {label}", run, where, censored))
    return entries


def _words(column: Any) -> Any:
    """Truth values as the classes `false` and `true`; missing stays missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flags = pc.cast(column, pa.bool_())
    return pc.if_else(flags, pa.scalar("true"), pa.scalar("false"))


def _one(found: pa.Table, model: str, outcome: str, run: str, where: str, censored: int) -> Predictions:
    import pyarrow.compute as pc

    if "truth" not in found.column_names:
        raise EvidenceError("has no column `truth`.", "Run `make train` again.", where=where)
    labelled = found.filter(pc.is_valid(found["truth"]))
    columns = [name for name in found.column_names if name.startswith("p_")]
    classes = tuple(name.removeprefix("p_") for name in columns) if columns else None
    table = _classes(labelled, columns) if classes else _number(labelled, where)
    return Predictions(model, outcome, run, classes, table, found.num_rows - labelled.num_rows, censored)


def _classes(found: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Likeliest class, its probability minus whether it was right (two classes: of the second), and its bin."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    names = np.array([name.removeprefix("p_") for name in columns], dtype=object)
    p = np.stack([found[name].to_numpy() for name in columns], axis=1).astype(float)
    truth = pc.cast(found["truth"], pa.string()).to_numpy(zero_copy_only=False)
    predicted = names[p.argmax(axis=1)] if len(p) else np.array([], dtype=object)
    score, right = (p[:, 1], truth == names[1]) if len(columns) == 2 else (p.max(axis=1, initial=0), truth == predicted)
    added = {
        "truth": pa.array(truth, pa.string()),
        "predicted": pa.array(predicted, pa.string()),
        "gap": pa.array(score - right.astype(float)),
        "bin": pa.array(np.minimum((score * BINS).astype(int), BINS - 1)),
    }
    kept = found.select([name for name in found.column_names if name not in added and name not in columns])
    return pa.table({**{name: kept[name] for name in kept.column_names}, **added})


def _number(found: pa.Table, where: str) -> pa.Table:
    """Error (prediction minus truth), its size and square, and whether the truth lay inside the predicted range."""
    import numpy as np
    import pyarrow as pa

    said = next((name for name in ("prediction", "predicted", "mean") if name in found.column_names), None)
    if said is None:
        raise EvidenceError("has neither probabilities nor a prediction.", "Run `make train` again.", where=where)
    truth = found["truth"].to_numpy().astype(float)
    error = found[said].to_numpy().astype(float) - truth
    added = {"error": error, "absolute error": np.abs(error), "squared error": error**2}
    if {"q05", "q95"} <= set(found.column_names):
        low, high = (found[name].to_numpy().astype(float) for name in ("q05", "q95"))
        added[COVERAGE] = ((low <= truth) & (truth <= high)).astype(float)
    for name, values in added.items():
        found = found.append_column(name, pa.array(values))
    return found
