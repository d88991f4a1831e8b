"""The policy room: what a setting is expected to be worth, what may be chosen, and what is chosen."""

from __future__ import annotations

import itertools
import json
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import evidence, policy
from drivetrain.artifact import Distribution
from drivetrain.errors import PolicyError
from drivetrain.spec import load_text
from drivetrain.spec.formula import parse

MAIL = """
drivetrain: 1
project: {name: Mail}
objective:
  statement: Letters reach their district.
  measure: {name: cost, unit: EUR/letter, direction: minimize}
  constants: {wrong_bin: 4.0}
  terms: {misrouted: "(bin != 'manual') & (bin != digit)"}
  value: "-cost(bin) - wrong_bin * misrouted"
  guardrails: [{name: misrouted share, measure: mean(misrouted), at_most: 0.02}]
levers:
  - name: bin
    type: options
    options: {manual: {cost: 0.30}}
    options_from: {outcome: digit, cost: 0.02}
    owner: line
    limits: ["(bin != 'b') | dry"]
    policies:
      do_nothing: manual
      today: manual
      simple_rule: {confident: digit, at_least: 0.5, else: manual}
data:
  - name: letters
    kind: table
    location: data/letters.csv
    columns: {dry: boolean, depot: category}
    outcomes: {digit: {column: digit, values: [a, b, c], affected_by: []}}
models:
  - {name: reader, task: table-classification, predicts: digit}
"""


def mail(**changes: str) -> policy.Problem:
    text = MAIL
    for old, new in changes.items():
        text = text.replace(old, new)
    return policy.problem(load_text(dedent(text)))


def three_letters(problem: policy.Problem) -> tuple[dict, dict]:
    probabilities = np.array([[0.98, 0.01, 0.01], [0.05, 0.9, 0.05], [0.4, 0.35, 0.25]])
    columns = {"dry": np.array([True, False, True])}
    return columns, {"digit": policy.belief(problem, "digit", Distribution(("a", "b", "c"), probabilities))}


def test_the_classes_become_settings_behind_the_declared_one():
    assert mail().labels == ("manual", "a", "b", "c")


def test_the_expected_value_of_each_bin_is_its_cost_and_the_risk_of_misrouting():
    problem = mail()
    columns, beliefs = three_letters(problem)
    values = policy.expectation(problem, problem.value, columns, beliefs)
    by_hand = [
        [-0.30, -0.02 - 4 * 0.02, -0.02 - 4 * 0.99, -0.02 - 4 * 0.99],
        [-0.30, -0.02 - 4 * 0.95, -0.02 - 4 * 0.10, -0.02 - 4 * 0.95],
        [-0.30, -0.02 - 4 * 0.60, -0.02 - 4 * 0.65, -0.02 - 4 * 0.75],
    ]
    np.testing.assert_allclose(values, by_hand)


def test_a_limit_forbids_a_setting_for_the_cases_it_names_only():
    problem = mail()
    columns, _ = three_letters(problem)
    np.testing.assert_array_equal(policy.allowed(problem, columns, None)[:, 2], [True, False, True])


def test_what_is_chosen_weighs_the_error_against_the_clerk():
    problem = mail()
    columns, beliefs = three_letters(problem)
    _, _, chosen = policy.act(problem, {}, columns, beliefs)
    assert [problem.labels[index] for index in chosen] == ["a", "manual", "manual"]


def test_reference_policies_do_what_the_plan_says():
    problem = mail()
    columns, beliefs = three_letters(problem)

    def said(name: str) -> list[str]:
        return policy.reference(problem, name, columns, beliefs)["bin"].tolist()

    assert said("do_nothing") == said("today") == said("fallback") == ["manual"] * 3
    assert said("simple_rule") == ["a", "b", "manual"]
    assert said("accuracy_first") == ["a", "b", "a"]


PARCELS = """
drivetrain: 1
project: {name: Parcels}
objective:
  statement: Damaged parcels are opened.
  terms:
    damaged: "has(marks, 'torn') & ~has(marks, 'taped over')"
    stained: "5 * area(photo, 'stain') + 4 * (area(photo, 'stain') > 0.5)"
  value: "where(handling == 'open', -2, where(damaged, -9, 0) - stained)"
levers:
  - name: handling
    type: options
    options: [open, pass]
    policies: {do_nothing: pass, simple_rule: {formula: "where(has(marks, 'torn'), 'open', 'pass')"}}
data:
  - name: parcels
    kind: table
    location: p.csv
    columns: {picture: image}
    outcomes:
      marks: {column: marks, type: labels, values: [torn, taped over], affected_by: []}
      photo: {column: photo, type: mask, values: [clean, stain], affected_by: []}
models:
  - {name: marker, task: image-multilabel, predicts: marks}
  - {name: tracer, task: image-segmentation, predicts: photo}
"""


def test_each_label_and_each_area_that_the_value_asks_for_is_weighed():
    problem = policy.problem(load_text(dedent(PARCELS)))
    assert problem.outcomes == ("has(marks, 'taped over')", "has(marks, 'torn')", "area(photo, 'stain')")
    labels = np.array([[0.9, 0.1], [0.9, 0.95], [0.1, 0.0]])
    areas = np.array([np.linspace(0, 0.4, 100), np.linspace(0, 0.2, 100), np.linspace(0.3, 0.7, 100)])
    masks = Distribution(("clean", "stain"), np.zeros((3, 2)), np.stack([1 - areas, areas], axis=1))
    beliefs = policy.believed(problem, "marks", Distribution(("torn", "taped over"), labels))
    beliefs |= policy.believed(problem, "photo", masks)
    values = policy.expectation(problem, problem.value, {}, beliefs)
    torn = labels[:, 0] * (1 - labels[:, 1])
    by_hand = -9 * torn - 5 * areas.mean(axis=1) - 4 * (areas > 0.5).mean(axis=1)
    np.testing.assert_allclose(values, np.column_stack([np.full(3, -2), by_hand]), atol=0.15)  # 256 draws
    written = policy.written(problem.labels, {}, {}, {})
    distributions = {"marks": Distribution(("torn", "taped over"), labels), "photo": masks}
    assert [c.setting for c in policy.decide(problem, written, {}, distributions)] == ["open", "pass", "open"]
    assert policy.reference(problem, "simple_rule", {}, beliefs)["handling"].tolist() == ["open", "open", "pass"]
    assert policy.reference(problem, "accuracy_first", {}, beliefs)["handling"].tolist() == ["open", "pass", "open"]


def test_a_label_that_the_model_does_not_know_is_named():
    problem = policy.problem(load_text(dedent(PARCELS)))
    with pytest.raises(PolicyError, match="make train"):
        policy.believed(problem, "marks", Distribution(("torn",), np.ones((1, 1))))
    with pytest.raises(PolicyError, match="how far its areas"):
        policy.believed(problem, "photo", Distribution(("clean", "stain"), np.ones((1, 2)) / 2))


def test_where_classes_are_no_settings_accuracy_first_acts_as_if_the_likeliest_were_certain():
    problem = policy.problem(
        load_text(
            dedent("""
            drivetrain: 1
            project: {name: Clinic}
            objective:
              statement: Nobody waits in vain.
              value: "where(ill, where(action == 'discharge', -100, 0), where(action == 'refer', -10, 0))"
            levers: [{name: action, type: options, options: [discharge, refer], owner: doctor}]
            data:
              - name: people
                kind: table
                location: p.csv
                columns: {age: number}
                outcomes: {ill: {column: ill, type: binary, affected_by: []}}
            models: [{name: m, task: table-classification, predicts: ill}]
            """)
        )
    )
    probabilities = np.array([[0.6, 0.4], [0.95, 0.05], [0.2, 0.8]])
    beliefs = {"ill": policy.belief(problem, "ill", Distribution(("false", "true"), probabilities))}
    assert policy.reference(problem, "accuracy_first", {}, beliefs)["action"].tolist() == [
        "discharge",
        "discharge",
        "refer",
    ]
    values, _, chosen = policy.act(problem, {}, {}, beliefs)
    assert [problem.labels[i] for i in chosen] == ["refer", "discharge", "refer"]
    np.testing.assert_allclose(values[0], [-40, -6])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["where(x == y, u, -u)", "where((x == 'p') & (y == 'q'), 3, u * 2)", "u - 5 * (x != y)"]),
)
def test_enumeration_equals_the_sum_over_all_worlds_written_out(n, k, seed, text):
    stream = np.random.default_rng(seed)
    names = ("p", "q", "r")
    beliefs = {
        "x": policy.Belief(names, stream.dirichlet(np.ones(3), size=(n, 1))),
        "y": policy.Belief(names, stream.dirichlet(np.ones(3), size=(n, k))),
    }
    lever = stream.normal(size=k)
    formula = parse(text)
    got = policy.expected(formula, {}, {}, {"u": lever}, beliefs)

    def plain(x: str, y: str, u: float) -> float:
        return {
            "where(x == y, u, -u)": u if x == y else -u,
            "where((x == 'p') & (y == 'q'), 3, u * 2)": 3 if (x == "p" and y == "q") else u * 2,
            "u - 5 * (x != y)": u - 5 * (x != y),
        }[text]

    for i, a in itertools.product(range(n), range(k)):
        total = sum(
            beliefs["x"].probabilities[i, 0, cx] * beliefs["y"].probabilities[i, a, cy] * plain(x, y, lever[a])
            for (cx, x), (cy, y) in itertools.product(enumerate(names), enumerate(names))
        )
        assert got[i, a] == pytest.approx(total)


def test_a_product_of_numbers_of_degree_one_takes_means_and_is_exact():
    stream = np.random.default_rng(0)
    beliefs = {
        "claims": policy.Belief(None, None, np.sort(stream.gamma(2, 300, size=(5, 1, 99)), axis=2)),
        "stays": policy.Belief(("false", "true"), np.array([[[0.3, 0.7]]] * 5), binary=True),
    }
    price = np.array([100.0, 500.0])
    got = policy.expected(parse("stays * (price - claims)"), {}, {}, {"price": price}, beliefs)
    want = 0.7 * (price[None, :] - beliefs["claims"].quantiles.mean(axis=2))
    np.testing.assert_allclose(got, want)


def test_a_comparison_is_drawn_and_never_put_into_the_mean():
    quantiles = np.linspace(0, 1, 1001)[None, None, :]
    beliefs = {"y": policy.Belief(None, None, quantiles)}
    got = policy.expected(parse("where(y > 0.9, 100, 0)"), {}, {}, {}, beliefs, draws=512)
    assert got[0, 0] == pytest.approx(10, abs=0.3)


def test_common_random_numbers_do_not_depend_on_how_many_cases_come_together():
    stream = np.random.default_rng(1)
    quantiles = np.sort(stream.normal(size=(40, 1, 50)), axis=2)
    formula = parse("where(y > u, y ** 2, 0)")
    together = policy.expected(
        formula, {}, {}, {"u": np.array([0.0, 1.0])}, {"y": policy.Belief(None, None, quantiles)}
    )
    alone = policy.expected(
        formula, {}, {}, {"u": np.array([0.0, 1.0])}, {"y": policy.Belief(None, None, quantiles[7:8])}
    )
    np.testing.assert_allclose(together[7:8], alone, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.2, 1.4])
def test_a_prediction_that_is_no_probability_never_chooses_an_action(bad):
    probabilities = np.array([[[0.5, 0.5]], [[bad, 0.5]]])
    with pytest.raises(PolicyError, match="1 of 2 cases"):
        policy.expected(parse("1 * (y == 'a')"), {}, {}, {}, {"y": policy.Belief(("a", "b"), probabilities)})


def test_a_missing_column_value_is_named_and_not_turned_into_a_number():
    with pytest.raises(PolicyError, match="no finite number for 1 of 3 cases"):
        policy.expected(parse("age * 2"), {}, {"age": np.array([1.0, np.nan, 2.0])}, {}, {})


def test_a_guardrail_by_group_becomes_one_limit_a_group():
    problem = mail(**{"at_most: 0.02": "at_most: 0.02, by: [depot]"})
    limits = policy.limits(problem, {"depot": np.array(["north", "south", "north"])})
    assert [limit.name for limit in limits] == ["misrouted share (depot north)", "misrouted share (depot south)"]


def test_the_use_of_a_guardrail_is_what_it_expects_less_what_it_allows():
    problem = mail()
    columns, beliefs = three_letters(problem)
    [use] = policy.uses(problem, policy.limits(problem, columns), columns, beliefs)
    np.testing.assert_allclose(use[:, 0], -0.02)
    np.testing.assert_allclose(use[:, 1], np.array([0.02, 0.95, 0.60]) - 0.02)


def test_ties_go_to_less_use_and_then_to_the_order_of_the_plan():
    values = np.array([[1.0, 1.0, 1.0]])
    use = np.array([[[0.0, 0.0, -1.0]]])
    allowed = np.ones((1, 3), bool)
    assert policy.best(values, use, allowed, np.array([0.0])).tolist() == [0]
    assert policy.best(values + np.array([0, 0, -0.5]), use, allowed, np.array([0.5])).tolist() == [2]


def written_in(root, problem) -> policy.Written:
    made = policy.written(problem.labels, {"misrouted share": 0.0}, {}, {})
    path = policy.write(root, made)
    evidence.record(root, "decide", {}, reads={}, data={}, artifacts={"policy.json": evidence.file_digest(path)})
    return policy.read(path)


def test_the_written_policy_acts_on_one_case_as_it_does_on_many(tmp_path):
    problem = mail()
    columns, beliefs = three_letters(problem)
    made = written_in(tmp_path, problem)
    together = policy.decide(problem, made, columns, beliefs)
    for row, choice in enumerate(together):
        alone = policy.decide(
            problem,
            made,
            {name: values[row : row + 1] for name, values in columns.items()},
            {name: belief.rows(row, row + 1) for name, belief in beliefs.items()},
        )
        assert alone == [choice]
    assert [choice.setting for choice in together] == ["a", "manual", "manual"]
    assert together[1].values["b"] is None, "b is forbidden for a wet letter"
    assert together[0].value == pytest.approx(-0.10)


def test_a_policy_that_was_changed_after_it_was_made_is_not_read(tmp_path):
    problem = mail()
    written_in(tmp_path, problem)
    path = tmp_path / "artifacts" / "policy.json"
    body = json.loads(path.read_text())
    body["prices"][0]["price"] = 99
    path.write_text(json.dumps(body))
    with pytest.raises(PolicyError, match="changed after it was made"):
        policy.read(path)


def test_an_unknown_constant_that_the_value_needs_is_named():
    text = MAIL.replace("wrong_bin: 4.0", "wrong_bin: {unknown: What is it?, owner: me, due: 2027-01-01}")
    with pytest.raises(PolicyError, match=r"objective\.constants\.wrong_bin"):
        policy.problem(load_text(dedent(text)))


def test_a_reference_policy_that_sets_no_setting_is_named():
    problem = mail(**{"today: manual": "today: {formula: \"where(dry, 'a', depot)\"}"})
    columns, beliefs = three_letters(problem)
    columns = columns | {"depot": ["shredder"] * 3}
    with pytest.raises(PolicyError, match="'shredder'"):
        policy.reference(problem, "today", columns, beliefs)


def test_what_a_setting_costs_each_case_is_worked_out_for_that_case() -> None:
    """Asked about one case after another, as a service asks: nothing of the first may stick to the second."""
    text = dedent(MAIL).replace("options_from: {outcome: digit, cost: 0.02}", "")
    text = text[: text.index("levers:")] + dedent("""\
        levers: [{name: bin, type: integer, minimum: 0, maximum: 3, cost: "weight * bin"}]
        data:
          - name: letters
            kind: table
            location: data/letters.csv
            columns: {weight: number}
            outcomes: {digit: {column: digit, values: [a, b, c], affected_by: []}}
        models: [{name: reader, task: table-classification, predicts: digit}]
        """)
    text = text.replace("(bin != 'manual') & (bin != digit)", "(bin == 0) & (digit != 'a')").split("  guardrails")
    problem = policy.problem(load_text(text[0] + text[1].partition("\n")[2]))
    for weight in (1.0, 5.0):
        known = {"digit": policy.belief(problem, "digit", Distribution(("a", "b", "c"), np.array([[0.5, 0.3, 0.2]])))}
        values = policy.expectation(problem, problem.value, {"weight": np.array([weight])}, known)
        assert values[0] == pytest.approx([-4 * 0.5, -weight, -2 * weight, -3 * weight])
