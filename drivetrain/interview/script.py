"""Which questions a plan needs, in the order of the approach: objective, levers, data, models.

The order follows from the plan and from what was said so far alone, so that an interview can be left and taken up again
anywhere, and so that one can go back.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from drivetrain.errors import FormulaError
from drivetrain.interview.known import known
from drivetrain.interview.lists import at, first, last, several
from drivetrain.interview.questions import Path_, Question, question
from drivetrain.interview.use import counts_together, limits, use
from drivetrain.spec.formula import parse
from drivetrain.spec.reading import is_question

_SPECIAL = {"number": "regression", "labels": "multilabel", "mask": "segmentation"}
"""What a task's name ends with for an outcome of this type; for every other, with `classification`."""
_USUAL = {"table": "what is known before, and the levers that change it", "text": "the text columns"}
_TASKS = {
    "images": ("image-classification", "image-regression", "image-multilabel", "image-segmentation"),
    "audio": ("audio-classification",), "text": ("text-classification",),
    "table": ("table-classification", "table-regression"),
    "images+text": ("image-text-classification",), "ratings": ("ratings",), "series": ("series-classification",),
}  # fmt: skip


def script(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """Every question of the interview as far as it can be foreseen, asked or not."""
    yield question("project_name", ("project", "name"))
    yield from _objective(tree, said)
    for field in ("unit", "who", "when", "mode"):
        yield question(f"decision_{field}", ("decision", field))
    yield from _levers(tree, said)
    yield question("uncontrollable", ("uncontrollable",))
    yield from known(tree, said)
    yield from _worth(tree, said)
    yield from _models(tree)
    if tree.get("models"):
        yield from use(tree, said)


def _objective(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    yield question("statement", ("objective", "statement"))
    measure = at(tree, ("objective", "measure", "name"))
    for field in ("name", "unit", "direction", "current", "target"):
        yield question(f"measure_{field}", ("objective", "measure", field), measure=str(measure))
    yield question("horizon", ("objective", "horizon"))
    for place in several(said, "affected_more", at(tree, ("objective", "affected"))):
        path: Path_ = ("objective", "affected", place)
        who = str(at(tree, (*path, "who")))
        yield first(question("affected_who", (*path, "who")), place)
        yield question("affected_how", (*path, "how"), who=who)
        yield question("affected_recourse", (*path, "recourse"), who=who)
        if last(tree, path, place):
            yield question("affected_more", (), f"affected_more.{place}")
    yield question("success", ("objective", "if_it_works_really_well"))
    for place in several(said, "proxy_more", at(tree, ("objective", "proxies"))):
        path = ("objective", "proxies", place)
        yield first(question("proxy_name", (*path, "name")), place)
        if at(tree, path) is None:
            break
        for field in ("link", "measure"):
            yield question(f"proxy_{field}", (*path, field), proxy=str(at(tree, (*path, "name"))))
        if last(tree, path, place):
            yield question("proxy_more", (), f"proxy_more.{place}")


def _worth(tree: Any, said: Mapping[str, Any]) -> Iterator[Question]:
    """What a case is worth and what must hold: once levers, outcomes and columns have names that it can be said in."""
    yield question("value", ("objective", "value"), names=_there(tree))
    value = at(tree, ("objective", "value"))
    for name in sorted(set(names(value)) - _defined(tree) - categories(value)):
        yield question("constant", ("objective", "constants", name), constant=name)
    later: Path_ = ("objective", "over_time")
    yield question("over_periods", (*later, "periods"))
    if at(tree, (*later, "periods")) is not None:
        for field in ("every", "continues", "discount", "next"):
            yield question(f"over_{field}", (*later, field))
    yield from limits(tree, said, ("objective", "guardrails"), "guardrail")
    if counts_together(tree):
        yield question("batch", ("decision", "batch"))


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
        ending = _SPECIAL.get(str(outcome.get("type")), "classification")
        fitting = tuple(task for task in tasks if task.endswith(ending) or task == "ratings")
        asked = question("model_task", path, f"models.{name}", outcome=name)
        yield first(replace(asked, choices=fitting or tasks, default=(fitting or tasks or (None,))[0]), place)
        usual = _USUAL.get(str(at(tree, path)).partition("-")[0])
        if usual:
            inputs: Path_ = ("models", place, "inputs")
            yield question("model_inputs", inputs, f"inputs.{name}", outcome=name, usual=usual)


def _there(tree: Any) -> str:
    """The names that a value can be said in, with how they count."""
    found = [f"`{name}` and `cost({name})`" for name in _parts(tree.get("levers"))]
    for source in tree.get("data") or ():
        outcomes = source.get("outcomes") if isinstance(source, dict) else None
        for name, outcome in outcomes.items() if isinstance(outcomes, dict) and not is_question(outcomes) else ():
            kind = outcome.get("type") if isinstance(outcome, dict) else None
            counts = {
                "binary": " (1 where it happens; `1 - {0}` where it does not)",
                "category": " (`{0} == 'a class'`)",
            }
            found.append(f"`{name}`{counts.get(str(kind), '').format(name)}")
        columns = source.get("columns") if isinstance(source, dict) else None
        found += [f"`{name}`" for name in columns] if isinstance(columns, dict) and not is_question(columns) else []
    return ", ".join(found) or "none yet"


def _parts(there: Any) -> list[str]:
    """Names of the parts in a list."""
    return [str(part["name"]) for part in there or () if isinstance(part, dict) and "name" in part]


def names(value: Any) -> list[str]:
    """Names in a formula, in the order of the alphabet; none when it is no formula."""
    try:
        return sorted(parse(str(value)).names) if isinstance(value, str | int | float) else []
    except FormulaError:
        return []


def categories(value: Any) -> set[str]:
    """Names in a formula that can be no numbers: a setting costs something, a class is compared with a word."""
    try:
        nodes = list(ast.walk(parse(str(value)).node)) if isinstance(value, str) else []
    except FormulaError:
        return set()
    found = {call.args[0].id for call in nodes if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
             and call.func.id == "cost" and isinstance(call.args[0], ast.Name)}  # fmt: skip
    compared = [[node.left, *node.comparators] for node in nodes if isinstance(node, ast.Compare)]
    for _ in compared:
        for sides in compared:
            words = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
            these = {side.id for side in sides if isinstance(side, ast.Name)}
            found |= these if words or these & found else set()
    return found


def _defined(tree: Any) -> set[str]:
    """Names that levers, columns and outcomes have, and what is built in."""
    found = {"period", *_parts(tree.get("levers"))}
    for source in tree.get("data") or ():
        for field in ("columns", "outcomes"):
            found |= set(source.get(field) or ()) if isinstance(source, dict) else set()
    return found
