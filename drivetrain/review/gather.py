"""Everything that is known about a project, as plain data in the order of the approach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain import checklist, rules
from drivetrain.errors import EvidenceError
from drivetrain.review.asks import questions
from drivetrain.review.gates import gates
from drivetrain.review.picture import draw
from drivetrain.review.plain import settled, without_secrets
from drivetrain.review.records import records

if TYPE_CHECKING:
    from drivetrain.findings import Finding
    from drivetrain.review.approvals import Signed
    from drivetrain.review.asks import Ask
    from drivetrain.review.differences import Change
    from drivetrain.review.gates import GateView
    from drivetrain.review.picture import Picture
    from drivetrain.review.records import Record
    from drivetrain.spec import OpenQuestion, Spec
    from drivetrain.stages import Stage


class Review(NamedTuple):
    """A planning review, as plain data.

    Attributes:
        name, summary, owners, stage, file: What is reviewed.
        held: When, UTC, ISO 8601.
        plan: The parts of the plan as JSON data.
        picture: The drivetrain.
        gates: The gates, in order.
        findings: Findings of the judging rooms, gravest first.
        verdict: Whether the plan needs a model (`needed`, `not needed`, `open`), and why.
        questions: The next questions to ask, best first.
        unknowns: What is asked and not answered yet.
        records: Evidence of the steps that were run.
        check, train, decide, audit: What those steps measured; empty when they were not run.
        items: The checklist: each question with its answer and faults.
        faults: Records that could not be read.
        against: What the plan is compared with, in words; empty when with nothing.
        changes: What changed since.
        signatures: Approvals on record, those that have lapsed included.
        stale_documents: Derived documents that say something else than they would now.
    """

    name: str
    summary: str
    owners: tuple[str, ...]
    stage: Stage
    file: str
    held: str
    plan: Mapping[str, Any]
    picture: Picture
    gates: tuple[GateView, ...]
    findings: tuple[Finding, ...]
    verdict: tuple[str, str]
    questions: tuple[Ask, ...]
    unknowns: tuple[OpenQuestion, ...]
    records: tuple[Record, ...]
    check: Mapping[str, Any] = MappingProxyType({})
    train: Mapping[str, Any] = MappingProxyType({})
    decide: Mapping[str, Any] = MappingProxyType({})
    audit: Mapping[str, Any] = MappingProxyType({})
    items: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[str, ...] = ()
    against: str = ""
    changes: tuple[Change, ...] = ()
    signatures: tuple[Signed, ...] = ()
    stale_documents: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether any evidence was made from sample data."""
        return any(record.synthetic for record in self.records)

    @property
    def stale(self) -> bool:
        """Whether any evidence was made from other data, or from other values of the plan."""
        return not all(record.fresh for record in self.records)


def gather(spec: Spec, *, today: date | None = None, answers: Mapping[str, checklist.Answer] | None = None) -> Review:
    """Gather what is known about the project of a plan: the plan itself, its evidence, its checklist.

    Args:
        spec: The plan, a draft included; `evidence/`, `checklist.yaml` beside it are read where they are.
        today: The day on which things are overdue; None: today.
        answers: Instead of those in `checklist.yaml`.
    """
    day = today or date.today()
    kept, faults = records(spec)
    judged: list[Finding] = []
    try:
        # As the last gate would judge: each gate then takes the questions that it asks.
        answers = checklist.load(spec.root) if answers is None else answers
        judged = checklist.judge(spec, stage="wide", today=day, answers=answers)
    except EvidenceError as error:
        faults.append(error.message)
    # As the keeper of the last gate would judge; each finding says from which stage on it matters.
    findings = rules.judge(spec, "wide")
    verdict = rules.verdict(spec)
    return Review(
        name=spec.project.name,
        summary=spec.project.summary or "",
        owners=tuple(spec.project.owners),
        stage=spec.stage,
        file=spec.path.name if spec.path else "drivetrain.yaml",
        held=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=settled({part: without_secrets(said) for part in _PARTS if (said := spec.at(part))}),
        picture=draw(spec),
        gates=tuple(gates(spec, kept, findings, judged, day)),
        findings=tuple(findings),
        verdict=(verdict.model, verdict.why),
        questions=tuple(questions(spec, kept, findings)),
        unknowns=tuple(spec.unknowns),
        records=tuple(kept.values()),
        items=tuple(_items(spec, answers or {}, judged)) if not faults else (),
        faults=tuple(faults),
        check=_result(kept, "check"),
        train=_result(kept, "train"),
        decide=_result(kept, "decide"),
        audit=_result(kept, "audit"),
    )


_PARTS = (
    "objective", "decision", "levers", "uncontrollable", "data", "models", "simulator", "optimizer", "deployment",
    "maintenance",
)  # fmt: skip


def _result(kept: Mapping[str, Record], step: str) -> Mapping[str, Any]:
    return kept[step].result if step in kept else {}


def _items(spec: Spec, answers: Mapping[str, checklist.Answer], judged: Sequence[Finding]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for item in checklist.questions(spec):
        answer = answers.get(item.id, checklist.Answer())
        faults = [f for f in judged if f.facts.get("item") == item.id and f.level != "pass"]
        found.append(
            {
                "id": item.id, "title": item.question.title, "question": item.question.question,
                "stage": item.question.stage,
                "kind": item.question.kind, "status": answer.status, "owner": answer.owner, "note": answer.note,
                "expires": answer.expires.isoformat() if answer.expires else "", "reasons": list(item.reasons),
                "evidence": [proof.path for proof in answer.evidence],
                "faults": [{"id": f.id, "level": f.level, "what": f.what, "advice": f.advice} for f in faults],
            }
        )  # fmt: skip
    return found
