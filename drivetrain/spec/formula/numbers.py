"""The value of a formula over NumPy arrays."""

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError
from drivetrain.spec.formula.tree import Formula, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Mapping[str, "NDArray[Any] | Mapping[str, NDArray[Any]] | float | str | bool"]
    """Name -> array; labels and masks: name -> {class: array}; `cost(bin)` -> array."""


def evaluate(formula: Formula | str, names: "Values") -> "NDArray[Any]":
    """The value of a case formula.

    Shapes broadcast as in NumPy: constants `()`, columns `(n, 1, 1)`, levers `(1 or n, k, 1)`, outcomes
    `(n, 1 or k, s)`.

    Args:
        formula: What to evaluate.
        names: What each of `formula.entries` is. Categories are arrays of text, truth values of booleans, the rest of
            numbers. Outcomes of labels and masks are mappings from each class to its array. `cost(bin)` is an entry.

    Returns:
        An array of float64, of booleans (a condition) or of text (a setting). Division by zero and the like give
        infinity or NaN, as in NumPy, without a warning: who asked decides what that means.

    Raises:
        FormulaError: A name has no value, a population formula is asked for its case value, or types do not fit.
    """
    import numpy

    formula = parse(formula) if isinstance(formula, str) else formula
    with numpy.errstate(all="ignore"):
        return numpy.asarray(_Evaluator(names).visit(formula.node))


_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal", ast.NotEq: "not_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater",
    ast.GtE: "greater_equal",
}  # fmt: skip


class _Evaluator:
    """Walks a tree; `visit` returns arrays."""

    def __init__(self, names: "Values") -> None:
        import numpy

        self.names, self.np = names, numpy

    def visit(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return self.np.asarray(float(value) if type(value) is int else value)
            case ast.Name(id=name):
                return self.np.asarray(self.look_up(name))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return self.np.logical_not(self.truth(operand))
            case ast.UnaryOp(op=op, operand=operand):
                value = self.number(operand)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                return self.np.logical_and(self.truth(left), self.truth(right))
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.np.logical_or(self.truth(left), self.truth(right))
            case ast.BinOp(left=left, op=op, right=right):
                return self.arithmetic(op)(self.number(left), self.number(right))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                values = [self.visit(left), *map(self.visit, comparators)]
                result = self.compare(ops[0], values[0], values[1], node)
                for sign, a, b in zip(ops[1:], values[1:], values[2:], strict=False):
                    result = self.np.logical_and(result, self.compare(sign, a, b, node))
                return result
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        raise FormulaError(f"`{ast.unparse(node)}` has no value.")

    def look_up(self, name: str) -> Any:
        if name not in self.names:
            raise FormulaError(f"`{name}` has no value here.", f"There are: {', '.join(sorted(self.names)) or 'none'}.")
        return self.names[name]

    def number(self, node: ast.expr) -> Any:
        return self.as_number(self.visit(node), node)

    def as_number(self, value: Any, node: ast.expr) -> Any:
        if value.dtype.kind in "bif":
            return value.astype(self.np.float64, copy=False)
        if value.dtype.kind in "mM":
            return value.astype(f"{value.dtype.kind}8[us]").astype(self.np.int64) / 1e6
        if value.dtype.kind == "u":
            return value.astype(self.np.float64)
        raise FormulaError(
            f"`{ast.unparse(node)}` is text and cannot be calculated with.", "Compare it: `name == 'class'`."
        )

    def truth(self, node: ast.expr) -> Any:
        value = self.visit(node)
        if value.dtype.kind == "b":
            return value
        return self.as_number(value, node) != 0

    def arithmetic(self, op: ast.operator) -> Callable[[Any, Any], Any]:
        function: Callable[[Any, Any], Any] = getattr(self.np, _ARITHMETIC[type(op)])
        return function

    def compare(self, op: ast.cmpop, a: Any, b: Any, node: ast.expr) -> Any:
        function = getattr(self.np, _COMPARISONS[type(op)])
        texts = [value.dtype.kind in "OUST" for value in (a, b)]
        if all(texts):
            return function(a, b).astype(bool)
        if any(texts):
            raise FormulaError(
                f"`{ast.unparse(node)}` compares text with a number.", "Quote the class, or drop the quotes."
            )
        return function(self.as_number(a, node), self.as_number(b, node))

    def call(self, name: str, args: list[ast.expr]) -> Any:
        np = self.np
        if name == "cost":
            return self.as_number(np.asarray(self.look_up(f"cost({ast.unparse(args[0])})")), args[0])
        if name in ("has", "area"):
            of, which = ast.unparse(args[0]), ast.literal_eval(args[1])
            classes = self.look_up(of)
            if not isinstance(classes, Mapping) or which not in classes:
                raise FormulaError(f"`{of}` has no class `{which}` here.")
            return np.asarray(classes[which])
        if name == "where":
            condition, (then, other) = self.truth(args[0]), map(self.visit, args[1:])
            kinds = {then.dtype.kind, other.dtype.kind}
            if kinds != {"b"} and not kinds & set("OUST"):
                then, other = self.as_number(then, args[1]), self.as_number(other, args[2])
            elif len(kinds & set("OUST")) and kinds & set("bif"):
                raise FormulaError(
                    "`where` gives text in one case and a number in the other.", "Give the same in both."
                )
            return np.where(condition, then, other)
        if name in ("min", "max"):
            values = [self.number(arg) for arg in args]
            result = values[0]
            for value in values[1:]:
                result = (np.minimum if name == "min" else np.maximum)(result, value)
            return result
        if name == "clip":
            return np.minimum(np.maximum(self.number(args[0]), self.number(args[1])), self.number(args[2]))
        if name in ("abs", "exp", "log", "sqrt"):
            return getattr(np, name)(self.number(args[0]))
        raise FormulaError(f"`{name}(…)` is about all cases together and has no value for one.")


def population(
    formula: Formula | str,
    names: "Values",
    weights: "NDArray[Any] | None" = None,
    batch_cases: float | None = None,
    *,
    expect: "Callable[[Formula], NDArray[Any]] | None" = None,
) -> float:
    """The value of a population formula.

    `mean(e, g)` is sum w·E[e·g] / sum w·E[g]; `sum(e)` is `batch_cases`·mean(e); `quantile(e, q)` is the least value
    that a share q of the cases does not exceed. Inner values are expectations: a ratio is a ratio of expectations.

    Args:
        formula: What to evaluate.
        names: As for `evaluate`; the first axis is that of the cases, over further axes (draws) the mean is taken.
        weights: Shape (n,); any scale; all 1 when absent.
        batch_cases: Cases of a batch (`decision.batch.cases`), which `sum` needs.
        expect: Expectation of a case formula, shape (n,), when means over draws are not what is wanted.

    Returns:
        The figure; NaN when it is 0 / 0 (no case fulfils the condition).

    Raises:
        FormulaError: A case-level name stands outside `mean`, `sum` or `quantile`, or `sum` has no `batch_cases`.
    """
    import numpy as np

    formula = parse(formula) if isinstance(formula, str) else formula

    def values(node: ast.expr) -> Any:
        if expect is not None:
            return np.asarray(expect(Formula(ast.unparse(node), node)), dtype=np.float64)
        raw = evaluate(Formula(ast.unparse(node), node), names)
        array = np.asarray(_Evaluator(names).as_number(raw, node))
        return array.mean(axis=tuple(range(1, array.ndim))) if array.ndim > 1 else array

    def mean(node: ast.expr) -> Any:
        e = values(node)
        if weights is None:
            return e.mean()
        w = np.asarray(weights, dtype=np.float64)
        return (np.broadcast_to(e, w.shape) * w).sum() / w.sum()

    def visit(node: ast.expr) -> Any:
        match node:
            case ast.Call(func=ast.Name(id="mean" | "sum" as name), args=args):
                scale = 1.0
                if name == "sum":
                    if batch_cases is None:
                        raise FormulaError(
                            "`sum` needs the number of cases in a batch.", "Write `decision: {batch: {…}}`."
                        )
                    scale = batch_cases
                if len(args) == 1:
                    return scale * mean(args[0])
                product = mean(ast.BinOp(args[0], ast.Mult(), args[1]))
                return scale * (product / mean(args[1]) if name == "mean" else product)
            case ast.Call(func=ast.Name(id="quantile"), args=[inner, q]):
                return _quantile(values(inner), weights, float(evaluate(Formula("", q), names)))
            case ast.Call(func=ast.Name(id=name), args=args):
                inner_names = {f"v{place}": visit(arg) for place, arg in enumerate(args)}
                return evaluate(f"{name}({', '.join(inner_names)})", inner_names)
            case ast.BinOp(left=left, op=op, right=right):
                return evaluate(
                    Formula("", ast.BinOp(ast.Name("a"), op, ast.Name("b"))), {"a": visit(left), "b": visit(right)}
                )
            case ast.UnaryOp(op=op, operand=operand):
                return evaluate(Formula("", ast.UnaryOp(op, ast.Name("a"))), {"a": visit(operand)})
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                inner_names = {f"v{place}": visit(arg) for place, arg in enumerate([left, *comparators])}
                nodes: list[ast.expr] = [ast.Name(name) for name in inner_names]
                return evaluate(Formula("", ast.Compare(nodes[0], ops, nodes[1:])), inner_names)
        value = evaluate(Formula("", node), names)
        if value.ndim and value.size != 1:
            raise FormulaError(
                f"`{ast.unparse(node)}` differs from case to case and stands outside `mean` or `sum`.",
                f"Write `mean({ast.unparse(node)})`.",
            )
        return value

    with np.errstate(all="ignore"):
        return float(np.asarray(visit(formula.node), dtype=np.float64).reshape(()))


def _quantile(values: Any, weights: Any, q: float) -> float:
    import numpy as np

    w = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    values = np.broadcast_to(values, w.shape)
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(w[order]) / w.sum()
    place = int(np.searchsorted(shares, q - 1e-12))
    return float(values[order][min(place, len(values) - 1)])
