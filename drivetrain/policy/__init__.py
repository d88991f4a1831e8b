"""Settings that are allowed, the expected value of each, the choice: one function, offline and in service."""

from drivetrain.policy.belief import Belief
from drivetrain.policy.choice import best
from drivetrain.policy.constraints import Limit, Rule
from drivetrain.policy.formulate import problem
from drivetrain.policy.horizon import paths
from drivetrain.policy.items import ITEMS, KEY, read_items, write_items
from drivetrain.policy.listed import BETWEEN, NOTHING, Listing, done, listed, listing, on_shelf, shelf
from drivetrain.policy.modeler import Ask, Beliefs, Cases, Predicts, belief, beliefs, believed, modeler
from drivetrain.policy.parts import Part
from drivetrain.policy.problem import REFERENCES, Horizon, Problem, Ranking, Shock
from drivetrain.policy.ranked import EXACT, Rankable, Ranked, rankable
from drivetrain.policy.ranking import assigned, crossed
from drivetrain.policy.reference import Action, reference
from drivetrain.policy.scenario import shocked
from drivetrain.policy.settings import named
from drivetrain.policy.simulate import allowed, expectation, groups, limits, realised, uses
from drivetrain.policy.value import expected
from drivetrain.policy.worth import Considered, columns_of, consider, others_of, tried, worth
from drivetrain.policy.written import Beside, Choice, Price, Written, act, decide, fits, read, write, written

__all__ = [
    "BETWEEN",
    "EXACT",
    "ITEMS",
    "KEY",
    "NOTHING",
    "REFERENCES",
    "Action",
    "Ask",
    "Belief",
    "Beliefs",
    "Beside",
    "Cases",
    "Choice",
    "Considered",
    "Horizon",
    "Limit",
    "Listing",
    "Part",
    "Predicts",
    "Price",
    "Problem",
    "Rankable",
    "Ranked",
    "Ranking",
    "Rule",
    "Shock",
    "Written",
    "act",
    "allowed",
    "assigned",
    "belief",
    "beliefs",
    "believed",
    "best",
    "columns_of",
    "consider",
    "crossed",
    "decide",
    "done",
    "expectation",
    "expected",
    "fits",
    "groups",
    "limits",
    "listed",
    "listing",
    "modeler",
    "named",
    "on_shelf",
    "others_of",
    "paths",
    "problem",
    "rankable",
    "read",
    "read_items",
    "realised",
    "reference",
    "shelf",
    "shocked",
    "tried",
    "uses",
    "worth",
    "write",
    "write_items",
    "written",
]
