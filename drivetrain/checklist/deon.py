"""Checklists of deon (deon.drivendata.org): read with their ticks, and written so that deon can read them.

Items are mapped by their ids (`A.1` … `E.4`), which our questions name. A tick says that somebody once said yes; it is
imported as an answer that expires after `EXPIRES_AFTER`, so that it gets a reason before it is trusted for long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from drivetrain.checklist.answers import Answer, parse, write_answer
from drivetrain.checklist.chosen import questions
from drivetrain.errors import EvidenceError
from drivetrain.text import line, markdown

if TYPE_CHECKING:
    from drivetrain.checklist.chosen import Item
    from drivetrain.spec import Spec

SECTIONS = {"A": "Data collection", "B": "Data storage", "C": "Analysis", "D": "Modeling", "E": "Deployment"}
EXPIRES_AFTER = timedelta(days=90)
_BOX = re.compile(r"^\s*[-*+]\s*\[(?P<tick>[ xX])\]\s*(?:\*\*)?(?P<id>[A-Z]\.\d+)\b", re.MULTILINE)
_LINE = re.compile(r"^\s*(?:[-*+]\s*)?(?:\*\*)?(?P<id>[A-E]\.\d+)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        text: The new text of `checklist.yaml`.
        answered: Our questions that became "yes".
        open: Our questions that some deon item of theirs left open.
        kept: Our questions that were answered already, and stay as they are.
        unknown: Items that are not deon's, and are not mapped.
    """

    text: str
    answered: tuple[str, ...]
    open: tuple[str, ...]
    kept: tuple[str, ...]
    unknown: tuple[str, ...]


def ticks(text: str) -> dict[str, bool]:
    """The items of a deon checklist and whether they are ticked.

    Args:
        text: A checklist as deon writes it: Markdown, reStructuredText, HTML, a notebook, or its YAML (in which
            `checked: true` counts as a tick).

    Raises:
        EvidenceError: No item of a deon checklist stands in it.
    """
    stripped = text.lstrip()
    if stripped.startswith("{"):
        found = _boxes(_notebook(text))
    elif re.search(r"<li\b|<input\b", text, re.IGNORECASE):
        found = _Page(text).ticks
    else:
        found = _boxes(text) or _definition(text)
    if not found:
        raise EvidenceError(
            "is no deon checklist: no line like `- [x] **A.1 Informed consent**` stands in it.",
            "Give the file that deon wrote (Markdown, rst, HTML, ipynb or YAML).",
        )
    return found


def import_ticks(spec: Spec, checklist: str, text: str, name: str, today: date | None = None) -> Imported:
    """Answer the open questions of a plan from the ticks of a deon checklist.

    Args:
        spec: The plan.
        checklist: The text of its `checklist.yaml`.
        text: The deon checklist.
        name: What the notes call it.
        today: The day of the import; None: today.

    Raises:
        EvidenceError: Either text is no checklist.
    """
    found, answers, day = ticks(text), parse(checklist), today or date.today()
    answered, left, kept = [], [], []
    for item in questions(spec):
        asked = item.question
        if not set(asked.deon) & found.keys():
            continue
        if answers.get(item.id, Answer()).status != "unknown":
            kept.append(item.id)
        elif all(found.get(one) for one in asked.deon):
            ids = ", ".join(asked.deon)
            values = {
                "status": "yes",
                "note": f"deon {ids} ticked in {line(name)}; the reason is still to be written",
                "date": day.isoformat(),
                "expires": (day + EXPIRES_AFTER).isoformat(),
            }
            if not answers.get(item.id, Answer()).owner:
                values["owner"] = (spec.project.owners or ["whoever imported it"])[0]
            checklist = write_answer(checklist, asked, values)
            answered.append(item.id)
        else:
            left.append(item.id)
    mapped = {one for item in _all_items() for one in item}
    strange = [one for one in found if one not in mapped]
    return Imported(checklist, tuple(answered), tuple(left), tuple(kept), tuple(strange))


def export_yaml(spec: Spec, answers: Mapping[str, Answer]) -> str:
    """The plan's checklist as deon's YAML (`deon --checklist FILE`), in our words, with our state as extra keys."""
    sections = []
    for letter, rows in _rows(spec, answers).items():
        lines = [
            f"  - title: {json.dumps(SECTIONS[letter])}",
            f"    section_id: {letter}",
            "    lines:",
        ]
        for row in rows:
            lines += [
                f"      - line_id: {row['id']}",
                f"        line_summary: {json.dumps(row['title'], ensure_ascii=False)}",
                f"        line: {json.dumps(row['question'], ensure_ascii=False)}",
                f"        checked: {'true' if row['ticked'] else 'false'}",
                f"        drivetrain: {json.dumps(row['state'], ensure_ascii=False)}",
            ]
        sections.append("\n".join(lines))
    title = json.dumps(f"Data Science Ethics Checklist: {line(spec.project.name)}", ensure_ascii=False)
    return f"title: {title}\nsections:\n" + "\n".join(sections) + "\n"


def export_markdown(spec: Spec, answers: Mapping[str, Answer]) -> str:
    """The plan's checklist as deon renders it in Markdown, ticked where it is closed."""
    parts = [f"# Data Science Ethics Checklist: {markdown(spec.project.name)}"]
    for letter, rows in _rows(spec, answers).items():
        lines = [f"## {letter}. {SECTIONS[letter]}"]
        lines += [
            f" - [{'x' if row['ticked'] else ' '}] **{row['id']} {row['title']}**: {row['question']} "
            f"*{markdown(row['state'])}*"
            for row in rows
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _rows(spec: Spec, answers: Mapping[str, Answer]) -> dict[str, list[dict[str, Any]]]:
    """Deon's items with the first of our questions that covers each, by section."""
    from drivetrain.checklist.bank import bank

    chosen = {item.id: item for item in questions(spec)}
    found: dict[str, list[dict[str, Any]]] = {letter: [] for letter in SECTIONS}
    for one in sorted({item for question in bank() for item in question.deon}):
        covering = [question for question in bank() if one in question.deon]
        asked = [question for question in covering if question.id in chosen]
        closed = bool(asked) and all(_closed(chosen[q.id], answers) for q in asked)
        shown = (asked or covering)[0]
        state = _state([chosen[q.id] for q in asked], answers)
        found[one[0]].append(
            {"id": one, "title": shown.title, "question": shown.question, "ticked": closed, "state": state}
        )
    return found


def _closed(item: Item, answers: Mapping[str, Answer]) -> bool:
    return answers.get(item.id, Answer()).status in ("yes", "not applicable")


def _state(items: list[Item], answers: Mapping[str, Answer]) -> str:
    if not items:
        return "not asked: nothing in the plan sets it off"
    said = [(item.id, answers.get(item.id, Answer())) for item in items]
    return "; ".join(f"{name}: {a.status}{f', {line(a.note)}' if a.note else ''}" for name, a in said)


def _all_items() -> list[tuple[str, ...]]:
    from drivetrain.checklist.bank import bank

    return [question.deon for question in bank()]


def _boxes(text: str) -> dict[str, bool]:
    return {match["id"]: match["tick"] in "xX" for match in _BOX.finditer(text)}


def _notebook(text: str) -> str:
    """The Markdown of a notebook's cells; empty when it is no notebook."""
    try:
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell.get("cell_type") == "markdown")
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _definition(text: str) -> dict[str, bool]:
    """Items of deon's YAML, or of its plain text, which has no boxes."""
    from drivetrain.errors import SpecError
    from drivetrain.spec.reading import read

    try:
        tree = read(text, "deon").tree
    except SpecError:
        tree = None
    if isinstance(tree, dict) and isinstance(tree.get("sections"), list):
        rows = [row for s in tree["sections"] if isinstance(s, dict) for row in s.get("lines") or []]
        return {
            str(row["line_id"]): row.get("checked") is True
            for row in rows
            if isinstance(row, dict) and "line_id" in row
        }
    return {match["id"]: False for match in _LINE.finditer(text)}


class _Page(HTMLParser):
    """Ticks of the HTML that deon writes: a checkbox, then the item's id in bold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ticks: dict[str, bool] = {}
        self._ticked: bool | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input" and ("type", "checkbox") in attrs:
            self._ticked = any(name == "checked" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        match = re.match(r"\s*([A-Z]\.\d+)\b", data)
        if match and self._ticked is not None:
            self.ticks[match[1]] = self._ticked
            self._ticked = None
