"""What is open on a plan's checklist: structure and evidence are checked, prose is never graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.checklist.answers import FILE, digests, load
from drivetrain.checklist.chosen import questions
from drivetrain.checklist.measured import Known, contradictions
from drivetrain.findings import Finding, passes
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.checklist.answers import Answer
    from drivetrain.checklist.chosen import Item
    from drivetrain.findings import Level
    from drivetrain.spec import Spec
    from drivetrain.stages import Stage


def open_items(
    root: str | Path | None = None, *, stage: Stage | None = None, today: date | None = None
) -> list[Finding]:
    """What is open on the checklist of the project in `root`.

    Args:
        root: The project's folder, or its plan; None: the nearest plan above this folder.
        stage: The gate; None: the stage that the plan aims at. Questions of later gates are notes.
        today: The day on which answers expire; None: today.

    Returns:
        One finding per fault, `DC101` … `DC109`; a closed item gives a `pass`, so that nothing is silently missing.

    Raises:
        SpecError: The plan cannot be read.
        EvidenceError: `checklist.yaml` or an evidence record cannot be read.
    """
    from drivetrain.spec import load_spec

    return judge(load_spec(root), stage=stage, today=today)


def judge(
    spec: Spec, *, stage: Stage | None = None, today: date | None = None, answers: Mapping[str, Answer] | None = None
) -> list[Finding]:
    """What is open on the checklist beside `spec`; see `open_items`."""
    answers = load(spec.root) if answers is None else answers
    gate = stage or spec.stage
    found: list[Finding] = []
    asked, known = questions(spec), Known(spec)
    for item in asked:
        due = reached(gate, item.question.stage)
        found += _item(item, answers.get(item.id), due, known, today or date.today())
    names = {item.id for item in asked}
    for name, answer in answers.items():
        if name not in names:
            what = "this plan does not ask that question (any more)."
            found.append(Finding("DC109", "note", _where(name, answer), what, "Keep it as a record, or remove it."))
    return found


def summary(findings: Sequence[Finding], stage: Stage) -> str:
    """How many questions of today's gate are closed, and how to close the next.

    Args:
        findings: What `judge` found.
        stage: The gate that was asked for.
    """
    items: dict[str, list[Finding]] = {}
    for finding in findings:
        if "item" in finding.facts:
            items.setdefault(str(finding.facts["item"]), []).append(finding)
    due = {name: found for name, found in items.items() if found[0].facts["due"]}
    left = [name for name, found in due.items() if not passes(found)]
    said = f"Gate `{stage}`: {len(due) - len(left)} of {len(due)} questions are answered and hold"
    later = len(items) - len(due)
    said += f"; {later} more come with later gates." if later else "."
    return f"{said} Next: drivetrain checklist --answer {left[0]} --status … --note …" if left else said


def _item(item: Item, answer: Answer | None, due: bool, known: Known, today: date) -> list[Finding]:
    asked = item.question
    where = _where(item.id, answer)
    facts = {"item": item.id, "stage": asked.stage, "owner": answer.owner if answer else "", "due": due}

    def finding(code: str, level: Level, what: str, advice: str = "", affected: tuple[str, ...] = ()) -> Finding:
        # What a later gate asks does not stop today's, but is never hidden.
        return Finding(code, level if due or level == "pass" else "note", where, what, advice, affected, facts)

    if answer is None:
        return [finding("DC101", "unknown", f"is not in {FILE}: {asked.question}", "Add and answer it.", item.reasons)]
    found = [finding("DC108", "fail", fault, "Mend the entry.") for fault in answer.faults]
    if answer.status == "unknown":
        return [
            *found,
            finding("DC101", "unknown", f"is open: {asked.question}", f"Evidence: {asked.evidence}.", item.reasons),
        ]
    if not answer.owner:
        found.append(finding("DC106", "fail", "has an answer that nobody stands for.", "Name an owner."))
    if not answer.note and not (answer.status == "yes" and answer.evidence):
        found.append(
            finding(
                "DC104",
                "fail",
                f"is answered `{answer.status}` without a reason.",
                "Add a note, or evidence for a yes.",
            )
        )
    if answer.expires and answer.expires < today:
        found.append(
            finding("DC102", "fail", f"expired on {answer.expires.isoformat()}.", "Look again and set a new date.")
        )
    if answer.date and answer.date > today:
        found.append(
            finding("DC108", "fail", f"is dated {answer.date.isoformat()}, which is yet to come.", "Mend the date.")
        )
    found += [
        finding("DC105", level, what, advice, (proof,))
        for proof, level, what, advice in _evidence(answer, known.spec.root)
    ]
    if answer.status == "yes":
        found += [
            finding(
                "DC103",
                "fail",
                f"is answered `yes`, but {what.removesuffix('.')}.",
                "Mend the cause, or change the answer.",
                (what,),
            )
            for what in contradictions(known, asked.contradicted)
        ]
    if answer.status == "no":
        found.append(
            finding("DC107", "warn", f"is a known gap: {answer.note or asked.question}", "; ".join(asked.mitigations))
        )
    return found or [finding("DC100", "pass", f"{asked.title}: {answer.status}.")]


def _evidence(answer: Answer, root: Path) -> list[tuple[str, Level, str, str]]:
    found: list[tuple[str, Level, str, str]] = []
    for proof in answer.evidence:
        path = root / proof.path
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            found.append(
                (proof.path, "fail", f"rests on `{proof.path}`, which is not there.", "Put it back, or look again.")
            )
            continue
        now = digests(path)
        if not proof.sha256:
            advice = f"Write `sha256: {now[-1]}` beside it."
            found.append((proof.path, "fail", f"rests on `{proof.path}` without its hash.", advice))
        elif proof.sha256 not in now:
            what = f"rests on `{proof.path}`, which has changed since."
            found.append((proof.path, "fail", what, "Read it again, and write its new hash or another answer."))
    return found


def _where(name: str, answer: Answer | None) -> str:
    return f"{FILE}:{answer.line}: {name}" if answer and answer.line else f"{FILE}: {name}"
