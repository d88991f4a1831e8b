"""What a change of the plan means: sentences, graded by what they change.

A change weakens when it takes away protection, knowledge or an answer: an experiment, a guardrail, a group that is
audited, a person's recourse, a figure that is no longer known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from drivetrain.errors import SpecError
from drivetrain.review.git import git
from drivetrain.review.plain import without_secrets

if TYPE_CHECKING:
    from drivetrain.review.deltas import Delta
    from drivetrain.spec import Spec

Grade = Literal["aim", "action", "learning", "words"]
GRADES: dict[Grade, str] = {
    "aim": "changes what is wanted: every decision and comparison has to be made anew",
    "action": "changes what may be done, by whom and where",
    "learning": "changes what is learned from what",
    "words": "changes wording only",
}
PARTS = (
    "stage", "project", "objective", "decision", "levers", "uncontrollable", "data", "models", "simulator", "optimizer",
    "deployment", "maintenance",
)  # fmt: skip
LAST = "last"


class Change(NamedTuple):
    """One change of a plan.

    Attributes:
        path: The place, dotted; items of lists by their names.
        what: What changed, as a sentence.
        grade: What it changes.
        weakens: Whether it takes away protection, knowledge or an answer.
        old, new: What stood there and stands there; None: nothing.
    """

    path: str
    what: str
    grade: Grade
    weakens: bool
    old: Any
    new: Any


def compare(old: Spec, new: Spec) -> list[Change]:
    """Every change from one plan to another, what weakens first, then by grade, then in the order of the approach."""
    from drivetrain.review.deltas import differ

    found = [_change(delta) for part in PARTS for delta in differ(_part(old, part), _part(new, part), (part,))]
    order = list(GRADES)
    return sorted(found, key=lambda change: (not change.weakens, order.index(change.grade)))


def against(spec: Spec, reference: str) -> tuple[str, list[Change]]:
    """What changed since another version of the plan.

    Args:
        spec: The plan as it stands.
        reference: A file, a git revision, or `last`: the last review that was written.

    Returns:
        What the reference is, in words, and the changes.

    Raises:
        SpecError: There is no such file or revision, or it holds no plan that can be read.
    """
    told, text = _text_of(spec, reference)
    from drivetrain.spec import load_text

    return told, compare(load_text(text, told), spec)


def _part(spec: Spec, part: str) -> Any:
    value = spec.at(part)
    return None if value in ([], {}) else without_secrets(value)


def _change(delta: Delta) -> Change:
    from drivetrain.review.sentences import sentence

    what, weakens = sentence(delta)
    return Change(".".join(delta.path), what, _grade(delta), weakens, delta.old, delta.new)


_GRADE_OF: tuple[tuple[str, Grade], ...] = (
    (r"objective\.measure\.(name|unit)", "aim"),
    (r"project(\..*)?|.*\.(unit|source|means|collected|owner|refresh)(\..*)?", "words"),
    (r"(levers|maintenance|deployment)(\..*)?", "action"),
    (r"stage|decision(\..*)?|uncontrollable(\..*)?", "action"),
    (r"objective\.affected\..*", "action"),
    (r"objective(\..*)?|optimizer(\..*)?|simulator(\..*)?", "aim"),
    (r"(data|models)(\..*)?", "learning"),
)


def _grade(delta: Delta) -> Grade:
    path = ".".join(delta.path)
    if re.fullmatch(r"(levers|maintenance)\.(.*\.)?owner", path):
        return "action"
    return next((grade for pattern, grade in _GRADE_OF if re.fullmatch(pattern, path, re.DOTALL)), "action")


def _text_of(spec: Spec, reference: str) -> tuple[str, str]:
    path = Path(reference)
    if path.is_dir():
        path = path / "drivetrain.yaml"
    if path.is_file():
        try:
            return reference, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"cannot be read ({error}).", where=reference) from error
    if reference == LAST:
        return "the last review", _last(spec)
    return f"git revision {reference}", _revision(spec, reference)


def _last(spec: Spec) -> str:
    from drivetrain import evidence

    record = evidence.read(spec.root, "review")
    text = record.result.get("plan_text") if record else None
    if not isinstance(text, str):
        raise SpecError(
            "there is no earlier review here.", "Run `drivetrain review` once; it keeps the plan.", "--against"
        )
    return text


def _revision(spec: Spec, reference: str) -> str:
    """The plan's file at a git revision; the revision is never taken for an option or a path."""
    name = spec.path.name if spec.path else "drivetrain.yaml"
    found = git(spec.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if found is None:
        raise SpecError(
            f"`{reference}` is neither a file nor a git revision here.",
            "Give a plan's file, a revision like `HEAD~1` or `main`, or `last`.",
            "--against",
        )
    text = git(spec.root, "show", f"{found.strip()}:./{name}")
    if text is None:
        raise SpecError(
            f"has no `{name}` in this folder.", "Give a revision that has the plan.", f"git revision {reference}"
        )
    return text


def summary(changes: Sequence[Change]) -> Mapping[str, int]:
    """How many changes of each grade, and how many weaken."""
    counts: dict[str, int] = {grade: sum(change.grade == grade for change in changes) for grade in GRADES}
    return counts | {"weakens": sum(change.weakens for change in changes)}


def by_grade(changes: Sequence[Change]) -> Iterator[tuple[Grade, list[Change]]]:
    """Changes below their grades; grades without changes are left out."""
    for grade in GRADES:
        found = [change for change in changes if change.grade == grade]
        if found:
            yield grade, found
