"""The gates of a project: which are open, what is missing at the others, who owes it and by when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from drivetrain import evidence
from drivetrain.stages import STAGES, gate, reached

if TYPE_CHECKING:
    from drivetrain.findings import Finding
    from drivetrain.review.records import Record
    from drivetrain.spec import Spec
    from drivetrain.stages import Gate, Stage

Kind = Literal["part", "unknown", "evidence", "finding", "policy", "checklist"]
MADE_BY = {"check": "make check", "train": "make train", "decide": "make decide", "audit": "make audit"}


class Missing(NamedTuple):
    """One thing that keeps a gate closed.

    Attributes:
        kind: What sort of thing.
        where: The place: a path of the plan, a file, an item of the checklist.
        what: What is missing.
        advice: What to do.
        owner: Who owes it; empty when nobody is named.
        due: By when, ISO date; empty when nobody said.
        overdue: Whether that day has passed.
    """

    kind: Kind
    where: str
    what: str
    advice: str = ""
    owner: str = ""
    due: str = ""
    overdue: bool = False


class GateView(NamedTuple):
    """A gate as it stands.

    Attributes:
        stage: The stage behind it.
        asks: Its question.
        missing: What keeps it closed; empty when it is met.
        aimed: Whether the plan aims at this stage.
        due: Whether the plan has reached it, so that what is missing is missing now.
        basis: `evidenced` when records of steps support it, `planned` when only the plan does.
    """

    stage: Stage
    asks: str
    missing: tuple[Missing, ...]
    aimed: bool
    due: bool
    basis: Literal["planned", "evidenced"]

    @property
    def met(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def gates(
    spec: Spec, records: Mapping[str, Record], findings: Sequence[Finding], items: Sequence[Finding], today: date
) -> list[GateView]:
    """Every gate of a project, in order.

    Args:
        spec: The plan.
        records: Evidence by step.
        findings: Findings of the judging rooms; those with `facts["stage"]` count at that gate, others at the first.
        items: What is open on the checklist.
        today: The day on which things are overdue.
    """
    return [
        GateView(
            stage, gate(stage).asks, tuple(_missing(spec, gate(stage), records, findings, items, today)),
            stage == spec.stage,
            reached(spec.stage, stage), "evidenced" if any(s in records for s in gate(stage).evidence) else "planned",
        )
        for stage in STAGES
    ]  # fmt: skip


def closed(views: Sequence[GateView], stage: Stage) -> list[Missing]:
    """Everything that keeps the gate of `stage` closed: what is missing there and at the gates before it."""
    found: dict[tuple[str, str], Missing] = {}
    for view in views:
        if reached(stage, view.stage):
            found |= {(missing.where, missing.what): missing for missing in view.missing}
    return list(found.values())


def _missing(
    spec: Spec,
    asked: Gate,
    records: Mapping[str, Record],
    findings: Sequence[Finding],
    items: Sequence[Finding],
    today: date,
) -> Iterator[Missing]:
    yield from _parts(spec, asked, today)
    yield from _evidence(spec, asked, records)
    # What the plan asks itself is named once, with its owner and date.
    open_ = {question.path for question in spec.unknowns}
    for finding in findings:
        here = finding.level in ("fail", "unknown") and finding.facts.get("stage", "plan") == asked.stage
        if here and finding.facts.get("path") not in open_:
            yield Missing("finding", finding.where, finding.what, finding.advice, ", ".join(spec.project.owners))
    if asked.stage == "model":
        yield from _policy(records.get("decide"), ", ".join(spec.project.owners))
    for item in items:
        if item.level in ("fail", "unknown") and item.facts.get("stage") == asked.stage:
            where, owner = f"checklist: {item.facts.get('item')}", str(item.facts.get("owner", ""))
            yield Missing("checklist", where, item.what, item.advice, owner)


def _parts(spec: Spec, asked: Gate, today: date) -> Iterator[Missing]:
    owner = ", ".join(spec.project.owners)
    earlier = {p for stage in STAGES[: STAGES.index(asked.stage)] for p in gate(stage).parts}
    for part in asked.parts:
        needed = part != "models" or not spec.nothing_to_predict
        if part not in earlier and needed and not getattr(spec, part):
            yield Missing("part", part, f"the plan has no `{part}` yet.", "Write it, or say who finds out.", owner)
    for open_ in spec.unknowns:
        part = open_.path.split(".")[0]
        if part in asked.parts and part not in earlier:
            overdue = open_.due < today
            yield Missing("unknown", open_.path, open_.question, "", open_.owner, open_.due.isoformat(), overdue)


def _evidence(spec: Spec, asked: Gate, records: Mapping[str, Record]) -> Iterator[Missing]:
    owner = ", ".join(spec.project.owners)
    for step in asked.evidence:
        # A later gate asks for the same records again; each is named once, where it is first asked for.
        first = next(stage for stage in STAGES if step in gate(stage).evidence)
        if first != asked.stage:
            continue
        where, again = f"{evidence.FOLDER}/{step}.json", f"Run `{MADE_BY[step]}`."
        record = records.get(step)
        if record is None:
            yield Missing("evidence", where, "is not there: this was planned and never measured.", again, owner)
            continue
        if record.synthetic and asked.real_data:
            yield Missing("evidence", where, "was made from sample data.", f"Put real data in place. {again}", owner)
        if not record.fresh:
            yield Missing("evidence", where, f"is stale: {record.changes} changed since.", again, owner)
        for found in record.result.get("findings", ()):
            if isinstance(found, Mapping) and found.get("level") in ("fail", "unknown"):
                said = (str(found.get(key, "")) for key in ("where", "what", "advice"))
                place, what, advice = said
                yield Missing("evidence", f"{where}: {found.get('id', '')}", f"{place}: {what}", advice, owner)


def _policy(record: Record | None, owner: str) -> Iterator[Missing]:
    if record is None:
        return
    where = f"{evidence.FOLDER}/decide.json"
    rows = [r for r in record.result.get("differences", ()) if r.get("name", "optimized") == "optimized"]
    against = next((row for row in rows if row.get("against") == "simple_rule"), None)
    unit = record.result.get("unit") or ""
    if against is None:
        yield Missing(
            "policy", where, "does not compare the optimized policy with a simple rule.",
            "Write `levers[].policies.simple_rule` and decide again.", owner,
        )  # fmt: skip
    elif not _above_zero(against):
        yield Missing(
            "policy", where,
            f"the optimized policy is not shown to beat the simple rule: better by {_figure(against)} {unit}".rstrip(),
            "More cases, a better model, or the simple rule itself.", owner,
        )  # fmt: skip
    for row in record.result.get("constraints", ()):
        state = row.get("state") or ("met" if row.get("met") else "not met")
        if state != "met":
            what = f"the constraint `{row.get('name')}`: {state} ({_figure(row)})."
            yield Missing("policy", where, what, "More cases, another policy, or see what relaxing it costs.", owner)


def _above_zero(row: Mapping[str, Any]) -> bool:
    low = row.get("low")
    return isinstance(low, int | float) and low > 0


def _figure(row: Mapping[str, Any]) -> str:
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    said = [f"{number:.4g}" if isinstance(number, int | float) else "?" for number in (value, low, high)]
    return f"{said[0]} ({said[1]} to {said[2]})"
