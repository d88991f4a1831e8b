"""Outcomes that come back: which decision, what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.serving.limits import Refused, kind

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Outcome


def outcome_of(spec: Spec, case: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One case of feedback, `{"decision": …, outcome: value, …}`, with each value checked against its outcome's type.

    Raises:
        Refused: It names no decision, or an outcome or a value that the plan does not know.
    """
    where = f"cases[{number}]"
    if not isinstance(case, Mapping):
        raise Refused(f"is {kind(case)}, not an object.", where=where)
    decision = case.get("decision")
    if not isinstance(decision, str) or not re.fullmatch(r"[0-9a-f]{24}", decision):
        raise Refused("is not the name of a decision, as `/decide` answers it.", where=f"{where}.decision")
    outcomes = {name: outcome for source in spec.data for name, outcome in source.outcomes.items()}
    given = {name: value for name, value in case.items() if name != "decision"}
    if not given:
        raise Refused(f"names no outcome. Outcomes: {', '.join(outcomes)}.", where=where)
    for name, value in given.items():
        if name not in outcomes:
            raise Refused(f"is no outcome. Outcomes: {', '.join(outcomes)}.", where=f"{where}.{name[:80]}")
        if problem := _misfit(outcomes[name], value):
            raise Refused(problem, where=f"{where}.{name}")
    return {"decision": decision, "outcomes": given}


def _misfit(outcome: Outcome, value: Any) -> str:
    """Why a value is none that the outcome can have; empty when it can."""
    if outcome.type == "binary":
        return "" if isinstance(value, bool) else "is not true or false."
    if outcome.type == "number":
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        return "" if fits else "is not a number."
    values = value if outcome.type == "labels" and isinstance(value, list) else [value]
    if not all(isinstance(entry, str) for entry in values):
        return f"is {kind(value)}, not a text."
    if outcome.values and not set(values) <= set(outcome.values):
        return f"is none of {', '.join(outcome.values)}."
    return ""
