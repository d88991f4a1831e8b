"""The audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.audit.findings import named

MOST_SETTINGS = 4
"""Settings of a lever in one line; with more, the JSON has them all."""

Row = Mapping[str, Any]
Differs = frozenset[tuple[str, str, str]]
"""Subject, group in words and figure of each difference that chance does not explain."""


def text(result: Row) -> str:
    """What `audit.run` returned, as aligned tables: by class, by group, the objective's value, and what stands out."""
    lines: list[str] = []
    differs = frozenset(
        (entry["subject"], named(entry["group"]), entry["figure"])
        for entry in result["differences"]
        if entry["verdict"] == "differs"
    )
    for model in result["models"]:
        lines += [f"Model {model['model']}, {model['outcome']}: {model['rows']} held-out rows", ""]
        if model["overall"]:
            lines += [*(_by_class(model) if "classes" in model else _numbers(model)), ""]
        for table in model["by_group"]:
            subject = f"models.{model['model']}, {model['outcome']}"
            lines += [*_by_group(table, _headline(model), subject, differs), ""]
    if result["decisions"]:
        lines += [*_decisions(result["decisions"], differs), ""]
    if result["differences"]:
        lines += ["* differs from the largest group, marked (r), by more than chance explains.", ""]
    if result["note"]:
        lines += [f"Groups: {result['note']}.", ""]
    for finding in result["findings"]:
        lines.append(f"{finding['level']:<7} {finding['id']}  {finding['where']}: {finding['what']}")
    return "\n".join(lines)


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
    return aligned([["figure", "mean"], *([name, _cell(name, figure)] for name, figure in figures.items())])


def _headline(model: Row) -> list[str]:
    if "classes" not in model:
        return list(model["overall"]["figures"]) if model["overall"] else []
    if model["positive"] is None:
        return ["accuracy", "calibration gap"]
    return ["accuracy", "selection rate", "true positive rate", "false positive rate", "calibration gap"]


def _by_group(table: Row, figures: Sequence[str], subject: str, differs: Differs) -> list[str]:
    def cell(row: Row, name: str) -> str:
        mark = "*" if (subject, named(row["group"]), name) in differs else " "
        return f"{_cell(name, row['figures'].get(name))}{mark}"

    compared = subject and len(table["groups"]) > 1
    body = [
        [
            f"{named(row['group'])}{' (r)' if compared and row['group'] == table['reference'] else ''}",
            str(row["rows"]),
            *(cell(row, name) for name in figures),
        ]
        for row in table["groups"]
    ]
    return aligned([[" & ".join(table["columns"]), "rows", *(f"{name} " for name in figures)], *body])


def _decisions(decided: Row, differs: Differs) -> Iterator[str]:
    unit = f" ({decided['unit']}, more is better)" if decided["unit"] else " (more is better)"
    labels = decided["labels"]
    yield from (f"Decisions: {decided['rows']} held-out cases, value{unit}", "")
    rows = [["policy", "value", ""]]
    for name, row in decided["policies"].items():
        rows.append([name, shown(row["figures"]["value"], False), str(labels.get(name) or "")])
    yield from aligned(rows)
    own = decided["own"]
    if decided["log"] and "value by the log" in decided["policies"].get(own, {"figures": ()})["figures"]:
        yield from ("", f"`value by the log`: what past decisions say, doubly robust; {decided['log']}.")
    for table in [*decided["by_class"], *decided["by_group"]]:
        if table["policy"] == own and table["groups"]:
            names = list(table["groups"][0]["figures"])
            rates = [name for name in names if name.startswith("setting rate")]
            kept = [name for name in names if name not in rates or len(rates) <= MOST_SETTINGS]
            # Figures by class are a breakdown; only groups are compared.
            yield from ("", *_by_group(table, kept, "" if "outcome" in table else "decisions", differs))


def _cell(name: str, figure: Row | None) -> str:
    return shown(figure, "rate" in name or name == "accuracy" or name.startswith("inside"))


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
