"""Formulas of the plan as sentences, and what the names in them stand for: for readers who write none themselves."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError
from drivetrain.review.words import number, opened, policy, said
from drivetrain.spec.formula import parse

if TYPE_CHECKING:
    from drivetrain.review.gather import Review

_COMPARED = {
    ast.Eq: "is", ast.NotEq: "is not", ast.Lt: "is below", ast.LtE: "is at most", ast.Gt: "is above",
    ast.GtE: "is at least",
}  # fmt: skip
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "×", ast.Div: "/", ast.Pow: "to the power of"}
_WEIGHT = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Pow: 3}
_LOOSE, _UNARY, _TIGHT = 0, 2, 4


def in_words(text: str, conditions: Set[str] = frozenset()) -> str:
    """A formula as a sentence: `where(a == 'x', b, 0)` is "if a is x, then b, else 0".

    Args:
        text: The formula, as the plan has it.
        conditions: Names that hold or do not hold, as `conditions_of` gives them.

    Returns:
        Plain text; the formula itself where it cannot be read.
    """
    try:
        return _said(parse(text).node, conditions)[0]
    except FormulaError:
        return text


def _said(node: ast.AST, yes: Set[str]) -> tuple[str, int]:
    """A node in words, and how tightly these hold together."""
    match node:
        case ast.Name(id=name):
            return name, _TIGHT
        case ast.Constant(value=str(text)):
            return text or "empty", _TIGHT
        case ast.Constant(value=bool(truth)):
            return ("true" if truth else "false"), _TIGHT
        case ast.Constant(value=value):
            return number(value), _TIGHT
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return f"not {_held(operand, yes, _TIGHT)}", _UNARY
        case ast.UnaryOp(op=op, operand=operand):
            sign = "minus " if isinstance(op, ast.USub) else ""
            return f"{sign}{_counted(operand, yes, _TIGHT)}", _UNARY
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as op, left=left, right=right):
            # What is joined by one word needs no brackets; "and" beside "or" does.
            told = [
                _held(side, yes, _TIGHT if _joined(side) not in (None, type(op)) else _LOOSE) for side in (left, right)
            ]
            return f" {'and' if isinstance(op, ast.BitAnd) else 'or'} ".join(told), _LOOSE
        case ast.BinOp(op=op, left=left, right=right):
            weight = _WEIGHT[type(op)]
            first, second = _counted(left, yes, weight), _counted(right, yes, weight + 1)
            return f"{first} {_SIGNS[type(op)]} {second}", weight
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_counted(side, yes, 1) for side in (left, *others)]
            pairs = [f"{a} {_COMPARED[type(op)]} {b}" for a, op, b in zip(numbers, ops, numbers[1:], strict=False)]
            return " and ".join(pairs), _LOOSE
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, args, yes)
    raise FormulaError("holds something that has no words.", where=ast.dump(node))


def _call(name: str, args: list[ast.expr], yes: Set[str]) -> tuple[str, int]:
    if name == "where":
        branches = [_counted(branch, yes, 1) for branch in args[1:]]
        return f"if {_held(args[0], yes, _LOOSE)}, then {branches[0]}, else {branches[1]}", _LOOSE
    if name in ("mean", "sum"):
        among = f"of the cases where {_held(args[1], yes, _LOOSE)}, " if len(args) > 1 else ""
        if _condition(args[0], yes):
            what, of = ("share" if name == "mean" else "number"), ("" if among else " of cases")
            return f"{among}the {what}{of} where {_held(args[0], yes, _LOOSE)}", 1
        return f"{among}the {name} of {_counted(args[0], yes, 2)}", 1
    if name == "abs":
        return f"the size of {_counted(args[0], yes, _TIGHT)}", _TIGHT
    if name == "cost":
        return f"the cost of {_said(args[0], yes)[0]}", _TIGHT
    told = [_counted(arg, yes, 1) for arg in args]
    inside = {
        "min": f"the least of {' and '.join(told)}",
        "max": f"the greatest of {' and '.join(told)}",
        "clip": f"{told[0]} kept between {' and '.join(told[1:])}",
        "has": f"{told[0]} has {' '.join(told[1:])}",
        "area": f"the share of {told[0]} that is {' '.join(told[1:])}",
        "quantile": f"the quantile {' '.join(told[1:])} of {told[0]}",
    }
    return (inside[name], _LOOSE) if name in inside else (f"{name}({', '.join(told)})", _TIGHT)


def _counted(node: ast.AST, yes: Set[str], weight: int) -> str:
    """Where a number stands: what holds or does not counts one or nothing."""
    text, tight = _said(node, yes)
    if _condition(node, yes) and not isinstance(node, ast.Name):
        return f"(1 if {text}, else 0)"
    return text if tight >= weight else f"({text})"


def _held(node: ast.AST, yes: Set[str], weight: int) -> str:
    """Where something holds or does not."""
    text, tight = _said(node, yes)
    return text if tight >= weight else f"({text})"


def _joined(node: ast.AST) -> type[ast.operator] | None:
    """By what two conditions are joined; None where it is no two conditions."""
    joins = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr)
    return type(node.op) if joins else None  # type: ignore[attr-defined]


def _condition(node: ast.AST, yes: Set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in yes
    return _joined(node) is not None or isinstance(node, ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert)
    )  # fmt: skip


def conditions_of(review: Review) -> frozenset[str]:
    """Names of the plan that hold or do not: columns and outcomes that are true or false, terms that compare."""
    found = set()
    for source in review.plan.get("data", ()):
        for name, column in (source.get("columns") or {}).items():
            if (column.get("type") if isinstance(column, Mapping) else column) == "boolean":
                found.add(name)
        found |= {name for name, out in (source.get("outcomes") or {}).items() if out.get("type") == "binary"}
    for name, text in ((review.plan.get("objective") or {}).get("terms") or {}).items():
        if isinstance(text, str):
            try:
                found |= {name} if _condition(parse(text).node, found) else set()
            except FormulaError:
                continue
    return frozenset(found)


def stands_for(review: Review) -> list[tuple[str, str]]:
    """What the names in the value of a case stand for: terms, constants, costs of settings, outcomes."""
    objective, yes = review.plan.get("objective") or {}, conditions_of(review)
    terms = {name: text for name, text in (objective.get("terms") or {}).items() if isinstance(text, str)}
    texts = [text for text in (objective.get("value"), *terms.values()) if isinstance(text, str)]
    read: set[str] = set()
    for text in texts:
        try:
            read |= {node.id for node in ast.walk(parse(text).node) if isinstance(node, ast.Name)}
            read |= {"cost()"} if "cost(" in text else set()
        except FormulaError:
            continue
    found = [(name, in_words(text, yes)) for name, text in terms.items()]
    found += [
        (name, _constant(value)) for name, value in (objective.get("constants") or {}).items() if name in read
    ]  # fmt: skip
    if "period" in read:
        times = objective.get("over_time") or {}
        found.append(
            ("period", f"0 is the first of {said(times.get('periods'))}, each {said(times.get('every'))} long")
        )
    for lever in review.plan.get("levers", ()):
        if "cost()" in read and lever["name"] in read:
            found.append((f"cost({lever['name']})", costs(lever, yes)))
    for source in review.plan.get("data", ()):
        for name, outcome in (source.get("outcomes") or {}).items():
            if name in read:
                found.append((name, _outcome(outcome)))
        for name, column in (source.get("columns") or {}).items():
            if name in read and not any(name == known for known, _ in found):
                unit = f", in {said(column['unit'])}" if isinstance(column, Mapping) and column.get("unit") else ""
                found.append((name, f"as recorded in {source['name']}{unit}"))
    return found


def _constant(value: Any) -> str:
    if not isinstance(value, Mapping) or "unknown" in value:
        return said(value)
    inside = value.get("value")
    text = opened(inside) if isinstance(inside, Mapping) else said(inside)
    text += f" {said(value['unit'])}" if value.get("unit") else ""
    if value.get("low") is not None and value.get("high") is not None:
        text += f", somewhere from {said(value['low'])} to {said(value['high'])}"
    return text + (f" ({said(value['source'])})" if value.get("source") else "")


def costs(lever: Mapping[str, Any], yes: Set[str] = frozenset()) -> str:
    """What each setting of a lever costs."""
    if isinstance(lever.get("cost"), str):
        return in_words(lever["cost"], yes)
    options = lever.get("options")
    found = {}
    if isinstance(options, Mapping):
        found = {str(name): (entry or {}).get("cost") for name, entry in options.items() if isinstance(entry, Mapping)}
    told = [f"{name} {said(cost)}" for name, cost in found.items() if cost]
    rest = (lever.get("options_from") or {}).get("cost")
    told += [f"each {lever['options_from']['outcome']} {said(rest)}"] if rest else []
    return ", ".join([*told, "else 0"]) if told else said(lever.get("cost") or None, "none")


def _outcome(outcome: Mapping[str, Any]) -> str:
    unit = f", in {said(outcome['unit'])}" if outcome.get("unit") else ""
    values = outcome.get("values")
    if outcome.get("type") == "binary":
        return "not known when we decide: 1 if it happens, else 0"
    which = f", one of {said(values)}" if isinstance(values, list) and 0 < len(values) <= 12 else ""
    return f"not known when we decide{which}{unit}"


def acts(lever: Mapping[str, Any], value: Any, yes: Set[str] = frozenset()) -> str:
    """A reference policy of a lever, for somebody who reads no formulas.

    Args:
        lever: As `spec.at` gives it.
        value: The policy, as `words.policy` takes it.
        yes: Names that hold or do not, as `conditions_of` gives them.
    """
    ranking = lever.get("type") == "ranking"
    if isinstance(value, Mapping) and isinstance(value.get("formula"), str):
        told = in_words(value["formula"], yes)
        return f"the highest first of: {told}" if ranking else told
    if isinstance(value, Mapping) and "column" in value:
        return f"what was recorded in the column {value['column']}"
    if ranking and str(value) == "0":
        return "nothing is shown"
    likely = next(
        (value[key] for key in ("most_likely", "confident") if isinstance(value, Mapping) and key in value), None
    )
    if likely is not None and (lever.get("options_from") or {}).get("outcome") != likely:
        # Its classes are no settings: what is then set has to be worked out.
        return f"what is best for {policy(value)}"
    return policy(value)
