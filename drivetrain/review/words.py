"""Numbers and names as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

MOST_SETTINGS = 4
BETTER = {"minimize": "less is better", "maximize": "more is better"}


def number(value: Any) -> str:
    """Four significant digits, without an exponent where people would not use one; `?` where there is no figure."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return "?"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    shown = f"{value:.4g}"
    return f"{value:.2g}" if "e" in shown else shown


def interval(figure: Mapping[str, Any] | None) -> str:
    """`value (low to high)`; a dash where the figure is not defined."""
    if not figure or figure.get("value") is None:
        return "-"
    return f"{number(figure['value'])} ({number(figure.get('low'))} to {number(figure.get('high'))})"


def group_name(group: Mapping[str, Any]) -> str:
    """The values of a group; a missing one is named as such."""
    return " & ".join("(missing)" if value is None else str(value) for value in group.values()) or "all"


def decided_figures(table: Mapping[str, Any]) -> list[str]:
    """What is shown of a table of decisions: value, gain, and the rate of each setting, unless these are many."""
    names = list(table["groups"][0]["figures"]) if table["groups"] else []
    rates = [name for name in names if name.startswith("setting rate")]
    return [name for name in names if name not in rates or len(rates) <= MOST_SETTINGS]


def title(name: Any) -> str:
    """A policy's name as words."""
    return str(name).replace("_", " ")


def policy(value: Any) -> str:
    """A reference policy in words.

    Args:
        value: As `spec.at` gives it: a setting, or a mapping with formula, column, most_likely or confident.
    """
    if value is None:
        return "not said yet"
    if not isinstance(value, Mapping):
        return f"always {value}"
    if "unknown" in value:
        return opened(value)
    if "formula" in value:
        return f"by the formula {value['formula']}"
    if "column" in value:
        return f"as the column {value['column']} says"
    if "most_likely" in value:
        return f"the likeliest {value['most_likely']}"
    if "confident" in value:
        sure = f"where its probability is at least {value.get('at_least')}"
        return f"the likeliest {value['confident']} {sure}, else {value.get('else')}"
    return ", ".join(f"{key} {entry}" for key, entry in value.items())


def opened(value: Mapping[str, Any]) -> str:
    """An open question with who finds out and by when."""
    return f"open: {value['unknown']} ({value.get('owner', 'nobody')} finds out by {value.get('due', 'no date')})"


def said(value: Any, otherwise: str = "not said yet") -> str:
    """A value of the plan in words; what is open says so."""
    if value is None or value == "" or value == []:
        return otherwise
    if isinstance(value, Mapping):
        return opened(value) if "unknown" in value else ", ".join(f"{k} {said(v)}" for k, v in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return ", ".join(map(said, value)) if isinstance(value, list) else str(value)


def settings(lever: Mapping[str, Any], names: list[str]) -> str:
    """What a lever can be set to, in words.

    Args:
        lever: As `spec.at` gives it.
        names: Settings of an options lever, those from an outcome included.
    """
    kind = lever.get("type")
    if kind == "options":
        shown = names if len(names) <= 12 else [*names[:11], f"and {len(names) - 11} more"]
        return ", ".join(shown) or "no settings yet"
    if kind == "ranking":
        slots = f", {lever['slots']} places" if lever.get("slots") else ""
        return f"the order of {said(lever.get('of'))}{slots}"
    unit = f" {said(lever['unit'])}" if lever.get("unit") else ""
    return f"{said(lever.get('minimum'))} to {said(lever.get('maximum'))}{unit}"


def limit(constraint: Mapping[str, Any]) -> str:
    """A constraint's limit in words: `at most 0.01 in each depot`."""
    key = "at_least" if "at_least" in constraint else "at_most"
    by = f" in each {' and '.join(constraint['by'])}" if constraint.get("by") else ""
    return f"{key.replace('_', ' ')} {said(constraint.get(key))}{by}"


def limit_of(row: Mapping[str, Any]) -> str:
    """The limit of a constraint as `decide` records it: `at most 0.01`."""
    return f"{title(row.get('kind', ''))} {number(row.get('bound'))}"
