"""Outcomes that come back: which decision, what happened."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.serving import media
from drivetrain.serving.limits import Limits, Refused, kind

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import Outcome
    from drivetrain.spec.levers import Lever


def outcome_of(spec: Spec, case: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One case of feedback, `{"decision": …, outcome: value, …}`, with each value checked against its outcome's type.

    A lever's name tells what was really done, where that is not what was answered: a person decided, or did otherwise.

    A mask comes as a picture in base64, in which the value of a pixel is the number of its class; what is recorded is
    its SHA-256, and `files` has the bytes.

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
    levers = {lever.name: lever for lever in spec.levers}
    given = {name: value for name, value in case.items() if name != "decision"}
    if not given:
        raise Refused(f"names no outcome. Outcomes: {', '.join(outcomes)}.", where=where)
    files: dict[str, bytes] = {}
    for name, value in given.items():
        if name not in outcomes and name not in levers:
            raise Refused(f"is no outcome. Outcomes: {', '.join(outcomes)}.", where=f"{where}.{name[:80]}")
        if name in outcomes and outcomes[name].type == "mask":
            content = _mask(outcomes[name], value, f"{where}.{name}")
            given[name] = hashlib.sha256(content).hexdigest()
            files[given[name]] = content
            continue
        problem = _misfit(outcomes[name], value) if name in outcomes else _no_setting(spec, levers[name], value)
        if problem:
            raise Refused(problem, where=f"{where}.{name}")
    return {
        "decision": decision,
        "outcomes": {name: value for name, value in given.items() if name in outcomes},
        "done": {name: value for name, value in given.items() if name in levers},
        "files": files,
    }


def _mask(outcome: Outcome, value: Any, where: str) -> bytes:
    """The bytes of a picture that says the class of every pixel."""
    content = media.content(value, where)
    picture = media.image(content, where, Limits().pixels)
    most = len(outcome.values or ()) - 1
    highest = int(np.asarray(picture.convert("L")).max())
    if highest > most:
        raise Refused(f"has a pixel of value {highest}; classes are numbered 0 to {most}.", where=where)
    return content


def _no_setting(spec: Spec, lever: Lever, value: Any) -> str:
    """Why a value is no setting of a lever; empty when it is one."""
    if lever.type == "options":
        settings = spec.derived.settings(lever.name)
        return "" if value in settings else f"is none of {', '.join(settings)}."
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else f"is {kind(value)}, not a number."


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
