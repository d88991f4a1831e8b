"""The value of a formula is that of NumPy, on random formulas and shapes; the oracle uses none of our code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.errors import FormulaError
from drivetrain.spec.formula import evaluate, parse, population, ratio

N, K, S = 3, 2, 4
SHAPES = {
    "constant": (),
    "column": (N, 1, 1),
    "lever": (1, K, 1),
    "lever_by_case": (N, K, 1),
    "outcome": (N, 1, S),
    "moved": (N, K, S),
}
CLASSES = np.array(["a", "b", "c"])


def world(seed: int) -> dict[str, np.ndarray]:
    """One name of each kind and type, in the shapes of the language."""
    random = np.random.default_rng(seed)
    names: dict[str, np.ndarray] = {}
    for kind, shape in SHAPES.items():
        names[f"num_{kind}"] = np.asarray(random.normal(0, 2, shape))
        names[f"bool_{kind}"] = np.asarray(random.random(shape) < 0.5)
        names[f"cat_{kind}"] = np.asarray(random.choice(CLASSES, shape))
    return names


COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


# An oracle is a pair: the formula as text, and a function that computes it with NumPy alone.
def leaf(kind: str):
    return st.sampled_from(sorted(SHAPES)).map(lambda shape: (f"{kind}_{shape}", lambda w: w[f"{kind}_{shape}"]))


def number(value):
    return st.floats(-3, 3, allow_nan=False).map(lambda x: (repr(round(x, 3)), lambda w: np.float64(round(x, 3))))


def as_float(value):
    return np.asarray(value).astype(np.float64)


def both(symbol, how):
    return lambda a, b: (f"({a[0]} {symbol} {b[0]})", lambda w: how(as_float(a[1](w)), as_float(b[1](w))))


def alike(a, b):
    """Either of two truths is a truth; of a truth and a number, a number."""
    return (a, b) if np.asarray(a).dtype == np.asarray(b).dtype == bool else (as_float(a), as_float(b))


def call(name, how, *parts):
    return (f"{name}({', '.join(p[0] for p in parts)})", lambda w: how(*(as_float(p[1](w)) for p in parts)))


numbers = st.deferred(
    lambda: st.one_of(
        leaf("num"),
        leaf("bool"),
        number(None),
        st.tuples(numbers, numbers).map(lambda p: both("+", np.add)(*p)),
        st.tuples(numbers, numbers).map(lambda p: both("-", np.subtract)(*p)),
        st.tuples(numbers, numbers).map(lambda p: both("*", np.multiply)(*p)),
        st.tuples(numbers, numbers).map(lambda p: both("/", np.divide)(*p)),
        numbers.map(lambda a: (f"(-{a[0]})", lambda w: -as_float(a[1](w)))),
        st.tuples(numbers, st.sampled_from([-2, 0, 1, 2, 3])).map(
            lambda p: (f"({p[0][0]}) ** {p[1]}", lambda w: np.power(as_float(p[0][1](w)), float(p[1])))
        ),
        st.tuples(numbers, numbers).map(lambda p: call("min", np.minimum, *p)),
        st.tuples(numbers, numbers).map(lambda p: call("max", np.maximum, *p)),
        numbers.map(lambda a: call("abs", np.abs, a)),
        numbers.map(lambda a: call("exp", np.exp, a)),
        numbers.map(lambda a: call("log", np.log, a)),
        numbers.map(lambda a: call("sqrt", np.sqrt, a)),
        st.tuples(numbers, numbers, numbers).map(
            lambda p: call("clip", lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi), *p)
        ),
        st.tuples(truths, numbers, numbers).map(
            lambda p: (
                f"where({p[0][0]}, {p[1][0]}, {p[2][0]})",
                lambda w: np.where(p[0][1](w), *alike(p[1][1](w), p[2][1](w))),
            )
        ),
    )
)
classes = st.one_of(
    leaf("cat"),
    st.sampled_from(["a", "b", "zebra"]).map(lambda c: (f"'{c}'", lambda w: np.asarray(c))),
)
truths = st.deferred(
    lambda: st.one_of(
        leaf("bool"),
        st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(
            lambda p: (
                f"({p[0][0]} {p[1]} {p[2][0]})",
                lambda w: COMPARE[p[1]](as_float(p[0][1](w)), as_float(p[2][1](w))),
            )
        ),
        st.tuples(classes, st.booleans(), classes).map(
            lambda p: (
                f"({p[0][0]} {'==' if p[1] else '!='} {p[2][0]})",
                lambda w: (p[0][1](w) == p[2][1](w)) if p[1] else (p[0][1](w) != p[2][1](w)),
            )
        ),
        st.tuples(truths, truths).map(lambda p: (f"({p[0][0]} & {p[1][0]})", lambda w: p[0][1](w) & p[1][1](w))),
        st.tuples(truths, truths).map(lambda p: (f"({p[0][0]} | {p[1][0]})", lambda w: p[0][1](w) | p[1][1](w))),
        truths.map(lambda a: (f"(~{a[0]})", lambda w: np.logical_not(a[1](w)))),
    )
)


def agrees(formula, seed: int) -> None:
    text, oracle = formula
    names = world(seed)
    try:
        parsed = parse(text)
    except FormulaError:
        assert len(text) > 1000, "only its length can be against a formula of the language"
        return
    with np.errstate(all="ignore"):
        expected = np.asarray(oracle(names))
    found = evaluate(parsed, names)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape
    assert found.dtype.kind == expected.dtype.kind


@given(st.one_of(numbers, truths), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_the_evaluator_agrees_with_numpy(formula, seed) -> None:
    agrees(formula, seed)


@pytest.mark.fuzz
@given(st.one_of(numbers, truths), st.integers(0, 2**16))
@settings(max_examples=10_000, deadline=None)
def test_the_evaluator_agrees_with_numpy_at_length(formula, seed) -> None:
    agrees(formula, seed)


def test_categories_are_given_back_as_text() -> None:
    names = world(1)
    found = evaluate("where(num_column > 0, 'call', cat_lever)", names)
    np.testing.assert_array_equal(found, np.where(names["num_column"] > 0, "call", names["cat_lever"]))
    assert found.shape == (N, K, 1)


def test_truth_values_count_0_and_1() -> None:
    names = {"a": np.array([True, True, False]), "b": np.array([True, False, False])}
    np.testing.assert_array_equal(evaluate("a + b", names), [2, 1, 0])
    np.testing.assert_array_equal(evaluate("-a", names), [-1, -1, 0])
    np.testing.assert_array_equal(evaluate("~a", names), [False, False, True])
    np.testing.assert_array_equal(evaluate("1 - a * b", names), [0, 1, 1])


def test_costs_labels_masks_and_times() -> None:
    names = {
        "cost(bin)": np.array([0.3, 0.02]),
        "tags": {"cat": np.array([True, False]), "dog": np.array([False, False])},
        "road": {"lane": np.array([0.25, 0.5])},
        "seen": np.array(["2025-01-01T00:00:01", "1970-01-01"], dtype="datetime64[s]"),
    }
    np.testing.assert_allclose(evaluate("-cost(bin) + has(tags, 'cat') + area(road, 'lane')", names), [0.95, 0.48])
    np.testing.assert_array_equal(evaluate("seen - 1", names), [1735689600.0, -1.0])
    with pytest.raises(FormulaError, match="no class `bird`"):
        evaluate("has(tags, 'bird')", names)


def test_the_plans_value_has_the_shape_of_cases_settings_draws() -> None:
    bin_ = np.array(["manual", "0", "1"]).reshape(1, 3, 1)
    digit = np.array(["0", "1"]).reshape(1, 1, 2)
    names = {"cost(bin)": np.array([0.3, 0.02, 0.02]).reshape(1, 3, 1), "wrong": 4.0, "bin": bin_, "digit": digit}
    value = evaluate("-cost(bin) - wrong * ((bin != 'manual') & (bin != digit))", names)
    assert value.shape == (1, 3, 2)
    np.testing.assert_allclose(value[0], [[-0.3, -0.3], [-0.02, -4.02], [-4.02, -0.02]])


def test_what_has_no_number_is_infinite_or_nan_and_never_a_warning(recwarn) -> None:
    names = {"x": np.array([0.0, -1.0])}
    np.testing.assert_array_equal(evaluate("1 / x", names), [np.inf, -1])
    np.testing.assert_array_equal(evaluate("log(x)", names), [-np.inf, np.nan])
    np.testing.assert_array_equal(evaluate("sqrt(x)", names), [0, np.nan])
    assert not recwarn.list


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("y + 1", "`y` has no value here"),
        ("cat + 1", "is text and cannot be calculated with"),
        ("cat == 1", "compares text with a number"),
        ("where(x > 0, 'a', 1)", "text in one case and a number in the other"),
        ("mean(x)", "is about all cases"),
        ("cost(bin)", "`cost(bin)` has no value here"),
        ("cat < 'b'", None),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, says: str | None) -> None:
    names = {"x": np.arange(3.0), "cat": np.array(["a", "b", "c"])}
    if says is None:
        assert evaluate(text, names).tolist() == [True, False, False]
        return
    with pytest.raises(FormulaError) as caught:
        evaluate(text, names)
    assert says in caught.value.message


rows = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-5, 5), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.floats(0.1, 3), min_size=n, max_size=n),
    )
)


@given(rows)
@settings(max_examples=40, deadline=None)
def test_population_formulas_are_weighted_means_sums_and_their_ratios(row) -> None:
    e, g, w = map(np.array, row)
    names = {"e": e.reshape(-1, 1, 1), "g": g.reshape(-1, 1, 1), "k": 2.0}
    share = w / w.sum()
    with np.errstate(all="ignore"):
        expected = {
            "mean(e)": (share * e).sum(),
            "mean(e, g)": (w * e * g).sum() / (w * g).sum(),
            "sum(e)": 40 * (share * e).sum(),
            "sum(e, g)": 40 * (share * e * g).sum(),
            "sum(e * g) / sum(g)": (w * e * g).sum() / (w * g).sum(),
            "k - mean(e > 0)": 2 - (share * (e > 0)).sum(),
            "max(mean(e), k)": max((share * e).sum(), 2),
        }
    for text, figure in expected.items():
        np.testing.assert_allclose(population(text, names, w, 40), figure, rtol=1e-9, atol=1e-9)
    for text in ("mean(e, g)", "sum(e * g) / sum(g)", "k - mean(e > 0)"):
        form = ratio(text, ["k"])
        assert form is not None
        num, den = (np.broadcast_to(evaluate(f, names).reshape(-1), w.shape) for f in (form.num, form.den))
        with np.errstate(all="ignore"):
            np.testing.assert_allclose((w * num).sum() / (w * den).sum(), expected[text], rtol=1e-9, atol=1e-9)


def test_inner_values_are_expectations_over_draws() -> None:
    draws = np.array([[[0.0, 1.0]], [[1.0, 1.0]]])
    assert population("mean(y)", {"y": draws}) == 0.75
    assert population(
        "mean(x * y) / mean(y)", {"y": draws, "x": np.array([2.0, 4.0]).reshape(2, 1, 1)}
    ) == pytest.approx((2 * 0.5 + 4) / 1.5)
    assert population("mean(x)", {}, expect=lambda formula: np.array([1.0, 3.0])) == 2.0


def test_a_quantile_is_the_least_value_that_a_share_of_the_cases_does_not_exceed() -> None:
    names = {"e": np.arange(1.0, 11.0)}
    assert population("quantile(e, 0.5)", names) == 5
    assert population("quantile(e, 0.05)", names) == 1
    assert population("quantile(e, 1)", names) == 10
    assert population("quantile(e, 0.5)", names, np.array([0.91, *[0.01] * 9])) == 1


def test_nobody_fulfils_the_condition_gives_nan_and_a_column_outside_mean_is_refused() -> None:
    names = {"e": np.arange(3.0), "g": np.zeros(3, bool)}
    assert np.isnan(population("mean(e, g)", names))
    with pytest.raises(FormulaError, match="outside `mean`"):
        population("mean(e) + e", names)
    with pytest.raises(FormulaError, match="number of cases in a batch"):
        population("sum(e)", names)
