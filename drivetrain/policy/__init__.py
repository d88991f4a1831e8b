"""Settings that are allowed, the expected value of each, the choice: one function, offline and in service."""

from drivetrain.policy.belief import Belief
from drivetrain.policy.choice import best
from drivetrain.policy.constraints import Limit, Rule
from drivetrain.policy.horizon import paths
from drivetrain.policy.items import ITEMS, KEY, read_items, write_items
from drivetrain.policy.listed import BETWEEN, NOTHING, in_order, listed
from drivetrain.policy.modeler import Ask, Beliefs, Cases, Predicts, belief, beliefs, believed, modeler
from drivetrain.policy.parts import Part
from drivetrain.policy.problem import REFERENCES, Horizon, Problem, Ranking, Shock, problem
from drivetrain.policy.ranking import crossed, ranked
from drivetrain.policy.reference import Action, reference
from drivetrain.policy.scenario import shocked
from drivetrain.policy.simulate import allowed, expectation, groups, limits, realised, uses
from drivetrain.policy.value import expected
from drivetrain.policy.worth import Considered, columns_of, consider, worth
from drivetrain.policy.written import Choice, Price, Written, act, decide, fits, read, write, written

__all__ = [
    "BETWEEN",
    "ITEMS",
    "KEY",
    "NOTHING",
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
    "Part",
    "Predicts",
    "Price",
    "Problem",
    "Ranking",
    "Rule",
    "Shock",
    "Written",
    "act",
    "allowed",
    "belief",
    "beliefs",
    "believed",
    "best",
    "columns_of",
    "consider",
    "crossed",
    "decide",
    "expectation",
    "expected",
    "fits",
    "groups",
    "in_order",
    "limits",
    "listed",
    "modeler",
    "paths",
    "problem",
    "ranked",
    "read",
    "read_items",
    "realised",
    "reference",
    "shocked",
    "uses",
    "worth",
    "write",
    "write_items",
    "written",
]
