"""Settings that are allowed, the expected value of each, the choice: one function, offline and in service."""

from drivetrain.policy.belief import Belief
from drivetrain.policy.choice import best
from drivetrain.policy.constraints import Limit, Rule
from drivetrain.policy.modeler import Ask, Beliefs, Cases, Predicts, belief, beliefs, modeler
from drivetrain.policy.problem import REFERENCES, Horizon, Problem, Shock, problem
from drivetrain.policy.reference import Action, reference
from drivetrain.policy.scenario import shocked
from drivetrain.policy.simulate import allowed, expectation, limits, realised, uses
from drivetrain.policy.value import expected
from drivetrain.policy.worth import Considered, columns_of, consider, worth
from drivetrain.policy.written import Choice, Price, Written, act, decide, fits, read, write, written

__all__ = [
    "REFERENCES",
    "Action",
    "Ask",
    "Belief",
    "Beliefs",
    "Cases",
    "Choice",
    "Considered",
    "Horizon",
    "Limit",
    "Predicts",
    "Price",
    "Problem",
    "Rule",
    "Shock",
    "Written",
    "act",
    "allowed",
    "belief",
    "beliefs",
    "best",
    "columns_of",
    "consider",
    "decide",
    "expectation",
    "expected",
    "fits",
    "limits",
    "modeler",
    "problem",
    "read",
    "realised",
    "reference",
    "shocked",
    "uses",
    "worth",
    "write",
    "written",
]
