"""What can be said about a formula without data: its pieces inlined, its degree, its form as a ratio."""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from drivetrain.errors import FormulaError
from drivetrain.spec.formula.tree import DEPTH, Formula, is_call, literal, parse

BATCH = "batch.cases"
"""The name under which a ratio looks up the number of cases in a batch."""


def substitute(formula: Formula, terms: Mapping[str, str | Formula]) -> Formula:
    """`formula` with every term written out.

    Args:
        formula: Where terms stand.
        terms: Name of a term -> its formula, which may hold further terms.

    Raises:
        FormulaError: Terms refer to each other in a circle, or grow beyond all measure.
    """
    return Formula(formula.text, _Inliner(terms).inline(formula.node, ()))


class _Inliner:
    def __init__(self, terms: Mapping[str, str | Formula]) -> None:
        self.terms = {name: parse(term) if isinstance(term, str) else term for name, term in terms.items()}
        self.nodes = 0

    def inline(self, node: ast.expr, above: tuple[str, ...], depth: int = 0) -> ast.expr:
        self.nodes += 1
        if self.nodes > 20_000 or depth > 2 * DEPTH:
            raise FormulaError("with its terms written out the formula is too long.", "Use fewer terms inside terms.")
        depth += 1
        match node:
            case ast.Name(id=name) if name in self.terms:
                if name in above:
                    circle = " -> ".join([*above[above.index(name) :], name])
                    raise FormulaError(f"terms refer to each other in a circle: {circle}.", "Break the circle.")
                return self.inline(self.terms[name].node, (*above, name), depth)
            case ast.BinOp(left=left, op=op, right=right):
                return ast.BinOp(self.inline(left, above, depth), op, self.inline(right, above, depth))
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, self.inline(operand, above, depth))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                others = [self.inline(item, above, depth) for item in comparators]
                return ast.Compare(self.inline(left, above, depth), ops, others)
            case ast.Call(func=func, args=args):
                return ast.Call(func, [self.inline(arg, above, depth) for arg in args], [])
        return node


def degrees(formula: Formula, outcomes: Iterable[str]) -> dict[str, float]:
    """Degree of the formula in each outcome; infinite where means would not be exact.

    An outcome in a comparison, in a condition, under a function that is not linear or in a denominator has infinite
    degree. Terms must be written out (`substitute`).
    """
    names = frozenset(outcomes)
    return {name: value for name, value in _degree(formula.node, names).items() if value}


def _degree(node: ast.expr, names: frozenset[str]) -> dict[str, float]:
    endless = float("inf")
    match node:
        case ast.Name(id=name):
            return {name: 1.0} if name in names else {}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _degree(operand, names)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _merge(max, _degree(left, names), _degree(right, names))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _merge(lambda a, b: a + b, _degree(left, names), _degree(right, names))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            below = dict.fromkeys(_used(right, names), endless)
            return _merge(max, _degree(left, names), below)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            exponent = literal(right)
            if exponent in (0.0, 1.0):
                return _degree(left, names) if exponent else {}
            whole = exponent is not None and exponent > 0 and exponent.is_integer()
            return {n: d * exponent if whole and exponent else endless for n, d in _degree(left, names).items()}
        case ast.Call(func=ast.Name(id="where"), args=[condition, then, other]):
            branches = _merge(max, _degree(then, names), _degree(other, names))
            return branches | dict.fromkeys(_used(condition, names), endless)
        case ast.Call(func=ast.Name(id="has" | "area"), args=[ast.Name(id=name), _]):
            return {name: 1.0} if name in names else {}
        case ast.Call(func=ast.Name(id="mean" | "sum"), args=[inner]):
            return _degree(inner, names)
        case ast.Call(func=ast.Name(id="mean" | "sum"), args=[inner, given]):
            return _merge(lambda a, b: a + b, _degree(inner, names), _degree(given, names))
    return dict.fromkeys(_used(node, names), endless)


def _merge(how: Callable[[float, float], float], a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: how(a.get(name, 0.0), b.get(name, 0.0)) for name in a | b}


def _used(node: ast.expr, names: frozenset[str]) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)} & names


def exact_with_means(formula: Formula, outcomes: Iterable[str], chained: Iterable[str] = ()) -> bool:
    """Whether putting in each outcome's mean gives the expectation exactly.

    Args:
        formula: Terms written out.
        outcomes: Names of the outcomes.
        chained: Outcomes that are another outcome's input: given them the others are not independent.

    Returns:
        True when the formula is of degree one at most in each outcome, none stands in a comparison or condition, and
        none that it uses is chained; then the mean of a product of independent outcomes is the product of their means.
    """
    used = degrees(formula, outcomes)
    return all(degree <= 1 for degree in used.values()) and not set(used) & set(chained)


def as_guessed(formula: Formula, binary: Iterable[str], *, condition: bool = False) -> Formula:
    """A formula for guesses instead of outcomes: where a binary outcome stands as a truth value it is its likeliest.

    As a number it stays its mean: `where(ill & (ill > 0.8), …)` reads as `where((ill > 0.5) & (ill > 0.8), …)`.

    Args:
        formula: Terms written out.
        binary: Names of the binary outcomes.
        condition: Whether the whole formula is a truth value.
    """
    found = _Guessing(frozenset(binary)).truth(formula.node) if condition else None
    node = found or _Guessing(frozenset(binary)).visit(formula.node)
    return Formula(ast.unparse(node), node)


class _Guessing(ast.NodeTransformer):
    """Copies what it changes: a formula that was read is shared."""

    def __init__(self, binary: frozenset[str]) -> None:
        self.binary = binary

    def truth(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name) and node.id in self.binary:
            return ast.Compare(node, [ast.Gt()], [ast.Constant(0.5)])
        if is_call(node, "where"):
            return ast.Call(node.func, [self.truth(item) for item in node.args], [])
        found: ast.expr = self.visit(node)
        return found

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        inner = self.truth if isinstance(node.op, ast.BitAnd | ast.BitOr) else self.visit
        return ast.BinOp(inner(node.left), node.op, inner(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return ast.UnaryOp(node.op, (self.truth if isinstance(node.op, ast.Invert) else self.visit)(node.operand))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        # A mean equals nothing: `ill == 1` asks what is likelier.
        equal = all(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        inner = self.truth if equal else self.visit
        return ast.Compare(inner(node.left), node.ops, [inner(item) for item in node.comparators])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        first = self.truth if is_call(node, "where") else self.visit
        return ast.Call(node.func, [(self.visit if place else first)(item) for place, item in enumerate(node.args)], [])


class Ratio(NamedTuple):
    """A population formula as sum w·num / sum w·den.

    Attributes:
        num: Case formula; it looks up `batch.cases` where the figure is a sum.
        den: Case formula, `1` for a mean or a sum.
        kind: `mean`, `sum` or `ratio`.
    """

    num: Formula
    den: Formula
    kind: str


_ONE = ast.Constant(1)


def ratio(formula: Formula | str, constants: Iterable[str] = ()) -> Ratio | None:
    """Numerator and denominator, so that `measure <= c` is `sum(num - c·den) <= 0`; None when it is no such ratio.

    Args:
        formula: `mean(e)`, `mean(e, g)`, `sum(e)`, a quotient of these, or a sum of those with one denominator.
        constants: Names that are the same for every case and may stand outside `mean` and `sum`.
    """
    formula = parse(formula) if isinstance(formula, str) else formula
    found = _ratio(formula.node, frozenset(constants))
    if found is None:
        return None
    num, den = found
    sums = any(isinstance(node, ast.Name) and node.id == BATCH for node in ast.walk(num))
    kind = "ratio" if not _same(den, _ONE) else "sum" if sums else "mean"
    return Ratio(Formula(ast.unparse(num), num), Formula(ast.unparse(den), den), kind)


def _ratio(node: ast.expr, constants: frozenset[str]) -> tuple[ast.expr, ast.expr] | None:
    if _scalar(node, constants):
        return node, _ONE
    match node:
        case ast.Call(func=ast.Name(id="mean"), args=[inner]):
            return inner, _ONE
        case ast.Call(func=ast.Name(id="mean"), args=[inner, given]):
            return _times(inner, given), given
        case ast.Call(func=ast.Name(id="sum"), args=[inner]):
            return _times(ast.Name(BATCH), inner), _ONE
        case ast.Call(func=ast.Name(id="sum"), args=[inner, given]):
            return _times(ast.Name(BATCH), _times(inner, given)), _ONE
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            inner_ratio = _ratio(operand, constants)
            return None if inner_ratio is None else (ast.UnaryOp(op, inner_ratio[0]), inner_ratio[1])
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _ratio(left, constants), _ratio(right, constants)
            return None if a is None or b is None else _combine(a, op, b, constants)
    return None


def _combine(
    a: tuple[ast.expr, ast.expr], op: ast.operator, b: tuple[ast.expr, ast.expr], constants: frozenset[str]
) -> tuple[ast.expr, ast.expr] | None:
    (n, d), (m, e) = a, b
    if isinstance(op, ast.Add | ast.Sub):
        if _same(d, e):
            return ast.BinOp(n, op, m), d
        if _same(d, _ONE) and _scalar(n, constants):
            return ast.BinOp(_times(n, e), op, m), e
        if _same(e, _ONE) and _scalar(m, constants):
            return ast.BinOp(n, op, _times(m, d)), d
    elif isinstance(op, ast.Mult):
        if _same(e, _ONE) and _scalar(m, constants):
            return _times(n, m), d
        if _same(d, _ONE) and _scalar(n, constants):
            return _times(n, m), e
    elif isinstance(op, ast.Div):
        if _same(e, _ONE) and _scalar(m, constants):
            return ast.BinOp(n, op, m), d
        if _same(d, e):
            return _without_batch(n, m)
        if _same(d, _ONE) and _scalar(n, constants):
            return _times(n, e), m
    return None


def _without_batch(n: ast.expr, m: ast.expr) -> tuple[ast.expr, ast.expr]:
    """A quotient of two sums is one of two means: the size of the batch cancels."""
    match n, m:
        case ast.BinOp(ast.Name(id=a), ast.Mult(), inner), ast.BinOp(ast.Name(id=b), ast.Mult(), other) if (
            a == b == BATCH
        ):
            return inner, other
    return n, m


def _scalar(node: ast.expr, constants: frozenset[str]) -> bool:
    """Whether a node is the same for every case: numbers and constants only, no `mean` and no column."""
    return (
        not any(is_call(item, "mean") or is_call(item, "sum") or is_call(item, "quantile") for item in ast.walk(node))
        and _plain_names(node) <= constants
    )


def _plain_names(node: ast.expr) -> set[str]:
    functions = {id(item.func) for item in ast.walk(node) if isinstance(item, ast.Call)}
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and id(item) not in functions}


def _times(a: ast.expr, b: ast.expr) -> ast.expr:
    if _same(a, _ONE):
        return b
    return a if _same(b, _ONE) else ast.BinOp(a, ast.Mult(), b)


def _same(a: ast.expr, b: ast.expr) -> bool:
    return ast.dump(a) == ast.dump(b)
