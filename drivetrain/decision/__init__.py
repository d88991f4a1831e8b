"""Simulator, optimizer, policy evaluation: what each policy is worth, and the one to carry out."""

from drivetrain.decision.engine import Decided, World, compare, decide, world
from drivetrain.decision.optimizer import Optimum, optimize
from drivetrain.decision.report import last, show

__all__ = ["Decided", "Optimum", "World", "compare", "decide", "last", "optimize", "show", "world"]
