"""The decision room: the best feasible choice, and what each policy is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.decision import logged, optimize
from drivetrain.decision.evaluate import Figure, bootstrap, mean_of, proportion_or, ratio_of_means
from drivetrain.errors import PolicyError


def brute_force(values, uses, feasible, weights):
    """The best of all k^n choices that fulfil every constraint; None when none does."""
    n, k = values.shape
    rows = np.arange(n)
    best = None
    for choice in itertools.product(range(k), repeat=n):
        picked = np.array(choice)
        if not feasible[rows, picked].all() or ((uses[:, rows, picked] @ weights) > 1e-12).any():
            continue
        worth = float(weights @ values[rows, picked])
        best = worth if best is None else max(best, worth)
    return best


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5), st.integers(2, 3), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_a_choice_is_feasible_and_no_better_one_lies_beyond_its_stated_gap(n, k, m, seed):
    stream = np.random.default_rng(seed)
    values = stream.normal(size=(n, k))
    uses = stream.normal(size=(m, n, k))
    feasible = stream.random((n, k)) < 0.8
    feasible[:, 0] = True
    weights = stream.dirichlet(np.ones(n))
    truth = brute_force(values, uses, feasible, weights)
    try:
        found = optimize(values, uses, feasible, weights, [f"c{j}" for j in range(m)])
    except PolicyError:
        return  # priced policies are deterministic: a tiny instance may have no feasible one though a mixture exists
    rows = np.arange(n)
    assert feasible[rows, found.choice].all()
    assert (uses[:, rows, found.choice] @ weights <= 1e-6).all()
    assert truth is not None
    assert found.value <= truth + 1e-9 <= found.bound + 2e-9
    if m == 0:
        assert found.value == pytest.approx(truth)


def test_without_a_binding_constraint_every_case_takes_its_best():
    values = np.array([[0.0, 2.0, 1.0], [3.0, 1.0, 2.0]])
    found = optimize(values, np.full((1, 2, 3), -1.0), np.ones((2, 3), bool), np.full(2, 0.5), ["budget"])
    assert found.choice.tolist() == [1, 0]
    assert found.gap == pytest.approx(0)
    assert found.prices.tolist() == [0.0]


def test_a_capacity_goes_to_those_whom_it_helps_most():
    gain = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    values = np.stack([np.zeros(5), gain], axis=1)
    calls = np.stack([np.zeros(5), np.ones(5)], axis=1)
    found = optimize(values, (calls - 0.4)[None], np.ones((5, 2), bool), np.full(5, 0.2), ["calls"])
    assert found.choice.tolist() == [1, 0, 1, 0, 0]
    assert 3 <= found.prices[0] <= 4, "one more call is worth what the first one left out would gain"


def test_constraints_that_cannot_hold_are_named():
    values = np.zeros((3, 2))
    use = np.ones((1, 3, 2))
    with pytest.raises(PolicyError, match="budget"):
        optimize(values, use, np.ones((3, 2), bool), np.full(3, 1 / 3), ["budget"])


def test_constraints_that_contradict_each_other_are_named_together():
    values = np.zeros((4, 2))
    first = np.tile([0.5, -0.5], (4, 1))
    with pytest.raises(PolicyError, match="more, less"):
        optimize(
            values,
            np.stack([first + 0.1, -first + 0.1]),
            np.ones((4, 2), bool),
            np.full(4, 0.25),
            ["more", "less"],
        )


def test_the_linear_bound_is_that_of_an_independent_linear_programme():
    from scipy.optimize import linprog

    stream = np.random.default_rng(3)
    n, k = 200, 4
    values, use = stream.normal(size=(n, k)), stream.normal(size=(n, k)) - 0.1
    weights = np.full(n, 1 / n)
    found = optimize(values, (use + 0.8)[None], np.ones((n, k), bool), weights, ["c"])
    each = np.kron(np.eye(n), np.ones((1, k)))
    reference = linprog(
        -(values / n).ravel(), A_ub=((use + 0.8) / n).reshape(1, -1), b_ub=[0], A_eq=each, b_eq=np.ones(n)
    )
    assert found.bound == pytest.approx(-reference.fun, abs=1e-6)
    assert found.gap <= 0.02


def test_the_interval_of_a_mean_is_that_of_the_textbook():
    stream = np.random.default_rng(0)
    values = stream.normal(3, 2, size=400)
    figure = mean_of(values, np.full(400, 1 / 400))
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert figure.value == pytest.approx(values.mean())
    assert figure.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert figure.high == pytest.approx(values.mean() + half, abs=0.05 * half)


@pytest.mark.parametrize("cases", [400, 1_000])
def test_intervals_hold_the_truth_where_few_cases_cost_a_lot(cases):
    """Letters: 98 in a hundred cost cents, one a little, one in a hundred is lost and costs four euros."""
    stream = np.random.default_rng(cases)
    costs, often = np.array([0.02, 0.3, 4.0]), np.array([0.98, 0.01, 0.01])
    held = 0
    for _ in range(1_000):
        figure = mean_of(costs[stream.choice(3, cases, p=often)], np.full(cases, 1 / cases))
        held += figure.low <= costs @ often <= figure.high
    assert held >= 930


def test_weights_say_as_much_as_so_many_equal_cases():
    """As many as Kish's formula says; a case of no weight is none."""
    values = np.random.default_rng(4).lognormal(size=60)
    weights = np.where(np.arange(60) < 30, 2.0, 1.0)
    some = mean_of(values, weights)
    assert mean_of(np.append(values, 1e6), np.append(weights, 0.0)) == some
    kish = weights.sum() ** 2 / (weights**2).sum()
    mean = np.average(values, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weights) / (kish - 1))
    assert some.value == pytest.approx(mean)
    assert some.high - some.low == pytest.approx(2 * 2.004 * spread, rel=0.15)


def test_cases_of_one_entity_say_less_and_intervals_know_it():
    """Four visits of each customer, alike: an interval by visits is far too short, one by customers is not."""
    hits = {"visits": 0, "customers": 0, "normal": 0, "share": 0, "resampled": 0}
    for seed in range(300):
        stream = np.random.default_rng(seed)
        entity = np.repeat(np.arange(100), 4)
        values = np.repeat(stream.normal(size=100), 4) + 0.3 * stream.normal(size=400)
        share = np.full(400, 1 / 400)
        for name, known in (("visits", None), ("customers", entity)):
            figure = mean_of(values, share, known)
            hits[name] += figure.low <= 0 <= figure.high
        if seed < 40:
            resampled = bootstrap({"v": ratio_of_means(values, np.ones(400))}, share, entity=entity, seed=seed)["v"]
            hits["resampled"] += resampled.low <= 0 <= resampled.high
        estimate = logged.mean(values, share, entity)
        hits["normal"] += estimate.low <= 0 <= estimate.high
        happened = (values > 0).astype(float)
        found = proportion_or(Figure(0, 0, 0), happened, np.ones(400), share, entity)
        hits["share"] += found.low <= 0.5 <= found.high
    assert hits["visits"] / 300 < 0.8
    assert hits["resampled"] / 40 >= 0.88
    assert all(0.91 <= hits[name] / 300 <= 0.99 for name in ("customers", "normal", "share")), hits


def test_weights_count_a_case_as_often_as_they_say():
    figures = bootstrap({"m": ratio_of_means(np.array([0.0, 10.0]), np.ones(2))}, np.array([0.75, 0.25]))
    assert figures["m"].value == pytest.approx(2.5)


def test_a_ratio_is_a_ratio_of_means_and_an_empty_group_has_no_figure():
    weights = np.full(4, 0.25)
    top, below = np.array([1.0, 0, 1, 0]), np.array([1.0, 1, 1, 0])
    figures = bootstrap({"r": ratio_of_means(top, below), "none": ratio_of_means(top * 0, below * 0)}, weights)
    assert figures["r"].value == pytest.approx(2 / 3)
    assert np.isnan(figures["none"].value)


def test_a_share_that_was_never_seen_is_not_known_to_be_nothing():
    none, all_ = np.zeros(50), np.ones(50)
    weights = np.full(50, 1 / 50)
    bare = bootstrap({"r": ratio_of_means(none, all_)}, weights)["r"]
    assert (bare.low, bare.high) == (0, 0)
    figure = proportion_or(bare, none, all_, weights)
    assert figure.low == 0
    assert 0.05 < figure.high < 0.1, "three in fifty would hardly be overlooked, one in fifty easily"


def test_a_sum_that_was_never_seen_is_told_in_cases_of_a_batch():
    none, all_ = np.zeros(50), np.ones(50)
    share = proportion_or(Figure(0, 0, 0), none, all_, np.full(50, 1 / 50))
    batch = proportion_or(Figure(0, 0, 0), none, all_, np.full(50, 1 / 50), unit=500.0)
    assert batch.high == pytest.approx(500 * share.high)


def test_a_paired_difference_has_a_narrower_interval_than_two_figures_apart():
    stream = np.random.default_rng(5)
    easy = stream.normal(0, 5, size=300)
    first, second = easy + 1, easy + stream.normal(0, 0.1, size=300)
    weights = np.full(300, 1 / 300)
    apart, alone = mean_of(first - second, weights), mean_of(first, weights)
    assert apart.high - apart.low < 0.1 * (alone.high - alone.low)


def test_many_cases_are_allocated_within_a_ten_thousandth_of_what_is_possible():
    stream = np.random.default_rng(8)
    n, k = 45_000, 3  # more than are looked at all at once
    strength = np.arange(k) / k
    values = stream.gamma(2, 1, (n, 1)) * strength + stream.normal(0, 0.3, (n, k))
    budget = strength * stream.uniform(0.5, 1.5, (n, 1)) - 0.2
    visits = np.tile(np.where(np.arange(k) == 2, 0.9, -0.1), (n, 1))
    found = optimize(values, np.stack([budget, visits]), None, np.full(n, 1 / n), ["budget", "visits"])
    rows = np.arange(n)
    assert budget[rows, found.choice].mean() <= 1e-9
    assert visits[rows, found.choice].mean() <= 1e-9
    # Weak duality: whatever the prices, no feasible choice is worth more than this.
    certificate = (values - found.prices[0] * budget - found.prices[1] * visits).max(axis=1).mean()
    assert (found.prices >= 0).all()
    assert certificate - values[rows, found.choice].mean() <= 1e-4 * certificate


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(2, 3), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_few_cases_are_allocated_as_well_as_trying_everything_would(n, k, m, seed):
    stream = np.random.default_rng(seed)
    values = np.round(stream.normal(size=(n, k)), 1)  # rounded, so that there are ties
    uses = np.round(stream.normal(size=(m, n, k)), 1)
    weights = np.full(n, 1 / n)
    truth = brute_force(values, uses, np.ones((n, k), bool), weights)
    names = [f"limit {place}" for place in range(m)]
    if truth is None:
        with pytest.raises(PolicyError, match=r"limit [01]"):
            optimize(values, uses, None, weights, names)
    else:
        assert optimize(values, uses, None, weights, names).value == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_figure_that_is_no_number_is_refused(bad):
    values = np.array([[0.0, 1.0], [bad, 2.0]])
    with pytest.raises(PolicyError, match="1 of 2 cases"):
        optimize(values, np.zeros((0, 2, 2)), None, np.full(2, 0.5), [])


def test_no_cases_are_no_decision():
    with pytest.raises(PolicyError, match="no case"):
        optimize(np.zeros((0, 2)), np.zeros((0, 0, 2)), None, np.zeros(0), [])


def test_where_all_settings_are_worth_the_same_the_first_that_the_limits_leave_is_taken():
    feasible = np.array([[False, True, True], [True, True, True]])
    found = optimize(np.zeros((2, 3)), np.zeros((0, 2, 3)), feasible, np.full(2, 0.5), [])
    assert found.choice.tolist() == [1, 0]
