"""What the formulas of a plan tell about columns: thresholds, categories, and what is within a lever's range."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError

if TYPE_CHECKING:
    from drivetrain.spec import Lever, Spec


@dataclass
class Hints:
    """What is known about columns beside their declaration.

    Attributes:
        thresholds: Numbers that a name is compared with.
        words: Texts that a name is compared with.
        ranges: Columns that a policy takes a setting from -> lowest and highest setting.
        settings: Columns that a policy takes a setting from -> the settings that have names.
        cells: Truth columns that say in which rows a lever was set by lot.
        scales: Unit -> usual size of a number with that unit.
    """

    thresholds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    words: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    settings: dict[str, list[str]] = field(default_factory=dict)
    cells: set[str] = field(default_factory=set)
    scales: dict[str, float] = field(default_factory=dict)


def hints(spec: Spec) -> Hints:
    """Read them off a plan."""
    found = Hints()
    for text in formulas(spec):
        _compare(text, found)
    for lever in spec.levers:
        if lever.type == "options":
            columns = [getattr(policy, "column", None) for policy in _policies(lever)]
            found.settings |= {column: spec.derived.settings(lever) for column in columns if column}
        if lever.type in ("integer", "range") and lever.minimum is not None and lever.maximum is not None:
            for policy in _policies(lever):
                column = getattr(policy, "column", None)
                if column:
                    found.ranges[column] = (lever.minimum, lever.maximum)
            if lever.unit:
                found.scales[lever.unit] = (lever.minimum + lever.maximum) / 2
        if lever.history is not None:
            try:
                found.cells |= ast_names(lever.history.rows)
            except FormulaError:
                continue
    return found


def ast_names(text: str) -> set[str]:
    """Names in a formula."""
    from drivetrain.spec.formula import parse

    return set(parse(text).names)


def formulas(spec: Spec) -> Iterator[str]:
    """Every formula of a plan, as text."""
    objective = spec.objective
    if objective is not None:
        yield from objective.terms.values()
        yield from [objective.value] if objective.value else []
        yield from [c.measure for c in objective.guardrails if c.measure]
    for lever in spec.levers:
        yield from lever.limits
        for policy in _policies(lever):
            text = getattr(policy, "formula", None)
            if text:
                yield text
    for source in spec.data:
        for outcome in source.outcomes.values():
            yield outcome.observed_when
    if spec.optimizer is not None:
        yield from [c.measure for c in spec.optimizer.constraints if c.measure]


def _policies(lever: Lever) -> list[Any]:
    kept = lever.policies
    return [policy for policy in (kept.do_nothing, kept.today, kept.simple_rule, kept.fallback) if policy is not None]


def _compare(text: str, found: Hints) -> None:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        parts = [node.left, *node.comparators]
        names = [part.id for part in parts if isinstance(part, ast.Name)]
        for part in parts:
            if isinstance(part, ast.Constant) and len(names) == 1:
                if isinstance(part.value, str):
                    found.words[names[0]].append(part.value)
                elif isinstance(part.value, int | float):
                    found.thresholds[names[0]].append(float(part.value))
