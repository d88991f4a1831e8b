"""The six stages of a project, and what each gate asks for.

plan → data → model → parallel → limited → wide
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Stage = Literal["plan", "data", "model", "parallel", "limited", "wide"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Gate(NamedTuple):
    """What must be shown before a project may call itself at this stage.

    Attributes:
        stage: The stage behind the gate.
        asks: The question of the gate, as one sentence.
        parts: Parts of the plan that must stand.
        evidence: Steps whose evidence must be there, fresh, and without a fail or an unknown.
        real_data: Whether evidence made from sample data is refused.
    """

    stage: Stage
    asks: str
    parts: tuple[str, ...]
    evidence: tuple[str, ...]
    real_data: bool


_GATES: dict[Stage, Gate] = {
    "plan": Gate(
        "plan",
        "Do objective, levers, data and models fit together?",
        ("objective", "levers", "data", "models"),
        (),
        False,
    ),
    "data": Gate("data", "Is the data there, and enough of it?", ("objective", "levers", "data"), ("check",), True),
    "model": Gate(
        "model",
        "Does the policy beat the simple rule on the objective, and was it audited?",
        ("objective", "levers", "data", "models"),
        ("check", "train", "decide", "audit"),
        True,
    ),
    "parallel": Gate(
        "parallel",
        "Can it run beside people without driving anything?",
        ("objective", "levers", "data", "models", "deployment"),
        ("check", "train", "decide", "audit"),
        True,
    ),
    "limited": Gate(
        "limited",
        "Is the scope small, and does a person check every action?",
        ("objective", "levers", "data", "models", "deployment", "maintenance"),
        ("check", "train", "decide", "audit"),
        True,
    ),
    "wide": Gate(
        "wide",
        "Does it grow gradually, with alarms on action rates?",
        ("objective", "levers", "data", "models", "deployment", "maintenance"),
        ("check", "train", "decide", "audit"),
        True,
    ),
}


def gate(stage: Stage) -> Gate:
    """What the gate of `stage` asks for."""
    return _GATES[stage]


def reached(stage: Stage, other: Stage) -> bool:
    """Whether `stage` is at or beyond `other`."""
    return STAGES.index(stage) >= STAGES.index(other)
