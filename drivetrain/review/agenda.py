"""An agenda for a review of 45 minutes: questions first, decisions last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drivetrain.review.gates import closed

if TYPE_CHECKING:
    from drivetrain.review.gather import Review


class Slot(NamedTuple):
    """One point of the agenda.

    Attributes:
        start, end: Minutes from the beginning.
        title: What it is about.
        points: What is gone through, one line each, as plain text.
    """

    start: int
    end: int
    title: str
    points: tuple[str, ...]


def agenda(review: Review) -> list[Slot]:
    """The points of the agenda, with who is asked."""
    lacking = [missing for missing in closed(review.gates, review.stage) if missing.kind != "checklist"]
    objective = review.plan.get("objective") or {}
    slots = [("What we want, in one sentence; has anything changed?", 4, [_text(objective.get("statement"))])]
    if review.changes:
        shown = [change.what for change in review.changes[:4]]
        slots.append((f"What changed since {review.against}", 4, shown))
    asked = [f"{q.text}{f' ({q.owner})' if q.owner else ''}" for q in review.questions[:3]]
    minutes = 18 if review.changes else 20
    slots.append(("The questions that matter most: six minutes each, the one who knows speaks first", minutes, asked))
    owed = [
        f"{m.where}: {m.what} ({m.owner or 'who takes it?'}{f', by {m.due}' if m.due else ''})" for m in lacking[:6]
    ]
    slots.append(
        (
            f"What the gate of stage {review.stage} lacks: who owes it, by when?",
            10,
            owed or ["Nothing that can be checked."],
        )
    )
    harm = [str(entry.get("who")) for entry in objective.get("affected") or [] if isinstance(entry.get("who"), str)]
    slots.append(
        ("Who would be worse off, and who is not in the room?", 4, harm or ["Nobody is named yet: who is affected?"])
    )
    left = 45 - sum(entry[1] for entry in slots)
    slots.append(
        ("Decide: approve, approve with conditions, or not; note dissent", left, [f"drivetrain sign {review.stage}"])
    )
    found, start = [], 0
    for title, length, points in slots:
        found.append(Slot(start, start + length, title, tuple(points)))
        start += length
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else "It is not written yet."
