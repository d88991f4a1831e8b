"""Simulator, optimizer, policy evaluation: what each policy is worth, and the one to carry out."""

from drivetrain.decision.compare import Decided, compare
from drivetrain.decision.engine import decide, what_if
from drivetrain.decision.experiment import drawn
from drivetrain.decision.log import Log
from drivetrain.decision.logged import cross_fitted
from drivetrain.decision.optimizer import Optimum, optimize
from drivetrain.decision.report import last, show, show_what_if
from drivetrain.decision.world import World, world

__all__ = [
    "Decided",
    "Log",
    "Optimum",
    "World",
    "compare",
    "cross_fitted",
    "decide",
    "drawn",
    "last",
    "optimize",
    "show",
    "show_what_if",
    "what_if",
    "world",
]
