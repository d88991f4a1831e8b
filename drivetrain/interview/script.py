"""Which questions a plan needs, in the order of the approach: objective, levers, data, models.

The order follows from the plan and from what was said so far alone, so that an interview can be left and taken up again
anywhere, and so that one can go back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from drivetrain.errors import FormulaError
from drivetrain.interview.lists import at, first, last, several
from drivetrain.interview.questions import Path_, Question, question
from drivetrain.interview.use import counts_together, limits, use
from drivetrain.spec.formula import parse
from drivetrain.spec.reading import is_question

_TASKS = {
    "images": ("image-classification", "image-regression"), "audio": ("audio-classification",),
    "text": ("text-classification",), "table": ("table-classification", "table-regression"),
    "images+text": ("image-text-classification",), "ratings": ("ratings",), "series": ("series-classification",),
}  # fmt: skip


def script(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """Every question of the interview as far as it can be foreseen, asked or not."""
    yield question("project_name", ("project", "name"))
    yield from _objective(tree, said)
    for field in ("unit", "who", "when", "mode"):
        yield question(f"decision_{field}", ("decision", field))
    yield from _levers(tree, said)
    yield from _data(tree, said)
    yield from _models(tree)
    if tree.get("models"):
        yield from use(tree, said)


def _objective(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    yield question("statement", ("objective", "statement"))
    measure = at(tree, ("objective", "measure", "name"))
    for field in ("name", "unit", "direction", "current", "target"):
        yield question(f"measure_{field}", ("objective", "measure", field), measure=str(measure))
    yield question("horizon", ("objective", "horizon"))
    yield question("value", ("objective", "value"))
    for name in sorted(set(names(at(tree, ("objective", "value")))) - _defined(tree)):
        yield question("constant", ("objective", "constants", name), constant=name)
    for place in several(said, "affected_more", at(tree, ("objective", "affected"))):
        path: Path_ = ("objective", "affected", place)
        who = str(at(tree, (*path, "who")))
        yield first(question("affected_who", (*path, "who")), place)
        yield question("affected_how", (*path, "how"), who=who)
        yield question("affected_recourse", (*path, "recourse"), who=who)
        if last(tree, path, place):
            yield question("affected_more", (), f"affected_more.{place}")
    yield question("success", ("objective", "if_it_works_really_well"))
    yield from limits(tree, said, ("objective", "guardrails"), "guardrail")


def _levers(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    for place in several(said, "lever_more", tree.get("levers")):
        path: Path_ = ("levers", place)
        name, kind = str(at(tree, (*path, "name"))), at(tree, (*path, "type"))
        yield first(question("lever_name", (*path, "name")), place)
        yield question("lever_type", (*path, "type"), lever=name)
        fields = {"options": ("options",), "ranking": ("of", "slots")}
        for field in fields.get(str(kind), ("minimum", "maximum", "unit", "cost")):
            yield question(f"lever_{field}", (*path, field), lever=name)
        options = at(tree, (*path, "options"))
        if isinstance(options, list):
            unit = str(at(tree, ("objective", "measure", "unit")) or "the value's unit")
            asked = question("lever_costs", (*path, "options", "cost"), lever=name, unit=unit)
            yield replace(asked, choices=tuple(map(str, options)))
        yield question("lever_owner", (*path, "owner"), lever=name)
        yield question("lever_reversible", (*path, "reversible"), lever=name)
        settings = tuple(map(str, options)) if isinstance(options, list | dict) and not is_question(options) else ()
        policies = ("do_nothing", "today", "simple_rule", "fallback")
        for policy in policies if kind != "ranking" else policies[:3]:
            yield replace(question(f"lever_{policy}", (*path, "policies", policy), lever=name), choices=settings)
        yield question("lever_history", (*path, "history", "kind"), lever=name)
        history = at(tree, (*path, "history", "kind"))
        if history in ("randomised", "rule", "human"):
            yield question("history_column", (*path, "history", "column"), lever=name)
            if history == "randomised" and at(tree, (*path, "history", "column")) is not None:
                yield question("history_propensity", (*path, "history", "propensity"), lever=name)
        if last(tree, path, place):
            yield question("lever_more", (), f"lever_more.{place}")
    if counts_together(tree):
        yield question("batch", ("decision", "batch"))


def _data(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    sources = []
    for place in several(said, "source_more", tree.get("data")):
        path: Path_ = ("data", place)
        name = str(at(tree, (*path, "name")))
        sources.append(name)
        yield first(question("source_name", (*path, "name")), place)
        for field in ("kind", "unit", "location"):
            yield question(f"source_{field}", (*path, field), source=name)
        if at(tree, (*path, "kind")) == "ratings":
            for field in ("user", "item"):
                yield question(f"ratings_{field}", (*path, "ratings", field), source=name)
        yield from _outcomes(tree, said, path, name)
        yield question("columns", (*path, "columns"), source=name)
        for field in ("entity", "time"):
            yield question(f"source_{field}", (*path, field), source=name)
        if place:
            yield from _join(tree, path, name)
        else:
            apart = tuple(field for field in ("entity", "time") if isinstance(at(tree, (*path, field)), str))
            if apart:
                asked = question("source_split", (*path, "split", "by"), source=name)
                yield replace(asked, choices=(*apart, "random"))
        for field in ("licence", "personal"):
            yield question(f"rights_{field}", (*path, "rights", field), source=name)
        if at(tree, (*path, "rights", "personal")) is True:
            yield question("rights_consent", (*path, "rights", "consent"), source=name)
            columns = at(tree, (*path, "columns"))
            if isinstance(columns, dict) and not is_question(columns):
                asked = question("sensitive", (*path, "columns", ""), f"sensitive.{place}", source=name)
                yield replace(asked, choices=tuple(columns))
            yield question("groups", (*path, "groups"), source=name)
        if place == 0:
            yield question("collected", (*path, "collected", "how"), source=name)
            yield question("needs_rows", (*path, "needs", "rows"), source=name)
        if last(tree, path, place):
            yield question("source_more", (), f"source_more.{place}")
    if len(sources) > 1:
        yield replace(question("cases", ("decision", "cases")), choices=tuple(sources))


def _outcomes(tree: Any, said: Mapping[str, Any], path: Path_, source: str) -> Iterator[Question]:
    """Outcomes are kept by name: the answer to the first question is the key of the part."""
    there = at(tree, (*path, "outcomes"))
    known = list(there) if isinstance(there, dict) and not is_question(there) else []
    for place in several(said, f"outcome_more.{path[1]}", known):
        name = known[place] if place < len(known) else None
        asked = question("outcome_name", (*path, "outcomes"), f"outcome_name.{path[1]}.{place}", source=source)
        yield replace(asked, default=name)
        if name is None:
            return
        here: Path_ = (*path, "outcomes", name)
        about = {"outcome": name, "source": source}
        yield question("outcome_type", (*here, "type"), **about)
        if at(tree, (*here, "type")) == "category":
            yield question("outcome_values", (*here, "values"), **about)
        for field in ("column", "delay", "affected_by"):
            yield question(f"outcome_{field}", (*here, field), **about)
        if last(tree, here, place, known):
            yield question("outcome_more", (), f"outcome_more.{path[1]}.{place}", **about)


def _join(tree: Any, path: Path_, source: str) -> Iterator[Question]:
    """How a further source is tied to the first one; the tie stands with the first."""
    cases = at(tree, ("data", 0))
    if not isinstance(cases, dict) or is_question(cases) or at(tree, (*path, "kind")) is None:
        return
    ties = cases.get("join") if isinstance(cases.get("join"), list) else []
    tie = next((t for t in ties or [] if isinstance(t, dict) and t.get("data") == source), None)
    place = (ties or []).index(tie) if tie is not None else len(ties or [])
    here: Path_ = ("data", 0, "join", place)
    yield question("join_on", (*here, "on"), f"join.{source}", source=source, cases=str(cases.get("name")))
    told = at(tree, (*path, "time")) is not None and cases.get("time") is not None and not at(tree, (*path, "outcomes"))
    if tie is not None and told:
        yield question("join_as_of", (*here, "as_of"), f"as_of.{source}", source=source)


def _models(tree: Any) -> Iterator[Question]:
    value = set(names(at(tree, ("objective", "value"))))
    found = [
        (source, name, outcome)
        for source in at(tree, ("data",)) or ()
        if isinstance(source, dict) and isinstance(source.get("outcomes"), dict) and not is_question(source)
        for name, outcome in source["outcomes"].items()
        if isinstance(outcome, dict) and not is_question(outcome) and (name in value or not value)
    ]
    for place, (source, name, outcome) in enumerate(found):
        path: Path_ = ("models", place, "task")
        tasks = _TASKS.get(str(source.get("kind")), ())
        number = outcome.get("type") == "number"
        fitting = tuple(task for task in tasks if task.endswith("regression") == number or task == "ratings")
        asked = question("model_task", path, f"models.{name}", outcome=name)
        yield first(replace(asked, choices=fitting or tasks, default=(fitting or tasks or (None,))[0]), place)


def names(value: Any) -> list[str]:
    """Names in a formula, in the order of the alphabet; none when it is no formula."""
    try:
        return sorted(parse(str(value)).names) if isinstance(value, str | int | float) else []
    except FormulaError:
        return []


def _defined(tree: Any) -> set[str]:
    """Names that levers, columns and outcomes have, and what is built in."""
    found = {"period"} | {
        part["name"] for part in tree.get("levers") or () if isinstance(part, dict) and "name" in part
    }
    for source in tree.get("data") or ():
        for field in ("columns", "outcomes"):
            found |= set(source.get(field) or ()) if isinstance(source, dict) else set()
    return found
