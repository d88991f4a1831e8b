"""Outcomes that are several things at once: labels, and the classes of a mask.

A picture may be red and round; a mask has so much road and so much sky. A formula asks for one of these at a time,
`has(tags, 'red')` or `area(view, 'road')`. To the policy each of them is an outcome of its own, named as it is written:
a label is true or false, an area is a number. Given the model's inputs labels are independent, as all outcomes are; the
areas of one mask come about together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from copy import deepcopy
from typing import NamedTuple

from drivetrain.spec.formula import Formula, parse
from drivetrain.spec.formula.tree import is_call

FUNCTIONS = ("has", "area")


class Part(NamedTuple):
    """One label, or the area of one class.

    Attributes:
        function: `has` or `area`.
        outcome: The labels or the mask.
        which: The label or the class.
    """

    function: str
    outcome: str
    which: str


def parted(formula: Formula) -> Formula:
    """The formula with every `has(…)` and `area(…)` as a name, which is looked up as any other outcome is."""
    if not formula.calls & set(FUNCTIONS):
        return formula
    # Trees are shared by everybody who read the same text.
    return Formula(formula.text, _Namer().visit(deepcopy(formula.node)))


def parts_in(formulas: Iterable[Formula]) -> dict[str, Part]:
    """Name -> what it stands for, of everything that formulas ask of labels and masks."""
    found = {}
    for formula in formulas:
        for name in formula.names:
            if (part := part_of(name)) is not None:
                found[name] = part
    return dict(sorted(found.items()))


def part_of(name: str) -> Part | None:
    """What a name that `parted` gave stands for; None for every other name."""
    if not name.endswith(")"):
        return None
    node = parse(name).node
    for function in FUNCTIONS:
        if is_call(node, function):
            of, which = node.args
            return Part(function, ast.unparse(of), str(ast.literal_eval(which)))
    return None


class _Namer(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        if any(is_call(node, function) for function in FUNCTIONS):
            return ast.Name(ast.unparse(node))
        self.generic_visit(node)
        return node
