"""What one case is worth, worked out by hand where the plan says enough: for bounds and for "no model needed".

`drivetrain validate` must start at once, so nothing here takes NumPy: a plan of options and classes has few
combinations, and each is computed with plain numbers.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError
from drivetrain.rules.rule import outcomes
from drivetrain.spec.formula import Formula

if TYPE_CHECKING:
    from drivetrain.spec import Spec

Plain = float | bool | str
MOST = 4096

_COMPARE: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "exp": math.exp, "log": math.log, "sqrt": math.sqrt,
    "clip": lambda value, low, high: min(max(value, low), high),
}  # fmt: skip


def compute(formula: Formula, names: Mapping[str, Plain]) -> float | None:
    """The number that a case formula gives for one case.

    Args:
        formula: Terms written out.
        names: Value of each name; `cost(bin)` is the entry for a cost.

    Returns:
        The number; None when it has none (a division by zero, a name that is not there, a set of labels).
    """
    try:
        found = float(_value(formula.node, names))
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _value(node: ast.expr, names: Mapping[str, Plain]) -> Plain:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return not _value(operand, names)
        case ast.UnaryOp(op=op, operand=operand):
            number = float(_value(operand, names))
            return -number if isinstance(op, ast.USub) else number
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
            a, b = bool(_value(left, names)), bool(_value(right, names))
            return a and b if isinstance(op, ast.BitAnd) else a or b
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](float(_value(left, names)), float(_value(right, names)))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            values = [_value(item, names) for item in (left, *comparators)]
            return all(_COMPARE[type(op)](a, b) for op, a, b in zip(ops, values[:-1], values[1:], strict=True))
        case ast.Call(func=ast.Name(id="where"), args=[condition, then, other]):
            return _value(then if _value(condition, names) else other, names)
        case ast.Call(func=ast.Name(id="cost"), args=[ast.Name(id=lever)]):
            return names[f"cost({lever})"]
        case ast.Call(func=ast.Name(id=name), args=args) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(float(_value(arg, names)) for arg in args))
    raise KeyError(ast.unparse(node))


Table = dict[tuple[Plain, ...], dict[tuple[str, ...], float]]


def table(spec: Spec) -> Table | None:
    """What `_table` computes, once for each plan: several rules and the verdict ask for it."""
    kept = spec.derived.__dict__
    if "_worth" not in kept:
        kept["_worth"] = _table(spec)
    found: Table | None = kept["_worth"]
    return found


def _table(spec: Spec) -> Table | None:
    """Worth of every joint setting in every joint outcome: outcomes -> settings -> number.

    None where the plan leaves it open: the value uses a column, a number outcome, a lever that is no choice among
    options, a constant that is unknown, several periods, or has too many combinations.
    """
    objective, derived = spec.objective, spec.derived
    if (
        objective is None
        or objective.value is None
        or objective.over_time is not None
        or "over_time" in objective.unknown
    ):
        return None
    used = derived.uses("value")
    numbers = {name: constant.value for name, constant in objective.constants.items() if constant.value is not None}
    if used.columns or not set(used.constants) <= numbers.keys() or not used.levers:
        return None
    costs = {name: derived.costs(name) for name in used.levers}
    classes = {name: _classes(spec, name) for name in used.outcomes}
    if not all(costs.values()) or not all(classes.values()) or any(spec.lever(name).limits for name in used.levers):
        return None
    if prod(map(len, [*costs.values(), *classes.values()])) > MOST or any(_is_open(spec, name) for name in used.levers):
        return None
    try:
        formula = derived.expand("value")
    except FormulaError:
        return None
    found: Table = {}
    for seen in product(*classes.values()):
        row: dict[tuple[str, ...], float] = {}
        for chosen in product(*costs.values()):
            names: dict[str, Plain] = {**numbers, **dict(zip(classes, seen, strict=True)), "period": 0}
            for lever, setting in zip(costs, chosen, strict=True):
                names |= {lever: setting, f"cost({lever})": costs[lever][setting]}
            number = compute(formula, names)
            if number is None:
                return None
            row[chosen] = number
        found[seen] = row
    return found


def _classes(spec: Spec, name: str) -> tuple[Plain, ...]:
    # An outcome that is unknown as a whole has a name and no part.
    outcome = next((part for _, other, part in outcomes(spec) if other == name), None)
    if outcome is None or "type" in outcome.unknown:
        return ()
    if outcome.type == "binary":
        return (False, True)
    if outcome.type == "category" and outcome.values and "values" not in outcome.unknown:
        return tuple(outcome.values)
    return ()


def _is_open(spec: Spec, name: str) -> bool:
    """Whether a lever's settings or their costs are not all known."""
    lever = spec.lever(name)
    options = getattr(lever, "options", {})
    return any(key.startswith("options") for key in lever.unknown) or any(
        "cost" in option.unknown for option in options.values()
    )


def bounds(spec: Spec) -> tuple[float, float] | None:
    """The worst and the best that a case can be worth; None where the plan leaves it open."""
    rows = table(spec)
    if not rows:
        return None
    numbers = [number for row in rows.values() for number in row.values()]
    return min(numbers), max(numbers)


def always_best(spec: Spec) -> Iterator[tuple[str, ...]]:
    """Joint settings that no other beats, whatever turns out.

    Where a lever moves an outcome, what happens after one setting says nothing of what would have happened after
    another: there the worst that can follow a setting must be as good as the best that can follow any other.
    """
    rows = table(spec)
    if not rows or len(rows) < 2:
        return
    used = spec.derived.uses("value").outcomes
    moved = [name in _moved(spec) for name in used]
    worlds: dict[tuple[Plain, ...], list[dict[tuple[str, ...], float]]] = {}
    for seen, row in rows.items():
        fixed = tuple(value for value, moves in zip(seen, moved, strict=True) if not moves)
        worlds.setdefault(fixed, []).append(row)
    for setting in next(iter(rows.values())):
        if all(
            min(row[setting] for row in world) >= max(row[other] for row in world for other in row if other != setting)
            if any(moved)
            else all(row[setting] >= max(row.values()) for row in world)
            for world in worlds.values()
        ):
            yield setting


def _moved(spec: Spec) -> set[str]:
    """Outcomes that a lever moves, itself or through another, or of which nobody knows yet whether one does."""
    open_ = {name for _, name, outcome in outcomes(spec) if "affected_by" in outcome.unknown}
    return open_ | {name for _, name, _ in outcomes(spec) if spec.derived.upstream(name)}
