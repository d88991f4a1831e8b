"""The review as one self-contained page; every text of the plan is escaped where it is put in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.review.agenda import agenda
from drivetrain.review.asks import held_out
from drivetrain.review.differences import GRADES, by_grade
from drivetrain.review.formulas import acts, conditions_of, in_words
from drivetrain.review.glance import glance
from drivetrain.review.layout import WIDTH, dot_plot, lay_out
from drivetrain.review.picture import mermaid
from drivetrain.review.records import STEPS
from drivetrain.review.words import BETTER, decided_figures, group_name, interval, number, title
from drivetrain.stages import reached

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from drivetrain.review.gather import Review
    from drivetrain.review.layout import Scale

PAGES = Path(__file__).with_name("pages")
CONTENTS = (
    ("picture", "The drivetrain"), ("questions", "Next questions"), ("changes", "What changed"), ("agenda", "Agenda"),
    ("gates", "Gates"), ("findings", "Findings"),
    ("objective", "1 Objective"), ("levers", "2 Levers"), ("data", "3 Data"), ("models", "4 Models"),
    ("policies", "5 Worth"), ("audit", "6 Audit"), ("checklist", "7 Checklist"), ("rollout", "8 Rollout"),
    ("evidence", "9 Evidence"), ("unknowns", "10 Unknowns"),
)  # fmt: skip
KINDS = (
    ("finding", "Findings"), ("part", "Parts of the plan"), ("unknown", "Open questions"), ("evidence", "Evidence"),
    ("policy", "Policy"), ("checklist", "Bias checklist"),
)  # fmt: skip


def html(review: Review) -> str:
    """The page."""
    from markupsafe import Markup

    decide, audit, conditions = review.decide, review.audit, conditions_of(review)
    gains = {
        row.get("against"): row for row in decide.get("differences", ()) if row.get("name", "optimized") == "optimized"
    }
    shown = [finding for finding in review.findings if finding.level != "pass"]
    now = [finding for finding in shown if reached(review.stage, finding.facts.get("stage", "plan"))]
    absent = {name for name, there in (("findings", shown), ("changes", review.against)) if not there}
    asked = [item for item in review.items if reached(review.stage, item["stage"])]
    page: str = _environment().get_template("review.html").render(
        review=review,
        # The style sheet is ours and holds no text of the plan.
        style=Markup((PAGES / "style.css").read_text(encoding="utf-8")),
        contents=[entry for entry in CONTENTS if entry[0] not in absent],
        changes=list(by_grade(review.changes)),
        grades=GRADES,
        agenda=agenda(review),
        glance=glance(review),
        figures=model_figures(review.train),
        acts=acts,
        conditions=conditions,
        worded=partial(in_words, conditions=conditions),
        better=BETTER,
        kinds=KINDS,
        drawing=lay_out(review.picture),
        box_width=WIDTH,
        mermaid=mermaid(review.picture),
        synthetic=[record.step for record in review.records if record.synthetic],
        gains=gains,
        policy_plot=_policies(decide),
        audit_tables=audit_tables(audit),
        asked=len(asked),
        now=now,
        later=[f for f in shown if f not in now],
        closed=sum(not item["faults"] for item in asked),
        checklist=[(stage, list(items)) for stage, items in groupby(review.items, key=lambda item: item["stage"])],
        not_run=[step for step in STEPS if step not in {record.step for record in review.records}],
    )  # fmt: skip
    return page


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    from drivetrain.bytecode import cache

    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=cache("page"),
    )
    made.filters["num"] = number
    made.filters["ticked"] = ticked
    return made


def ticked(text: object) -> Markup:
    """A message of ours with what stands between back ticks as code; all of it is escaped first."""
    from markupsafe import Markup, escape

    # The only marks that are not escaped are the two written here.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _policies(decide: Mapping[str, Any]) -> Scale | None:
    rows = [{**row, "label": title(row.get("name"))} for row in decide.get("policies", ())]
    return dot_plot(rows, str(decide.get("unit") or ""), strong="optimized")


def model_figures(train: Mapping[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Model -> rows of a table: the figure's name, the model's on rows it has not seen, and its baseline's."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name, model in (train.get("models") or {}).items():
        ours, base = held_out(model), held_out(model.get("baseline"))
        shown = [
            figure for figure, value in ours.items()
            if isinstance(value, int | float) and figure != "cases" and not figure.endswith(("_low", "_high"))
        ]  # fmt: skip
        found[name] = [(title(figure), _with_interval(ours, figure), _with_interval(base, figure)) for figure in shown]
    return found


def _with_interval(measured: Mapping[str, Any], figure: str) -> str:
    if measured.get(figure) is None:
        return "-"
    ends = {end: measured.get(f"{figure}_{end}") for end in ("low", "high")}
    return number(measured[figure]) if None in ends.values() else interval({"value": measured[figure], **ends})


def audit_tables(audit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of an audit, as text: value by class and group, then errors by class and group."""
    if not audit:
        return []
    found: list[dict[str, Any]] = []
    decisions = audit.get("decisions") or {}
    unit = f"{decisions.get('unit') or 'value'}, more is better"
    for table in [*decisions.get("by_class", ()), *decisions.get("by_group", ())]:
        if table.get("policy") == "optimized":
            by = " & ".join(table["columns"])
            found.append(
                _table(
                    f"Value by {by} under the optimized policy, in {unit}",
                    by,
                    table["groups"],
                    decided_figures(table),
                    unit,
                )
            )
    for model in audit.get("models", ()):
        if model.get("overall"):
            found += _model(model)
    return found


def _model(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    head = f"{model['model']}, {model['outcome']}"
    figures = model["overall"]["figures"]
    if "classes" in model and model["positive"] is None:
        rows = [
            {"group": {"class": name}, "rows": figures[f"true positive rate: {name}"]["rows"],
             "figures": {end: figures.get(f"{full}: {name}") for end, full in _BY_CLASS}}
            for name in model["classes"] if f"true positive rate: {name}" in figures
        ]  # fmt: skip
        found.append(_table(f"{head}: errors by class", "class", rows, [end for end, _ in _BY_CLASS], "share"))
    shown = [name for name in figures if ":" not in name]
    # One row of many figures would run off the page: here each figure has a row.
    found.append(
        {"title": f"{head}: all {model['overall']['rows']} held-out rows", "by": "figure", "figures": ["all rows"],
         "rows": [{"label": name, "rows": figures[name]["rows"], "cells": [interval(figures[name])]} for name in shown],
         "plot": None}
    )  # fmt: skip
    for table in model["by_group"]:
        by = " & ".join(table["columns"])
        found.append(_table(f"{head}: by {by}", by, table["groups"], shown, "share"))
    return found


_BY_CLASS = (("recognised", "true positive rate"), ("right when said", "precision"))


def _table(name: str, by: str, rows: Sequence[Mapping[str, Any]], figures: Sequence[str], unit: str) -> dict[str, Any]:
    def label(row: Mapping[str, Any]) -> str:
        return group_name(row["group"])

    first = figures[0] if figures else ""
    drawn = [{**(row["figures"].get(first) or {}), "label": label(row)} for row in rows]
    return {
        "title": name,
        "by": by,
        "unit": unit,
        "figures": list(figures),
        "rows": [
            {"label": label(row), "rows": row["rows"], "cells": [interval(row["figures"].get(f)) for f in figures]}
            for row in rows
        ],
        "plot": dot_plot(drawn, unit) if len(rows) > 1 else None,
    }
