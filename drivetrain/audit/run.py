"""The audit of a project: what it measured, recorded as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.audit.compare import Comparison, compare
from drivetrain.audit.counts import Cells, cells, manageable, subsets
from drivetrain.audit.figures import (
    Mean,
    Table,
    classes_by_group,
    expected_calibration_error,
    numbers_by_group,
    settings_by_group,
)
from drivetrain.audit.findings import judge
from drivetrain.audit.guardrails import guardrails
from drivetrain.audit.picture import draw
from drivetrain.audit.rows import Predictions, decisions, group_columns, predictions

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
    decided = _decisions(spec, depth)
    tables = [table for _, found in models for table in found]
    value_margin = _value_margin(spec)
    compared = compare(tables + (decided[1] if decided else []), value_margin=value_margin)
    grouped = any(group_columns(spec, source.name) for source in spec.data)
    result: dict[str, Any] = {
        "confidence": 0.95,
        "note": "" if grouped else NO_GROUPS,
        "models": [report for report, _ in models],
        "decisions": decided[0] if decided else None,
        "comparisons": {"number": len(compared), "method": "Holm", "false_alarm": 0.05},
        "differences": [_comparison(entry) for entry in compared],
    }
    result["guardrails"] = guardrails(spec)
    result["findings"] = [finding.as_json() for finding in judge(spec, result)]
    _record(spec, result)
    draw(spec.root, result)
    return result


def _model(spec: Spec, entry: Predictions, depth: int | None) -> tuple[dict[str, Any], list[Table]]:
    columns = [
        name for name in group_columns(spec, spec.derived.model_data(entry.model)) if name in entry.table.column_names
    ]
    report: dict[str, Any] = {
        "model": entry.model,
        "outcome": entry.outcome,
        "task": spec.model(entry.model).task,
        "run": entry.run,
        "rows": entry.table.num_rows,
        "without_truth": entry.unlabelled,
    }
    if entry.classes is None:
        found = cells(entry.table, columns, ["error", "absolute error"])
        whole = numbers_by_group(found, (), ["error", "absolute error"])
        tables = [
            numbers_by_group(found, subset, ["error", "absolute error"]) for subset in manageable(found, columns, depth)
        ]
    else:
        positive = entry.classes[1] if len(entry.classes) == 2 else None
        found = cells(entry.table, [*columns, "truth", "predicted", "bin"], ["gap"])
        whole = classes_by_group(found, (), entry.classes, positive)
        tables = [
            classes_by_group(found, subset, entry.classes, positive) for subset in manageable(found, columns, depth)
        ]
        report |= {
            "classes": list(entry.classes),
            "positive": positive,
            "confusion": _confusion(found, entry.classes),
            "calibration_error": float(expected_calibration_error(found, ())[0]) if entry.table.num_rows else None,
        }
    report |= {
        "left_out": [list(subset) for subset in subsets(columns, depth) if subset not in {t.columns for t in tables}],
        "overall": _rows(whole)[0] if whole.rows.sum() else None,
        "by_group": [_table(table) for table in tables],
    }
    return report, tables


def _decisions(spec: Spec, depth: int | None) -> tuple[dict[str, Any], list[Table]] | None:
    found = decisions(spec)
    if found is None:
        return None
    table, policies = found
    groups = [name for name in group_columns(spec, spec.case_source.name) if name in table.column_names]
    outcomes = [name for source in spec.data for name in source.outcomes if name in table.column_names]
    settings = spec.derived.settings(spec.levers[0]) if len(spec.levers) == 1 else []
    counted = {
        policy: cells(table, [*groups, *outcomes, *([policy] if settings else [])], [f"value_{policy}"])
        for policy in policies
    }
    crossed = manageable(counted[policies[-1]], groups, depth)
    measure = spec.objective.measure if spec.objective else None
    report = {
        "unit": measure.unit if measure else None,
        "better": "more",
        "rows": table.num_rows,
        "policies": {p: _rows(settings_by_group(counted[p], (), p, settings))[0] for p in policies}
        if table.num_rows
        else {},
        "by_class": [
            {"outcome": name, "policy": policy, **_table(settings_by_group(counted[policy], [name], policy, settings))}
            for name in outcomes
            for policy in policies
        ],
        "by_group": [
            {"policy": policy, **_table(settings_by_group(counted[policy], subset, policy, settings))}
            for subset in crossed
            for policy in policies
        ],
    }
    # Only what this project would do is compared between groups; the other policies are shown beside it.
    own = "optimized" if "optimized" in policies else policies[-1]
    return report, [settings_by_group(counted[own], subset, own, settings) for subset in crossed]


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


def _table(table: Table) -> dict[str, Any]:
    reference = table.groups[table.reference] if table.groups else ()
    return {
        "columns": list(table.columns),
        "reference": dict(zip(table.columns, reference, strict=False)),
        "groups": _rows(table),
    }


def _rows(table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"group": dict(zip(table.columns, group, strict=True)), "rows": int(rows), "figures": {}}
        for group, rows in zip(table.groups, table.rows, strict=True)
    ]
    for figure in table.figures:
        value, low, high = figure.interval()
        number = figure.sums[:, 3] if isinstance(figure, Mean) else figure.total
        for i, row in enumerate(found):
            row["figures"][figure.name] = {
                "value": _number(value[i]), "low": _number(low[i]), "high": _number(high[i]), "rows": int(number[i]),
            }  # fmt: skip
    return found


def _number(value: float) -> float | None:
    """A number as JSON has it; None for what is not defined (a rate of nobody) or unbounded."""
    return float(value) if -1e300 < value < 1e300 else None


def _comparison(entry: Comparison) -> dict[str, Any]:
    difference, low, high = entry.difference
    return {
        "group": dict(zip(entry.columns, entry.group, strict=True)),
        "reference": dict(zip(entry.columns, entry.reference, strict=True)),
        "figure": entry.figure,
        "rows": list(entry.rows),
        "value": [_number(v) for v in entry.value],
        "difference": _number(difference),
        "low": _number(low),
        "high": _number(high),
        "ratio": _number(entry.ratio[0]),
        "ratio_low": _number(entry.ratio[1]),
        "ratio_high": _number(entry.ratio[2]),
        "p": entry.p,
        "p_adjusted": entry.p_adjusted,
        "four_fifths_screen": entry.screened,
        "verdict": entry.verdict,
    }


def _value_margin(spec: Spec) -> float:
    """Least difference in value that matters: the gain below which the plan calls the project useless."""
    measure = spec.objective.measure if spec.objective else None
    if measure is None or measure.current is None or measure.minimum_useful is None:
        return 0.0
    return abs(measure.minimum_useful - measure.current)


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
