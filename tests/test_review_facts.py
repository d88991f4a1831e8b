"""What a plan says of one thing, as pages for newcomers tell it."""

from __future__ import annotations

import pytest

from drivetrain import examples
from drivetrain.review import Review, facts
from drivetrain.review.gather import gather
from drivetrain.spec import load_spec


def held(name: str) -> Review:
    return gather(load_spec(examples.path(name)))


@pytest.mark.parametrize(
    ("lever", "limit", "told"),
    [
        ({"name": "offer", "options": {"nothing": None, "call": None}}, "(offer == 'nothing') | consent",
         "call only where consent"),
        ({"name": "offer", "options": dict.fromkeys("abcde")}, "consent | (offer == 'a')",
         "anything but a only where consent"),
        ({"name": "shelf", "type": "ranking"}, "(shelf == 0) | in_stock", "shown only where in_stock"),
        ({"name": "price"}, "abs(price / tariff - 1) <= 0.15", "price within 15 % of tariff"),
        ({"name": "price"}, "price <= 2 * tariff", "may be chosen only where price is at most 2 × tariff"),
        ({"name": "offer", "options": {"a": None, "b": None}}, "(offer == 'a') | (offer == other)",
         "may be chosen only where offer is a or offer is other"),
        ({"name": "price"}, {"unknown": "May we?", "owner": "legal", "due": "2027-01-31"},
         "may be chosen only where open: May we? (legal finds out by 2027-01-31)"),
    ],
)  # fmt: skip
def test_a_limit_is_told_in_the_words_of_those_who_keep_it(lever, limit, told):
    assert facts.allowed(lever | {"limits": [limit]}, frozenset({"consent", "in_stock"})) == [told]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"task": "table-classification", "baseline": "majority"}, "always the commonest class"),
        ({"task": "table-regression", "baseline": "majority"}, "always the mean"),
        ({"task": "image-classification", "baseline": "linear"}, "a linear model of the same inputs"),
        ({"task": "table-regression", "baseline": "old_score"}, "what the column old_score says"),
    ],
)
def test_a_baseline_is_told_by_what_it_predicts(model, told):
    assert facts.rival(model) == told


def test_a_lever_that_was_set_by_lot_tells_where_and_how_likely():
    (price,) = held("insurance-pricing").plan["levers"]
    assert facts.past(price) == (
        "was set by lot in the rows where test_cell holds; "
        "the density of the setting that was used stands in the column price_density"
    )


def test_what_would_make_us_stop_is_said_with_who_may():
    told = facts.stops(held("churn-retention"))
    assert told[0] == "margin kept does not reach the least that is useful: 168 EUR/customer."
    assert any("The guardrail complaints is broken" in line for line in told)
    assert told[-1] == "Who keeps it going, and may stop it: crm."


def test_a_plan_that_says_nothing_of_stopping_is_told_what_to_name(tmp_path):
    (tmp_path / "drivetrain.yaml").write_text("drivetrain: 1\nproject: {name: A}\nobjective: {statement: B.}\n")
    spec = load_spec(tmp_path)
    assert facts.stops(gather(spec)) == ["The plan does not say: name the least gain that is useful, and guardrails."]
    assert "no deployment yet" in facts.recognised(gather(spec))
    assert facts.explored(gather(spec)) == facts.gained(gather(spec)) == ""


def test_the_share_drawn_by_lot_and_the_guard_are_figures():
    review = held("churn-retention")
    assert facts.explored(review) == "In use, 5 % of the decisions are to be made by lot, so that we go on learning."
    assert "1 % of ordinary cases may be turned away" in facts.recognised(review)


def test_what_a_person_confirms_is_told_where_strange_cases_are():
    told = facts.recognised(held("support-tickets"))
    assert told.endswith("What a person confirms: the dispatcher reads what is out of domain.")
