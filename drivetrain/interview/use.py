"""The later questions: what must hold, what is short, how it is used, and who keeps it going."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drivetrain.interview.lists import at, first, last, several
from drivetrain.interview.questions import Path_, Question, question
from drivetrain.spec.reading import is_question


def limits(tree: Any, said: Mapping[str, Any], path: Path_, what: str) -> Iterator[Question]:
    """Guardrails, or capacities: each with a name, a measure and a number."""
    there = at(tree, path)
    for place in several(said, f"{what}_more", there):
        here: Path_ = (*path, place)
        yield first(question(f"{what}_name", (*here, "name")), place)
        part = at(tree, here)
        if part is None:
            return
        name = str(at(tree, (*here, "name")))
        yield question("guardrail_measure", (*here, "measure"), limit=name)
        if not isinstance(part, dict) or "at_least" not in part:
            yield question("guardrail_limit", (*here, "at_most"), limit=name)
        if last(tree, here, place):
            yield question(f"{what}_more", (), f"{what}_more.{place}")


def use(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """How decisions reach people, once it is said what is predicted."""
    yield from limits(tree, said, ("optimizer", "constraints"), "capacity")
    for place in several(said, "scenario_more", at(tree, ("simulator", "scenarios"))):
        path: Path_ = ("simulator", "scenarios", place)
        yield first(question("scenario_name", (*path, "name")), place)
        if at(tree, path) is None:
            break
        for field in ("set", "weight"):
            yield question(f"scenario_{field}", (*path, field), scenario=str(at(tree, (*path, "name"))))
        if last(tree, path, place):
            yield question("scenario_more", (), f"scenario_more.{place}")
    yield question("serve", ("deployment", "serve"))
    yield question("scope", ("deployment", "scope"))
    yield question("confirm", ("deployment", "guards", "confirm"))
    if _moved(tree):
        yield question("exploration", ("deployment", "exploration", "share"))
    for place in several(said, "failure_more", at(tree, ("deployment", "failure_modes"))):
        path = ("deployment", "failure_modes", place)
        yield first(question("failure", (*path, "failure")), place)
        if at(tree, path) is None:
            break
        yield question("failure_report", (*path, "report"), failure=str(at(tree, (*path, "failure"))))
        if last(tree, path, place):
            yield question("failure_more", (), f"failure_more.{place}")
    yield question("maintenance_owner", ("maintenance", "owner"))
    yield question("retrain_when", ("maintenance", "retrain_when"))
    yield question("feedback_loop", ("maintenance", "feedback_loop"))


def counts_together(tree: Any) -> bool:
    """Whether the plan depends on how many cases are decided at a time: a queue, or a limit on a sum."""
    queue = any(isinstance(lever, dict) and lever.get("of") == "cases" for lever in tree.get("levers") or ())
    measures = [
        limit.get("measure")
        for path in (("objective", "guardrails"), ("optimizer", "constraints"))
        for limit in _items(at(tree, path))
    ]
    return queue or any("sum(" in measure for measure in measures if isinstance(measure, str))


def _moved(tree: Any) -> bool:
    """Whether some outcome is said to be moved by a lever."""
    found = [at(source, ("outcomes",)) for source in _items(tree.get("data"))]
    parts = [part for outcomes in found if isinstance(outcomes, dict) for part in outcomes.values()]
    return any(isinstance(part, dict) and isinstance(part.get("affected_by"), list) and part["affected_by"]
               for part in parts)  # fmt: skip


def _items(there: Any) -> list[dict[str, Any]]:
    """The parts in a list that are no open questions."""
    return (
        [part for part in there if isinstance(part, dict) and not is_question(part)] if isinstance(there, list) else []
    )
