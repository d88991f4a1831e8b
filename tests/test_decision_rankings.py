"""Rankings: which items a case is shown, in which order cases wait, and the same in service as offline."""

from __future__ import annotations

import itertools
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Chance, sigmoid

from drivetrain import artifact, evidence, load_spec, policy
from drivetrain.decision import World, decide, what_if
from drivetrain.decision.compare import fit, optimized, worth
from drivetrain.errors import DrivetrainError, PolicyError
from drivetrain.policy.problem import Ranking
from drivetrain.policy.ranking import places, queue
from drivetrain.spec import load_text

SHELF = """
drivetrain: 1
project: {name: Shelf}
objective:
  statement: Sell what would not have been sold anyway.
  measure: {name: margin, unit: EUR/visit, direction: maximize}
  value: margin * buy
  guardrails: [{name: small publishers, measure: "mean(small, shelf > 0)", at_least: 0.3}]
decision: {unit: visit, cases: visits, batch: {every: 1 day, cases: 100}}
levers:
  - name: shelf
    type: ranking
    of: books
    slots: 3
    attention: [1.0, 0.6, 0.3]
    limits: ["(shelf == 0) | in_stock"]
    policies: {do_nothing: "0", today: {formula: sales}, simple_rule: {formula: margin}}
data:
  - name: visits
    kind: table
    location: visits.parquet
    entity: reader
    columns: {taste: number}
    split: {by: random, validation: 0.3, test: 0.3}
  - name: books
    kind: table
    location: books.parquet
    entity: isbn
    columns: {margin: number, small: boolean, in_stock: boolean, sales: number, weight: number}
  - name: impressions
    kind: table
    location: impressions.parquet
    outcomes: {buy: {column: bought, type: binary, affected_by: [shelf]}}
    join: [{data: visits, on: reader}, {data: books, on: isbn}]
models: [{name: sales_model, task: table-classification, predicts: buy, inputs: [taste, weight, shelf]}]
"""


def buying(taste, weight, shelf):
    """Some books sell anyway, and showing them adds little; some are harmed by being shown."""
    return sigmoid(-2 + 0.5 * taste * weight + (np.asarray(shelf, dtype=float) > 0) * (0.9 + weight - 0.4 * taste))


def shop(root, monkeypatch, plan=SHELF, visits=60, books=8, **changed):
    """A trained project whose model knows the truth."""
    stream = np.random.default_rng(2)
    readers = [f"r{i}" for i in range(visits)]
    pq.write_table(pa.table({"reader": readers, "taste": stream.normal(size=visits)}), root / "visits.parquet")
    table = {
        "isbn": [f"b{i}" for i in range(books)],
        "margin": np.append(stream.uniform(2, 9, books - 1), 0.5),
        "small": [i == books - 1 for i in range(books)],
        "in_stock": [i != 0 for i in range(books)],
        "sales": stream.integers(0, 99, books).astype(float),
        "weight": stream.normal(size=books),
    }
    table |= changed
    pq.write_table(pa.table(table), root / "books.parquet")
    pq.write_table(pa.table({"reader": readers[:2], "isbn": table["isbn"][:2], "bought": [True, False]}),
                   root / "impressions.parquet")  # fmt: skip
    (root / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    folder = root / "artifacts" / "sales_model"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    model = Chance("buy", ("taste", "weight", "shelf"), buying)
    monkeypatch.setattr(artifact, "load", lambda folder, root=None: model)
    return load_spec(root), model, table


def best_by_trying(weights, gain, burden, may):
    """The most that any injective assignment of items to places gives."""
    best, items = 0.0, np.flatnonzero(may)
    for size in range(min(len(weights), len(items)) + 1):
        for chosen in itertools.permutations(items, size):
            for at in itertools.combinations(range(len(weights)), size):
                best = max(best, sum(weights[a] * gain[i] - burden[i] for i, a in zip(chosen, at, strict=True)))
    return best


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_shelf_is_filled_as_well_as_trying_every_arrangement_would(items, slots, priced, seed):
    stream = np.random.default_rng(seed)
    attention = tuple(np.round(stream.random(slots), 1)) if stream.random() < 0.7 else ()
    ranking = Ranking("shelf", "books", "isbn", slots, attention)
    gain, burden = np.round(stream.normal(size=(2, 3, items)), 1)
    burden, may = burden * priced, stream.random((3, items)) < 0.8
    found, weights = places(ranking, gain, burden, may), ranking.weights(items)
    for row in range(3):
        shown = found[row] > 0
        assert not shown[~may[row]].any()
        assert len(set(found[row][shown])) == shown.sum(), "no two items stand in one place"
        got = sum(weights[int(p) - 1] * gain[row, i] - burden[row, i] for i, p in enumerate(found[row]) if p)
        assert got == pytest.approx(best_by_trying(weights, gain[row], burden[row], may[row]), abs=1e-9)


def test_a_shelf_shows_what_gains_by_being_shown_and_not_what_sells_anyway(tmp_path, monkeypatch):
    spec, _, table = shop(tmp_path, monkeypatch, SHELF.replace("at_least: 0.3", "at_least: 0"))
    decided = decide(spec)
    rows = {row["name"]: row for row in decided.result["policies"]}
    assert rows["optimized"]["value"] > max(rows[name]["value"] for name in ("do_nothing", "today", "simple_rule"))
    assert {row["label"] for row in rows.values()} == {"model-based"}
    # By hand, for one visit: q(0) + attention · (q(1) - q(0)), greatest gain in the place that is seen most.
    world, place = decided.world, decided.actions["optimized"]["shelf"]
    taste = float(np.asarray(world.inputs["taste"])[0])
    weight, margin = table["weight"], table["margin"]
    without, shown = (margin * buying(taste, weight, np.full(8, at)) for at in (0, 1))
    gain = np.where(table["in_stock"], shown - without, -np.inf)
    order = [item for item in np.argsort(-gain) if gain[item] > 0][:3]
    assert place[: world.width].tolist() == [order.index(i) + 1 if i in order else 0 for i in range(8)]
    by_hand = without.sum() + sum(a * gain[i] for a, i in zip((1.0, 0.6, 0.3), order, strict=False))
    assert decided.values["optimized"][0] == pytest.approx(by_hand)


def test_a_shelf_that_was_drawn_by_lot_scores_any_policy_though_the_model_is_wrong(tmp_path, monkeypatch):
    """Impressions of random shelves, not all kept: the log's figure is near the truth, and the model's is not."""
    plan = SHELF.replace("at_least: 0.3", "at_least: 0")
    plan = plan.replace("simple_rule: {formula: margin}}", "simple_rule: {formula: margin}}\n    history: {kind: "
        "randomised, data: impressions, column: place, propensity: chance}")  # fmt: skip
    plan = plan.replace("location: impressions.parquet", "location: impressions.parquet\n    weight: kept\n"
        "    columns: {place: {type: integer, role: logged}, chance: {type: number, role: logged}}")  # fmt: skip
    spec, _, table = shop(tmp_path, monkeypatch, plan, visits=9_000, books=6)
    stream, count = np.random.default_rng(5), 9_000
    taste = np.random.default_rng(2).normal(size=count)
    attention = np.array([0, 1.0, 0.6, 0.3])
    rows: dict[str, list] = {name: [] for name in ("reader", "isbn", "place", "chance", "kept", "bought")}
    for reader in range(count):
        shelf = stream.permutation(np.arange(1, 6))[:3]  # the first book is out of stock
        for book in range(6):
            place = int(np.flatnonzero(shelf == book)[0]) + 1 if book in shelf else 0
            without, shown = (float(buying(taste[reader], table["weight"][book], at)) for at in (0, 1))
            bought = bool(stream.random() < without + attention[place] * (shown - without))
            if not place and stream.random() < 0.5:
                continue
            chance = 1.0 if book == 0 else 0.2 if place else 0.4
            entry = (f"r{reader}", table["isbn"][book], place, chance, 1.0 if place else 2.0, bought)
            for name, value in zip(rows, entry, strict=True):
                rows[name].append(value)
    pq.write_table(pa.table(rows), tmp_path / "impressions.parquet")

    def wrong(taste, weight, shelf):
        return 0.5 * buying(taste, weight, shelf)

    model = Chance("buy", ("taste", "weight", "shelf"), wrong)
    monkeypatch.setattr(artifact, "load", lambda folder, root=None: model)
    decided = decide(spec)
    found = decided.result["logged"]
    visits = np.unique(decided.world.case)
    for row in decided.result["policies"]:
        place = decided.actions[row["name"]]["shelf"].reshape(-1, 6).astype(int)
        q = [table["margin"] * buying(taste[visits][:, None], table["weight"], at) for at in (0, 1)]
        true = (q[0] + attention[place] * (q[1] - q[0])).sum(axis=1).mean()
        assert row["label"] == "causal"
        # One of five may lie outside its own interval, but not far.
        half = (row["high"] - row["low"]) / 2
        assert abs(row["value"] - true) < 2 * half, row["name"]
        assert abs(row["value"] - true) < 0.1 * true
        assert found[row["name"]]["estimates"]["direct"]["high"] < 0.7 * true, "the model sees half of it"
    ips, doubly = (found["optimized"]["estimates"][method] for method in ("ips", "dr"))
    assert doubly["high"] - doubly["low"] < ips["high"] - ips["low"]


def test_a_guardrail_over_all_shelves_holds_and_its_price_is_told(tmp_path, monkeypatch):
    spec, _, _ = shop(tmp_path, monkeypatch)
    result = decide(spec).result
    [limit] = result["constraints"]
    assert limit["price"] > 0, "the only small publisher is not shown for its own sake"
    assert limit["value"] == pytest.approx(0.3, abs=0.12), "the price comes from other visits than it is judged on"
    assert result["gap"] is not None
    assert result["gap"] <= 0.05 * abs(next(r for r in result["policies"] if r["name"] == "optimized")["value"])


def test_the_service_shows_what_was_decided_offline(tmp_path, monkeypatch):
    spec, model, table = shop(tmp_path, monkeypatch)
    decided = decide(spec)
    problem, written = policy.problem(spec), policy.read(tmp_path / "artifacts" / "policy.json")
    items = policy.read_items(tmp_path / "artifacts" / policy.ITEMS, problem.columns, written.artifacts[policy.ITEMS])
    world, width = decided.world, decided.world.width
    for case in range(world.count):
        at = slice(case * width, (case + 1) * width)
        columns = {"taste": [np.asarray(world.inputs["taste"])[at][0]]}
        [choice] = policy.listed(problem, written, columns, [model], items)
        place = decided.actions["optimized"]["shelf"][at]
        assert choice.levers["shelf"] == [table["isbn"][i] for i in np.argsort(place) if place[i]]
        assert choice.value == pytest.approx(decided.values["optimized"][case])
    assert choice.values["b0"] is None, "out of stock"
    path = tmp_path / "artifacts" / policy.ITEMS
    path.write_text(path.read_text().replace("b1", "b9"))
    with pytest.raises(PolicyError, match="changed after it was made"):
        policy.read_items(path, problem.columns, written.artifacts[policy.ITEMS])


def test_an_item_without_a_price_is_never_shown_and_two_of_one_name_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    spec, _, _ = shop(tmp_path / "a", monkeypatch, margin=[None, *[5.0] * 7])
    assert any("1 of 8 rows of `books`" in note for note in decide(spec).result["notes"])
    spec, _, _ = shop(tmp_path / "b", monkeypatch, isbn=["b1", "b1", *[f"c{i}" for i in range(6)]])
    with pytest.raises(DrivetrainError, match="names two items alike b1"):
        decide(spec)
    assert evidence.read(spec.root, "decide") is None


def test_a_guardrail_that_no_shelf_can_keep_is_named(tmp_path, monkeypatch):
    spec, _, _ = shop(
        tmp_path, monkeypatch, SHELF.replace("mean(small, shelf > 0)", "mean(shelf > 0)").replace("0.3}]", "99}]")
    )
    with pytest.raises(PolicyError, match="small publishers"):
        decide(spec)


def test_what_if_on_a_shelf(tmp_path, monkeypatch):
    spec, _, _ = shop(tmp_path, monkeypatch)
    values = what_if(spec, {"taste": "0"})["values"]
    assert values["optimized"] > values["do_nothing"]


QUEUE = """
drivetrain: 1
project: {name: Ward}
objective:
  statement: Nobody comes to harm while waiting.
  measure: {name: harm, unit: points/case, direction: minimize}
  value: "-where(ill, harm, 1) * order"
decision: {unit: patient, batch: {every: 1 day, cases: 12}}
levers:
  - name: order
    type: ranking
    of: cases
    policies: {do_nothing: "0", today: {formula: "0 - arrived"}}
data:
  - name: people
    kind: table
    location: p.csv
    columns: {harm: number, arrived: number}
    outcomes: {ill: {column: ill, type: binary, affected_by: []}}
models: [{name: m, task: table-classification, predicts: ill}]
"""


def ward(plan=QUEUE, count=12, seed=0):
    """One queue, or several."""
    problem = policy.problem(load_text(dedent(plan)))
    stream = np.random.default_rng(seed)
    chance = stream.random(count)
    belief = policy.Belief(("false", "true"), np.column_stack([1 - chance, chance])[:, None, :], binary=True)
    world = World(
        np.arange(count), np.full(count, "test"),
        {"harm": stream.uniform(1, 50, count), "arrived": np.arange(count, dtype=float)},
        {"ill": belief}, {"ill": stream.random(count) < chance}, np.full(count, 1 / count),
        groups=np.arange(count) // 12,
    )  # fmt: skip
    return problem, world, chance


def test_a_queue_goes_by_the_rate_of_expected_harm():
    problem, world, chance = ward()
    made = fit(problem, world)
    place = optimized(problem, made, world)["order"]
    rate = chance * world.columns["harm"] + (1 - chance)
    assert place.tolist() == (np.argsort(np.argsort(-rate)) + 1).tolist()
    assert made.gap == pytest.approx(0, abs=1e-9), (
        "no order of these twelve is better: an independent assignment says so"
    )


def test_every_queue_has_places_of_its_own_and_realised_harm_is_counted():
    problem, world, _ = ward(count=30)
    place = optimized(problem, fit(problem, world), world)["order"]
    for group in range(3):
        here = place[world.groups == group]
        assert sorted(here) == list(range(1, len(here) + 1))
    by_hand = -np.where(world.truth["ill"], world.columns["harm"], 1) * place
    np.testing.assert_allclose(worth(problem, problem.value, world, {"order": place}), by_hand)


def test_who_may_not_wait_longer_does_not():
    plan = QUEUE.replace("of: cases", 'of: cases\n    limits: ["(arrived > 2) | (order <= 3)"]')
    problem, world, _ = ward(plan)
    place = optimized(problem, fit(problem, world), world)["order"]
    assert set(place[:3]) == {1, 2, 3}


def test_places_for_a_few_go_to_those_who_gain_most():
    plan = QUEUE.replace("of: cases", "of: cases\n    slots: 4").replace(
        "-where(ill, harm, 1) * order", "where(order > 0, 0, -where(ill, harm, 1))"
    )
    problem, world, chance = ward(plan)
    place = optimized(problem, fit(problem, world), world)["order"]
    rate = chance * world.columns["harm"] + (1 - chance)
    assert set(np.flatnonzero(place)) == set(np.argsort(-rate)[:4])


def test_a_queue_in_service_orders_the_cases_of_one_request():
    problem, world, chance = ward()
    made = policy.written(problem.labels, {}, {}, {})
    rows = [3, 8, 5]
    columns = {name: values[rows].tolist() for name, values in world.columns.items()}
    model = Chance("ill", ("arrived",), lambda arrived: chance[np.asarray(arrived, dtype=int)])
    choices = policy.listed(problem, made, columns, [model])
    rate = (chance * world.columns["harm"] + (1 - chance))[rows]
    assert [choice.setting for choice in choices] == [f"{p + 1:g}" for p in np.argsort(np.argsort(-rate))]


def test_limits_of_a_queue_hold_wherever_any_order_keeps_them():
    stream = np.random.default_rng(0)
    for _ in range(200):
        rate, latest = stream.random(5), stream.integers(1, 6, 5)
        possible = any((np.array(p) <= latest).all() for p in itertools.permutations(range(1, 6)))
        if possible:
            assert (queue(rate, latest) <= latest).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("batch: {every: 1 day, cases: 12}", "who: nurse"), "how many wait"),
        (("of: cases", "of: cases\n    attention: [1, 1]"), "attention"),
    ],
)
def test_a_queue_that_cannot_be_ordered_says_why(change, said):
    with pytest.raises(PolicyError, match=said):
        policy.problem(load_text(dedent(QUEUE.replace(*change))))


def test_a_score_that_is_no_number_is_counted():
    problem, world, _ = ward()
    broken = replace(world, columns={**world.columns, "arrived": np.where(np.arange(12) < 2, np.nan, 1.0)})
    with pytest.raises(PolicyError, match="no score for 2 of 12"):
        policy.reference(problem, "today", broken.columns, broken.beliefs)
