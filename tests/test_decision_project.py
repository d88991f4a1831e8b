"""`decide` on whole plans: data in files, models that are asked, evidence that is written."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest
from worlds import CHURN, PRICING, customers, leaving, pricing_truth, pricing_world, quotes, sigmoid

from drivetrain import artifact, evidence, load_spec, policy
from drivetrain.decision import decide, what_if
from drivetrain.errors import DataError, PolicyError
from drivetrain.spec import load_text


class Real:
    """The world's own mechanism in place of a trained model."""

    def __init__(self, model):
        self.inputs, self.predict = model.inputs, model.predict
        self.manifest = {}


def project(root, monkeypatch, plan, file, table, models):
    """A trained project: the plan, its data, and models that know the truth."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    pq.write_table(pa.table(table), root / file)
    for name in models:
        folder = root / "artifacts" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    monkeypatch.setattr(artifact, "load", lambda folder, root=None: Real(models[folder.name]))
    return load_spec(root)


@pytest.fixture
def churn(tmp_path, monkeypatch):
    def make(plan=CHURN, count=4_000, **columns):
        table = {**customers(count, 4), **columns}
        model = SimpleNamespace(inputs=("end", "calls", "margin", "offer"))
        from worlds import Chance

        model = Chance("churned", model.inputs, leaving)
        return project(tmp_path, monkeypatch, plan, "c.parquet", table, {"leaving": model})

    return make


def test_a_randomised_log_gives_causal_figures_pictures_and_a_policy_for_the_service(churn):
    spec = churn()
    decided = decide(spec)
    result = evidence.read(spec.root, "decide").result
    assert {row["label"] for row in result["policies"]} == {"causal"}
    assert {"policies", "curve", "uplift", "tradeoff"} <= set(result["pictures"])
    for path in result["pictures"].values():
        assert (spec.root / path).read_bytes().startswith(b"\x89PNG")
    [capacity] = result["constraints"]
    assert capacity["value"] == pytest.approx(400, rel=0.15)
    assert capacity["price"] > 0
    gains = result["uplift"]["gain"]
    assert max(gains) > gains[-1], "calling everybody is worse than calling those whom it helps"
    # The service reads the policy that was written and, for one case, chooses the same.
    written = policy.read(spec.root / "artifacts" / "policy.json")
    problem = policy.problem(spec)
    for row in range(20):
        cases = {name: values[row : row + 1] for name, values in decided.world.columns.items()}
        beliefs = {name: belief.rows(row, row + 1) for name, belief in decided.world.beliefs.items()}
        [choice] = policy.decide(problem, written, cases, beliefs)
        assert choice.setting == decided.actions["optimized"]["offer"][row]


def test_what_was_done_is_judged_by_what_came_of_it_and_not_weighed(churn):
    spec = churn()
    decided = decide(spec)
    used, world = decided.world.log.used["offer"], decided.world
    kept = np.where(world.truth["churned"], 0.0, world.columns["margin"]) - np.where(used == "call", 6.0, 0.0)
    today = decided.result["logged"]["today"]
    for method in ("ips", "snips", "dr"):
        assert today["estimates"][method]["value"] == pytest.approx(kept.mean())
    assert today["effective_size"] == pytest.approx(len(kept))


def test_the_uplift_curve_leaves_out_whom_nobody_may_call(churn):
    found = decide(churn()).result["uplift"]
    # Everybody who consents is called at its end: then the gain is the mean effect on them, which the world knows.
    table = customers(4_000, 4)
    effect = [leaving(table["end"], table["calls"], table["margin"], np.full(4_000, o)) for o in ("nothing", "call")]
    gain = ((effect[0] - effect[1]) * table["margin"] - 6)[table["consent"]]
    assert found["gain"][-1] == pytest.approx(gain.mean(), abs=12)
    assert max(found["gain"]) > found["gain"][-1] + 5


def test_a_log_made_by_people_names_the_experiment_that_would_make_it_causal(churn):
    spec = churn(CHURN.replace("kind: randomised", "kind: human"))
    decide(spec)
    result = evidence.read(spec.root, "decide").result
    assert "causal" not in {row["label"] for row in result["policies"]}
    assert result["experiment"]["lever"] == "offer"
    assert result["experiment"]["cases"] > 0
    compile((spec.root / "evidence" / "experiment.py").read_text(), "experiment.py", "exec")
    assert any("experiment.py" in note for note in result["notes"])


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("randomised", {"causal"}),
        ("rule", {"not causal", "model-based"}),
        ("human", {"not causal", "model-based"}),
        ("constant", {"not causal", "model-based"}),
    ],
)
def test_what_a_log_can_say_of_other_policies_follows_from_how_settings_came_about(churn, kind, labels):
    plan = CHURN.replace("kind: randomised", f"kind: {kind}")
    called = {"offered": ["nothing"] * 1_000} if kind == "constant" else {}
    result = decide(churn(plan, count=1_000, **called)).result
    assert {row["label"] for row in result["policies"]} <= labels


def test_a_setting_that_the_log_never_shows_is_not_chosen_unless_the_plan_allows_it(churn):
    plan = CHURN.replace("call: {cost: 6}}", "call: {cost: 6}, gift: {cost: 0}}")
    spec = churn(plan)
    # The mechanism calls a gift as good as a call, and it costs nothing.
    artifact_load = artifact.load

    def gifted(folder, root=None):
        real = artifact_load(folder)
        inner = real.predict
        real.predict = lambda cases: inner(
            {**cases, "offer": ["call" if offer == "gift" else offer for offer in cases["offer"]]}
        )
        return real

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact, "load", gifted)
        shares = next(row for row in decide(spec).result["policies"] if row["name"] == "optimized")["shares"]
        assert "gift" not in shares
        result = evidence.read(spec.root, "decide").result
        assert any("extrapolate" in note for note in result["notes"])
        (spec.root / "drivetrain.yaml").write_text(plan.replace("optimizer: {", "optimizer: {extrapolate: true, "))
        allowed = decide(load_spec(spec.root)).result["policies"]
        assert "gift" in next(row for row in allowed if row["name"] == "optimized")["shares"]


def test_a_scenario_moves_the_chance_of_leaving_and_not_the_draws(churn):
    scenario = "simulator: {scenarios: [{name: rival campaign, set: {churned: 'min(1, churned * 1.5)'}}]}\noptimizer:"
    spec = churn(CHURN.replace("optimizer:", scenario))
    decided = decide(spec)
    [row] = decided.result["scenarios"]
    cases = {name: np.asarray(values) for name, values in decided.world.cases.items()}
    chance = np.minimum(
        1, 1.5 * leaving(cases["end"], cases["calls"], cases["margin"], np.full(len(cases["end"]), "nothing"))
    )
    assert row["values"]["do_nothing"] == pytest.approx(((1 - chance) * cases["margin"]).mean())


def test_a_zero_propensity_stops_with_its_count(churn):
    propensity = np.full(4_000, 0.3)
    propensity[:] = 0
    spec = churn(p_offered=propensity)
    with pytest.raises(Exception, match="propensity is 0 or less"):
        decide(spec)
    assert not (spec.root / "evidence" / "decide.json").exists()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.3, -0.2])
def test_a_prediction_that_is_no_probability_stops_before_anything_is_written(churn, wrong):
    def broken(**cases):
        return np.where(np.arange(len(cases["end"])) % 50 == 0, wrong, leaving(**cases))

    spec = churn(count=600)
    from worlds import Chance

    with pytest.MonkeyPatch.context() as patch:
        model = Chance("churned", ("end", "calls", "margin", "offer"), broken)
        patch.setattr(artifact, "load", lambda folder, root=None: Real(model))
        with pytest.raises(PolicyError, match=r"churned: the prediction is (NaN|no probability).* for 5 of 120 cases"):
            decide(spec)
    assert not (spec.root / "artifacts" / "policy.json").exists()
    assert not (spec.root / "evidence").exists()


def test_figures_are_taken_from_no_propensity_that_cannot_be_right(churn):
    missing = np.where(np.arange(600) % 9, customers(600, 4)["p_offered"], np.nan)
    with pytest.raises(DataError, match=r"propensity is missing in \d+ of 120"):
        decide(churn(count=600, p_offered=missing))


def test_propensities_by_which_there_are_more_cases_than_there_are_make_nothing_causal(churn):
    """A density typed where a probability belongs, or a share of a share: weights then mean more cases than exist."""
    result = decide(churn(count=600, p_offered=np.full(600, 1e-6))).result
    rows = {row["name"]: row for row in result["policies"]}
    assert rows["optimized"]["label"] == rows["do_nothing"]["label"] == "model-based"
    assert abs(rows["optimized"]["value"]) < 300
    assert any(note.startswith("The propensities cannot be right") for note in result["notes"])


def test_settings_that_the_plan_does_not_know_are_left_out_or_named(churn):
    offered = customers(600, 4)["offered"].astype("<U8")
    offered[::10] = "letter"
    result = decide(churn(CHURN.replace("      today: {column: offered}\n", ""), count=600, offered=offered)).result
    assert any("had `offer` at `letter`, which the plan does not know" in note for note in result["notes"])


def test_a_log_of_other_settings_than_the_plan_s_is_no_log(churn):
    with pytest.raises(DataError, match=r"the log holds `letter`, and none of the settings `call`, `nothing`"):
        decide(churn(count=600, offered=np.full(600, "letter")))


def test_where_nothing_matters_nothing_is_gained_and_the_log_says_so(churn):
    result = decide(churn(CHURN.replace("cost: 6", "cost: 0"), count=600, margin=np.zeros(600))).result
    assert {row["value"] for row in result["policies"]} == {0.0}
    assert all(row["value"] == row["low"] == row["high"] == 0 for row in result["differences"])


def test_what_one_more_in_a_limit_is_worth_is_what_it_brings():
    """A limit that is a ratio: a wider bound gives room to every case that it counts, and to no other."""
    from worlds import Chance, churn_world

    from drivetrain.decision.compare import compare, priced

    def limited(bound):
        measure = "mean(margin, offer == 'call')"
        plan = dedent(CHURN).replace("sum(offer == 'call')", measure).replace("at_most: 400", f"at_most: {bound}")
        problem = policy.problem(load_text(plan))
        model = Chance("churned", ("end", "calls", "margin", "offer"), leaving)
        return problem, churn_world(problem, customers(10_000, 3), model)

    problem, world = limited(180)
    [row] = compare(problem, world, world).result["constraints"]
    assert row["price"] > 0
    wider, tighter = (priced(*limited(bound), None)[1].bound for bound in (183, 177))
    assert row["relaxed"] == pytest.approx((wider - tighter) / 6, rel=0.1)


def test_a_reworded_objective_or_another_owner_makes_nothing_stale(churn):
    spec = churn(count=1_000)
    decide(spec)
    text, fresh = (spec.root / "drivetrain.yaml").read_text(), evidence.read(spec.root, "decide")

    def changed(was: str, now: str) -> list[str]:
        assert text.count(was) == 1
        (spec.root / "drivetrain.yaml").write_text(text.replace(was, now))
        plan = load_spec(spec.root)
        found = [path for path, digest in fresh.reads.items() if plan.digest(path) != digest]
        assert policy.fits(policy.read(spec.root / "artifacts" / "policy.json"), plan) == found
        return found

    assert changed("Keep the margin of customers whom a call really keeps.", "Keep whom a call keeps.") == []
    assert changed("    limits: [", "    owner: Ann\n    limits: [") == []
    assert changed("name: Retention call", "name: Retention cal") == []
    assert changed("call: {cost: 6}}", "call: {cost: 7}}") == ["levers.offer.options"]
    assert changed("(1 - churned) * margin", "(1 - churned) * margin * 2") == ["objective.value"]
    assert changed("at_most: 400", "at_most: 300") == ["optimizer"]
    other = "\n  - {name: gift, type: options, options: [no_gift, pen], policies: {do_nothing: no_gift}}\ndata:"
    assert "levers[*].name" in changed("\ndata:", other)


def test_what_if_changes_nothing_on_disk_and_refuses_what_is_not_there(churn):
    spec = churn(count=1_000)
    before = sorted(path.name for path in spec.root.rglob("*"))
    values = what_if(spec, {"offer": "nothing"})["values"]
    assert values["offer=nothing"] == pytest.approx(values["do_nothing"])
    assert sorted(path.name for path in spec.root.rglob("*")) == before
    with pytest.raises(PolicyError, match="none of its settings"):
        what_if(spec, {"offer": "shout"})
    with pytest.raises(PolicyError, match="no lever, constant or column"):
        what_if(spec, {"ofer": "call"})


def test_what_if_says_what_looks_better_only_because_it_breaks_a_limit(churn):
    plan = CHURN.replace("at_most: 400", "at_most: 20").replace("where(end >= 1", "where(calls < -1")
    spec = churn(plan=plan, count=1_000)
    found = what_if(spec, {"offer": "nothing"})
    values = found["values"]
    outdone = [name for name in values if values[name] > values["optimized"]]
    assert outdone
    assert [note.split("`")[1] for note in found["notes"]] == outdone
    assert all("breaks a limit that this one keeps: call capacity would be" in note for note in found["notes"])


def test_a_price_is_chosen_over_five_years_and_the_service_agrees(tmp_path, monkeypatch):
    table = quotes(400, 6)
    stream = np.random.default_rng(3)
    price = table["tariff"] * stream.uniform(0.75, 1.25, 400)
    demand, cost, loyalty = pricing_truth()
    table["accepted"] = stream.random(400) < demand.function(table["age"], table["rival"], price)
    table["claims"] = [
        float(c) if a else None
        for c, a in zip(cost.function(table["age"]) * stream.gamma(0.8, 1.25, 400), table["accepted"], strict=True)
    ]
    table["renewed"] = [bool(stream.random() < 0.8) if a else None for a in table["accepted"]]
    table["quoted"] = price
    plan = PRICING.replace(
        "policies: {do_nothing: {column: tariff}}",
        "policies: {do_nothing: {column: tariff}, today: {column: quoted}}\n"
        "    history: {kind: randomised, column: quoted, propensity: 0.004}",
    ).replace("rival: number}", "rival: number, quoted: {type: number, role: logged}}")
    models = {"demand": demand, "cost": cost, "loyalty": loyalty}
    spec = project(tmp_path, monkeypatch, plan, "q.parquet", table, models)
    decided = decide(spec)
    rows = {row["name"]: row for row in decided.result["policies"]}
    assert rows["optimized"]["value"] > rows["do_nothing"]["value"]
    assert rows["optimized"]["label"] == "model-based", "one logged year is not five"
    written, problem = policy.read(tmp_path / "artifacts" / "policy.json"), policy.problem(spec)
    cases = {name: np.asarray(values)[:5] for name, values in decided.world.cases.items() if name}
    choices = policy.decide(problem, written, cases, {}, list(models.values()))
    assert [choice.levers["price"] for choice in choices] == decided.actions["optimized"]["price"][:5].tolist()
    # How far the share of the market may be pressed is drawn also where prices are searched.
    trade = decided.result["tradeoff"]
    assert trade["name"] == "market share"
    values = [point["value"] for point in sorted(trade["points"], key=lambda point: point["bound"])]
    assert len(values) >= 4
    assert values == sorted(values, reverse=True), "a higher share is never worth more"
    assert (tmp_path / decided.result["pictures"]["tradeoff"]).read_bytes().startswith(b"\x89PNG")
    assert what_if(spec, {"price": "400"})["values"]["price=400"] < rows["optimized"]["value"]
    notes = what_if(spec, {"price": "95"})["notes"]
    assert [note.split(";")[0].split(" only")[0] for note in notes] == [
        "`price` goes from 180 to 2400 in the plan",
        f"The log shows `price` at {price.min():g} to {price.max():g}",
        "The limits allow it in 0% of the cases",
    ]


WHERE = ["here", "threads", "processes", pytest.param("dask", marks=pytest.mark.full)]


@pytest.mark.parametrize("where", WHERE)
def test_the_figures_are_the_same_wherever_they_are_simulated(tmp_path, monkeypatch, where):
    """Prices over five years in two worlds, in parts of 30 cases; nothing differs, to the last digit."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack

    from drivetrain import policy as room
    from drivetrain.decision import simulator
    from drivetrain.decision.compare import compare
    from drivetrain.workers import pool

    monkeypatch.setattr(simulator, "CELLS", 1)
    monkeypatch.setattr(simulator, "LEAST", 30)
    shock = "simulator: {scenarios: [{name: price war, set: {rival: rival * 0.9}, weight: 0.3}]}\n"
    problem = room.problem(load_text(dedent(PRICING) + shock))
    fitted, judged = (pricing_world(problem, quotes(80, seed), pricing_truth()) for seed in (1, 2))
    expected = compare(problem, fitted, judged)
    with ExitStack() as stack:
        if where == "dask":
            from distributed import LocalCluster

            local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            made = pool(None, stack.enter_context(local).scheduler_address)
        elif where == "threads":
            made = ThreadPoolExecutor(2)
        else:
            made = pool(1 if where == "here" else 2)
        executor = stack.enter_context(made)
        worlds = [replace(world, executor=executor) for world in (fitted, judged)]
        found = compare(problem, *worlds)
    assert found.result == expected.result
    assert (found.actions["optimized"]["price"] == expected.actions["optimized"]["price"]).all()
    # In one part the same prices are chosen.
    monkeypatch.setattr(simulator, "LEAST", 1_000)
    whole = compare(problem, fitted, judged)
    assert (whole.actions["optimized"]["price"] == expected.actions["optimized"]["price"]).all()


def test_a_group_that_is_missing_in_a_part_keeps_its_limit(monkeypatch):
    from drivetrain import policy as room
    from drivetrain.decision import simulator

    plan = dedent(PRICING).replace("at_least: 0.30}", "at_least: 0.30, by: [side]}")
    plan = plan.replace("rival: number}", "rival: number, side: {type: category, values: [north, south]}}")
    problem = room.problem(load_text(plan))
    world = pricing_world(problem, quotes(60, 1), pricing_truth())
    world = replace(world, columns={**world.columns, "side": np.array(["north"] * 40 + ["south"] * 20)})
    whole = room.consider(problem, world.cases, world.ask)
    monkeypatch.setattr(simulator, "CELLS", 1)
    monkeypatch.setattr(simulator, "LEAST", 20)
    found = simulator.consider(problem, world)
    assert found.names == whole.names == ("market share (side north)", "market share (side south)")
    # A part of cases that are sure earlier is searched in fewer steps; what is best is the same.
    for one in (found, whole):
        assert (one.uses[1, :40] == 0).all()
        assert (one.uses[0, 40:] == 0).all()
    assert (found.action(found.choose({}))["price"] == whole.action(whole.choose({}))["price"]).all()


def test_one_renewal_written_out_by_hand():
    """Two periods, price up by a tenth, a case that stays with a chance that depends on the price."""
    from textwrap import dedent

    from worlds import Chance

    from drivetrain.spec import load_text

    plan = """
    drivetrain: 1
    project: {name: Two years}
    objective:
      statement: Earn.
      value: buys * price
      over_time: {periods: 2, every: 1 year, discount: 0.5, continues: buys, next: {price: price * 1.1}}
    levers: [{name: price, type: range, minimum: 1, maximum: 3, step: 1}]
    data:
      - name: people
        kind: table
        location: p.csv
        columns: {age: number}
        outcomes: {buys: {column: b, type: binary, affected_by: [price]}}
    models: [{name: m, task: table-classification, predicts: buys}]
    """
    problem = policy.problem(load_text(dedent(plan)))
    ask = policy.modeler(problem, [Chance("buys", ("age", "price"), lambda age, price: sigmoid(1 - price + age))])
    cases = {"age": np.array([0.0, 0.5])}
    got = policy.worth(problem, cases, ask, problem.settings)
    for i, age in enumerate((0.0, 0.5)):
        for j, price in enumerate((1.0, 2.0, 3.0)):
            first, second = sigmoid(np.array(1 - price + age)), sigmoid(np.array(1 - 1.1 * price + age))
            assert got[i, j] == pytest.approx(first * price + first * second * 1.1 * price / 1.5)
    # Drawn paths agree with the exact recursion.
    from drivetrain.policy.horizon import paths

    drawn = paths(problem, cases, ask, problem.settings).mean(axis=2)
    np.testing.assert_allclose(drawn, got, rtol=0.12)


def test_where_one_model_feeds_another_their_dependence_is_kept():
    """Y is true exactly when X is: the mean of X·Y is the chance of X, not its square."""
    from textwrap import dedent

    from worlds import Chance

    from drivetrain.spec import load_text

    plan = """
    drivetrain: 1
    project: {name: Chain}
    objective: {statement: Chain., value: "where(act == 'go', x * y, 0.2)"}
    levers: [{name: act, type: options, options: [go, wait]}]
    data:
      - name: rows
        kind: table
        location: r.csv
        columns: {a: number}
        outcomes: {x: {column: x, type: binary, affected_by: []}, y: {column: y, type: binary, affected_by: []}}
    models:
      - {name: first, task: table-classification, predicts: x, inputs: [a]}
      - {name: second, task: table-classification, predicts: y, inputs: [x]}
    """
    problem = policy.problem(load_text(dedent(plan)))
    models = [
        Chance("y", ("x",), lambda x: np.asarray(x, dtype=float)),
        Chance("x", ("a",), lambda a: np.asarray(a, dtype=float)),
    ]
    beliefs = policy.beliefs(problem, models, {"a": np.array([0.3, 0.8])})
    got = policy.expectation(problem, problem.value, {}, beliefs)
    np.testing.assert_allclose(got, [[0.3, 0.2], [0.8, 0.2]])
    assert beliefs["y"].mean()[:, 0, 0] == pytest.approx([0.3, 0.8])


def test_fear_of_the_worst_tenth_chooses_the_safe_setting():
    from textwrap import dedent

    from worlds import Chance

    from drivetrain.decision import World
    from drivetrain.decision.compare import fit, optimized
    from drivetrain.spec import load_text

    plan = """
    drivetrain: 1
    project: {name: Fear}
    objective: {statement: Fear., value: "where(act == 'bold', where(bad, -10, 3), 1)"}
    levers: [{name: act, type: options, options: [bold, safe]}]
    data:
      - name: rows
        kind: table
        location: r.csv
        columns: {a: number}
        outcomes: {bad: {column: b, type: binary, affected_by: []}}
    models: [{name: m, task: table-classification, predicts: bad}]
    """

    def chosen(text):
        problem = policy.problem(load_text(dedent(text)))
        belief = policy.Belief(("false", "true"), np.tile([[[0.9, 0.1]]], (50, 1, 1)), binary=True)
        world = World(
            np.arange(50), np.full(50, "test"), {}, {"bad": belief}, {"bad": np.zeros(50, bool)}, np.full(50, 0.02)
        )
        return set(optimized(problem, fit(problem, world), world)["act"].tolist())

    assert chosen(plan) == {"bold"}, "0.9 · 3 - 0.1 · 10 = 1.7 is more than 1"
    assert chosen(dedent(plan) + "optimizer: {risk: {cvar: 0.1}}\n") == {"safe"}, "the worst tenth of `bold` is -10"
    harmless = dedent(plan).replace("where(bad, -10, 3), 1)", "where(bad, 0, 3), 0)")
    harmless += "optimizer: {risk: {cvar: 0.05}}\n"
    assert chosen(harmless) == {"bold"}, "the worst of both is nothing, and the rest of `bold` is better"

    problem = policy.problem(load_text(dedent(plan) + "optimizer: {risk: {cvar: 0.5}}\n"))
    made = policy.written(problem.labels, {}, {}, {}, threshold=1.0)
    (choice,) = policy.decide(problem, made, {"a": [0.1]}, {}, [Chance("bad", ("a",), lambda a: np.asarray(a, float))])
    # 1 + E[min(0, V - 1)] / 0.5, by hand: -10 in one case of ten.
    assert choice.values == pytest.approx({"bold": 1 - 11 * 0.1 / 0.5, "safe": 1.0}, abs=1e-5)
    assert choice.reasons[0] == "by its worst results worth 2.2 value/case more than bold"
    assert "no expected values" in choice.reasons[1]


@pytest.mark.parametrize("by", ["", ", by: [offer]"])
def test_a_limit_on_those_who_get_a_setting_that_nobody_gets_is_kept(by):
    from worlds import Chance, churn_world

    from drivetrain.decision.compare import compare

    measure = "mean(margin, offer == 'call')" if not by else "mean(margin)"
    plan = dedent(CHURN).replace("sum(offer == 'call')", measure).replace("at_most: 400", f"at_most: 1e9{by}")
    plan = plan.replace("call: {cost: 6}", "call: {cost: 6000}")  # so dear that nobody is called
    problem = policy.problem(load_text(plan))
    model = Chance("churned", ("end", "calls", "margin", "offer"), leaving)
    world = churn_world(problem, customers(500, 3), model)
    rows = {row["name"]: row for row in compare(problem, world, world).result["constraints"]}
    nobody = next(row for name, row in rows.items() if not by or "call" in name)
    assert (nobody["value"], nobody["met"], nobody["state"]) == (None, True, "met")
