"""`decide` where a shelf and a delivery are set together: files, the log of both, evidence, and the service."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds import Chance, sigmoid

from drivetrain import artifact, evidence, load_spec, policy
from drivetrain.decision import decide, what_if
from drivetrain.errors import PolicyError

PLAN = """
drivetrain: 1
project: {name: Shelf}
objective:
  statement: Sell what would not have been sold anyway.
  measure: {name: margin, unit: EUR/visit, direction: maximize}
  constants: {van: {value: 1.5, low: 0.5, high: 3}}
  value: "buy * (margin - where(delivery == 'fast', van, 0))"
decision: {unit: visit, cases: visits, batch: {every: 1 day, cases: 100}}
levers:
  - name: delivery
    type: options
    options: [slow, fast]
    policies: {do_nothing: slow, today: {formula: "where(hurry > 1, 'fast', 'slow')"}, simple_rule: fast}
    history: {kind: randomised, column: sent, propensity: 0.5}
  - name: shelf
    type: ranking
    of: books
    slots: 2
    attention: [1.0, 0.5]
    limits: ["(shelf == 0) | in_stock"]
    policies: {do_nothing: "0", today: {formula: sales}, simple_rule: {formula: margin}}
    history: {kind: randomised, data: impressions, column: place, propensity: chance}
data:
  - name: visits
    kind: table
    location: visits.parquet
    entity: reader
    columns: {hurry: number, sent: {type: category, values: [slow, fast], role: logged}}
    split: {by: random, validation: 0.4, test: 0.4}
  - name: books
    kind: table
    location: books.parquet
    entity: isbn
    columns: {margin: number, in_stock: boolean, sales: number}
  - name: impressions
    kind: table
    location: impressions.parquet
    columns: {place: {type: integer, role: logged}, chance: {type: number, role: logged}}
    outcomes: {buy: {column: bought, type: binary, affected_by: [shelf, delivery]}}
    join: [{data: visits, on: reader}, {data: books, on: isbn}]
models: [{name: m, task: table-classification, predicts: buy, inputs: [hurry, margin, shelf, delivery]}]
"""
VANS = "optimizer: {constraints: [{name: vans, measure: \"mean(buy * (delivery == 'fast'))\", at_most: 0.4}]}\n"
BOOKS = {"isbn": [f"b{i}" for i in range(5)], "margin": [2.0, 3.0, 4.0, 5.0, 9.0], "sales": [5.0, 4.0, 3.0, 2.0, 1.0],
         "in_stock": [True, True, True, True, False]}  # fmt: skip


def buying(hurry, margin, shelf, delivery):
    """Who is in a hurry buys what comes soon; what is cheap sells anyway."""
    soon = np.asarray(delivery).astype(str) == "fast"
    return sigmoid(
        -1.2 - 0.2 * np.asarray(margin) + 1.5 * soon * np.asarray(hurry)
        + (np.asarray(shelf, dtype=float) > 0) * (0.3 * np.asarray(margin) + 0.5 * soon)
    )  # fmt: skip


def shop(root, monkeypatch, plan=PLAN, visits=400, model=buying):
    stream = np.random.default_rng(1)
    hurry = stream.normal(size=visits)
    sent = stream.choice(["slow", "fast"], visits)
    names = [f"r{i}" for i in range(visits)]
    pq.write_table(pa.table({"reader": names, "hurry": hurry, "sent": sent}), root / "visits.parquet")
    pq.write_table(pa.table(BOOKS), root / "books.parquet")
    rows = {name: [] for name in ("reader", "isbn", "place", "chance", "bought")}
    for visit in range(visits):
        shown = stream.permutation(4)[:2]
        for book in range(5):
            place = int(np.flatnonzero(shown == book)[0]) + 1 if book in shown else 0
            chances = [buying(hurry[visit], BOOKS["margin"][book], at, sent[visit]) for at in (0, 1)]
            rate = float(chances[0] + [0, 1.0, 0.5][place] * (chances[1] - chances[0]))
            entry = (names[visit], f"b{book}", place, 1.0 if book == 4 else 0.25 if place else 0.5,
                     bool(stream.random() < rate))  # fmt: skip
            for column, value in zip(rows, entry, strict=True):
                rows[column].append(value)
    pq.write_table(pa.table(rows), root / "impressions.parquet")
    (root / "drivetrain.yaml").write_text(plan, encoding="utf-8")
    folder = root / "artifacts" / "m"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    known = Chance("buy", ("hurry", "margin", "shelf", "delivery"), model)
    monkeypatch.setattr(artifact, "load", lambda folder, root=None: known)
    return load_spec(root), known


def served(root, model, hurry):
    """What the written policy does with some visits."""
    spec = load_spec(root)
    problem, written = policy.problem(spec), policy.read(root / "artifacts" / "policy.json")
    items = policy.read_items(root / "artifacts" / policy.ITEMS, problem.columns, written.artifacts[policy.ITEMS])
    return problem, policy.listed(problem, written, {"hurry": hurry}, [model], items)


@pytest.mark.parametrize("limits", ["", VANS], ids=["free", "with a constraint"])
def test_the_service_shows_and_sends_what_was_decided_offline(limits, tmp_path, monkeypatch):
    spec, model = shop(tmp_path, monkeypatch, PLAN + limits)
    decided = decide(spec)
    world, action = decided.world, decided.actions["optimized"]
    hurry = np.asarray(world.cases["hurry"])[::5].tolist()
    problem, choices = served(tmp_path, model, hurry)
    for case, choice in enumerate(choices):
        place = action["shelf"][5 * case : 5 * case + 5]
        assert choice.levers["delivery"] == action["delivery"][5 * case]
        assert choice.levers["shelf"] == [f"b{i}" for i in np.argsort(place, kind="stable") if place[i] > 0]
        assert choice.value == pytest.approx(decided.values["optimized"][case])
        assert choice.values["b4"] is None, "out of stock"
        assert len(choice.beside) == 2
        assert policy.done(problem, choice.setting) == (
            *(choice.levers["shelf"] or ["nothing shown"]), f"delivery: {choice.levers['delivery']}",
        )  # fmt: skip
    assert {choice.levers["delivery"] for choice in choices} == {"slow", "fast"}
    [limit] = decided.result["constraints"] or [None]
    if limits:
        assert limit["price"] > 0
        assert limit["value"] == pytest.approx(0.4, abs=0.12), "the price comes from other visits"
    shares = next(row["shares"] for row in decided.result["policies"] if row["name"] == "optimized")
    assert shares["delivery: fast"] + shares["delivery: slow"] == pytest.approx(1)
    assert shares["delivery: fast"] == pytest.approx(np.mean([c.levers["delivery"] == "fast" for c in choices]))


def test_a_log_of_shelves_and_deliveries_scores_every_policy_though_the_model_is_wrong(tmp_path, monkeypatch):
    spec, _ = shop(tmp_path, monkeypatch, visits=9_000, model=lambda **told: 0.5 * buying(**told))
    decided = decide(spec)
    hurry = np.asarray(decided.world.cases["hurry"])[::5]
    margin = np.array(BOOKS["margin"])
    for row in decided.result["policies"]:
        action = decided.actions[row["name"]]
        delivery, place = action["delivery"].reshape(-1, 5), action["shelf"].reshape(-1, 5).astype(int)
        q = [buying(hurry[:, None], margin, at, delivery) * (margin - 1.5 * (delivery == "fast")) for at in (0, 1)]
        true = (q[0] + np.array([0, 1.0, 0.5])[place] * (q[1] - q[0])).sum(axis=1).mean()
        assert row["label"] == "causal"
        half = (row["high"] - row["low"]) / 2
        assert abs(row["value"] - true) < 2 * half, row["name"]
        assert half < 0.25 * true
        direct = decided.result["logged"][row["name"]]["estimates"]["direct"]
        assert direct["high"] < 0.7 * true, "the model sees half of it"


def test_a_log_that_does_not_say_how_books_were_sent_scores_no_policy_and_says_so(tmp_path, monkeypatch):
    plan = PLAN.replace("    history: {kind: randomised, column: sent, propensity: 0.5}\n", "")
    spec, _ = shop(tmp_path, monkeypatch, plan)
    result = decide(spec).result
    assert result["logged"] == {}
    assert {row["label"] for row in result["policies"]} == {"model-based"}
    assert any("does not say what `delivery` was set to" in note for note in result["notes"])


def test_the_report_has_a_picture_of_the_delivery_and_what_if_ranks_anew(tmp_path, monkeypatch):
    spec, _ = shop(tmp_path, monkeypatch, PLAN + VANS)
    decided = decide(spec)
    result = evidence.read(tmp_path, "decide").result
    assert result["curve"]["lever"] == "delivery"
    assert result["curve"]["settings"] == ["slow", "fast"]
    assert {"policies", "curve", "sensitivity", "tradeoff"} <= set(result["pictures"])
    [row] = result["sensitivity"]
    assert row["constant"] == "van"
    assert row["refitted"][0] != row["refitted"][1]
    table = pq.read_table(tmp_path / "evidence" / "decisions.parquet").to_pydict()
    assert set(table["setting_optimized_delivery"]) == {"slow", "fast"}
    assert max(table["setting_optimized_shelf"]) <= 2
    assert table["optimized"][0].startswith("delivery: ")
    found = what_if(load_spec(tmp_path), {"delivery": "slow"})["values"]
    assert found["delivery=slow"] <= found["optimized"] + 0.2
    assert found["delivery=slow"] > found["do_nothing"]
    with pytest.raises(PolicyError, match="is an order"):
        what_if(load_spec(tmp_path), {"shelf": "2"})
    assert decided.result["gap"] < 0.05


def test_a_price_beside_a_shelf_is_found_among_all_its_settings(tmp_path, monkeypatch):
    """A range without steps, beside a shelf: the best of 201 settings for every visit, by hand."""
    plan = PLAN.replace("    options: [slow, fast]\n", "    minimum: 0\n    maximum: 2\n    step: none\n").replace(
        "type: options", "type: range").replace("where(delivery == 'fast', van, 0)", "van * delivery").replace(
        "do_nothing: slow, today: {formula: \"where(hurry > 1, 'fast', 'slow')\"}, simple_rule: fast",
        "do_nothing: 0, today: {formula: \"clip(hurry, 0, 2)\"}, simple_rule: 1").replace(
        "    history: {kind: randomised, column: sent, propensity: 0.5}\n", "")  # fmt: skip

    def faster(hurry, margin, shelf, delivery):
        speed = np.sqrt(np.asarray(delivery, dtype=float))
        return sigmoid(-1 + speed * (0.4 + np.asarray(hurry)) + (np.asarray(shelf, dtype=float) > 0) * (0.5 + speed))

    spec, _ = shop(tmp_path, monkeypatch, plan, visits=60, model=faster)
    decided = decide(spec)
    hurry, margin = np.asarray(decided.world.cases["hurry"])[::5], np.array(BOOKS["margin"])
    speeds = np.linspace(0, 2, 201)
    best = []
    for one in hurry:
        q = [faster(one, margin, at, speeds[:, None]) * (margin - 1.5 * speeds[:, None]) for at in (0, 1)]
        gain = np.where(BOOKS["in_stock"], q[1] - q[0], -1)
        top = np.sort(np.maximum(gain, 0), axis=1)[:, ::-1]
        best.append((q[0].sum(axis=1) + top[:, 0] + 0.5 * top[:, 1]).max())
    np.testing.assert_allclose(decided.values["optimized"], best, atol=1e-9)
