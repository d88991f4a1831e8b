"""What a coherent plan obeys: a class a rule, in the order of the approach.

Ids are stable: `DT1xx` objective, `DT2xx` levers, `DT3xx` data, `DT4xx` models, `DT5xx` the choice, `DT6xx` deployment.
A rule is asked once the parts it needs stand, and matters from its stage on, so that a young plan is not drowned.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError, SpecError
from drivetrain.findings import LEVELS, Finding
from drivetrain.rules import coverage, data, deployment, levers, models, objective, optimizer, rankings
from drivetrain.rules.ask import Question, ask
from drivetrain.rules.capabilities import Field, fields
from drivetrain.rules.place import Places
from drivetrain.rules.rule import Fault, Rule, stands
from drivetrain.rules.secrets import without
from drivetrain.rules.verdict import Verdict, verdict
from drivetrain.stages import STAGES, Stage, reached

if TYPE_CHECKING:
    from drivetrain.spec import Spec

__all__ = ["RULES", "Fault", "Field", "Question", "Rule", "Verdict", "fields", "judge", "questions", "verdict"]

_ROOMS = (objective, levers, rankings, data, coverage, models, optimizer, deployment)
RULES: tuple[Rule, ...] = tuple(sorted((rule() for room in _ROOMS for rule in room.RULES), key=lambda rule: rule.id))
"""Every rule, in the order of the approach."""


def judge(spec: Spec, stage: Stage | None = None) -> list[Finding]:
    """What is wrong, or worth a question, in a plan that could be read.

    Args:
        spec: The plan, a draft included.
        stage: The gate as whose keeper to judge; None: the one that the plan aims at. `wide` asks everything.

    Returns:
        Findings, gravest first, then by the stage at which they start to matter. `facts` holds that `stage`, the `rule`
        and the `path` in the plan.
    """
    keeper = stage or spec.stage
    found: list[Finding] = []
    places = Places(spec)
    for rule in RULES:
        if not reached(keeper, rule.stage) or not all(stands(spec, part) for part in rule.needs):
            continue
        found += [_finding(rule, fault, places) for fault in _faults(rule, spec)]
    return sorted(found, key=lambda f: (-LEVELS.index(f.level), STAGES.index(f.facts["stage"])))


def questions(spec: Spec, count: int = 3, found: Sequence[Finding] | None = None) -> list[Question]:
    """The questions that would move a plan most, best first: missing or open early before wrong late.

    Args:
        spec: The plan, a draft included.
        count: How many.
        found: What `judge` said of it, where that is known; None: judge it.
    """
    judged = judge(spec) if found is None else found
    return ask(spec, judged, {rule.id: rule.question for rule in RULES}, count)


def _faults(rule: Rule, spec: Spec) -> list[Fault]:
    """What breaks a rule; nothing where a name or formula that it needs cannot be read, which the structure says."""
    found: list[Fault] = []
    with suppress(FormulaError, SpecError):
        found.extend(rule.faults(spec))
    return found


def _finding(rule: Rule, fault: Fault, places: Places) -> Finding:
    path = ".".join(fault.path)
    facts = {"stage": rule.stage, "rule": rule.name, "path": path, **fault.facts}
    return Finding(
        rule.id,
        fault.level or rule.level,
        places.where(fault.path),
        without(fault.what),
        fault.advice or rule.advice,
        tuple(fault.affected),
        facts,
    )
