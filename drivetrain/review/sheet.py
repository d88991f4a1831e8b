"""`docs/datasheet.md`: what the data are, in the order of questions that a datasheet asks.

Reference: Gebru et al. (2021), Datasheets for Datasets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.review.gather import gather
from drivetrain.review.lines import finding_line, table
from drivetrain.review.words import said
from drivetrain.text import code, markdown

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec

OPEN = "*not said yet*"


def datasheet(spec: Spec, review: Review | None = None) -> str:
    """The sheet, one part per source of data.

    Args:
        spec: The plan; evidence beside it is read.
        review: The review of this plan, if it was built already.
    """
    held = review or gather(spec)
    lines = [
        f"# Datasheet: {markdown(held.name)}",
        "",
        "*Rendered from `drivetrain.yaml` and `evidence/`; `drivetrain update` and `drivetrain review` write it anew.*",
    ]
    sources = held.plan.get("data", ())
    if not sources:
        lines += ["", "The plan names no data yet."]
    for source in sources:
        lines += ["", f"## {markdown(source['name'])}", *_source(source, held)]
    return "\n".join(lines) + "\n"


def _source(source: Mapping[str, Any], held: Review) -> Iterator[str]:
    rights, collected = source.get("rights") or {}, source.get("collected") or {}
    objective = held.plan.get("objective") or {}
    sections = {
        "Motivation": [("Collected for", _said(objective.get("statement"))), ("Owner", _said(source.get("owner")))],
        "Composition": [
            ("One row or file is", _said(source.get("unit"))),
            ("Kind", _said(source.get("kind"))),
            ("Where", code(source["location"]) if isinstance(source.get("location"), str) else "still to be collected"),
            ("People in it", _said(rights.get("personal"))),
            ("Groups that can be told apart", _said(source.get("groups"), "none recorded")),
            ("Rows belong to", _said(source.get("entity"), "nothing that the plan names")),
            ("Time of a row", _said(source.get("time"), "not recorded")),
        ],
        "Collection": [
            ("How", _said(collected.get("how"))),
            ("From", _said(collected.get("from"))),
            ("To", _said(collected.get("to"))),
            *_collect(source.get("collect")),
            ("Consent", _said(rights.get("consent"))),
        ],
        "Splits": [("Training, validation, test", _split(source.get("split") or {}))],
        "Uses": [("Used by", _said(_users(source, held), "no model yet"))],
        "Distribution": [("Licence", _said(rights.get("licence")))],
        "Maintenance": [
            ("Refreshed every", _said(source.get("refresh"))),
            ("Deleted after", _said(rights.get("retention"))),
        ],
    }
    for title, facts in sections.items():
        yield ""
        yield f"### {title}"
        yield ""
        yield from (f"- {name}: {value}" for name, value in facts)
        if title == "Composition":
            yield from _columns(source)
    found = [f for f in held.check.get("findings", ()) if _about(f, source["name"]) and f.get("level") != "pass"]
    if held.check:
        yield ""
        yield "### What the check found"
        yield ""
        yield from [f"- {finding_line(f)}" for f in found] or ["- Nothing is wrong with it."]


def _columns(source: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, outcome in (source.get("outcomes") or {}).items():
        moved = outcome.get("affected_by")
        mover = "no lever moves it, as far as we believe" if moved == [] else f"moved by {said(moved)}"
        late = str(outcome.get("delay", "0 days"))
        wait = "at once" if late.startswith("0 ") else f"after {late}"
        notes = f"outcome, known {wait}; {mover}" + (
            f"; wrong when: {outcome['noise']}" if outcome.get("noise") else ""
        )
        rows.append([code(name), _said(outcome.get("type")), markdown(notes)])
    for name, column in (source.get("columns") or {}).items():
        marks = ["sensitive"] if column.get("sensitive") else []
        marks += ["audit only"] if column.get("use") == "audit" else []
        marks += ["known only after the decision"] if column.get("known") == "after" else []
        marks += ["logged setting"] if column.get("role") == "logged" else []
        unit = f" ({column['unit']})" if isinstance(column.get("unit"), str) else ""
        rows.append([code(name), markdown(f"{column.get('type')}{unit}"), ", ".join(marks)])
    if rows:
        yield ""
        yield from table(["column", "type", "notes"], rows)


def _collect(collect: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not collect:
        return []
    skipped = ("how",)
    rows = [("To be collected by", _said(collect.get("how")))]
    return rows + [
        (key.replace("_", " ").capitalize(), _said(value)) for key, value in collect.items() if key not in skipped
    ]


def _split(split: Mapping[str, Any]) -> str:
    if split.get("column"):
        return f"as the column {code(split['column'])} says"
    by = f"by {split['by']}" if split.get("by") else "by entity if one is named, else at random"
    held = f"; held out whole: {said(split['hold_out'])}" if split.get("hold_out") else ""
    shares = f"{said(split.get('validation'))} to validate, {said(split.get('test'))} to test, seed {split.get('seed')}"
    return markdown(f"{by}; {shares}{held}")


def _users(source: Mapping[str, Any], held: Review) -> list[str]:
    """Models that learn from a source, or from rows that it is joined to."""
    return [
        model["name"]
        for model in held.plan.get("models", ())
        if any(
            e.source == f"data_{source['name']}" and e.target == f"model_{model['name']}" for e in held.picture.edges
        )
    ]


def _about(finding: Mapping[str, Any], name: str) -> bool:
    return name in str(finding.get("where", ""))


def _said(value: Any, otherwise: str = OPEN) -> str:
    if isinstance(value, Mapping) and "unknown" in value:
        return f"**{markdown(said(value))}**"
    if value is None or value in ("", []):
        return otherwise
    return said(value) if isinstance(value, int | float) else markdown(said(value))
