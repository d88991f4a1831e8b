"""The checklist as a document: rendered from the bank, the plan and the answers, never edited by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from drivetrain.checklist.answers import Answer, load
from drivetrain.checklist.chosen import questions
from drivetrain.checklist.judge import judge
from drivetrain.stages import reached
from drivetrain.text import code, markdown

if TYPE_CHECKING:
    from drivetrain.checklist.chosen import Item
    from drivetrain.findings import Finding
    from drivetrain.spec import Spec

_MARK = {"yes": "☑ yes", "no": "☒ no", "not applicable": "not applicable", "unknown": "☐ open"}


def as_markdown(spec: Spec, *, today: date | None = None, answers: Mapping[str, Answer] | None = None) -> str:
    """`docs/bias_checklist.md`: every question of the plan with its answer, why it is asked and what is wrong with it.

    Args:
        spec: The plan; `checklist.yaml` and `evidence/` beside it are read.
        today: The day on which answers expire; None: today.
        answers: Instead of those in `checklist.yaml`.
    """
    answers = load(spec.root) if answers is None else answers
    faults: dict[str, list[Finding]] = {}
    for finding in judge(spec, today=today, answers=answers):
        if finding.level != "pass":
            faults.setdefault(str(finding.facts.get("item", "")), []).append(finding)
    items = questions(spec)
    now = [item for item in items if reached(spec.stage, item.question.stage)]
    closed = sum(not faults.get(item.id) for item in now)
    lines = [
        f"# Bias checklist: {markdown(spec.project.name)}",
        "",
        "*Rendered from `drivetrain.yaml`, `checklist.yaml` and `evidence/`. Answer in `checklist.yaml`; "
        "`drivetrain checklist` lists what is open.*",
        "",
        f"Stage `{spec.stage}`: {closed} of {len(now)} questions that this gate asks are closed; "
        f"{len(items) - len(now)} more come with later gates.",
    ]
    stage = ""
    for item in items:
        if item.question.stage != stage:
            stage = item.question.stage
            later = "" if reached(spec.stage, item.question.stage) else " (later)"
            lines += ["", f"## Gate of stage `{stage}`{later}"]
        lines += ["", *_item(item, answers.get(item.id, Answer()), faults.get(item.id, []))]
    return "\n".join(lines) + "\n"


def _item(item: Item, answer: Answer, faults: list[Finding]) -> list[str]:
    asked = item.question
    lines = [
        f"### {asked.title}",
        "",
        f"**{asked.question}**",
        "",
        f"- Answer: {_MARK[answer.status]}{f', {markdown(answer.note)}' if answer.note else ''}",
        f"- Owner: {markdown(answer.owner) or 'nobody yet'}"
        + (f"; answered {answer.date}" if answer.date else "")
        + (f"; expires {answer.expires}" if answer.expires else ""),
    ]
    lines += [f"- Evidence: {code(proof.path)}" for proof in answer.evidence]
    lines += [
        f"- **{fault.id}**: {markdown(fault.what)} {markdown(fault.advice)}" for fault in faults if fault.id != "DC101"
    ]
    lines += [
        f"- Why it is asked: {asked.why}",
        f"- Why here: {markdown('; '.join(item.reasons))}",
        f"- What can answer it: {asked.evidence}",
        f"- Kind: {asked.kind}. Helps: {' '.join(asked.mitigations)}"
        + (f" Does not help: {' '.join(asked.no_help)}" if asked.no_help else ""),
        f"- Source: {asked.source}" + (f" (deon {', '.join(asked.deon)})" if asked.deon else ""),
        f"- Key: `{asked.id}`",
    ]
    return lines
