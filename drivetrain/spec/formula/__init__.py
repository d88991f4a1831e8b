"""Formulas of a plan: read, written out, judged and evaluated."""

from drivetrain.spec.formula.algebra import BATCH, Ratio, as_guessed, degrees, exact_with_means, ratio, substitute
from drivetrain.spec.formula.numbers import evaluate, population
from drivetrain.spec.formula.tree import CASE_FUNCTIONS, FUNCTIONS, POPULATION_FUNCTIONS, Formula, parse

__all__ = [
    "BATCH",
    "CASE_FUNCTIONS",
    "FUNCTIONS",
    "POPULATION_FUNCTIONS",
    "Formula",
    "Ratio",
    "as_guessed",
    "degrees",
    "evaluate",
    "exact_with_means",
    "parse",
    "population",
    "ratio",
    "substitute",
]
