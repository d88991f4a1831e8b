"""Which questions a plan needs, in the order of the approach: objective, levers, data, models.

The order follows from the plan and from what was said so far alone, so that an interview can be left and taken up again
anywhere, and so that one can go back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from drivetrain.errors import FormulaError
from drivetrain.interview.questions import Path_, Question, question
from drivetrain.spec.formula import parse
from drivetrain.spec.reading import is_question

_TASKS = {
    "images": ("image-classification", "image-regression"), "audio": ("audio-classification",),
    "text": ("text-classification",), "table": ("table-classification", "table-regression"),
    "images+text": ("image-text-classification",), "ratings": ("ratings",), "series": ("series-classification",),
}  # fmt: skip
MOST = 30
"""Items that one interview asks for in a list; more are written in the file."""


def script(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """Every question of the interview as far as it can be foreseen, asked or not."""
    yield question("project_name", ("project", "name"))
    yield from _objective(tree, said)
    for field in ("unit", "who", "when", "mode"):
        yield question(f"decision_{field}", ("decision", field))
    yield from _levers(tree, said)
    yield from _data(tree, said)
    yield from _models(tree)


def at(tree: Any, path: Path_) -> Any:
    """What stands at a path; None when nothing does."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def closed(tree: Any, path: Path_) -> bool:
    """Whether a part around this place is unknown as a whole, so that there is nothing to ask inside it."""
    return any(is_question(at(tree, path[:end])) for end in range(1, len(path)))


def _objective(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    yield question("statement", ("objective", "statement"))
    measure = at(tree, ("objective", "measure", "name"))
    for field in ("name", "unit", "direction", "current", "target"):
        yield question(f"measure_{field}", ("objective", "measure", field), measure=str(measure))
    yield question("horizon", ("objective", "horizon"))
    yield question("value", ("objective", "value"))
    for name in sorted(set(names(at(tree, ("objective", "value")))) - _defined(tree)):
        yield question("constant", ("objective", "constants", name), constant=name)
    for place in _several(said, "affected_more", at(tree, ("objective", "affected"))):
        path: Path_ = ("objective", "affected", place)
        who = str(at(tree, (*path, "who")))
        yield _first(question("affected_who", (*path, "who")), place)
        yield question("affected_how", (*path, "how"), who=who)
        yield question("affected_recourse", (*path, "recourse"), who=who)
        if _last(tree, path, place):
            yield question("affected_more", (), f"affected_more.{place}")
    yield question("success", ("objective", "if_it_works_really_well"))


def _levers(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    for place in _several(said, "lever_more", tree.get("levers")):
        path: Path_ = ("levers", place)
        name, kind = str(at(tree, (*path, "name"))), at(tree, (*path, "type"))
        yield _first(question("lever_name", (*path, "name")), place)
        yield question("lever_type", (*path, "type"), lever=name)
        for field in ("options",) if kind == "options" else ("minimum", "maximum"):
            yield question(f"lever_{field}", (*path, field), lever=name)
        yield question("lever_owner", (*path, "owner"), lever=name)
        yield question("lever_reversible", (*path, "reversible"), lever=name)
        options = at(tree, (*path, "options"))
        settings = tuple(map(str, options)) if isinstance(options, list) else ()
        for policy in ("do_nothing", "today"):
            yield replace(question(f"lever_{policy}", (*path, "policies", policy), lever=name), choices=settings)
        yield question("lever_history", (*path, "history", "kind"), lever=name)
        if _last(tree, path, place):
            yield question("lever_more", (), f"lever_more.{place}")


def _data(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    sources = []
    for place in _several(said, "source_more", tree.get("data")):
        path: Path_ = ("data", place)
        name = str(at(tree, (*path, "name")))
        sources.append(name)
        yield _first(question("source_name", (*path, "name")), place)
        for field in ("kind", "unit", "location"):
            yield question(f"source_{field}", (*path, field), source=name)
        yield from _outcomes(tree, said, path, name)
        yield question("columns", (*path, "columns"), source=name)
        for field in ("licence", "personal"):
            yield question(f"rights_{field}", (*path, "rights", field), source=name)
        if at(tree, (*path, "rights", "personal")) is True:
            yield question("rights_consent", (*path, "rights", "consent"), source=name)
        if _last(tree, path, place):
            yield question("source_more", (), f"source_more.{place}")
    if len(sources) > 1:
        yield replace(question("cases", ("decision", "cases")), choices=tuple(sources))


def _outcomes(tree: Any, said: Mapping[str, Any], path: Path_, source: str) -> Iterator[Question]:
    """Outcomes are kept by name: the answer to the first question is the key of the part."""
    there = at(tree, (*path, "outcomes"))
    known = list(there) if isinstance(there, dict) and not is_question(there) else []
    for place in _several(said, f"outcome_more.{path[1]}", known):
        name = known[place] if place < len(known) else None
        asked = question("outcome_name", (*path, "outcomes"), f"outcome_name.{path[1]}.{place}")
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
        if _last(tree, here, place, known):
            yield question("outcome_more", (), f"outcome_more.{path[1]}.{place}", **about)


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
        yield _first(replace(asked, choices=fitting or tasks, default=(fitting or tasks or (None,))[0]), place)


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


def _several(said: Mapping[str, Any], more: str, there: Any) -> Iterator[int]:
    """Places in a list: those that are there, and one more as long as somebody said that there is another."""
    length = len(there) if isinstance(there, list) else 0
    for place in count():
        yield place
        if place + 1 == MOST or (place + 1 >= length and said.get(f"{more}.{place}") is not True):
            return


def _last(tree: Any, path: Path_, place: int, there: Any = None) -> bool:
    """Whether to ask for another item after this one: it is the last there is, and it is no open question."""
    items = at(tree, path[:-1]) if there is None else there
    return not closed(tree, (*path, "more")) and place + 1 >= (len(items) if isinstance(items, list) else 0)


def _first(question: Question, place: int) -> Question:
    """Unknown as a whole is the list if it is about its first item, else that item."""
    return question if place == 0 else replace(question, up=1)
