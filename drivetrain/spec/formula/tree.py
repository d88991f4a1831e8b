"""Formulas as text and as trees: `ast` against a white list, never `eval`."""

import ast
import math
import re
import warnings
from functools import cached_property, lru_cache
from keyword import iskeyword
from typing import TYPE_CHECKING

from drivetrain.errors import FormulaError
from drivetrain.spec.reading import one_line

if TYPE_CHECKING:
    from typing import TypeGuard

    class _Call(ast.Call):
        func: ast.Name


LENGTH = 4000
DEPTH = 80
EXPONENT = 8

_ARITY: dict[str, tuple[int, int]] = {
    "where": (3, 3), "min": (2, 20), "max": (2, 20), "abs": (1, 1), "clip": (3, 3), "exp": (1, 1), "log": (1, 1),
    "sqrt": (1, 1), "has": (2, 2), "area": (2, 2), "cost": (1, 1),
}  # fmt: skip
_POPULATION: dict[str, tuple[int, int]] = {"mean": (1, 2), "sum": (1, 2), "quantile": (2, 2)}
CASE_FUNCTIONS = frozenset(_ARITY)
POPULATION_FUNCTIONS = frozenset(_POPULATION)
FUNCTIONS = CASE_FUNCTIONS | POPULATION_FUNCTIONS

_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.BitAnd, ast.BitOr, ast.USub, ast.UAdd, ast.Invert,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip
_INSTEAD: dict[type[ast.AST], str] = {
    ast.And: "Write `&` with each side in parentheses.",
    ast.Or: "Write `|` with each side in parentheses.",
    ast.BoolOp: "Write `&` or `|` with each side in parentheses.",
    ast.Not: "Write `~(…)`.",
    ast.IfExp: "Write `where(condition, then, otherwise)`.",
    ast.In: "Write comparisons with `==`, joined by `|`.",
    ast.NotIn: "Write comparisons with `!=`, joined by `&`.",
    ast.Is: "Write `==`.",
    ast.IsNot: "Write `!=`.",
    ast.Attribute: "Refer to a column, lever or outcome by its plain name.",
    ast.Mod: "There is no remainder in formulas.",
    ast.FloorDiv: "There is no whole-number division in formulas.",
    ast.BitXor: "A power is written `**`.",
    ast.Set: "Braces have no meaning in formulas.",
    ast.Dict: "Braces have no meaning in formulas.",
    ast.Tuple: "A comma only separates what a function takes.",
}


class Formula:
    """A formula that was read.

    Attributes:
        text: As it was written.
        node: Its tree, which holds only what the white list allows.
    """

    def __init__(self, text: str, node: ast.expr) -> None:
        self.text, self.node = text, node

    def __repr__(self) -> str:
        return f"Formula({str(self)!r})"

    def __str__(self) -> str:
        return ast.unparse(self.node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self._shape == other._shape

    def __hash__(self) -> int:
        return hash(self._shape)

    @cached_property
    def _shape(self) -> str:
        return ast.dump(self.node)

    @cached_property
    def calls(self) -> frozenset[str]:
        """Names of the functions in it."""
        return frozenset(node.func.id for node in ast.walk(self.node) if is_call(node))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in it that is no function: constants, terms, levers, columns, outcomes, built-in names."""
        functions = {id(node.func) for node in ast.walk(self.node) if isinstance(node, ast.Call)}
        return frozenset(n.id for n in ast.walk(self.node) if isinstance(n, ast.Name) and id(n) not in functions)

    @cached_property
    def costs(self) -> frozenset[str]:
        """Levers whose cost it takes: `{"bin"}` for `cost(bin)`."""
        return frozenset(
            node.args[0].id
            for node in ast.walk(self.node)
            if is_call(node, "cost") and isinstance(node.args[0], ast.Name)
        )

    @cached_property
    def entries(self) -> frozenset[str]:
        """What `evaluate` looks up: names, and `cost(bin)` for a cost."""
        inside = {id(node.args[0]) for node in ast.walk(self.node) if is_call(node, "cost")}
        functions = {id(node.func) for node in ast.walk(self.node) if isinstance(node, ast.Call)}
        plain = (n for n in ast.walk(self.node) if isinstance(n, ast.Name) and id(n) not in inside | functions)
        return frozenset(n.id for n in plain) | {f"cost({lever})" for lever in self.costs}

    @property
    def is_population(self) -> bool:
        """Whether it is about all cases together (`mean`, `sum`, `quantile`)."""
        return bool(self.calls & POPULATION_FUNCTIONS)


def is_call(node: ast.AST, name: str = "") -> "TypeGuard[_Call]":
    """Whether `node` calls a function, or the function of this name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (not name or node.func.id == name)


@lru_cache(maxsize=4096)
def parse(text: str) -> Formula:
    """Read a formula.

    Args:
        text: What the plan says, e.g. `-cost(bin) - wrong_bin * misrouted`.

    Raises:
        FormulaError: It does not parse, or holds something that is not on the white list.
    """
    if len(text) > LENGTH:
        raise FormulaError(
            f"the formula has {len(text)} characters; {LENGTH} are allowed.", "Name its pieces under `terms`."
        )
    bare = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "''", text)
    if "#" in bare:
        raise FormulaError(
            f"`{one_line(text)}` holds a `#`: a formula has no comments.", "Put it after the closing quote."
        )
    if not bare.isascii():
        odd = next(char for char in bare if not char.isascii())
        raise FormulaError(
            f"`{one_line(text)}` holds `{odd}`.", "Outside quotes only plain letters, digits and operators."
        )
    if "\\" in text:
        raise FormulaError(f"`{one_line(text)}` holds a backslash.", "Write text between quotes as it is.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            node = ast.parse(re.sub(r"\s*\n\s*", " ", text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(_complaint(text, error), _advice(text)) from None
    _allow(node, text, 0)
    return Formula(text, node)


def _complaint(text: str, error: Exception) -> str:
    if isinstance(error, RecursionError | MemoryError) or "too many nested" in str(error):
        return f"`{one_line(text)}` is nested too deeply."
    place = ""
    if isinstance(error, SyntaxError) and error.offset and 0 < error.offset <= len(text):
        rest = one_line(text.strip()[error.offset - 1 :], 12)
        place = f" near `{rest}`" if rest else " at its end"
    return f"`{one_line(text)}` is no formula: it cannot be read{place}."


_SPOKEN = frozenset({"and", "or", "not", "in", "is", "if", "else", "True", "False", "None"})
"""Words of Python that a formula may hold by a slip; they have messages of their own."""


def _advice(text: str) -> str:
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", text))
    if reserved := next((word for word in words if iskeyword(word) and word not in _SPOKEN), None):
        return f"`{reserved}` is a word of Python and cannot stand in formulas: give it another name, in the data too."
    if re.search(r"(?<![=<>!])=(?!=)", text):
        return "A comparison is written `==`."
    if "&&" in text or "||" in text:
        return "Write `&` and `|`, with each side in parentheses."
    if text.count("(") != text.count(")"):
        return "Parentheses do not match; a formula with a comma must be quoted in YAML."
    if text.count("'") % 2 or text.count('"') % 2:
        return "A quotation mark is missing."
    return "Write it like `price * 2 - cost(bin)`; a formula with a comma, `#` or `*` in front must be quoted in YAML."


def _allow(node: ast.AST, text: str, depth: int) -> None:
    """Refuse whatever is not on the white list."""
    if depth > DEPTH:
        raise FormulaError(f"`{one_line(text)}` is nested too deeply.", "Name its pieces under `terms`.")
    match node:
        case ast.BinOp(op=ast.Pow(), right=right):
            exponent = literal(right)
            if exponent is None or abs(exponent) > EXPONENT:
                raise FormulaError(
                    f"`{one_line(ast.unparse(node))}`: an exponent is a number from -{EXPONENT} to {EXPONENT}.",
                    "Use `exp` and `log` for others.",
                )
            _allow(node.left, text, depth + 1)
        case ast.BinOp() | ast.UnaryOp() | ast.Compare():
            for child in ast.iter_child_nodes(node):
                _allow(child, text, depth + 1)
        case ast.Constant(value=value):
            _allow_constant(value, text)
        case ast.Name(id=name):
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise FormulaError(
                    f"`{name}` is no name.", "Names have small letters, digits and `_`; text stands in quotes."
                )
        case ast.Call():
            _allow_call(node, text, depth)
        case _ if isinstance(node, _OPERATORS):
            pass
        case _:
            kind = type(node.op) if isinstance(node, ast.BoolOp) else type(node)
            raise FormulaError(
                f"`{one_line(text)}` holds something that formulas do not have ({_spell(node)}).",
                _INSTEAD.get(
                    kind, f"Formulas have `+ - * / **`, comparisons, `& | ~` and {', '.join(sorted(FUNCTIONS))}."
                ),
            )


def _spell(node: ast.AST) -> str:
    words: dict[type[ast.AST], str] = {
        ast.And: "`and`", ast.Or: "`or`", ast.Not: "`not`", ast.IfExp: "`if … else`", ast.In: "`in`",
        ast.NotIn: "`not in`", ast.Is: "`is`", ast.IsNot: "`is not`", ast.Attribute: "a dot", ast.Mod: "`%`",
        ast.Subscript: "square brackets",
        ast.FloorDiv: "`//`", ast.BitXor: "`^`", ast.Lambda: "`lambda`", ast.List: "a list", ast.Tuple: "a comma",
        ast.JoinedStr: "an f-string", ast.NamedExpr: "`:=`", ast.Starred: "`*`", ast.MatMult: "`@`",
    }  # fmt: skip
    kind = type(node.op) if isinstance(node, ast.BoolOp) else type(node)
    return words.get(kind, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower())


def _allow_constant(value: object, text: str) -> None:
    if isinstance(value, str | bool):
        return
    if isinstance(value, int | float):
        try:
            finite = math.isfinite(float(value))
        except OverflowError:
            finite = False
        if finite:
            return
        raise FormulaError(f"`{one_line(text)}` holds a number that is too large.")
    raise FormulaError(
        f"`{one_line(text)}` holds `{value!r}`, which is neither a number, a text nor a truth value.",
        "Write a number, a text in quotes, or `True` and `False`.",
    )


def _allow_call(node: ast.Call, text: str, depth: int) -> None:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        name = one_line(ast.unparse(node.func))
        from drivetrain.spec.lookup import hint

        raise FormulaError(f"there is no function `{name}`.", hint(name, sorted(FUNCTIONS), "function"))
    name = node.func.id
    low, high = (_ARITY | _POPULATION)[name]
    if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args) or not low <= len(node.args) <= high:
        count = str(low) if low == high else f"{low} or more" if high > 3 else f"{low} or {high}"
        raise FormulaError(f"`{name}` takes {count} value{'' if high == 1 else 's'}.", f"Write `{_example(name)}`.")
    if name == "cost" and not isinstance(node.args[0], ast.Name):
        raise FormulaError("`cost` takes the name of a lever.", "Write `cost(bin)`.")
    if name in ("has", "area"):
        of, which = node.args
        if not isinstance(of, ast.Name) or not isinstance(which, ast.Constant) or not isinstance(which.value, str):
            raise FormulaError(
                f"`{name}` takes an outcome and one of its values in quotes.", f"Write `{_example(name)}`."
            )
    for arg in node.args:
        _allow(arg, text, depth + 1)


def _example(name: str) -> str:
    return {
        "where": "where(age > 9, 1, 0)", "min": "min(a, b)", "max": "max(a, b)", "clip": "clip(x, 0, 1)",
        "has": "has(tags, 'cat')", "area": "area(mask, 'road')", "cost": "cost(bin)", "mean": "mean(value)",
        "sum": "sum(value)", "quantile": "quantile(value, 0.05)",
    }.get(name, f"{name}(x)")  # fmt: skip


def literal(node: ast.expr) -> float | None:
    """The number that a node is, signs included; None when it is no literal number."""
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = literal(operand)
            return None if inner is None else -inner
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return literal(operand)
    return None
