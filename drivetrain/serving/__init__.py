"""Decisions in front of people: what stands behind the endpoints of a project's `serve.py`.

::

    request -> gate     (the token, the queue)
            -> cases    (what may be sent, and what is refused with a reason)
            -> engine   (models on onnxruntime, the guard, the policy that `decide` wrote)
            -> rollout  (what may be done with it at this stage; exploration)
            -> log      (append-only: every decision, approval and outcome)
            -> answer

The team owns the endpoints; this room owns what must not go wrong behind them. It never unpickles, and nothing is
loaded whose SHA-256 is not the recorded one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.serving.answers import Decisions, Predictions, Receipts
    from drivetrain.serving.approvals import Standing
    from drivetrain.serving.batching import batch
    from drivetrain.serving.cases import of_form
    from drivetrain.serving.engine import Engine
    from drivetrain.serving.field import Field, case_of_file, case_of_number, case_of_row, fields
    from drivetrain.serving.harvesting import harvest
    from drivetrain.serving.limits import Limits, Refused
    from drivetrain.serving.service import Cases, Service
    from drivetrain.serving.sheet import drift
    from drivetrain.serving.steering import steer

_HOMES = {
    "Cases": "service",
    "Decisions": "answers",
    "Engine": "engine",
    "Field": "field",
    "Limits": "limits",
    "Predictions": "answers",
    "Receipts": "answers",
    "Refused": "limits",
    "Service": "service",
    "Standing": "approvals",
    "batch": "batching",
    "case_of_file": "field",
    "case_of_number": "field",
    "case_of_row": "field",
    "drift": "sheet",
    "fields": "field",
    "harvest": "harvesting",
    "of_form": "cases",
    "steer": "steering",
}
__all__ = [
    "Cases",
    "Decisions",
    "Engine",
    "Field",
    "Limits",
    "Predictions",
    "Receipts",
    "Refused",
    "Service",
    "Standing",
    "batch",
    "case_of_file",
    "case_of_number",
    "case_of_row",
    "drift",
    "fields",
    "harvest",
    "of_form",
    "steer",
]


def __getattr__(name: str) -> Any:
    """Load FastAPI and onnxruntime only when something of them is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
