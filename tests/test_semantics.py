"""What a plan means once it is worked out: sentences of the language, each with figures made by hand."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest
from test_decision_project import project
from test_decision_rankings import shop
from test_spec_meaning import check
from worlds import Amount, Chance

from drivetrain import policy
from drivetrain.artifact import Distribution
from drivetrain.artifact.outcomes import distribution
from drivetrain.decision import decide, what_if
from drivetrain.spec import load_text
from drivetrain.spec.formula import as_guessed, parse

PLAN = """
drivetrain: 1
project: {name: Meaning}
objective:
  statement: One sentence at a time.
  measure: {name: gain, unit: EUR/case, direction: maximize}
  constants: {fee: 2}
  terms: {load: size * fee + period}
  value: ill * size - cost(act)
levers:
  - name: act
    type: options
    options: {rest: {cost: 0}, treat: {cost: 1}}
    policies: {do_nothing: rest, today: rest, simple_rule: {formula: "where(ill, 'treat', 'rest')"}}
data:
  - name: rows
    kind: table
    location: r.parquet
    columns: {size: number, site: {type: category, values: [a, b]}, share: number}
    outcomes:
      ill: {column: ill, type: binary, affected_by: []}
      days: {column: days, type: number, affected_by: []}
models:
  - {name: m, task: table-classification, predicts: ill, inputs: [size]}
  - {name: k, task: table-regression, predicts: days, inputs: [size]}
"""
CASES = {"size": np.array([2.0, 6.0]), "site": np.array(["a", "b"])}
ILL = Chance("ill", ("size",), lambda size: np.minimum(size / 10, 1))
DAYS = Amount("days", ("size",), lambda size: size, np.linspace(0.5, 1.5, 99))


def meaning(**changes: str) -> policy.Problem:
    """The decision of the plan, with some of its lines changed."""
    text = PLAN
    for was, now in changes.items():
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    return policy.problem(load_text(dedent(text)))


def changed(*pairs: tuple[str, str]) -> policy.Problem:
    return meaning(**dict(pairs))


def told(problem: policy.Problem, *models) -> policy.Ask:
    return policy.modeler(problem, models or [ILL, DAYS])


def value(problem: policy.Problem, *models, cases=CASES) -> np.ndarray:
    return policy.worth(problem, cases, told(problem, *models), problem.settings)


# Names.


def test_a_term_that_a_model_reads_follows_the_period_and_a_scenarios_constant() -> None:
    model = Chance("ill", ("load",), lambda load: load / 100)
    reads = ("predicts: ill, inputs: [size]", "predicts: ill, inputs: [load]")
    here = changed(reads)
    np.testing.assert_allclose(value(here, model, DAYS)[:, 0], [0.04 * 2, 0.12 * 6])
    two = changed(
        reads,
        ("value: ill * size - cost(act)", "value: ill * size - cost(act)\n  over_time: {periods: 2, every: 1 year}"),
    )
    np.testing.assert_allclose(value(two, model, DAYS)[:, 0], [(0.04 + 0.05) * 2, (0.12 + 0.13) * 6])
    dear = changed(reads, ("models:", "simulator: {scenarios: [{name: dear, set: {fee: fee * 3}}]}\nmodels:"))
    world, cases, ask = policy.shocked(dear, dear.scenarios[0], CASES, told(dear, model, DAYS))
    np.testing.assert_allclose(policy.worth(world, cases, ask, dear.settings)[:, 0], [0.12 * 2, 0.36 * 6])


# Value.


@pytest.mark.parametrize(("classes", "exact"), [((64, 64), True), ((64, 65), False)])
def test_products_of_up_to_4096_classes_are_enumerated_and_larger_ones_drawn(classes, exact) -> None:
    stream = np.random.default_rng(1)
    beliefs = {
        name: policy.Belief(tuple(f"c{i}" for i in range(count)), stream.dirichlet(np.ones(count), size=(3, 1)))
        for name, count in zip("xy", classes, strict=True)
    }
    got = policy.expected(parse("where((x == 'c3') | (y == 'c5'), 1, 0)"), {}, {}, {}, beliefs)
    x, y = beliefs["x"].probabilities[:, 0, 3], beliefs["y"].probabilities[:, 0, 5]
    error = np.abs(got[:, 0] - (1 - (1 - x) * (1 - y)))
    assert (error < 1e-12).all() if exact else (1e-6 < error.max() < 0.02)


def test_settings_of_several_levers_are_every_combination() -> None:
    second = """
  - {name: dose, type: integer, minimum: 1, maximum: 3, policies: {do_nothing: 1}}
data:"""
    problem = changed(("\ndata:", second), ("ill * size - cost(act)", "ill * size * dose - cost(act)"))
    pairs = list(zip(problem.settings["act"].tolist(), problem.settings["dose"].tolist(), strict=True))
    assert sorted(pairs) == sorted((a, d) for a in ("rest", "treat") for d in (1, 2, 3))
    got = value(problem)
    for place, (act, dose) in enumerate(pairs):
        np.testing.assert_allclose(got[:, place], CASES["size"] ** 2 / 10 * dose - (act == "treat"))


def test_cases_are_the_test_part_and_what_is_held_out_with_their_weights(tmp_path, monkeypatch) -> None:
    n = 4_000
    stream = np.random.default_rng(3)
    size = stream.uniform(1, 9, n).round(3)
    table = {
        "size": size,
        "site": np.where(stream.random(n) < 0.2, "b", "a"),
        "share": stream.integers(1, 4, n).astype(float),
        "ill": stream.random(n) < size / 10,
        "days": size,
    }
    plan = dedent(PLAN).replace(
        "    columns: {size", "    weight: share\n    split: {hold_out: {site: [b]}}\n    columns: {size"
    )
    spec = project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": ILL, "k": DAYS})
    decided = decide(spec)
    world = decided.world
    assert set(world.split.tolist()) == {"test", "hold_out"}
    assert (world.columns.get("site", table["site"][world.case]) == table["site"][world.case]).all()
    assert set(np.flatnonzero(table["site"] == "b").tolist()) <= set(world.case.tolist())
    share = table["share"][world.case]
    np.testing.assert_allclose(world.weights, share / share.sum())
    found = next(row for row in decided.result["policies"] if row["name"] == "do_nothing")
    assert found["value"] == pytest.approx((share * size[world.case] * table["ill"][world.case]).sum() / share.sum())


# Horizon, scenarios.


def test_constraints_are_of_the_first_period() -> None:
    problem = changed(
        (
            "  value: ill * size - cost(act)",
            '  guardrails: [{name: later, measure: "mean(where(period == 0, 1, 100))", at_most: 2}]\n'
            "  value: ill * size - cost(act)\n  over_time: {periods: 3, every: 1 year}",
        )
    )
    beliefs = told(problem)(CASES, problem.settings)
    [use] = policy.uses(problem, policy.limits(problem, CASES), CASES, beliefs)
    np.testing.assert_allclose(use, 1 - 2)


SHOCKS = {
    "{ill: ill * 5}": [1.0 * 2, 1.0 * 6],  # 0.2 · 5 and 0.6 · 5, clipped
    "{ill: ill / 2}": [0.1 * 2, 0.3 * 6],
    "{size: size + 1}": [0.3 * 3, 0.7 * 7],  # before prediction: the chance moves with it
    "{size: size * fee, fee: fee + 1}": [0.4 * 4, 1.0 * 12],  # both from what was
    "{ill: \"ill * where(act == 'treat', 0, 1)\"}": [0.2 * 2, 0.6 * 6],
}


@pytest.mark.parametrize("shock", SHOCKS)
def test_a_scenario_moves_what_it_names(shock) -> None:
    problem = changed(("models:", f"simulator: {{scenarios: [{{name: s, set: {shock}}}]}}\nmodels:"))
    world, cases, ask = policy.shocked(problem, problem.scenarios[0], CASES, told(problem))
    model = policy.worth(world, cases, ask, problem.settings)
    np.testing.assert_allclose(model[:, 0], SHOCKS[shock])
    if "treat" in shock:
        np.testing.assert_allclose(model[:, 1], -1, err_msg="the treated are never ill here")


def test_a_scenario_acts_on_the_draws_of_a_number() -> None:
    problem = changed(
        ("value: ill * size - cost(act)", "value: where(days > 3, 1, 0)"),
        ("models:", "simulator: {scenarios: [{name: s, set: {days: days + 1}}]}\nmodels:"),
    )
    assert policy.worth(problem, CASES, told(problem), problem.settings)[0, 0] == 0, "2 days, at most 3"
    world, cases, ask = policy.shocked(problem, problem.scenarios[0], CASES, told(problem))
    got = policy.worth(world, cases, ask, problem.settings)[0, 0]
    assert got == pytest.approx(0.5, abs=0.02), "half of the spread around 2 lies above 2"


def test_a_weighted_scenario_is_a_share_of_the_objective_and_the_rest_the_base_case() -> None:
    text = "simulator: {scenarios: [{name: s, set: {size: size * 0}, weight: 0.25}, {name: t, set: {size: 99}}]}"
    problem = changed(("models:", f"{text}\nmodels:"))
    np.testing.assert_allclose(value(problem)[:, 0], np.array([0.2 * 2, 0.6 * 6]) * 0.75)


SCENARIO_FAULTS = {
    "{fee: fee * size}": "`size` is a column and cannot say what `fee` becomes",
    "{size: size * ill}": "`ill` is an outcome and cannot say what `size` becomes",
    "{size: \"where(act == 'rest', 1, 2)\"}": "`act` is a lever and cannot say what `size` becomes",
    "{size: size + period}": "`period` is a built-in name and cannot say what `size` becomes",
    "{ill: ill * days}": "`days` is an outcome and cannot say what `ill` becomes",
    "{fee: load}": "`size` is a column (through the term `load`) and cannot say what `fee` becomes",
}


@pytest.mark.parametrize("shock", SCENARIO_FAULTS)
def test_a_scenario_reads_only_what_is_there_before_it_acts(shock) -> None:
    text = dedent(PLAN).replace("models:", f"simulator: {{scenarios: [{{name: s, set: {shock}}}]}}\nmodels:")
    assert any(SCENARIO_FAULTS[shock] in str(finding) for finding in check(text))


# Policies and limits.


def test_in_a_policys_formula_a_binary_outcome_is_its_likeliest_as_a_condition_and_its_mean_as_a_number() -> None:
    for formula, chosen in {
        "where(ill, 'treat', 'rest')": ["rest", "treat"],
        "where(~ill, 'treat', 'rest')": ["treat", "rest"],
        "where(ill & (size > 7), 'treat', 'rest')": ["rest", "rest"],
        "where(ill == 1, 'treat', 'rest')": ["rest", "treat"],
        "where(ill > 0.1, 'treat', 'rest')": ["treat", "treat"],
        "where(ill * size > 3, 'treat', 'rest')": ["rest", "treat"],
        "where(days > 5, 'treat', 'rest')": ["rest", "treat"],
    }.items():
        problem = changed(("where(ill, 'treat', 'rest')", formula))
        got = policy.reference(problem, "simple_rule", CASES, told(problem)(CASES, problem.settings))
        assert got["act"].tolist() == chosen, formula


def test_what_stands_as_a_condition_is_told_from_what_stands_as_a_number() -> None:
    for text, want in {
        "where(y, y, 1 - y)": "where(y > 0.5, y, 1 - y)",
        "~(y | (x > 2))": "~((y > 0.5) | (x > 2))",
        "y + (y != z)": "y + ((y > 0.5) != z)",
        "max(y, 0.3) * abs(-y)": "max(y, 0.3) * abs(-y)",
    }.items():
        assert as_guessed(parse(text), ["y"]) == parse(want)
    assert as_guessed(parse("where(x > 2, y, z)"), ["y"], condition=True) == parse("where(x > 2, y > 0.5, z)")


def test_a_rule_sees_of_an_outcome_that_levers_move_what_comes_of_doing_nothing() -> None:
    model = Chance("ill", ("size", "act"), lambda size, act: np.where(act == "treat", 0.1, size / 10))
    moved = (
        "ill: {column: ill, type: binary, affected_by: []}",
        "ill: {column: ill, type: binary, affected_by: [act]}",
    )
    order = ("{rest: {cost: 0}, treat: {cost: 1}}", "{treat: {cost: 1}, rest: {cost: 0}}")
    for problem in (changed(moved), changed(moved, order)):
        got = policy.reference(problem, "simple_rule", CASES, told(problem, model, DAYS)(CASES, problem.settings))
        assert got["act"].tolist() == ["rest", "treat"]


def test_a_limit_may_name_what_is_predicted() -> None:
    rest = "policies: {do_nothing: rest, today"
    for limit, allowed in {
        "(act == 'rest') | ill": [[True, False], [True, True]],
        "(act == 'rest') | (ill > 0.1)": [[True, True], [True, True]],
        "(act == 'treat') | (days < 5)": [[True, True], [False, True]],
    }.items():
        problem = changed((rest, f'limits: ["{limit}"]\n    {rest}'))
        np.testing.assert_array_equal(policy.consider(problem, CASES, told(problem)).feasible, allowed)
        beliefs = told(problem)(CASES, problem.settings)
        np.testing.assert_array_equal(policy.act(problem, {}, CASES, beliefs)[1], allowed)


def test_accuracy_first_looks_at_the_outcomes_of_the_value_only() -> None:
    """A guardrail on another outcome does not make the likeliest class any less the setting of its name."""
    plan = """
    drivetrain: 1
    project: {name: Bins}
    objective:
      statement: s
      value: "where(bin == digit, 1, where(bin == 'manual', 0.9, -9))"
      guardrails: [{name: slow, measure: "mean(late, bin == 'manual')", at_most: 0.5}]
    levers: [{name: bin, type: options, options: [manual], options_from: {outcome: digit}}]
    data:
      - name: rows
        kind: table
        location: r.csv
        columns: {size: number}
        outcomes:
          digit: {column: d, values: [a, b], affected_by: []}
          late: {column: l, type: binary, affected_by: []}
    models:
      - {name: m, task: table-classification, predicts: digit}
      - {name: k, task: table-classification, predicts: late}
    """
    problem = policy.problem(load_text(dedent(plan)))
    beliefs = {
        "digit": policy.belief(problem, "digit", Distribution(("a", "b"), np.array([[0.51, 0.49]]))),
        "late": policy.belief(problem, "late", Distribution(("false", "true"), np.array([[0.2, 0.8]]))),
    }
    assert policy.reference(problem, "accuracy_first", {}, beliefs)["bin"].tolist() == ["a"]


# Population measures.


def decided(tmp_path, monkeypatch, *pairs: tuple[str, str]):
    n = 2_000
    size = np.random.default_rng(3).uniform(1, 9, n).round(3)
    table = {
        "size": size,
        "site": np.where(np.arange(n) % 4 == 0, "b", "a"),
        "share": np.ones(n),
        "ill": np.random.default_rng(4).random(n) < size / 10,
        "days": size,
    }
    plan = dedent(PLAN)
    tmp_path.mkdir(exist_ok=True)
    for was, now in pairs:
        assert plan.count(was) == 1, was
        plan = plan.replace(was, now)
    spec = project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": ILL, "k": DAYS})
    found = decide(spec)
    return found.result, {name: values[found.world.case] for name, values in table.items()}


@pytest.mark.parametrize(
    ("formula", "by_hand"),
    [
        ("12 * mean(value)", lambda value, rows: 12 * value.mean()),
        ("sum(value) / sum(size)", lambda value, rows: value.sum() / rows["size"].sum()),
        ("mean(value, ill)", lambda value, rows: value[rows["ill"]].mean()),
        ("mean(value > 4)", lambda value, rows: (value > 4).mean()),
        ("quantile(value, 0.25)", lambda value, rows: np.sort(value)[int(np.ceil(len(value) / 4)) - 1]),
        ("mean(days) - fee", lambda value, rows: rows["days"].mean() - 2),
    ],
)
def test_a_measure_of_its_own_is_reported_for_every_policy(tmp_path, monkeypatch, formula, by_hand) -> None:
    batch = ("levers:", "decision: {batch: {every: 1 day, cases: 50}}\nlevers:")
    result, rows = decided(
        tmp_path, monkeypatch, batch, ("direction: maximize}", f'direction: maximize, formula: "{formula}"}}')
    )
    value = rows["ill"] * rows["size"]  # nobody is treated
    for name in ("do_nothing", "today", "optimized"):
        row = next(row for row in result["reported"]["policies"] if row["name"] == name)
        assert row["value"] == pytest.approx(by_hand(value, rows))
        assert row["low"] <= row["value"] <= row["high"]


def test_a_measure_that_bends_the_value_of_several_periods_is_said_to_have_no_figure(tmp_path, monkeypatch) -> None:
    over = ("value: ill * size - cost(act)", "value: ill * size - cost(act)\n  over_time: {periods: 2, every: 1 year}")
    result, _ = decided(
        tmp_path, monkeypatch, over, ("direction: maximize}", 'direction: maximize, formula: "mean(value > 4)"}')
    )
    assert result["reported"] is None
    assert any("needs the distribution of a value" in note for note in result["notes"])


def test_a_measure_that_is_no_ratio_is_checked_in_every_group(tmp_path, monkeypatch) -> None:
    limit = "optimizer: {constraints: [{name: long, measure: 'quantile(days, 0.9)', at_most: 5, by: [site]}]}\nmodels:"
    result, rows = decided(tmp_path, monkeypatch, ("models:", limit))
    assert [row["name"] for row in result["checked"]] == ["long (site a)", "long (site b)"]
    for row, site in zip(result["checked"], "ab", strict=True):
        days = np.sort(rows["days"][rows["site"] == site])
        assert row["value"] == pytest.approx(days[int(np.ceil(0.9 * len(days))) - 1])
        assert row["met"] is False


def test_a_figure_of_today_that_is_not_the_plans_is_said(tmp_path, monkeypatch) -> None:
    for current, said in ((99, True), (3, False)):
        result, rows = decided(
            tmp_path / str(current), monkeypatch, ("direction: maximize}", f"direction: maximize, current: {current}}}")
        )
        assert 2.5 < (rows["ill"] * rows["size"]).mean() < 3.5
        assert any(f"the measure is {current} today" in note for note in result["notes"]) is said


def test_what_if_and_the_sensitivity_move_a_constant_in_the_terms_that_models_read_too(tmp_path, monkeypatch) -> None:
    model = Chance("ill", ("load", "act"), lambda load, act: np.where(act == "treat", load / 200, load / 100))
    plan = dedent(PLAN)
    for was, now in (
        ("fee: 2", "fee: {value: 2, low: 1, high: 4}"),
        ("value: ill * size - cost(act)", "value: -ill * size - cost(act)"),
        ("ill: {column: ill, type: binary, affected_by: []}", "ill: {column: ill, type: binary, affected_by: [act]}"),
        ("predicts: ill, inputs: [size]", "predicts: ill, inputs: [load, act]"),
    ):
        assert plan.count(was) == 1
        plan = plan.replace(was, now)
    size = np.random.default_rng(3).uniform(1, 9, 2_000).round(3)
    table = {"size": size, "site": np.full(2_000, "a"), "share": np.ones(2_000), "ill": size > 4, "days": size}
    spec = project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": model, "k": DAYS})
    found = decide(spec)
    size = size[found.world.case]

    def worth(fee: float, treat: np.ndarray) -> float:
        return float(np.where(treat, -(size**2) * fee / 200 - 1, -(size**2) * fee / 100).mean())

    for fee in (2.0, 6.0):
        values = what_if(spec, {"fee": str(fee)})["values"]
        assert values["do_nothing"] == pytest.approx(worth(fee, np.zeros(len(size), bool)))
        assert values["optimized"] == pytest.approx(worth(fee, size**2 * fee / 200 > 1))
    [row] = found.result["sensitivity"]
    for end, gain, refitted in zip((1.0, 4.0), row["gain"], row["refitted"], strict=True):
        today = worth(end, np.zeros(len(size), bool))
        assert gain == pytest.approx(worth(end, size**2 * 2 / 200 > 1) - today)
        assert refitted == pytest.approx(worth(end, size**2 * end / 200 > 1) - today)


# Outcomes, levers, logs.


def test_a_cost_may_be_a_formula_without_a_column() -> None:
    second = """
  - {name: dose, type: integer, minimum: 0, maximum: 2, cost: dose * fee, policies: {do_nothing: 0}}
data:"""
    problem = changed(("\ndata:", second), ("- cost(act)", "- cost(act) - cost(dose)"))
    dose, act = problem.settings["dose"], problem.settings["act"]
    for cases in (CASES, {name: values[:1] for name, values in CASES.items()}):
        want = cases["size"][:, None] ** 2 / 10 - (act == "treat") - 2 * dose
        np.testing.assert_allclose(value(problem, cases=cases), want)
        beliefs = told(problem)(cases, problem.settings)
        assert set(policy.reference(problem, "accuracy_first", cases, beliefs)["dose"].tolist()) == {0}


def test_bins_are_ordered_classes_and_uniform_within() -> None:
    share = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])
    edges = [0.0, 10.0, 20.0, 60.0]
    found = distribution({"type": "number", "edges": edges}, np.log(share)).quantiles
    np.testing.assert_allclose(found.mean(axis=1), share @ [5, 15, 40], rtol=0.01)
    for at, below in ((4.0, share[:, 0] * 0.4), (20.0, share[:, :2].sum(axis=1)), (50.0, 1 - share[:, 2] / 4)):
        np.testing.assert_allclose((found < at).mean(axis=1), below, atol=0.011)


def test_a_rankings_policy_is_a_score_the_highest_first(tmp_path, monkeypatch) -> None:
    spec, _, table = shop(tmp_path, monkeypatch, visits=30)
    found = decide(spec)
    shelves = found.actions["today"]["shelf"].reshape(found.world.count, -1)
    sales = np.where(table["in_stock"], table["sales"], -np.inf)  # the limits hold for every policy
    first = np.argsort(-sales, kind="stable")[:3]
    for shelf in shelves:
        assert [int(place) for place in shelf[first]] == [1, 2, 3]
        assert (np.delete(shelf, first) == 0).all()


def test_only_the_rows_that_the_history_names_say_something_about_a_policy(tmp_path, monkeypatch) -> None:
    stream = np.random.default_rng(8)
    n = 6_000
    trial = np.arange(n) % 3 == 0
    did = np.where(stream.random(n) < np.where(trial, 0.5, 0.9), "treat", "rest")
    size = stream.uniform(1, 9, n)
    ill = stream.random(n) < np.where(did == "treat", 0.2, 0.5)
    plan = dedent(PLAN)
    for was, now in (
        ("value: ill * size - cost(act)", "value: -ill * 10"),
        ("ill: {column: ill, type: binary, affected_by: []}", "ill: {column: ill, type: binary, affected_by: [act]}"),
        ("share: number}", "did: {type: category, role: logged}, trial: {type: boolean, role: logged}}"),
        ("    policies:", "    history: {kind: randomised, column: did, propensity: 0.5, rows: trial}\n    policies:"),
        ("inputs: [size]}\n  - {name: k", "inputs: [size, act]}\n  - {name: k"),
    ):
        assert plan.count(was) == 1, was
        plan = plan.replace(was, now)
    table = {"size": size, "site": np.full(n, "a"), "did": did, "trial": trial, "ill": ill, "days": size}
    model = Chance("ill", ("size", "act"), lambda size, act: np.full(len(size), 0.3))
    found = decide(project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": model, "k": DAYS}))
    rows = found.world.case[trial[found.world.case]]
    logged = found.result["logged"]["do_nothing"]
    assert logged["logged_cases"] == len(rows)
    weight = (did[rows] == "rest") / 0.5
    assert logged["estimates"]["ips"]["value"] == pytest.approx((weight * ill[rows] * -10).mean())
    assert logged["estimates"]["snips"]["value"] == pytest.approx((weight * ill[rows] * -10).sum() / weight.sum())
    assert next(row for row in found.result["policies"] if row["name"] == "do_nothing")["label"] == "causal"


def test_only_rows_in_which_the_outcome_is_observed_are_trained_on(tmp_path, monkeypatch) -> None:
    from drivetrain.training import rows

    n = 300
    size = np.linspace(1, 9, n)
    table = {"size": size, "site": np.full(n, "a"), "share": np.ones(n), "ill": size > 4, "days": size}
    plan = dedent(PLAN).replace(
        "type: binary, affected_by: []}", "type: binary, affected_by: [], observed_when: (size > 3) & (fee == 2)}"
    )
    spec = project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": ILL, "k": DAYS})
    assert sorted(rows(spec, spec.model("m"))["size"]) == size[size > 3].tolist()
    assert len(rows(spec, spec.model("k"))) == n


def test_a_scenario_on_what_a_cost_or_a_models_term_reads_is_not_idle() -> None:
    from drivetrain.rules import judge

    plan = dedent(PLAN).replace("models:", "simulator: {scenarios: [{name: dear, set: {fee: fee * 2}}]}\nmodels:")
    head, models = plan.split("simulator:", 1)
    simulator, models = models.split("models:", 1)
    plan = head + "models:" + models + "simulator:" + simulator

    def idle(text: str) -> bool:
        return any(finding.id == "DT505" for finding in judge(load_text(text)))

    assert idle(plan), "nothing uses the fee"
    assert not idle(plan.replace("predicts: ill, inputs: [size]", "predicts: ill, inputs: [load]"))
    priced = "{name: dose, type: integer, minimum: 0, maximum: 3, cost: dose * fee, policies: {do_nothing: 0}}"
    costly = plan.replace("\ndata:", f"\n  - {priced}\ndata:")
    assert idle(costly)
    assert not idle(costly.replace("- cost(act)", "- cost(act) - cost(dose)"))
    spec = load_text(costly.replace("- cost(act)", "- cost(act) - cost(dose)"))
    assert spec.derived.uses("value").constants == ("fee",)


@pytest.mark.parametrize("task", ["table-classification", "table-regression"])
def test_bins_make_a_number_learnable_for_a_classifier(tmp_path, monkeypatch, task) -> None:
    from drivetrain.training import classes, rows
    from drivetrain.training.heads import bins

    size = np.linspace(0.5, 9, 200)
    table = {"size": size, "site": np.full(200, "a"), "share": np.ones(200), "ill": size > 4, "days": size}
    plan = dedent(PLAN).replace(
        "days: {column: days, type: number,", "days: {column: days, type: number, bins: [1, 4, 9],"
    )
    plan = plan.replace("name: k, task: table-regression", f"name: k, task: {task}")
    spec = project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": ILL, "k": DAYS})
    frame = rows(spec, spec.model("k"))
    assert classes(spec, "days", frame) == ["1 to 4", "4 to 9"]
    truth = bins.targets(spec, "days", frame)
    np.testing.assert_allclose(truth[:, 2], size)
    np.testing.assert_array_equal(truth[:, 0] == 1, size < 4)
    if task == "table-classification":
        assert (frame["days"] == np.where(size < 4, "1 to 4", "4 to 9")).all()
    else:
        np.testing.assert_allclose(frame["days"], size)
