"""The review for machines: JSON, SARIF 2.1.0 and JUnit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import drivetrain
from drivetrain.findings import Finding
from drivetrain.review.picture import mermaid

if TYPE_CHECKING:
    from drivetrain.review.gather import Review

_LEVELS = {"fail": "error", "unknown": "warning", "warn": "warning", "note": "note", "pass": "none"}
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def as_json(review: Review) -> str:
    """All of it."""
    body = _plain(review)
    for record in body["records"]:
        # What a step measured stands below its own name.
        del record["result"]
    body["gates"] = [{**_plain(gate), "met": gate.met} for gate in review.gates]
    body["picture"]["mermaid"] = mermaid(review.picture)
    body |= {"synthetic": review.synthetic, "stale": review.stale}
    return json.dumps(body, indent=2, ensure_ascii=False, default=str) + "\n"


def _plain(value: Any) -> Any:
    """Records, whichever they are, as mappings."""
    if isinstance(value, Finding):
        return value.as_json()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def sarif(review: Review) -> str:
    """Everything that is missing or found, as SARIF, for code-scanning views."""
    results: list[dict[str, Any]] = []
    rules: dict[str, dict[str, Any]] = {}
    for finding in found(review):
        if finding.level == "pass":
            continue
        rules.setdefault(
            finding.id, {"id": finding.id, "shortDescription": {"text": TITLES.get(finding.id, finding.id)}}
        )
        file, line, rest = _place(finding.where, review.file)
        location: dict[str, Any] = {"artifactLocation": {"uri": file}}
        if line:
            location["region"] = {"startLine": line}
        text = " ".join(filter(None, (f"{rest}:" if rest else "", finding.what, finding.advice)))
        results.append(
            {
                "ruleId": finding.id,
                "level": _LEVELS[finding.level],
                "message": {"text": _message(text)},
                "locations": [{"physicalLocation": location}],
            }
        )
    driver = {"name": "drivetrain", "version": drivetrain.__version__, "rules": list(rules.values())}
    body = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def junit(review: Review) -> str:
    """A test suite per gate: what is missing at a gate that is due fails; later gates are skipped."""
    suites = ElementTree.Element("testsuites", name=_xml(f"review of {review.name}"))
    for gate in review.gates:
        failures = len(gate.missing) if gate.due else 0
        suite = ElementTree.SubElement(
            suites, "testsuite", name=f"gate {gate.stage}", tests=str(max(len(gate.missing), 1)), errors="0",
            failures=str(failures), skipped=str(len(gate.missing) - failures),
        )  # fmt: skip
        for missing in gate.missing:
            case = ElementTree.SubElement(suite, "testcase", classname=f"gate.{gate.stage}", name=_xml(missing.where))
            owed = f"Owed by {missing.owner or 'nobody yet'}{f' by {missing.due}' if missing.due else ''}."
            text = _xml(" ".join(filter(None, (missing.what, missing.advice, owed))))
            ElementTree.SubElement(case, "failure" if gate.due else "skipped", message=text)
        if gate.met:
            ElementTree.SubElement(suite, "testcase", classname=f"gate.{gate.stage}", name=gate.asks)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


TITLES = {
    "DG101": "A part of the plan from which nothing comes",
    "DG201": "Something is missing at a gate that is due",
    "DG202": "Something is missing at a later gate",
    "DG301": "A change that weakens the plan",
    "DG302": "An approval that has lapsed",
    "DG303": "A document that was rendered from an older state",
}


def found(review: Review) -> Iterator[Finding]:
    """Everything that the review holds against the project, as findings."""
    yield from review.findings
    yield from _since(review)
    for gate in review.gates:
        for missing in gate.missing:
            if missing.kind == "finding":
                continue
            owed = f"Owed by {missing.owner or 'nobody yet'}{f' by {missing.due}' if missing.due else ''}."
            advice = " ".join(filter(None, (missing.advice, owed)))
            where = missing.where
            if missing.kind == "checklist":
                where = f"checklist.yaml: {where.removeprefix('checklist: ')}"
            elif missing.kind not in ("evidence", "policy"):
                where = f"{review.file}: {where}"
            what = f"gate {gate.stage}: {missing.what}"
            yield Finding("DG201" if gate.due else "DG202", "fail" if gate.due else "note", where, what, advice)


def _since(review: Review) -> Iterator[Finding]:
    """What changed for the worse, and what has fallen behind."""
    for change in review.changes:
        if change.weakens:
            where, what = f"{review.file}: {change.path}", f"since {review.against}: {change.what}."
            yield Finding("DG301", "warn", where, what, "Justify it in the review.", facts={"grade": change.grade})
    for signed in review.signatures:
        if not signed.holds:
            what = f"the approval by {signed.name} has lapsed: {', '.join(signed.changed)} changed."
            yield Finding("DG302", "warn", signed.file, what, f"Sign again: `drivetrain sign {signed.stage}`.")
    for name in review.stale_documents:
        what = "says something else than it would now."
        yield Finding("DG303", "note", name, what, "`drivetrain review` writes it anew.")


def _place(where: str, file: str) -> tuple[str, int, str]:
    """File, line (0: unknown) and the rest of a place like `drivetrain.yaml:23: levers[1]`."""
    match = re.fullmatch(
        r"(?P<file>[\w./-]+\.(?:ya?ml|json|csv|parquet|md))(?::(?P<line>\d+))?(?::\s*(?P<rest>.*))?", where, re.S
    )
    if not match:
        return file, 0, where
    return match["file"], int(match["line"] or 0), match["rest"] or ""


def _message(text: str) -> str:
    """A text as SARIF reads it: `{0}` would be a placeholder and `[a](b)` a link."""
    return re.sub(r"\{(\d+)\}", r"{{\1}}", text).replace("](", "\\](")


def _xml(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
