"""Settings that are allowed, the expected value of each, the choice: one function, offline and in service."""

from drivetrain.policy.choice import best
from drivetrain.policy.modeler import Predicts, belief, beliefs
from drivetrain.policy.problem import REFERENCES, Limit, Problem, problem
from drivetrain.policy.reference import Action, reference
from drivetrain.policy.simulate import allowed, expectation, limits, realised, uses
from drivetrain.policy.value import Belief, expected
from drivetrain.policy.written import Choice, Price, Written, act, decide, fits, read, write, written

__all__ = [
    "REFERENCES",
    "Action",
    "Belief",
    "Choice",
    "Limit",
    "Predicts",
    "Price",
    "Problem",
    "Written",
    "act",
    "allowed",
    "belief",
    "beliefs",
    "best",
    "decide",
    "expectation",
    "expected",
    "fits",
    "limits",
    "problem",
    "read",
    "realised",
    "reference",
    "uses",
    "write",
    "written",
]
