"""Cases that are worth the same: an allocation uses what it may, though no price can tell one case from another."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.decision import kinds, optimize, optimizer, prices
from drivetrain.errors import PolicyError

N = 3_000


def relaxed(values, uses, weights):
    """The optimum of the linear relaxation by HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    n, k = values.shape
    each = csr_array((np.ones(n * k), (np.repeat(np.arange(n), k), np.arange(n * k))))
    found = linprog(
        -(weights[:, None] * values).ravel(),
        A_ub=(uses * weights[:, None]).reshape(len(uses), -1),
        b_ub=np.zeros(len(uses)),
        A_eq=each,
        b_eq=np.ones(n),
        method="highs",
    )
    return None if found.status else -found.fun


def each(*settings):
    return np.tile(np.array(settings, dtype=float), (N, 1))


def worlds():
    """Name -> values and uses of cases that are alike in one way or another."""
    stream = np.random.default_rng(5)
    own = stream.uniform(0.5, 1.5, N)
    half = np.where(np.arange(N)[:, None] % 4 == 0, 2.0, 1.0)
    rounded = np.round(stream.normal(size=(2, N, 4)), 0) + 0.3
    return {
        "all alike, room for a third": (each(0, 1), (each(0, 1) - 0.3333)[None]),
        "two kinds, one hesitates": (each(0, 1) * half, (each(0, 1) - 0.4)[None]),
        "value is a multiple of use": (each(0, 2) * own[:, None], (each(0, 1) * own[:, None] - 0.3)[None]),
        "two scarce settings": (each(0, 1, 1.5), np.stack([each(0, 1, 0) - 0.2, each(0, 0, 1) - 0.1])),
        "at most and at least": (each(0, 1, 1.5), np.stack([each(0, 1, 2) - 0.7, 0.3 - each(0, 1, 0)])),
        "hardly any room": (each(0, 1), np.stack([each(0, 1) - 0.5, 0.49 - each(0, 1)])),
        "ten settings, one ratio": (
            each(*range(10)),
            np.stack([each(*range(10)) / 10 - 0.25, np.tile(np.arange(10) % 3 == 2, (N, 1)) - 0.12]),
        ),
        "everything rounded": (np.round(stream.normal(size=(N, 4)), 1), rounded),
        "nothing is worth anything": (each(0, 0, 0), (each(0, 1, 2) - 0.5)[None]),
        "half of them alike": (
            np.where(np.arange(N)[:, None] % 2, each(0, 1, 2), stream.normal(size=(N, 3)).cumsum(axis=1)),
            np.stack([each(0, 1, 3) - 0.8, each(0, 1, 0) - 0.3]),
        ),
        "nearly a multiple": (
            each(0, 1, 2) * own[:, None] * (1 + 1e-6 * stream.normal(size=(N, 3))),
            (each(0, 1, 2) * own[:, None] - 0.7)[None],
        ),
        "leaves of a tree": (
            stream.normal(size=(20, 3))[stream.integers(0, 20, N)],
            np.stack([each(0, 1, 0) - 0.1, each(0, 0, 1) - 0.1]),
        ),
    }


def weighed(heavy):
    weights = np.random.default_rng(1).choice([1.0, 2.0, 5.0], N) if heavy else np.ones(N)
    return weights / weights.sum()


@functools.cache
def reference(name, heavy):
    return relaxed(*worlds()[name], weighed(heavy))


@pytest.mark.parametrize("many", [False, True], ids=["few cases", "as if they were many"])
@pytest.mark.parametrize("heavy", [False, True], ids=["alike", "some count five times"])
@pytest.mark.parametrize("name", worlds())
def test_ties_leave_no_more_unused_than_two_cases_of_each_constraint(name, heavy, many, monkeypatch):
    values, uses = worlds()[name]
    if many:
        for what, number in [("SAMPLE", 100), ("LARGER", 300), ("LARGEST", 600)]:
            monkeypatch.setattr(prices, what, number)
        monkeypatch.setattr(kinds, "MANY", 1_000)
        monkeypatch.setattr(kinds, "TRIED", 300)
    weights = weighed(heavy)
    found = optimize(values, uses, None, weights, [f"limit {place}" for place in range(len(uses))])
    rows = np.arange(N)
    assert (uses[:, rows, found.choice] @ weights <= 1e-9).all()
    assert found.value == pytest.approx(weights @ values[rows, found.choice])
    best = reference(name, heavy)
    # Of very many, L is brought so near its least that nobody could tell the difference.
    assert best - 1e-6 <= found.bound <= best + (3e-5 * abs(best) if many else 0) + 1e-6
    lump = weights.max() * (values.max() - values.min())
    # HiGHS lets constraints be missed by 1e-7.
    assert best - 2 * len(uses) * lump - 1e-6 <= found.value <= best + 1e-6


def test_a_hundred_thousand_that_are_alike_are_told_apart_within_a_ten_thousandth():
    n = 100_000
    values, call = np.tile([0.0, 1.0], (n, 1)), np.tile([0.0, 1.0], (n, 1))
    found = optimize(values, (call - 0.37)[None], None, np.full(n, 1 / n), ["calls"])
    assert 36_990 <= found.choice.sum() <= 37_000
    assert found.gap <= 1e-4 * found.value


def test_of_many_that_are_alike_the_first_get_no_more_than_the_last():
    n = 50_000
    found = optimize(
        np.tile([0.0, 1.0], (n, 1)), (np.tile([0.0, 1.0], (n, 1)) - 0.3)[None], None, np.full(n, 1 / n), ["calls"]
    )
    by_part = found.choice.reshape(10, -1).mean(axis=1)
    assert abs(by_part - 0.3).max() < 0.002


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(2, 3), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_what_is_said_of_tied_cases_is_true_also_where_they_are_not_all_tried(n, k, m, seed):
    stream = np.random.default_rng(seed)
    values, uses = stream.integers(0, 3, (n, k)) / 2, stream.integers(-1, 2, (m, n, k)) - 0.1
    weights, rows = np.full(n, 1 / n), np.arange(n)
    worth = [
        weights @ values[rows, list(choice)]
        for choice in itertools.product(range(k), repeat=n)
        if (uses[:, rows, list(choice)] @ weights <= 1e-12).all()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "EXACT", 0)
        try:
            found = optimize(values, uses, None, weights, [f"limit {place}" for place in range(m)])
        except PolicyError:
            return  # of so few, one may be needed whole where the relaxation takes a part
    assert (uses[:, rows, found.choice] @ weights <= 1e-9).all()
    assert found.value <= max(worth) + 1e-9
    assert max(worth) <= found.bound + 1e-9


def alike(limit):
    """Customers of whom nothing tells one from another, and the plan's limits on calls."""
    from textwrap import dedent

    from worlds import CHURN, Chance, churn_world, customers, leaving

    from drivetrain import policy
    from drivetrain.spec import load_text

    problem = policy.problem(load_text(dedent(CHURN).replace("at_most: 400}", limit)))
    same = {"end": np.full(N, -1.0), "calls": np.ones(N), "margin": np.full(N, 200.0), "consent": np.ones(N, bool)}
    model = Chance("churned", ("end", "calls", "margin", "offer"), leaving)
    return problem, churn_world(problem, customers(N, 1) | same, model)


def test_a_policy_that_cannot_tell_cases_apart_says_what_it_leaves_and_who_could_use_it():
    from worlds import leaving

    from drivetrain.decision import compare

    problem, world = alike("at_most: 400}")
    decided = compare(problem, world, world)
    assert set(decided.actions["optimized"]["offer"]) == {"nothing"}, "calling all would be too many"
    [note] = [note for note in decided.result["notes"] if note.startswith("Up to ")]
    # A fifth may be called, and each call keeps so much of 200 EUR, less its cost.
    left, called = (float(leaving(np.array(-1), np.array(1), np.array(200), o)) for o in ("nothing", "call"))
    gain = (left - called) * 200 - 6
    assert gain > 0
    assert float(note.split()[2]) == pytest.approx(0.2 * gain, rel=1e-3)
    assert "serve: [batch]" in note


def test_limits_that_only_a_lot_could_keep_are_named():
    from drivetrain.decision import compare

    problem, world = alike("at_most: 400}, {name: enough calls, measure: \"sum(offer == 'call')\", at_least: 300}")
    with pytest.raises(PolicyError, match=r"no policy fulfils enough calls .*: too many cases are worth the same"):
        compare(problem, world, world)


@pytest.mark.parametrize("count", [10_000, 50_000])
# Scores that differ by a billionth are ties to a service, and at a noise of 1e-6 some do.
@pytest.mark.parametrize(("noise", "short"), [(0.1, 3e-4), (1e-3, 3e-4), (1e-6, 5e-3)])
def test_what_a_service_earns_is_near_the_best_also_where_value_is_nearly_a_multiple_of_use(count, noise, short):
    stream = np.random.default_rng(6)
    own = stream.uniform(0.5, 1.5, (count, 1)) * np.arange(10) / 10
    values = own * (1 + noise * stream.normal(size=(count, 10)))
    visits = np.tile((np.arange(10) % 3 == 2) - 0.12, (count, 1))
    found = optimize(values, np.stack([own - 0.25, visits]), None, np.full(count, 1 / count), ["budget", "visits"])
    assert (found.policy_slack >= -1e-6).all()
    assert found.policy_value >= found.bound * (1 - short)
