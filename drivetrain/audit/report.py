"""The audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.audit.findings import named

Row = Mapping[str, Any]


def text(result: Row) -> str:
    """What `audit.run` returned, as aligned tables: by class, by group, the objective's value, and what stands out."""
    lines: list[str] = []
    for model in result["models"]:
        lines += [f"Model {model['model']}, {model['outcome']}: {model['rows']} held-out rows", ""]
        if model["overall"]:
            lines += [*(_by_class(model) if "classes" in model else _numbers(model)), ""]
        for table in model["by_group"]:
            lines += [*_by_group(table, _headline(model)), ""]
    if result["decisions"]:
        lines += [*_decisions(result["decisions"]), ""]
    if result["note"]:
        lines += [f"Groups: {result['note']}.", ""]
    for finding in result["findings"]:
        lines.append(f"{finding['level']:<7} {finding['id']}  {finding['where']}: {finding['what']}")
    return "\n".join(lines).rstrip() + "\n"


def _by_class(model: Row) -> list[str]:
    figures = model["overall"]["figures"]
    rows = [["class", "rows", "recognised", "right when said", "accuracy"]]
    for name in model["classes"]:
        end = "" if model["positive"] == name else f": {name}"
        recall, precision = figures.get(f"true positive rate{end}"), figures.get(f"precision{end}")
        if recall is not None:
            rows.append([name, str(recall["rows"]), shown(recall), shown(precision), ""])
    return aligned([*rows, ["all", str(model["overall"]["rows"]), "", "", shown(figures["accuracy"])]])


def _numbers(model: Row) -> list[str]:
    figures = model["overall"]["figures"]
    return aligned([["figure", "mean"], *([name, shown(figure, False)] for name, figure in figures.items())])


def _headline(model: Row) -> list[str]:
    if "classes" not in model:
        return ["error", "absolute error"]
    if model["positive"] is None:
        return ["accuracy", "calibration gap"]
    return ["accuracy", "selection rate", "true positive rate", "false positive rate", "calibration gap"]


def _by_group(table: Row, figures: Sequence[str]) -> list[str]:
    head = [" & ".join(table["columns"]), "rows", *figures]
    body = [
        [
            named(row["group"]),
            str(row["rows"]),
            *(shown(row["figures"][name], "rate" in name or name == "accuracy") for name in figures),
        ]
        for row in table["groups"]
    ]
    return aligned([head, *body])


def _decisions(decided: Row) -> list[str]:
    unit = f" ({decided['unit']}, more is better)" if decided["unit"] else " (more is better)"
    lines = [f"Decisions: {decided['rows']} held-out cases, value{unit}", ""]
    rows = [["policy", "value"]]
    rows += [[name, shown(row["figures"]["value"], False)] for name, row in decided["policies"].items()]
    lines += aligned(rows)
    for table in [*decided["by_class"], *decided["by_group"]]:
        if table["policy"] == "optimized":
            lines += ["", *_by_group(table, ["value"])]
    return lines


def shown(figure: Row | None, share: bool = True) -> str:
    """A figure with its interval; a dash where it is not defined."""
    if figure is None or figure["value"] is None:
        return "-"
    form = "{:.1%}".format if share else "{:.4g}".format
    bounds = [form(figure[end]) if figure[end] is not None else "?" for end in ("low", "high")]
    return f"{form(figure['value'])} ({bounds[0]} to {bounds[1]})"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as columns of one width: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
