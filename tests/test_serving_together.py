"""A batch of rankings as a whole: constraints hold over its cases, whatever they are, and little is lost by it."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import served
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decision_joint import FEW_FAST, LIMITS, SHELF, by_hand, every_way, shop
from test_serving_rankings import BOTH

from drivetrain import decision, load_spec, policy
from drivetrain.decision.compare import fit, optimized, worth
from drivetrain.errors import PolicyError
from drivetrain.serving import rollout
from drivetrain.serving.batching import decide, on_average
from drivetrain.serving.engine import Engine
from drivetrain.serving.together import _shelves

FEW = "optimizer: {constraints: [{name: calls, measure: \"sum(call == 'yes')\", at_most: 2}]}\n"


def listing(problem, world):
    ready = policy.rankable(problem, world.cases, world.ask, world.width)
    keys = [str(key) for key in world.inputs[policy.KEY][: world.width]]
    return policy.Listing(problem, world.cases, world.ask, ready, keys, world.count)


def places(world, shown):
    """Place of each book."""
    found = np.zeros(world.width)
    for at, key in enumerate(shown, start=1):
        if key is not None:
            found[int(key[1:])] = at
    return found


def used(problem, world, choices):
    """What each case is worth, and what it uses of the vans, by the plan's own words."""
    found = []
    for case, choice in enumerate(choices):
        place = places(world, choice.levers["shelf"])
        found.append(by_hand(problem, world, choice.levers["delivery"], place, case)[:2])
        assert choice.value == pytest.approx(found[-1][0])
    return found


@settings(max_examples=8, deadline=None)
@given(st.booleans(), st.integers(0, 2**32 - 1))
def test_the_vans_of_a_batch_are_kept_to_and_no_shelf_that_limits_forbid_is_shown(limited, seed):
    plan = SHELF.replace("attention: [0.5, 1.0]", "attention: [0.5, 1.0]\n    " + LIMITS) if limited else SHELF
    problem, world = shop(plan + FEW_FAST, visits=4, books=2, seed=seed)
    choices = _shelves(listing(problem, world), np.zeros(1), {}, decision.optimize)
    found = used(problem, world, choices)
    assert sum(vans for _, vans in found) / 4 <= 0.3 + 1e-9
    ways = [list(every_way(problem, world, case, limited)) for case in range(4)]
    best = max(
        sum(way[2] for way in chosen)
        for chosen in itertools.product(*ways)
        if sum(way[3] for way in chosen) / 4 <= 0.3 + 1e-9
    )
    assert sum(value for value, _ in found) <= best + 1e-9
    for case, choice in enumerate(choices):
        allowed = {(delivery, tuple(place)) for delivery, place, *_ in ways[case]}
        assert (choice.levers["delivery"], tuple(places(world, choice.levers["shelf"]))) in allowed


def test_a_batch_loses_nothing_beside_the_best_prices_and_hardly_anything_beside_the_bound():
    problem, world = shop(SHELF + FEW_FAST, visits=200, books=4, seed=5)
    made = fit(problem, world)
    priced = float(world.weights @ worth(problem, problem.value, world, optimized(problem, made, world)))
    choices = _shelves(listing(problem, world), np.zeros(1), {}, decision.optimize)
    value = float(np.mean([value for value, _ in used(problem, world, choices)]))
    assert value >= priced - 1e-9
    assert value >= 0.9999 * (priced + made.gap)


def test_a_book_that_stands_alone_in_the_second_place_is_said_to_stand_there():
    """The second place is seen most: read as the first, it would be worth less than was promised."""
    problem, world = shop(SHELF, visits=2, books=1, seed=1)
    ready = listing(problem, world)
    found = ready.ready.at(np.zeros(0))
    shown = [choice for choice in (ready.choice(found, case) for case in range(2)) if choice.levers["shelf"]]
    assert shown
    for choice in shown:
        assert choice.levers["shelf"] == [None, "b0"]
        assert choice.setting.startswith("shelf: (empty) > b0, delivery: ")
        assert policy.done(problem, choice.setting)[0] == "b0"


def test_what_the_lot_gave_to_some_counts_against_what_the_others_may_have():
    problem, world = shop(SHELF + FEW_FAST, visits=40, books=3, seed=2)
    free = _shelves(listing(problem, world), np.zeros(1), {}, decision.optimize)
    drawn = {
        case: rollout.Draw("", {"shelf": ["b2", "b0"], "delivery": "drone"}, True, 0.1) for case in range(0, 40, 8)
    }
    choices = _shelves(listing(problem, world), np.zeros(1), drawn, decision.optimize)
    kept = [used(problem, world, free)[case][1] for case in range(40) if case not in drawn]
    left = [used(problem, world, choices)[case][1] for case in range(40) if case not in drawn]
    lot = [by_hand(problem, world, "drone", np.array([2.0, 0.0, 1.0]), case)[1] for case in drawn]
    assert (sum(left) + sum(lot)) / 40 <= 0.3 + 1e-9
    assert sum(left) < sum(kept)


def test_constraints_that_no_shelf_keeps_are_named():
    impossible = FEW_FAST.replace("at_most: 0.3", "at_least: 9")
    problem, world = shop(SHELF + impossible, visits=4, books=2)
    with pytest.raises(PolicyError, match="vans"):
        _shelves(listing(problem, world), np.zeros(1), {}, decision.optimize)


@pytest.mark.parametrize("count", [40, 300])
def test_no_more_are_called_than_a_batch_may_call_and_they_are_those_whom_it_helps_most(count: int, tmp_path: Path):
    project = served.lender(tmp_path / "p", BOTH + FEW)
    engine = Engine.open(load_spec(project))
    rng = np.random.default_rng(2)
    rows = [{"amount": float(amount), "income": 300.0, "home": "rent"} for amount in rng.uniform(200, 4900, count)]
    assert on_average(engine.problem) == ""
    found = decide(engine, rollout.State(1.0), rows, decision.optimize, random.Random(0))
    settings = [str(one.answer["recommendation"]) for one in found]
    assert sorted(int(one.split(", ")[0].removeprefix("place: ")) for one in settings) == list(range(1, count + 1))
    called = {row for row, one in enumerate(settings) if one.endswith("call: yes")}
    risk = [row["amount"] / (1 + np.exp(0.3)) for row in rows]
    place = [int(one.split(", ")[0].removeprefix("place: ")) for one in settings]
    # At its place a call saves seven tenths of what waiting costs, and its own price is the same for all.
    saved = sorted(range(count), key=lambda row: -risk[row] * place[row])
    assert called == set(saved[:2])
