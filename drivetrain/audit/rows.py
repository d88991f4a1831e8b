"""The rows that are audited: held-out predictions and decisions, with their groups beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.audit.counts import GROUP, OUTCOME, WEIGHT
from drivetrain.audit.outcomes import EVENT, Predictions, by_outcome
from drivetrain.audit.repeated import ENTITY
from drivetrain.errors import DataError, EvidenceError

if TYPE_CHECKING:
    import pyarrow as pa

    from drivetrain.spec import Spec

HELD_OUT = ("test", "hold_out")
MOST_VALUES = 12
"""A group column of numbers with more values is cut into quarters: nobody is audited by single years of age."""


def group_columns(spec: Spec, source_name: str) -> list[str]:
    """Columns that the rows of a source are audited by: its own groups and those of the sources that it joins."""
    source = spec.source(source_name)
    joined = [spec.source(join.data) for join in source.join if join.data]
    return list(dict.fromkeys(name for entry in [source, *joined] for name in entry.groups))


def run_of(spec: Spec, model: str) -> str:
    """The run whose predictions are those of the trained model.

    Raises:
        EvidenceError: The model was not trained.
    """
    manifest = spec.root / "artifacts" / model / "manifest.json"
    try:
        run = str(json.loads(manifest.read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        trained = evidence.read(spec.root, "train")
        run = str(trained.result.get("run", "")) if trained else ""
    if run and Path(run).name == run and (spec.root / evidence.FOLDER / "runs" / run).is_dir():
        return run
    raise EvidenceError("there is no trained model to audit.", "Run `make train` first.", where=f"artifacts/{model}")


def predictions(spec: Spec, model: str) -> list[Predictions]:
    """Held-out predictions of a model, one entry per outcome and, for labels and areas, per class.

    Raises:
        EvidenceError: They are not there, or cannot be read.
    """
    run = run_of(spec, model)
    where = f"{evidence.FOLDER}/runs/{run}/predictions-{model}.parquet"
    found = _read(spec.root / where, where, "make train")
    found = found.filter(_held_out(found, where))
    outcomes = spec.model(model).predicts or []
    # Of a censored row only a bound is known, so that no error can be told.
    events = {name: event for name in outcomes if (event := spec.outcome(name).event)}
    found = _with_columns(spec, spec.derived.model_data(model), found, where, {EVENT: list(events.values())})
    return by_outcome(found, model, outcomes, run, where, events)


def decisions(spec: Spec) -> tuple[pa.Table, list[str]] | None:
    """Held-out decisions with groups and outcomes beside them, and the policies; None when nothing was decided yet.

    Raises:
        EvidenceError: The file cannot be read.
    """
    where = f"{evidence.FOLDER}/decisions.parquet"
    if not (spec.root / where).is_file():
        return None
    found = _read(spec.root / where, where, "make decide")
    policies = [name for name in found.column_names if f"value_{name}" in found.column_names]
    if not policies:
        raise EvidenceError("names no policy with its value.", "Run `make decide` again.", where=where)
    found = found.filter(_held_out(found, where))
    return _with_columns(spec, spec.case_source.name, found, where, {OUTCOME: _discrete(spec)}), policies


def _read(path: Path, where: str, step: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise EvidenceError("is not there.", f"Run `{step}` first.", where=where)
    try:
        return pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise EvidenceError(f"cannot be read ({error}).", f"Run `{step}` again.", where=where) from error


def _held_out(found: pa.Table, where: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if absent := [name for name in ("case", "split") if name not in found.column_names]:
        raise EvidenceError(f"has no column `{absent[0]}`.", "Run the step that writes it again.", where=where)
    return pc.is_in(found["split"].cast("string"), value_set=pa.array(HELD_OUT, pa.string()))


def _with_columns(
    spec: Spec, source_name: str, found: pa.Table, where: str, more: Mapping[str, Sequence[str]]
) -> pa.Table:
    """`found` with columns of its cases beside it, each under a prefix: its groups, and what `more` names."""
    import numpy as np

    home = spec.source(source_name)
    wanted = {
        GROUP: group_columns(spec, source_name),
        ENTITY: [home.entity] if home.entity else [],
        WEIGHT: [home.weight] if home.weight else [],
        **more,
    }
    if not any(wanted.values()):
        return found
    from drivetrain import source

    cases = source.cases(spec, source_name)
    known, asked = cases["case"].to_numpy(), found["case"].to_numpy()
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
    if len(asked) and (len(known) == 0 or (known[order][at] != asked).any()):
        raise EvidenceError(
            f"names cases that are not in the data `{source_name}` (any more).",
            "Run `make train decide` again.",
            where=where,
        )
    for prefix, names in wanted.items():
        for name in names:
            if prefix == WEIGHT and name in cases.column_names:
                _refuse_weights(cases[name].to_numpy(zero_copy_only=False), f"data.{source_name}.{name}")
            if name in cases.column_names:
                column = banded(cases[name]) if prefix == GROUP else cases[name]
                found = found.append_column(f"{prefix}{name}", column.take(order[at]))
    return found


def _refuse_weights(values: Any, where: str) -> None:
    """Weights that nothing can be weighed by."""
    import numpy as np

    weights = np.asarray(values, float)
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any() or not weights.sum() > 0:
        raise DataError(
            f"is no weight in {int(bad.sum())} of {len(weights)} rows: they must be finite, at least 0, and not all 0.",
            "Correct it in the data, or take `weight` out of the plan.",
            where=where,
        )


def banded(column: Any) -> Any:
    """A column of many numbers as four bands with equally many rows, "below 30", "30 to 45" …; any other as it is."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        return column
    if pc.count_distinct(column).as_py() <= MOST_VALUES:
        return column
    numbers = np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), float)
    finite = np.isfinite(numbers)
    ends = np.unique(np.quantile(numbers[finite], [0.25, 0.5, 0.75], method="lower"))
    between = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    names = [f"below {ends[0]:g}", *between, f"{ends[-1]:g} up"]
    # The places tell the order where the names would not: "below 30" sorts before "100 to 200".
    names = [f"{i + 1}. {name}" for i, name in enumerate(names)]
    place = np.searchsorted(ends, np.where(finite, numbers, 0.0), side="right")
    return pa.chunked_array([pa.array(np.array(names, object)[place], pa.string(), mask=~finite)])


def _discrete(spec: Spec) -> list[str]:
    """Outcomes with classes that no lever moves: which class it would be under another setting, nobody knows."""
    return [
        name
        for entry in spec.data
        for name, outcome in entry.outcomes.items()
        if outcome.type in ("category", "binary") and not outcome.affected_by
    ]
