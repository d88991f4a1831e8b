"""The rows that are audited: held-out predictions and decisions, with their groups beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.errors import EvidenceError

if TYPE_CHECKING:
    import pyarrow as pa

    from drivetrain.spec import Spec

HELD_OUT = ("test", "hold_out")
BINS = 10


@dataclass(frozen=True, slots=True)
class Predictions:
    """Held-out predictions of one outcome.

    Attributes:
        model: The model.
        outcome: What it predicts.
        run: Run that they come from.
        classes: The classes, in the order of the probabilities; None for a number.
        table: `case`, `split`, `truth`, the group columns, and `predicted`, `gap`, `bin` (classes) or `error`,
            `absolute error` (a number).
        unlabelled: Held-out rows left out because their outcome was not observed.
    """

    model: str
    outcome: str
    run: str
    classes: tuple[str, ...] | None
    table: pa.Table
    unlabelled: int


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
    """Held-out predictions of a model, one entry per outcome and, for labels, per label.

    Raises:
        EvidenceError: They are not there, or cannot be read.
    """
    run = run_of(spec, model)
    where = f"{evidence.FOLDER}/runs/{run}/predictions-{model}.parquet"
    found = _read(spec.root / where, where, "make train")
    found = found.filter(_held_out(found, where))
    source = spec.derived.model_data(model)
    found = _with_groups(spec, source, found, where, outcomes=False)
    outcomes = spec.model(model).predicts or []
    if len(outcomes) == 1:
        return _outcome(found, model, outcomes[0], run, where)
    return [
        entry for outcome in outcomes for entry in _outcome(_only(found, outcome, outcomes), model, outcome, run, where)
    ]


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
    return _with_groups(spec, spec.case_source.name, found, where, outcomes=True), policies


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
    import pyarrow.compute as pc

    if absent := [name for name in ("case", "split") if name not in found.column_names]:
        raise EvidenceError(f"has no column `{absent[0]}`.", "Run the step that writes it again.", where=where)
    return pc.is_in(found["split"].cast("string"), value_set=_text(HELD_OUT))


def _text(values: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(list(values), pa.string())


def _with_groups(spec: Spec, source_name: str, found: pa.Table, where: str, outcomes: bool) -> pa.Table:
    """`found` with the group columns of its cases, and their outcomes, beside it."""
    import numpy as np

    wanted = group_columns(spec, source_name)
    if outcomes:
        wanted += [name for name in _discrete(spec) if name not in wanted]
    if not wanted:
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
    for name in wanted:
        if name in cases.column_names and name not in found.column_names:
            found = found.append_column(name, cases[name].take(order[at]))
    return found


def _discrete(spec: Spec) -> list[str]:
    return [n for s in spec.data for n, outcome in s.outcomes.items() if outcome.type in ("category", "binary")]


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


def _outcome(found: pa.Table, model: str, outcome: str, run: str, where: str) -> list[Predictions]:
    """The predictions of an outcome: one entry, or for an outcome with several labels one per label."""
    import pyarrow as pa

    labels = [name.removeprefix("p_") for name in found.column_names if name.startswith("p_")]
    truth = found["truth"] if "truth" in found.column_names else None
    if truth is not None and (pa.types.is_list(truth.type) or pa.types.is_large_list(truth.type)):
        there = [None if row is None else set(row) for row in truth.to_pylist()]
        truths = {label: pa.array([None if row is None else label in row for row in there]) for label in labels}
    elif truth is None and labels and all(f"truth_{label}" in found.column_names for label in labels):
        truths = {label: found[f"truth_{label}"] for label in labels}
    else:
        return [_one(found, model, outcome, run, where)]
    kept = found.select([name for name in found.column_names if not name.startswith(("p_", "truth"))])
    entries = []
    for label, is_true in truths.items():
        said = found[f"p_{label}"].to_numpy().astype(float)
        table = kept.append_column("truth", _words(is_true))
        table = table.append_column("p_false", pa.array(1 - said)).append_column("p_true", pa.array(said))
        entries.append(_one(table, model, f"{outcome}: {label}", run, where))
    return entries


def _words(column: Any) -> Any:
    """Truth values as the classes `false` and `true`; missing stays missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flags = pc.cast(column, pa.bool_())
    return pc.if_else(flags, pa.scalar("true"), pa.scalar("false"))


def _one(found: pa.Table, model: str, outcome: str, run: str, where: str) -> Predictions:
    import pyarrow.compute as pc

    if "truth" not in found.column_names:
        raise EvidenceError("has no column `truth`.", "Run `make train` again.", where=where)
    labelled = found.filter(pc.is_valid(found["truth"]))
    columns = [name for name in found.column_names if name.startswith("p_")]
    classes = tuple(name.removeprefix("p_") for name in columns) if columns else None
    table = _classes(labelled, columns) if classes else _number(labelled, where)
    return Predictions(model, outcome, run, classes, table, found.num_rows - labelled.num_rows)


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
    """Error (prediction minus truth) and its size."""
    import numpy as np
    import pyarrow as pa

    said = next((name for name in ("prediction", "predicted", "mean") if name in found.column_names), None)
    if said is None:
        raise EvidenceError("has neither probabilities nor a prediction.", "Run `make train` again.", where=where)
    error = found[said].to_numpy().astype(float) - found["truth"].to_numpy().astype(float)
    return found.append_column("error", pa.array(error)).append_column("absolute error", pa.array(np.abs(error)))
