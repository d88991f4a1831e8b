"""The review as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from drivetrain.review.differences import GRADES, by_grade
from drivetrain.review.glance import glance
from drivetrain.review.html import audit_tables, model_figures
from drivetrain.review.lines import finding_line, table
from drivetrain.review.picture import mermaid
from drivetrain.review.records import STEPS
from drivetrain.review.words import limit_of, number, title
from drivetrain.review.words import said as shown
from drivetrain.stages import reached
from drivetrain.text import markdown as plain

if TYPE_CHECKING:
    from drivetrain.review.asks import Ask
    from drivetrain.review.gates import GateView, Missing
    from drivetrain.review.gather import Review

LONGEST = 60_000
"""Bytes; GitHub takes 65,536 characters, and a workflow puts some before it."""


def markdown(review: Review) -> str:
    """The review in GitHub's Markdown; text of the plan is escaped, so that it shows and does nothing."""
    parts = [
        _head(review), _picture(review), _questions(review), _changes(review), _gates(review), _findings(review),
        _objective(review), _models(review), _policies(review.decide), _audit(review.audit), _checklist(review),
        _evidence(review), _unknowns(review),
    ]  # fmt: skip
    return _that_fits(["\n".join(part) for part in parts if part])


def _that_fits(parts: Sequence[str]) -> str:
    """What a comment can hold: the longest parts are left out, and named, until it fits."""
    kept, out = list(parts), []
    while len("\n\n".join(kept).encode()) > LONGEST and len(kept) > 1:
        longest = max(kept[1:], key=len)
        kept.remove(longest)
        out.append(longest.splitlines()[0].removeprefix("## "))
    if out:
        kept.append(f"*Too long for a comment and left out here: {', '.join(out)}. The page has it all.*")
    return "\n\n".join(kept) + "\n"


def _head(review: Review) -> list[str]:
    lines = [f"# Planning review: {plain(review.name)}", ""]
    if review.summary:
        lines += [plain(review.summary), ""]
    known = (
        f"evidenced: {', '.join(r.step for r in review.records)}" if review.records else "planned, nothing measured yet"
    )
    owners = f", {', '.join(map(plain, review.owners))}" if review.owners else ""
    lines.append(f"Aims at stage **{review.stage}**{owners}; held {review.held[:10]}; {known}.")
    if review.synthetic:
        names = ", ".join(record.step for record in review.records if record.synthetic)
        lines += ["", f"> **Made from sample data:** {names}. This says nothing about the world."]
    lines += [line for fault in review.faults for line in ("", f"> **A record cannot be read.** {plain(fault)}")]
    return [*lines, "", *(f"- **{word}**: {plain(sentence)}" for word, sentence in glance(review))]


def _picture(review: Review) -> list[str]:
    return ["## The drivetrain", "", "```mermaid", mermaid(review.picture).rstrip(), "```"]


def _questions(review: Review) -> list[str]:
    if not review.questions:
        return []
    lines = ["## The next questions", ""]
    lines += [f"{i}. {_question(question)}" for i, question in enumerate(review.questions[:3], 1)]
    if more := [_question(question) for question in review.questions[3:]]:
        lines += [
            "",
            f"<details><summary>{len(more)} more</summary>",
            "",
            *(f"- {q}" for q in more),
            "",
            "</details>",
        ]
    return lines


def _question(question: Ask) -> str:
    who = f" ({plain(question.owner)}{f', by {question.due}' if question.due else ''})" if question.owner else ""
    return f"{plain(question.text)}{who}"


def _changes(review: Review) -> list[str]:
    if not review.against:
        return []
    lines = [f"## What changed since {plain(review.against)}", ""]
    for grade, changes in by_grade(review.changes):
        lines += [f"**{grade.capitalize()}**: {GRADES[grade]}", ""]
        lines += [f"- {'**weakens**: ' if change.weakens else ''}{plain(change.what)}" for change in changes]
        lines.append("")
    return lines[:-1] if review.changes else [*lines, "Nothing that means anything."]


def _approvals(review: Review) -> list[str]:
    lines = []
    for signed in review.signatures:
        state = "holds" if signed.holds else f"**lapsed**: {plain(', '.join(signed.changed))} changed"
        proof = f"commit {plain(signed.commit)}" if signed.commit else "not committed yet"
        notes = [f"on condition: {plain(text)}" for text in signed.conditions]
        notes += [f"dissent: {plain(text)}" for text in signed.dissent]
        who = f"{plain(signed.name)} ({signed.when[:10]}, {proof})"
        lines.append(f"- Gate of stage {signed.stage} approved by {who}: {'; '.join([state, *notes])}")
    return ["", *lines] if lines else []


def _gates(review: Review) -> list[str]:
    rows = [
        [
            f"**{gate.stage}**" + (" (aimed at)" if gate.aimed else ""), gate.asks,
            "nothing missing" if gate.met else f"{len(gate.missing)} missing", gate.basis,
        ]
        for gate in review.gates
    ]  # fmt: skip
    lines = ["## Gates", "", *table(["stage", "asks", "state", "basis"], rows)]
    for gate in review.gates:
        if gate.due and gate.missing:
            lines += ["", *_gate(gate)]
    return lines + _approvals(review)


def _gate(gate: GateView) -> list[str]:
    return [
        f"<details><summary>What the gate of stage {gate.stage} lacks ({len(gate.missing)})</summary>", "",
        *(f"- {missing_line(missing)}" for missing in gate.missing), "", "</details>",
    ]  # fmt: skip


def missing_line(missing: Missing) -> str:
    """One thing that is missing, with who owes it and by when, as Markdown."""
    owed = f"owed by {plain(missing.owner) if missing.owner else 'nobody yet'}"
    if missing.due:
        owed += f", **overdue since {missing.due}**" if missing.overdue else f" by {missing.due}"
    advice = f" {plain(missing.advice)}" if missing.advice else ""
    return f"**{plain(missing.where)}**: {plain(missing.what)}{advice} ({owed})"


def _findings(review: Review) -> list[str]:
    shown = [f for f in review.findings if f.level != "pass" and reached(review.stage, f.facts.get("stage", "plan"))]
    return ["## Findings", "", *(f"- {finding_line(f)}" for f in shown)] if shown else []


def _objective(review: Review) -> list[str]:
    objective = review.plan.get("objective")
    if not objective:
        return ["## Objective", "", "There is no objective yet: start here."]
    measure = objective.get("measure") or {}
    lines = ["## Objective", "", f"> {said(objective.get('statement'))}", ""]
    if measure:
        lines.append(
            f"{said(measure.get('name'))} in {said(measure.get('unit'))}, {measure.get('direction')}: "
            f"today {said(measure.get('current'))}, target {said(measure.get('target'))}, "
            f"least that is useful {said(measure.get('minimum_useful'))}."
        )
    return lines


def said(value: Any) -> str:
    """A value of the plan as Markdown; what is open says so."""
    if isinstance(value, Mapping) and "unknown" in value:
        return (
            f"**open**: {plain(value['unknown'])} ({plain(value.get('owner', ''))}, by {plain(value.get('due', ''))})"
        )
    if value is None:
        return "not said yet"
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def _models(review: Review) -> list[str]:
    models = review.plan.get("models")
    if not models:
        return []
    lines, figures = ["## Models", ""], model_figures(review.train)
    for model in models:
        head = f"**{plain(model['name'])}** ({model['task']}) predicts {plain(shown(model.get('predicts')))}"
        lines.append(f"- {head}; its baseline: {plain(shown(model.get('baseline')))}.")
    for name, rows in figures.items():
        cells = [[plain(figure), ours, base] for figure, ours, base in rows]
        lines += ["", *table([f"{plain(name)} on rows it has not seen", "model", "baseline"], cells)]
    return lines if figures else [*lines, "", "Planned; nothing was trained yet (`make train`)."]


def _policies(decide: Mapping[str, Any]) -> list[str]:
    if not decide.get("policies"):
        return ["## What the decisions are worth", "", "Planned; nothing was compared yet (`make decide`)."]
    gains = {row.get("against"): row for row in decide.get("differences", ())}
    rows = []
    for row in decide["policies"]:
        gain = gains.get(row["name"])
        better = f"{number(gain['value'])} ({number(gain['low'])} to {number(gain['high'])})" if gain else ""
        name = plain(title(row["name"]))
        rows.append(
            [
                f"**{name}**" if row["name"] == "optimized" else name, number(row["value"]),
                f"{number(row['low'])} to {number(row['high'])}", better, plain(row.get("label", "")),
            ]
        )  # fmt: skip
    unit = plain(decide.get("unit") or "")
    head = ["policy", unit, "95 % interval", "optimized is better by", "label"]
    less = {"minimize": ", less is better", "maximize": ", more is better"}.get(str(decide.get("direction")), "")
    lines = ["## What the decisions are worth", "", f"{plain(decide.get('measure') or 'Value')} in {unit}{less}.", ""]
    lines += table(head, rows)
    if found := decide.get("reported"):
        figures = ", ".join(
            f"{plain(title(row['name']))} {number(row['value'])} ({number(row['low'])} to {number(row['high'])})"
            for row in found["policies"]
        )
        lines.append(f"\nAs the plan reports it, {plain(found['formula'])}: {figures} ({plain(found['label'])}).")
    for row in decide.get("constraints", ()):
        state = row.get("state") or ("met" if row.get("met") else "not met")
        state = state if state == "met" else f"**{plain(state)}**"
        limit = plain(limit_of(row))
        lines.append(f"\n{plain(row.get('name'))}: {number(row.get('value'))}, {limit}: {state}.")
    return lines + [f"\n{plain(note)}" for note in decide.get("notes", ())]


def _audit(audit: Mapping[str, Any]) -> list[str]:
    lines = ["## Who gets good decisions", ""]
    if not audit:
        return [*lines, "Planned; not audited yet (`make audit`)."]
    if audit.get("note"):
        lines += [f"{plain(audit['note']).capitalize()}: by class only.", ""]
    for found in audit_tables(audit):
        rows = [[plain(row["label"]), str(row["rows"]), *map(plain, row["cells"])] for row in found["rows"]]
        lines += [
            f"<details><summary>{plain(found['title'])}</summary>", "",
            *table([plain(found["by"]), "rows", *map(plain, found["figures"])], rows), "", "</details>", "",
        ]  # fmt: skip
    return lines + [f"- {finding_line(f)}" for f in audit.get("findings", ()) if f["level"] != "pass"]


def _checklist(review: Review) -> list[str]:
    lines = ["## Bias checklist", ""]
    for stage, found in groupby(review.items, key=lambda item: item["stage"]):
        items = list(found)
        open_ = [item for item in items if item["faults"]]
        later = "" if reached(review.stage, stage) else ", later"
        lines.append(f"- Gate of stage `{stage}`{later}: {len(items) - len(open_)} of {len(items)} closed")
        for item in open_:
            shown = [f for f in item["faults"] if f["id"] != "DC101"]
            lines += [f"  - {plain(item['title'])}: **{f['id']}** {plain(f['what'])}" for f in shown]
    return lines


def _evidence(review: Review) -> list[str]:
    rows = []
    for record in review.records:
        state = "fresh" if record.fresh else f"**stale**: {plain(record.changes)} changed"
        data = plain(", ".join(record.data)) + (" (**sample data**)" if record.synthetic else "")
        rows.append([record.step, record.created[:16].replace("T", " "), data, state])
    run = {record.step for record in review.records}
    rows += [[step, "planned, not run yet", "", ""] for step in STEPS if step not in run]
    lines = ["## Evidence", "", *table(["step", "when (UTC)", "data", "state"], rows)]
    if review.stale_documents:
        lines += ["", f"**Stale documents**: {', '.join(f'`{name}`' for name in review.stale_documents)}"]
    return lines


def _unknowns(review: Review) -> list[str]:
    if not review.unknowns:
        return []
    rows = [[plain(u.path), plain(u.question), plain(u.owner), str(u.due)] for u in review.unknowns]
    return ["## What nobody knows yet", "", *table(["where", "question", "who finds out", "by"], rows)]
