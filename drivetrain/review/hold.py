"""Hold a review: what is known, what changed, what was signed, and which documents have fallen behind."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain import evidence
from drivetrain.review.approvals import signatures
from drivetrain.review.derived import stale_documents
from drivetrain.review.differences import against as since
from drivetrain.review.gather import gather
from drivetrain.spec import dump

if TYPE_CHECKING:
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec


def build(spec: Spec, *, against: str | None = None, today: date | None = None) -> Review:
    """Everything that is known about a project, as plain data.

    Args:
        spec: The plan, a draft included; `evidence/`, `checklist.yaml`, `signatures/` and `docs/` beside it are read.
        against: A file, a git revision or `last` (the last review) whose plan to compare with.
        today: The day on which things are overdue; None: today.

    Raises:
        SpecError: `against` is nothing that holds a plan.
    """
    held = gather(spec, today=today)
    told, changes = since(spec, against) if against else ("", [])
    signed, faults = signatures(spec)
    return held._replace(
        against=told,
        changes=tuple(changes),
        signatures=tuple(signed),
        stale_documents=tuple(stale_documents(spec, held)),
        faults=(*held.faults, *faults),
    )


def keep(spec: Spec, held: Review) -> Path:
    """Record a review as evidence, with the plan as it was, so that the next one can say what changed since."""
    result = {
        # The file as it stands: what was written is what the next review compares with.
        "plan_text": spec.path.read_text(encoding="utf-8") if spec.path else dump(spec),
        "stage": held.stage,
        "gates": {gate.stage: len(gate.missing) for gate in held.gates},
        "questions": [question.text for question in held.questions[:3]],
    }
    data = {record.step: {"sha256": "", "synthetic": True} for record in held.records if record.synthetic}
    return evidence.record(spec.root, "review", result, reads={}, data=data)
