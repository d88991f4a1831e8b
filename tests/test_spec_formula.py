"""Formulas: what may be written, what is refused, how they are printed, written out and judged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.errors import FormulaError
from drivetrain.spec.formula import FUNCTIONS, degrees, exact_with_means, parse, ratio, substitute


@pytest.mark.parametrize(
    "text",
    [
        "-cost(bin) - wrong_bin * misrouted",
        "(bin != 'manual') & (bin != digit)",
        "where(period == 0, accept, renew)",
        "stays * (price - claims - expenses)",
        "abs(price / tariff - 1) <= 0.15",
        "~accept | (age < 9)",
        "x ** 2 + x ** -1 + x ** 0.5",
        "0 < x <= 5",
        "clip(x, 0, 1) + min(a, b, c) + max(a, 2) + exp(x) + log(y) + sqrt(z)",
        "has(tags, 'red fox') * area(road, 'lane')",
        "mean(accept * claims) / sum(price)",
        "mean(complained, offer == 'call')",
        "quantile(value, 0.05)",
        "1e3 + .5 + True",
        "'manual'",
    ],
)
def test_what_the_language_has_is_read_and_printed_back_readably(text: str) -> None:
    formula = parse(text)
    assert parse(str(formula)) == formula
    assert hash(parse(str(formula))) == hash(formula)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.b", "a dot"),
        ("a.__class__.__mro__", "a dot"),
        ("().__class__", "a dot"),
        ("a[0]", "square brackets"),
        ("open('x')", "no function `open`"),
        ("__import__('os')", "no function `__import__`"),
        ("eval('1')", "no function `eval`"),
        ("mean.x(1)", "no function `mean.x`"),
        ("(lambda: 1)()", "no function"),
        ("where(stays, 3, class)", "`class` is a word of Python and cannot stand in formulas"),
        ("meann(x)", "Did you mean `mean`"),
        ("x ** y", "an exponent is a number from -8 to 8"),
        ("9 ** 9 ** 9", "an exponent is a number"),
        ("x ** 9", "an exponent is a number"),
        ("x ** -8.5", "an exponent is a number"),
        ("a and b", "Write `&`"),
        ("a or b", "Write `|`"),
        ("not a", "Write `~(…)`"),
        ("a if b else c", "where(condition, then, otherwise)"),
        ("a in b", "joined by `|`"),
        ("a is b", "Write `==`"),
        ("a % 2", "no remainder"),
        ("a // 2", "no whole-number division"),
        ("a ^ 2", "A power is written `**`"),
        ("a @ b", "`@`"),
        ("a = 1", "A comparison is written `==`"),
        ("a && b", "Write `&` and `|`"),
        ("lambda: 1", "`lambda`"),
        ("[a, b]", "a list"),
        ("a, b", "a comma"),
        ("{a: b}", "Braces"),
        ("f'{a}'", "an f-string"),
        ("(a := 1)", "`:=`"),
        ("[a for a in b]", "list comp"),
        ("a; b", "cannot be read"),
        ("import os", "cannot be read"),
        ("a b", "cannot be read"),
        ("(a", "Parentheses do not match"),
        ("'a", "quotation mark is missing"),
        ("", "cannot be read"),
        ("   ", "cannot be read"),
        ("x # 3", "no comments"),
        ("ｘ + 1", "plain letters"),
        ("'a' + é", "plain letters"),
        ("'\\x41'", "backslash"),
        ("A + 1", "`A` is no name"),
        ("_x", "`_x` is no name"),
        ("class + 1", "cannot be read"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("None", "neither a number"),
        ("...", "neither a number"),
        ("b'x'", "neither a number"),
        ("1j", "neither a number"),
        ("where(a, b)", "`where` takes 3 values"),
        ("min(a)", "`min` takes 2 or more values"),
        ("abs(a, b)", "`abs` takes 1 value"),
        ("mean(a, b, c)", "`mean` takes 1 or 2 values"),
        ("where(a, b, c=1)", "takes 3 values"),
        ("min(*a)", "takes 2 or more"),
        ("cost('bin')", "`cost` takes the name of a lever"),
        ("cost(a + b)", "`cost` takes the name of a lever"),
        ("has(a, b)", "one of its values in quotes"),
        ("area(a + 1, 'x')", "one of its values in quotes"),
        ("x" * 5000, "4000 are allowed"),
        ("+".join(["x"] * 200), "nested too deeply"),
    ],
)
def test_what_it_has_not_is_refused_with_advice(text: str, says: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert says in caught.value.message
    assert len(caught.value.message.splitlines()) <= 1 or "\n" not in caught.value.message


def test_a_power_bomb_costs_nothing() -> None:
    import time

    start = time.perf_counter()
    for text in ("9 ** 9 ** 9 ** 9", "(2 ** 8) ** 9", "10 ** 400"):
        with pytest.raises(FormulaError):
            parse(text)
    assert time.perf_counter() - start < 1
    assert parse("((((x ** 8) ** 8) ** 8) ** 8) ** 8").names == {"x"}


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        formula = parse(text)
    except FormulaError:
        return
    assert parse(str(formula)) == formula


PIECES = [
    "x", "y", "1", "-", "+", "**", "(", ")", "where", ",", "==", "&", "~", "'a'", ".", "[", "]", "lambda", ":", "cost",
    "mean", "not", " ", "0", "has", "if", "else", "__class__", "9",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_row_of_tokens_is_a_formula_or_refused(text: str) -> None:
    try:
        formula = parse(text)
    except FormulaError:
        return
    assert parse(str(formula)) == formula
    assert formula.calls <= FUNCTIONS


def test_names_levers_and_entries_are_told_apart() -> None:
    formula = parse("-cost(bin) + where(bin == 'x', k, mean) * has(tags, 'cat')")
    assert formula.names == {"bin", "k", "mean", "tags"}, "a name like a function is a name where it is not called"
    assert formula.costs == {"bin"}
    assert formula.entries == {"bin", "cost(bin)", "k", "mean", "tags"}
    assert parse("cost(bin)").entries == {"cost(bin)"}
    assert formula.calls == {"cost", "where", "has"}
    assert parse("mean(x)").is_population
    assert not formula.is_population


def test_precedence_is_pythons() -> None:
    assert parse("-1 ** 2") == parse("-(1 ** 2)")
    assert parse("a == 1 & b") == parse("a == (1 & b)")
    assert parse("~a == b") == parse("(~a) == b")
    assert parse("a - b - c") == parse("(a - b) - c")
    assert parse("a < b < c") != parse("(a < b) < c")


def test_terms_are_written_out_and_circles_named() -> None:
    terms = {"margin": "price - claims", "stays": "where(period == 0, accept, renew)", "v": "stays * margin"}
    assert str(substitute(parse("v"), terms)) == "where(period == 0, accept, renew) * (price - claims)"
    assert str(substitute(parse("mean(v)"), {"v": "-x"})) == "mean(-x)"
    with pytest.raises(FormulaError, match="a -> b -> a"):
        substitute(parse("a"), {"a": "b + 1", "b": "a * 2"})
    with pytest.raises(FormulaError, match="too long"):
        substitute(parse("t20"), {f"t{i}": f"t{i - 1} + t{i - 1}" for i in range(1, 21)} | {"t0": "x"})


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("accept * (price - claims)", True),
        ("where(period == 0, accept, renew) * (price - claims)", True),
        ("(1 - accept) * margin - cost(offer)", True),
        ("accept * accept", False),
        ("accept ** 2", False),
        ("accept ** 1 + claims ** 0", True),
        ("where(accept, claims, 0)", False),
        ("where(claims > 100, 1, 0)", False),
        ("claims > 100", False),
        ("max(claims, 100)", False),
        ("abs(claims)", False),
        ("clip(claims, 0, 9)", False),
        ("exp(claims)", False),
        ("price / claims", False),
        ("claims / price", True),
        ("accept & renew", False),
        ("~accept", False),
        ("where(price > 3, accept, accept * 2)", True),
        ("(accept + claims) * price - claims", True),
        ("(accept + claims) * claims", False),
        ("price ** 3", True),
        ("-(-claims)", True),
        ("has(tags, 'cat')", True),
        ("has(tags, 'cat') * has(tags, 'dog')", False),
        ("min(price, 3) * claims", True),
    ],
)
def test_means_are_exact_only_up_to_degree_one_outside_conditions(text: str, exact: bool) -> None:
    outcomes = ("accept", "renew", "claims", "tags")
    assert exact_with_means(parse(text), outcomes) is exact


def test_means_are_not_exact_for_an_outcome_that_is_anothers_input() -> None:
    formula = parse("accept * claims")
    assert exact_with_means(formula, ("accept", "claims"))
    assert not exact_with_means(formula, ("accept", "claims"), chained=("accept",))
    assert exact_with_means(parse("claims * 2"), ("accept", "claims"), chained=("accept",))


def test_degrees_are_counted() -> None:
    assert degrees(parse("a * b + a ** 3 * b"), "ab") == {"a": 3, "b": 1}
    assert degrees(parse("(a * b) ** 2"), "ab") == {"a": 2, "b": 2}
    assert degrees(parse("c * 2"), "ab") == {}


@pytest.mark.parametrize(
    ("text", "num", "den", "kind"),
    [
        ("mean(a)", "a", "1", "mean"),
        ("-mean(value)", "-value", "1", "mean"),
        ("mean(a, g)", "a * g", "g", "ratio"),
        ("mean(a) / mean(b)", "a", "b", "ratio"),
        ("sum(a * b) / sum(a * c)", "a * b", "a * c", "ratio"),
        ("2 * mean(a) + k", "2 * a + k", "1", "mean"),
        ("mean(a, g) - k", "a * g - k * g", "g", "ratio"),
        ("mean(a) / k", "a / k", "1", "mean"),
        ("k / mean(a)", "k", "a", "ratio"),
        ("mean(a) - mean(b)", "a - b", "1", "mean"),
        ("mean(a, g) / mean(b, g)", "a * g", "b * g", "ratio"),
    ],
)
def test_a_measure_is_a_ratio_of_sums_where_it_can_be(text: str, num: str, den: str, kind: str) -> None:
    found = ratio(text, ["k"])
    assert found is not None
    assert (found.num, found.den, found.kind) == (parse(num), parse(den), kind)


@pytest.mark.parametrize(
    "text", ["mean(a) * mean(b)", "quantile(a, 0.5)", "mean(a, g) + mean(a)", "abs(mean(a))", "mean(a) ** 2"]
)
def test_a_measure_that_is_no_such_ratio_is_checked_not_optimised(text: str) -> None:
    assert ratio(text) is None
