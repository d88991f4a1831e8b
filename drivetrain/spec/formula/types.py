"""Whether a formula fits its plan: every name known, in time, and of a type that its place allows."""

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from drivetrain.spec.formula.tree import Formula, literal
from drivetrain.spec.kinds import LEVEL, LITERAL, NOT_DEFINED, TYPE
from drivetrain.spec.names import an
from drivetrain.spec.reading import one_line

if TYPE_CHECKING:
    from drivetrain.spec.names import Name


class Typed(NamedTuple):
    """Type of a formula: `number`, `boolean`, `category`, `time`, `id`, `text`, `labels`, `mask`, `media` or `any`.

    Attributes:
        type: The type.
        values: Values of a category as far as they are known; None: any.
    """

    type: str
    values: frozenset[str] | None = None


ANY, NUMBER, BOOLEAN = Typed("any"), Typed("number"), Typed("boolean")


class Problem(NamedTuple):
    """One fault of a formula: its kind (a finding's last two digits), what is wrong and what to do."""

    kind: int
    what: str
    advice: str
    name: str = ""


def check(
    formula: Formula,
    names: "Mapping[str, Name]",
    term: Callable[[str], Typed],
    *,
    population: bool = False,
    value: bool = False,
) -> tuple[Typed, list[Problem]]:
    """Type of a formula, and everything that is wrong with it.

    Args:
        formula: The formula.
        names: What each name stands for.
        term: Type of a term.
        population: Whether it is about all cases (`mean`, `sum`, `quantile`).
        value: Whether it may use `value`.
    """
    checker = _Checker(names, term, value)
    found = checker.population(formula.node) if population else checker.visit(formula.node)
    return found, checker.problems


class _Checker:
    def __init__(self, names: "Mapping[str, Name]", term: Callable[[str], Typed], value: bool) -> None:
        self.names, self.term, self.value = names, term, value
        self.problems: list[Problem] = []

    def fault(self, kind: int, what: str, advice: str, name: str = "") -> None:
        problem = Problem(kind, what, advice, name)
        if problem not in self.problems:
            self.problems.append(problem)

    def population(self, node: ast.expr) -> Typed:
        """A node outside `mean` and `sum`: constants, numbers, and figures of all cases."""
        match node:
            case ast.Call(func=ast.Name(id="mean" | "sum"), args=[inner, *given]):
                self.as_number(self.visit(inner), inner)
                for condition in given:
                    self.as_number(self.visit(condition), condition)
                return NUMBER
            case ast.Call(func=ast.Name(id="quantile"), args=[inner, share]):
                self.as_number(self.visit(inner), inner)
                q = literal(share)
                if q is None or not 0 <= q <= 1:
                    self.fault(
                        TYPE,
                        f"`{spell(node)}`: a quantile's share is a number from 0 to 1.",
                        "Write `quantile(value, 0.05)`.",
                    )
                return NUMBER
            case ast.Name(id=name):
                found = self.visit(node)
                entry = self.names.get(name)
                if name == "value" or (entry is not None and entry.kind != "constant"):
                    what = f"`{name}` differs from case to case and stands outside `mean` or `sum`."
                    self.fault(LEVEL, what, f"Write `mean({name})`.", name)
                return found
            case ast.Call(func=ast.Name(id="has" | "area" | "cost")):
                self.fault(LEVEL, f"`{spell(node)}` differs from case to case.", f"Write `mean({spell(node)})`.")
                return self.visit(node)
        return self.step(node, self.population)

    def visit(self, node: ast.expr) -> Typed:
        """A node about one case."""
        match node:
            case ast.Call(func=ast.Name(id="mean" | "sum" | "quantile" as name)):
                self.fault(
                    LEVEL,
                    f"`{name}(…)` is about all cases together and has no value for one.",
                    "It stands in a measure, outside any other `mean` or `sum`.",
                )
                return NUMBER
            case ast.Name(id=name):
                return self.look_up(name)
        return self.step(node, self.visit)

    def step(self, node: ast.expr, visit: Callable[[ast.expr], Typed]) -> Typed:
        match node:
            case ast.Constant(value=bool()):
                return BOOLEAN
            case ast.Constant(value=str() as text):
                return Typed("category", frozenset([text]))
            case ast.Constant():
                return NUMBER
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                self.as_boolean(visit(operand), operand, "~")
                return BOOLEAN
            case ast.UnaryOp(operand=operand):
                self.as_number(visit(operand), operand)
                return NUMBER
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
                sign = "&" if isinstance(op, ast.BitAnd) else "|"
                self.as_boolean(visit(left), left, sign)
                self.as_boolean(visit(right), right, sign)
                return BOOLEAN
            case ast.BinOp(left=left, right=right):
                self.as_number(visit(left), left)
                self.as_number(visit(right), right)
                return NUMBER
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                nodes = [left, *comparators]
                types = [visit(item) for item in nodes]
                for place, sign_ in enumerate(ops):
                    self.compare(types[place], sign_, types[place + 1], nodes[place], nodes[place + 1])
                return BOOLEAN
            case ast.Call(func=ast.Name(id="where"), args=[condition, then, other]):
                self.as_boolean(visit(condition), condition, "where")
                return self.either(visit(then), visit(other), node)
            case ast.Call(func=ast.Name(id="cost"), args=[ast.Name(id=lever)]):
                return self.cost(lever)
            case ast.Call(func=ast.Name(id="has" | "area" as name), args=[ast.Name(id=of), ast.Constant(value=which)]):
                return self.part_of(name, of, str(which))
            case ast.Call(args=args):
                for arg in args:
                    self.as_number(visit(arg), arg)
                return NUMBER
        return ANY

    def look_up(self, name: str) -> Typed:
        if name == "value":
            if not self.value:
                what = "`value` stands only in `measure.formula` and `catastrophe`."
                self.fault(LEVEL, what, "Write out what is meant, or name it under `terms`.", name)
            return NUMBER
        entry = self.names.get(name)
        if entry is None:
            self.not_defined(name)
            return ANY
        if entry.kind == "term":
            return self.term(name)
        return Typed(entry.type, entry.values)

    def not_defined(self, name: str) -> None:
        from difflib import get_close_matches

        from drivetrain.spec.formula.tree import FUNCTIONS

        known = [*self.names, "value"] if self.value else list(self.names)
        near = get_close_matches(name, known, 1, 0.6)
        advice = f"Did you mean `{near[0]}`?" if near else "Is it a column to declare, or a constant to state?"
        if name in ("yes", "no", "true", "false"):
            advice = "What happens or not counts 1 or 0: write `happened`, or `(1 - happened)` where it does not."
        if name in FUNCTIONS:
            advice = f"`{name}` is a function: write `{name}(…)`."
        self.fault(NOT_DEFINED, f"`{name}` is not defined.", advice, name)

    def cost(self, lever: str) -> Typed:
        entry = self.names.get(lever)
        if entry is None:
            self.not_defined(lever)
        elif entry.kind != "lever":
            levers = ", ".join(f"`{name}`" for name, item in self.names.items() if item.kind == "lever")
            self.fault(
                TYPE, f"`cost({lever})`: `{lever}` is {an(entry.kind)}.", f"A cost has a lever: {levers or 'none yet'}."
            )
        return NUMBER

    def part_of(self, function: str, name: str, which: str) -> Typed:
        entry = self.names.get(name)
        wanted = "labels" if function == "has" else "mask"
        if entry is None:
            self.not_defined(name)
        elif entry.type not in (wanted, "any"):
            self.fault(
                TYPE, f"`{function}({name}, …)` needs an outcome of type {wanted}; `{name}` is {an(entry.type)}.", ""
            )
        elif entry.values is not None and which not in entry.values:
            self.fault(LITERAL, f"`{name}` has no value `{which}`.", _among(which, entry.values))
        return BOOLEAN if function == "has" else NUMBER

    def as_number(self, found: Typed, node: ast.expr) -> None:
        if found.type in ("number", "boolean", "time", "any"):
            return
        if found.type in ("labels", "mask"):
            function = "has" if found.type == "labels" else "area"
            advice = f"Write `{function}({spell(node)}, 'class')`."
        elif isinstance(node, ast.Constant):
            advice = "Drop the quotes, or compare it: `name == 'class'`."
        else:
            advice = f"Compare it: `{spell(node)} == 'class'` counts 0 or 1." if found.type == "category" else ""
        self.fault(TYPE, f"`{spell(node)}` is {an(found.type)} and cannot be calculated with.", advice)

    def as_boolean(self, found: Typed, node: ast.expr, where: str) -> None:
        if found.type in ("boolean", "any"):
            return
        advice = f"Compare it: `{spell(node)} == 'class'`." if found.type == "category" else "Compare it: `… > 0`."
        if where in "&|~":
            tighter = f"`{where}` binds tighter than comparisons: put each side in parentheses"
            if found.type != "category" or not isinstance(node, ast.Name):
                advice = f"{tighter}, `(a > 1) {where} (b < 2)`."
            else:
                advice = f"{tighter}, and compare a category: `({node.id} == 'class') {where} (b < 2)`."
            if where == "~":
                advice = "`~` negates a truth value: `~(a > 1)`."
        what = f"`{spell(node)}` is {an(found.type)}, and `{where}` needs a truth value."
        self.fault(TYPE, what, advice)

    def either(self, then: Typed, other: Typed, node: ast.expr) -> Typed:
        kinds = {then.type, other.type}
        if "any" in kinds:
            return ANY
        if kinds == {"category"}:
            known = then.values is not None and other.values is not None
            return Typed("category", then.values | other.values if known else None)  # type: ignore[operator]
        if kinds <= {"number", "boolean", "time"}:
            return Typed(kinds.pop()) if len(kinds) == 1 else NUMBER
        if len(kinds) > 1:
            what = f"`{spell(node)}` gives {an(then.type)} in one case and {an(other.type)} in the other."
            self.fault(TYPE, what, "Give the same in both.")
        return then

    def compare(self, a: Typed, op: ast.cmpop, b: Typed, left: ast.expr, right: ast.expr) -> None:
        shown = f"{spell(left)} {_SIGNS[type(op)]} {spell(right)}"
        kinds = {a.type, b.type}
        numeric = {"number", "boolean", "time"}
        if "any" in kinds or kinds <= numeric:
            return
        for odd in ("labels", "mask", "media"):
            if odd in kinds:
                advice = {"labels": "Write `has(name, 'class')`.", "mask": "Write `area(name, 'class') > …`."}.get(
                    odd, ""
                )
                self.fault(TYPE, f"`{shown}`: {an(odd)} cannot be compared.", advice)
                return
        if kinds == {"category"}:
            self.categories(a, op, b, shown, left, right)
        elif kinds == {"id"}:
            if not isinstance(op, ast.Eq | ast.NotEq):
                self.fault(TYPE, f"`{shown}`: ids have no order.", "Compare them with `==` or `!=`.")
        elif "category" in kinds and kinds & numeric:
            number, category = (a, b) if a.type in numeric else (b, a)
            node = left if number is a else right
            text = literal(node)
            advice = f"Quote it: `'{spell(node)}'`." if text is not None else "Compare like with like."
            if category.values is not None and isinstance(left if category is a else right, ast.Constant):
                advice = "Drop the quotes."
            if category.values is not None and number.type == "boolean":
                advice = f"It counts 1 or 0: write `{spell(node)}`, or `(1 - {spell(node)})` where it does not hold."
            self.fault(TYPE, f"`{shown}` compares a category with {an(number.type)}.", advice)
        else:
            odd = next(kind for kind in (a.type, b.type) if kind in ("id", "text"))
            what = f"`{shown}`: text is compared with a category only, and this column is of type {odd}."
            self.fault(TYPE, what, "Declare the column as `category`.")

    def categories(self, a: Typed, op: ast.cmpop, b: Typed, shown: str, left: ast.expr, right: ast.expr) -> None:
        if not isinstance(op, ast.Eq | ast.NotEq):
            self.fault(TYPE, f"`{shown}`: categories have no order.", "Compare them with `==` or `!=`.")
            return
        if a.values is None or b.values is None or a.values & b.values:
            return
        for said, node, of, other in ((a, left, b, right), (b, right, a, left)):
            if isinstance(node, ast.Constant) and of.values is not None and said.values:
                (text,) = said.values
                self.fault(LITERAL, f"`{spell(other)}` is never `{text}`.", _among(text, of.values))
                return
        what = f"`{shown}`: the two have no value in common ({_few(a.values)}; {_few(b.values)})."
        self.fault(LITERAL, what, "Compare categories that share values.")


_SIGNS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def _few(values: frozenset[str]) -> str:
    shown = sorted(values)
    return ", ".join(f"`{value}`" for value in shown[:6]) + (" …" if len(shown) > 6 else "")


def _among(text: str, values: frozenset[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(text, sorted(values), 1, 0.6)
    return f"Did you mean `{near[0]}`?" if near else f"Its values are {_few(values)}."


def spell(node: ast.expr) -> str:
    """A piece of a formula as it is written."""
    return one_line(ast.unparse(node))


def walk_names(
    formula: Formula, names: "Mapping[str, Name]", term: Callable[[str], Formula | None]
) -> Iterator[tuple[str, str]]:
    """Every name that a formula uses, terms followed: the name, and the term through which (or '')."""
    seen: set[str] = set()
    queue = [(name, "") for name in sorted(formula.names)]
    while queue:
        name, through = queue.pop(0)
        entry = names.get(name)
        inner = term(name) if entry is not None and entry.kind == "term" else None
        if inner is not None and name not in seen:
            seen.add(name)
            queue.extend((other, through or name) for other in sorted(inner.names))
        elif inner is None:
            yield name, through
