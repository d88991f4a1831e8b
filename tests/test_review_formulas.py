"""Formulas in words: what a reader who writes none is told is what the formula says."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain import load_spec, review
from drivetrain.examples import names, path
from drivetrain.review.formulas import acts, conditions_of, in_words, stands_for
from drivetrain.review.gather import gather
from drivetrain.spec.formula.tree import FUNCTIONS, parse


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("(offer == 'nothing') | phone_consent", "offer is nothing or phone_consent"),
        ("(a == 'x') & ((b > 1) | (c <= 2))", "a is x and (b is above 1 or c is at most 2)"),
        ("~done & (n >= 3)", "not done and n is at least 3"),
        ("where(worst_area > 700, 'refer', 'recheck')", "if worst_area is above 700, then refer, else recheck"),
        ("-cost(bin) - wrong * misrouted", "minus the cost of bin - wrong × misrouted"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a + b) * c", "(a + b) × c"),
        ("3 * ((q != 'x') & (q != team))", "3 × (1 if q is not x and q is not team, else 0)"),
        ("mean(late)", "the share of cases where late"),
        ("mean(price) / mean(claims)", "(the mean of price) / (the mean of claims)"),
        ("mean(hit, bear == 'none')", "of the cases where bear is none, the mean of hit"),
        ("mean(alarm == 'on', bear == 'none')", "of the cases where bear is none, the share where alarm is on"),
        ("abs(price / tariff - 1) <= 0.15", "the size of (price / tariff - 1) is at most 0.15"),
        ("min(a, b) + 1", "(the least of a and b) + 1"),
        ("no (formula", "no (formula"),
    ],
)
def test_a_formula_is_told_in_words(formula: str, words: str) -> None:
    assert in_words(formula, {"late"}) == words


numbers = st.recursive(
    st.sampled_from(["a", "b", "2"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=8,
)


@given(numbers)
def test_no_bracket_that_matters_is_lost(formula: str) -> None:
    values = {"a": 3.0, "b": 7.0}

    def worth(text: str) -> float | str:
        try:
            return float(eval(text, {}, values))
        except ZeroDivisionError:
            return "nothing"

    assert worth(in_words(formula).replace("×", "*")) == pytest.approx(worth(formula))


@pytest.mark.parametrize("name", names())
def test_every_name_in_the_value_of_a_gallery_plan_is_told(name: str) -> None:
    spec = load_spec(path(name))
    held = gather(spec)
    told = {entry for entry, _ in stands_for(held)}
    levers = {lever.name for lever in spec.levers}
    formulas = (spec.objective.value, *spec.objective.terms.values())
    nodes = [node for text in formulas for node in ast.walk(parse(text).node)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)} - FUNCTIONS
    assert used <= told | levers
    page = review.onboarding(spec)
    assert "always 0" not in page


def test_a_ranking_says_what_comes_first() -> None:
    held = gather(load_spec(path("book-recommender")))
    [shelf] = held.plan["levers"]
    assert acts(shelf, shelf["policies"]["today"], conditions_of(held)) == "the highest first of: sales_30d"
    assert acts(shelf, shelf["policies"]["do_nothing"]) == "nothing is shown"


def test_where_every_outcome_is_moved_the_quiz_says_what_follows() -> None:
    spec = load_spec(path("churn-retention"))
    page = review.onboarding(spec)
    assert "None that the plan names" in page
