"""The findings as one page that a person looks at: bars, heat maps, and samples of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.availability.samples import samples
from drivetrain.findings import LEVELS, Finding
from drivetrain.text import line

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from drivetrain.spec import Spec

PAGES = Path(__file__).with_name("pages")
LONGEST = 30
"""Bars of one picture; of more classes the rarest are shown."""
NAMED = 50
"""Affected files that the page names; the evidence names all."""
_LONG, _JOINT = re.compile(r"\S{20,}"), re.compile(r"([/_.-]+)(?=\w)")


def write(spec: Spec, findings: Sequence[Finding], path: Path) -> Path:
    """Write the page; it needs no other file and no network.

    Args:
        spec: The plan.
        findings: What the check found.
        path: Where the page goes.

    Raises:
        EnvironmentFault: It cannot be written there.
    """
    from drivetrain.errors import EnvironmentFault
    from drivetrain.evidence import write_whole

    try:
        write_whole(path, html(spec, findings))
    except OSError as error:
        raise EnvironmentFault(f"`{path}` cannot be written ({error.strerror}).", "Choose another place.") from error
    return path


def html(spec: Spec, findings: Sequence[Finding]) -> str:
    """The page; every text of plan and data is escaped where it is put in."""
    from markupsafe import Markup

    parts = []
    for source in spec.data:
        own = [f for f in findings if _belongs(f.where, f"data.{source.name}")]
        pictures = [*_classes(own), *_groups(own)]
        parts.append(
            {
                "name": source.name,
                "kind": source.kind,
                "findings": _ordered(own),
                "bars": pictures,
                "samples": samples(spec, source, own),
                "personal": source.rights is not None and bool(source.rights.personal),
            }
        )
    levers = []
    for lever in spec.levers:
        own = [f for f in findings if _belongs(f.where, f"levers.{lever.name}")]
        levers.append({"name": lever.name, "findings": _ordered(own), "bars": _settings(own), "maps": overlap(own)})
    rest = [f for f in findings if not f.where.startswith(("data.", "levers."))]
    page: str = (
        _environment()
        .get_template("check.html")
        .render(
            style=Markup((PAGES / "check.css").read_text(encoding="utf-8")),
            project=spec.project.name if spec.project else "",
            counts=[(level, sum(f.level == level for f in findings)) for level in reversed(LEVELS)],
            sources=parts,
            levers=levers,
            rest=_ordered(rest),
            synthetic=_synthetic(spec),
            named=NAMED,
        )
    )
    return page


def _belongs(where: str, place: str) -> bool:
    return where == place or where.startswith(place + ".")


def _ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The gravest first."""
    return sorted(findings, key=lambda finding: -LEVELS.index(finding.level))


def _synthetic(spec: Spec) -> bool:
    from drivetrain.source import SAMPLE

    return (spec.root / SAMPLE).exists()


def _bars(title: str, sizes: Mapping[str, int], need: int | None = None, notes: Mapping[str, str] | None = None) -> Any:
    """Bars of one picture: the rarest first, each with its share of the longest."""
    ordered = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    longest = max([*sizes.values(), need or 0, 1])
    return {
        "title": title,
        "need": need,
        "mark": 100 * need / longest if need else None,
        "more": max(0, len(ordered) - LONGEST),
        "rows": [
            {
                "name": name,
                "size": size,
                "width": 100 * size / longest,
                "short": size == 0 or bool(need and size < need),
                "note": (notes or {}).get(name, ""),
            }
            for name, size in ordered[:LONGEST]
        ],
    }


def _classes(findings: Sequence[Finding]) -> list[Any]:
    """Rows of each class, and how they fall on the parts of the split."""
    found: dict[str, Any] = {}
    for finding in findings:
        counts = finding.facts.get("counts")
        name = finding.where.rsplit(".", 1)[-1]
        if finding.id in ("DA121", "DA122", "DA123") and counts:
            found.setdefault(name, _bars(f"Rows of each class of {name}", counts, finding.facts.get("need")))
    for finding in findings:
        name = finding.where.rsplit(".", 1)[-1]
        if finding.id == "DA125" and name in found:
            for row in found[name]["rows"]:
                parts = [f"{part} {sizes.get(row['name'], 0):,}" for part, sizes in finding.facts["counts"].items()]
                row["note"] = ", ".join(parts)
    return list(found.values())


def _groups(findings: Sequence[Finding]) -> list[Any]:
    """Rows of each group, with those to test on and those with a positive label."""
    found: dict[str, Any] = {}
    for finding in findings:
        if finding.id not in ("DA131", "DA132", "DA133") or not finding.facts.get("counts"):
            continue
        name = finding.where.rsplit(".", 1)[-1]
        facts = finding.facts
        notes = {group: f"to test on {size:,}" for group, size in facts["tested"].items()}
        for outcome, positives in facts["positives"].items():
            for group, size in facts["counts"].items():
                if size:
                    notes[group] += f", {outcome} {positives.get(group, 0) / size:.0%}"
        found.setdefault(name, _bars(f"Rows of each group of {name}", facts["counts"], None, notes))
    return list(found.values())


def _settings(findings: Sequence[Finding]) -> list[Any]:
    for finding in findings:
        if finding.facts.get("counts") and finding.id in ("DA202", "DA204", "DA205"):
            shares = finding.facts.get("shares", {})
            notes = {setting: f"{share:.1%}" for setting, share in shares.items()}
            return [_bars("Rows of each setting", finding.facts["counts"], None, notes)]
    return []


def overlap(findings: Sequence[Finding]) -> list[Any]:
    """A map for each column of the context: how often each setting was pulled there, of the rows that allowed it."""
    by: Mapping[str, Any] = next((f.facts["by"] for f in findings if f.facts.get("by")), {})
    maps = []
    for column, values in by.items():
        settings = list(next(iter(values.values())))
        rows = []
        for value, sizes in values.items():
            cells = []
            for setting in settings:
                pulled, open_rows = sizes[setting]["pulled"], sizes[setting]["allowed"]
                cells.append(
                    {
                        "pulled": pulled,
                        "open": open_rows,
                        "heat": round(100 * pulled / open_rows) if open_rows else 0,
                        "never": open_rows >= 50 and not pulled,
                    }
                )
            rows.append({"name": value, "cells": cells})
        gaps = sum(cell["never"] for row in rows for cell in row["cells"])
        maps.append({"column": column, "settings": settings, "rows": rows, "gaps": gaps})
    return sorted(maps, key=lambda one: -one["gaps"])


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    made.filters["line"] = line
    made.filters["ticked"] = ticked
    made.filters["foldable"] = foldable
    return made


def ticked(text: object) -> Markup:
    """A message of ours with what stands between back ticks as code; all of it is escaped first."""
    from markupsafe import Markup, escape

    # The only marks that are not escaped are the three written here.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", _breakable(str(escape(line(text))))))


def foldable(text: object) -> Markup:
    """A text of plan or data, escaped; a long name in it may be broken between its words."""
    from markupsafe import Markup, escape

    return Markup(_breakable(str(escape(line(text)))))


def _breakable(escaped: str) -> str:
    """Where the line is too short for a name it ends behind a `/`, `_`, `.` or `-`, and not amid a word."""
    return _LONG.sub(lambda word: _JOINT.sub(r"\1<wbr>", word[0]), escaped)
