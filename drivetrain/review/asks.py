"""The next questions, best first: what was measured raises some, the plan asks others, the bias questions close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain import checklist, rules
from drivetrain.review.words import interval, limit_of, number, title
from drivetrain.stages import reached

if TYPE_CHECKING:
    from drivetrain.findings import Finding
    from drivetrain.review.records import Record
    from drivetrain.spec import Spec

QUESTIONS = 8
"""Questions of the rules that are kept; a review asks three, an agenda some more."""
LESS_IS_BETTER = ("log_loss", "rmse", "mae")
MORE_IS_BETTER = ("accuracy", "auroc", "r2", "f1")


class Ask(NamedTuple):
    """A question for the next meeting.

    Attributes:
        text: The question.
        why: Why it is worth asking now.
        where: The place of the plan, the item of the checklist or the record that it comes from.
        owner: Who finds out; empty when nobody is named.
        due: By when, ISO date; empty when nobody said.
    """

    text: str
    why: str
    where: str
    owner: str = ""
    due: str = ""


def questions(spec: Spec, kept: Mapping[str, Record], findings: Sequence[Finding]) -> list[Ask]:
    """The next questions.

    Args:
        spec: The plan.
        kept: Evidence by step.
        findings: What the rules say as the keeper of the last gate; those that matter by now raise questions.
    """
    owners = ", ".join(spec.project.owners)
    found = [Ask(text, why, where, owners) for text, why, where in _measured(kept)]
    now = [finding for finding in findings if reached(spec.stage, finding.facts["stage"])]
    for q in rules.questions(spec, QUESTIONS, now):
        # Whether it can be predicted at all is a question until it was.
        if "train" in kept and q.path.startswith("models.") and q.path.endswith(".task"):
            continue
        found.append(Ask(q.text, q.why, q.path, q.owner, q.due.isoformat() if q.due else ""))
    for item in checklist.first(spec):
        found.append(Ask(item.question.question, item.question.why, f"checklist: {item.id}"))
    return found


def _measured(kept: Mapping[str, Record]) -> Iterator[tuple[str, str, str]]:
    """Questions that evidence raises: text, why, where."""
    if any(record.synthetic for record in kept.values()):
        steps = ", ".join(step for step, record in kept.items() if record.synthetic)
        yield (
            "When do real data take the place of the sample data, and who gets them?",
            f"What {steps} measured says nothing about the world.",
            "evidence",
        )
    for step, record in kept.items():
        if not record.fresh:
            why = f"{record.changes} changed since; what it measured is of another plan."
            yield f"Who runs `make {step}` again?", why, f"evidence/{step}.json"
    if "decide" in kept:
        yield from _decided(kept["decide"].result)
    if "train" in kept:
        yield from _trained(kept["train"].result)
    if "audit" in kept:
        for finding in kept["audit"].result.get("findings", ()):
            if finding.get("id") == "DU201":
                why = f"{finding.get('where')}: {finding.get('what')}"
                yield "Where does this difference between groups come from, and who may accept it?", why, "audit"


def _decided(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    where, unit = "evidence/decide.json", result.get("unit") or ""
    for row in result.get("differences", ()):
        ours = row.get("name", "optimized") == "optimized" and row.get("against") == "simple_rule"
        if ours and not (isinstance(row.get("low"), int | float) and row["low"] > 0):
            why = f"The optimized policy is better by {interval(row)} {unit}, so it may be no better at all."
            yield (
                "What does the optimized policy add that the simple rule does not give?",
                why.replace(" ,", ","),
                where,
            )
    for row in result.get("constraints", ()):
        state = row.get("state") or ("met" if row.get("met") else "not met")
        if state == "met":
            continue
        name, why = title(row.get("name")), f"It is {interval(row)}, and must be {limit_of(row)}: {state}."
        ask = f"What do we give up so that `{name}` holds?"
        yield ask if state == "not met" else f"How do we get enough cases to tell whether `{name}` holds?", why, where


def _trained(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, model in (result.get("models") or {}).items():
        ours, base = held_out(model), held_out(model.get("baseline"))
        shared = [m for m in (*LESS_IS_BETTER, *MORE_IS_BETTER) if _figure(ours.get(m)) and _figure(base.get(m))]
        if not shared:
            continue
        first = shared[0]
        better = ours[first] < base[first] if first in LESS_IS_BETTER else ours[first] > base[first]
        if not better:
            told = "; ".join(f"{title(m)} {number(ours[m])} against {number(base[m])}" for m in shared[:3])
            kind = model["baseline"].get("kind", "")
            yield (
                f"Why `{name}`, when its baseline is at least as good?",
                f"On held-out rows, beside the baseline ({kind}): {told}.",
                "evidence/train.json",
            )


def held_out(model: Any) -> Mapping[str, Any]:
    """What a model, or its baseline, measured on rows that it has not seen; empty when nothing did."""
    metrics = model.get("metrics") if isinstance(model, Mapping) else None
    found = metrics.get("held_out") if isinstance(metrics, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
