"""The audit of a project: what it measured, recorded as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.audit import repeated
from drivetrain.audit.compare import compare
from drivetrain.audit.counts import GROUP, Cells, cells, manageable, plain, subsets
from drivetrain.audit.decided import audit_decisions
from drivetrain.audit.figures import (
    MARGIN,
    Table,
    classes_by_group,
    expected_calibration_error,
    numbers_by_group,
)
from drivetrain.audit.findings import judge
from drivetrain.audit.guardrails import guardrails
from drivetrain.audit.outcomes import COVERAGE, Predictions
from drivetrain.audit.picture import draw
from drivetrain.audit.plain import comparison_of, rows_of, table_of
from drivetrain.audit.rows import group_columns, predictions

if TYPE_CHECKING:
    from drivetrain.spec import Spec

NO_GROUPS = "no groups recorded"


def run(spec: Spec, *, depth: int | None = None) -> dict[str, Any]:
    """Audit the trained models and the decisions of a project, and record it as evidence `audit`.

    Args:
        spec: The plan, beside its `evidence/` and `artifacts/`.
        depth: How many group columns are crossed at most; None: all.

    Returns:
        What was recorded: `models`, `decisions`, `differences`, `guardrails`, `findings` and, where the plan has no
        groups, a note. The picture lies beside it, in `evidence/audit.png`.

    Raises:
        EvidenceError: Nothing was trained yet, or a record cannot be read.
        DataError: The data of the groups cannot be read.
    """
    models = [_model(spec, entry, depth) for name in spec.derived.model_order() for entry in predictions(spec, name)]
    decided = audit_decisions(spec, depth)
    tables = [table for _, found in models for table in found]
    compared = compare(tables + (decided[1] if decided else []))
    grouped = any(group_columns(spec, source.name) for source in spec.data)
    result: dict[str, Any] = {
        "confidence": 0.95,
        "note": "" if grouped else NO_GROUPS,
        "models": [report for report, _ in models],
        "decisions": decided[0] if decided else None,
        "comparisons": {"number": len(compared), "method": "Holm", "false_alarm": 0.05},
        "differences": [comparison_of(entry) for entry in compared],
    }
    result["guardrails"] = guardrails(spec)
    result["findings"] = [finding.as_json() for finding in judge(spec, result)]
    _record(spec, result)
    draw(spec.root, result)
    return result


def _model(spec: Spec, entry: Predictions, depth: int | None) -> tuple[dict[str, Any], list[Table]]:
    columns = [name for name in entry.table.column_names if name.startswith(GROUP)]
    report: dict[str, Any] = {
        "model": entry.model,
        "outcome": entry.outcome,
        "task": spec.model(entry.model).task,
        "run": entry.run,
        "rows": entry.table.num_rows,
        "without_truth": entry.unlabelled,
        "censored": entry.censored,
    }
    if entry.classes is None:
        numbers = ["error", "absolute error", "squared error", COVERAGE]
        found = cells(entry.table, columns, [name for name in numbers if name in entry.table.column_names])
        margin = MARGIN * _spread(entry)
        sums = {name: name for name in found.sums} | {"root mean squared error": "squared error"}
        again = repeated.repeats(entry.table, repeated.columns(entry.table, sums))

        def by_group(subset: Sequence[str]) -> Table:
            return numbers_by_group(found, subset, margin)

    else:
        classes = entry.classes
        positive = classes[1] if len(classes) == 2 else None
        found = cells(entry.table, [*columns, "truth", "predicted", "bin"], ["gap"])
        again = repeated.repeats(entry.table, repeated.classes(entry.table, classes, positive))
        report |= {
            "classes": list(classes),
            "positive": positive,
            "confusion": _confusion(found, classes),
            "calibration_error": float(expected_calibration_error(found, ())[0]) if entry.table.num_rows else None,
        }

        def by_group(subset: Sequence[str]) -> Table:
            return classes_by_group(found, subset, classes, positive)

    subject = f"models.{entry.model}, {entry.outcome}"
    crossed = manageable(found, columns, depth)
    tables = [replace(by_group(subset), subject=subject) for subset in crossed]
    whole = by_group(())
    if again:
        tables, whole = [again.on(table) for table in tables], again.on(whole)
    report |= {
        "repeats": again.as_json() if again else None,
        "left_out": [list(plain(subset)) for subset in subsets(columns, depth) if subset not in crossed],
        "overall": rows_of(whole)[0] if whole.rows.sum() else None,
        "by_group": [table_of(table) for table in tables],
    }
    return report, tables


def _spread(entry: Predictions) -> float:
    """Standard deviation of the true numbers."""
    import numpy as np

    truth = entry.table["truth"].to_numpy().astype(float)
    return float(np.nanstd(truth)) if len(truth) else 0.0


def _confusion(found: Cells, classes: Sequence[str]) -> list[list[int]]:
    """Rows: truth; columns: prediction; a truth that is no class of the model is left out."""
    place = {name: i for i, name in enumerate(classes)}
    counts = [[0] * len(classes) for _ in classes]
    truths, predicted = found.keys["truth"], found.keys["predicted"]
    for t, p, n in zip(truths[1], predicted[1], found.rows, strict=True):
        true, said = truths[0][t], predicted[0][p]
        if true in place and said in place:
            counts[place[true]][place[said]] += int(n)
    return counts


def _record(spec: Spec, result: Mapping[str, Any]) -> None:
    """Record the audit; it rests on what training and decision read, as they read it, and on a few fields more."""
    reads: dict[str, str] = {}
    data: dict[str, Mapping[str, Any]] = {}
    artifacts: dict[str, str] = {}
    for step in ("train", "decide"):
        record = evidence.read(spec.root, step)
        if record:
            reads |= dict(record.reads)
            data |= dict(record.data)
            artifacts |= dict(record.artifacts)
    own = [
        "objective.guardrails",
        "objective.measure.unit",
        "objective.measure.current",
        "objective.measure.minimum_useful",
    ]
    own += [f"data.{source.name}.groups" for source in spec.data]
    reads |= {path: spec.digest(path) for path in own}
    evidence.record(spec.root, "audit", result, reads=reads, data=data, artifacts=artifacts)
