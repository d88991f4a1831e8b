"""Rankings over HTTP: every case gets the order that was judged offline, and the one that a reader can work out."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import projects
import pytest
import served

from drivetrain import decision, load_spec, policy
from drivetrain.serving import log, rollout
from drivetrain.serving.batching import decide, on_average
from drivetrain.serving.engine import Engine
from drivetrain.serving.harvesting import rows_of
from drivetrain.serving.steering import steer
from drivetrain.serving.watch import watch
from drivetrain.spec import Spec, load_text

SHELF = """\
drivetrain: 1
stage: limited
project: {name: Shelf}
objective:
  statement: Sell what would not have been sold anyway.
  measure: {name: margin, unit: EUR/visit, direction: maximize}
  value: margin * buy
decision: {unit: visit, cases: visits, batch: {every: 1 day, cases: 100}}
levers:
  - name: shelf
    type: ranking
    of: books
    slots: 3
    attention: [0.6, 1.0, 0.3]
    limits: ["(shelf == 0) | in_stock"]
    policies: {do_nothing: "0", today: {formula: sales}, fallback: {formula: sales}}
    history: {kind: randomised, data: impressions, column: place, propensity: 0.25}
data:
  - name: visits
    kind: table
    location: data/visits.csv
    entity: reader
    columns: {taste: number}
    split: {by: random, validation: 0.1, test: 0.6}
  - name: books
    kind: table
    location: data/books.csv
    entity: isbn
    columns: {margin: number, small: boolean, in_stock: boolean, sales: number, weight: number}
  - name: impressions
    kind: table
    location: data/impressions.csv
    columns: {place: {type: integer, role: logged}}
    outcomes: {buy: {column: bought, type: binary, affected_by: [shelf]}}
    join: [{data: visits, on: reader}, {data: books, on: isbn}]
models:
  - name: sales_model
    task: table-classification
    predicts: buy
    inputs: [taste, weight, shelf]
    layers: [16]
    training: {epochs: 3, schedule: one_cycle, learning_rate: 0.02, batch_size: 64}
deployment: {serve: [api], scope: one shop, guards: {out_of_domain: {false_alarms: 0.0001}}}
"""
SMALL = '  guardrails: [{name: small publishers, measure: "mean(small, shelf > 0)", at_least: 0.5}]\n'
BOOKS = 12


def shop(folder: Path, plan: str) -> Spec:
    """A trained shop in which some books sell anyway and some are harmed by being shown."""
    rng = np.random.default_rng(4)
    (folder / "data").mkdir(parents=True)
    visits = pd.DataFrame({"reader": [f"r{i}" for i in range(500)], "taste": rng.normal(size=500)})
    books = pd.DataFrame(
        {
            "isbn": [f"b{i}" for i in range(BOOKS)],
            "margin": rng.uniform(2, 9, BOOKS),
            "small": np.arange(BOOKS) % 4 == 0,
            "in_stock": np.arange(BOOKS) != 5,
            "sales": rng.integers(0, 99, BOOKS),
            "weight": rng.normal(size=BOOKS),
        }
    )
    seen = visits.merge(books, how="cross").sample(4000, random_state=1)
    place = rng.integers(0, 4, len(seen))
    score = -1 + 0.5 * seen.taste * seen.weight + (place > 0) * (0.5 + seen.weight - 0.8 * seen.taste)
    bought = rng.random(len(seen)) < 1 / (1 + np.exp(-score))
    seen.assign(place=place, bought=bought)[["reader", "isbn", "place", "bought"]].to_csv(
        folder / "data/impressions.csv", index=False
    )
    visits.to_csv(folder / "data/visits.csv", index=False)
    books.to_csv(folder / "data/books.csv", index=False)
    spec = projects.make(folder, plan)
    done = projects.train(spec)
    assert done.returncode == 0, done.stderr
    return spec


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Learners refer to the project's package; the next project has one of the same name."""
    path, known = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.startswith(("shelf", "tips")):
            del sys.modules[name]


def shown(places: np.ndarray, keys: list[str]) -> str:
    """The names from the first place to the last that is taken."""
    taken = {int(place): key for place, key in zip(places, keys, strict=True) if place > 0}
    return " > ".join(taken.get(at, "(empty)") for at in range(1, max(taken, default=0) + 1)) or "nothing shown"


@pytest.mark.full
@pytest.mark.train
@pytest.mark.parametrize("guardrail", ["", SMALL], ids=["free", "with a guardrail"])
def test_every_visit_is_shown_what_was_judged_offline(
    guardrail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    spec = shop(tmp_path, SHELF.replace("decision: {unit", guardrail + "decision: {unit"))
    decided = decision.decide(spec)
    keys: list[str] = list(decided.world.inputs[policy.KEY][: decided.world.width])
    offline = decided.actions["optimized"]["shelf"].reshape(-1, decided.world.width)
    taste = np.asarray(decided.world.cases["taste"], dtype=float)[:: decided.world.width]
    assert len(offline) >= 200
    results: list[dict[str, Any]] = []
    with served.client(tmp_path, monkeypatch) as client:
        for start in range(0, len(taste), 100):
            sent = [{"taste": value} for value in taste[start : start + 100].tolist()]
            answer = client.post("/decide", json={"cases": sent})
            assert answer.status_code == 200, answer.text
            results += answer.json()["results"]
        # One by one it is the same: nobody's shelf depends on who else asks.
        for value, before in zip(taste[:20].tolist(), results, strict=False):
            [one] = client.post("/decide", json={"cases": [{"taste": value}]}).json()["results"]
            assert one["recommendation"] == before["recommendation"]
        # A person may approve the shelf that was advised, or have nothing shown.
        waiting = client.get("/approvals/waiting").json()["results"][:2]
        assert waiting[0]["settings"] == [waiting[0]["recommendation"], "nothing shown"]
        chosen = [
            {"decision": one["decision"], "setting": setting, "by": "Ada"}
            for one, setting in zip(waiting, (waiting[0]["recommendation"], "nothing shown"), strict=True)
        ]
        assert client.post("/approvals", json={"cases": chosen}).status_code == 200
    inside = [result["in_domain"] for result in results]
    assert np.mean(inside) > 0.95
    orders = [result["recommendation"] for result in results]
    judged = [shown(places, keys) for places in offline]
    assert [o for o, here in zip(orders, inside, strict=True) if here] == [
        o for o, here in zip(judged, inside, strict=True) if here
    ]
    assert len(set(orders)) > 10, "the shelves differ from visit to visit"
    an_alarm_rings_when_the_shelf_changes_and_not_before(tmp_path, monkeypatch, taste)
    if guardrail:
        assert decided.prices["small publishers"] > 0
        return
    by_hand = worked_out(tmp_path, monkeypatch, taste)
    assert [o for o, here in zip(orders, inside, strict=True) if here] == [
        o for o, here in zip(by_hand, inside, strict=True) if here
    ]


def an_alarm_rings_when_the_shelf_changes_and_not_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, taste: np.ndarray
) -> None:
    """In stage wide: the books that visits are shown are what is watched, not the hundreds of orders."""
    plan = folder / "drivetrain.yaml"
    plan.write_text(plan.read_text().replace("stage: limited", "stage: wide"))
    steer(load_spec(folder), ["share", "1"])

    def asked(client: Any, tastes: list[float]) -> list[str]:
        answer = client.post("/decide", json={"cases": [{"taste": value} for value in tastes]})
        return [result["status"] for result in answer.json()["results"] if result["in_domain"]]

    with served.client(folder, monkeypatch) as client:
        assert set(asked(client, taste.tolist()) + asked(client, taste.tolist())) == {"act"}
        assert set(asked(client, [0.0] * 1000)) == {"act"}, "what is acted on is settled before it is counted"
        assert set(asked(client, [0.0] * 10)) == {"recorded"}
        assert "chosen less often than expected" in client.get("/readyz").json()["paused"]
    assert watch(load_spec(folder)).windows[-1].actions, "the page says the same"
    [rows] = [rows_of(load_spec(folder), list(log.read(folder / "log")), without_outcome=True)]
    assert rows[0]["place"] == rows[0]["place"]
    steer(load_spec(folder), ["resume"])


def worked_out(folder: Path, monkeypatch: pytest.MonkeyPatch, taste: np.ndarray) -> list[str]:
    """fastai's own predictions for every visit and book, shown and not; the second place is seen most."""
    from drivetrain.training import load_learner

    monkeypatch.syspath_prepend(str(folder))
    learn = load_learner(folder / "artifacts/sales_model")
    books = pd.read_csv(folder / "data/books.csv")
    pairs = pd.DataFrame({"taste": taste}).merge(books, how="cross")
    chance = {}
    for place in (0, 1):
        frame = pairs.assign(shelf=place)
        with learn.no_bar(), learn.no_logging():
            said = learn.get_preds(dl=learn.dls.test_dl(frame))[0].numpy()
        chance[place] = said[:, 1].reshape(len(taste), BOOKS)
    gain = books.margin.to_numpy() * (chance[1] - chance[0])
    gain[:, ~books.in_stock.to_numpy()] = -1
    found = []
    for row in gain:
        best = [item for item in np.argsort(-row)[:3] if row[item] > 0]
        places = np.zeros(BOOKS)
        for item, place in zip(best, (2, 1, 3), strict=False):
            places[item] = place
        found.append(shown(places, list(books.isbn)))
    return found


QUEUE = served.LOAN_PLAN.replace(
    "\"where(grant == 'yes', where(repaid, 0.1 * amount, -amount), 0)\"", '"-place * where(repaid, 0, amount)"'
).replace(
    '- {name: grant, type: options, options: ["no", "yes"], policies: {do_nothing: "no", today: "no", fallback: "no"}}',
    '- {name: place, type: ranking, of: cases, policies: {do_nothing: "0", today: "0"}}',
)


def test_a_queue_over_http_goes_by_what_waiting_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose money is most at risk is looked at first; who is no such case waits for a person, not in the queue."""
    assert "ranking" in QUEUE
    plan = QUEUE.replace("levers:\n", "decision: {unit: loan, batch: {every: 1 day, cases: 40}}\nlevers:\n")
    project = served.lender(tmp_path / "p", plan)
    rng = np.random.default_rng(5)
    cases = [
        {
            "amount": float(rng.uniform(200, 4000)),
            "income": float(rng.normal(0, 1500)),
            "home": str(rng.choice(["rent", "own"])),
        }
        for _ in range(40)
    ]
    cases[7]["amount"] = 9e9
    with served.client(project, monkeypatch) as client:
        results = client.post("/decide", json={"cases": cases}).json()["results"]

    def risk(case: dict[str, Any]) -> float:
        repaid = 1 / (1 + math.exp(-(case["income"] / 1000 + 2 * (case["home"] == "own"))))
        return float((1 - repaid) * case["amount"])

    queued = sorted((row for row in range(40) if row != 7), key=lambda row: -risk(cases[row]))
    assert [results[row]["setting"] for row in queued] == [str(place) for place in range(1, 40)]
    assert results[7]["setting"] == "defer"
    assert "above 5000" in results[7]["reasons"][0]


BOTH = (
    QUEUE.replace(
        '"-place * where(repaid, 0, amount)"',
        "\"-place * where(repaid, 0, amount) * where(call == 'yes', 0.3, 1) - cost(call)\"",
    )
    .replace(
        "data:\n",
        '  - {name: call, type: options, options: {"no": {cost: 0}, "yes": {cost: 2500}}, policies: '
        '{do_nothing: "no", today: "no", fallback: "no"}, limits: ["(call == \'no\') | (income > 0)"]}\ndata:\n',
        1,
    )
    .replace("levers:\n", "decision: {unit: loan, batch: {every: 1 day, cases: 6}}\nlevers:\n")
)


def test_a_queue_and_a_call_over_http_are_the_best_order_with_the_best_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six loans in one request: no order with any calls that the limits allow loses less."""
    project = served.lender(tmp_path / "p", BOTH)
    rng = np.random.default_rng(8)
    cases = [
        {"amount": float(rng.uniform(200, 4900)), "income": float(rng.normal(300, 1500)), "home": "rent"}
        for _ in range(6)
    ]
    with served.client(project, monkeypatch) as client:
        results = client.post("/decide", json={"cases": cases}).json()["results"]
    risk = [case["amount"] / (1 + math.exp(case["income"] / 1000)) for case in cases]

    def worth(row: int, place: int) -> float:
        alone = -place * risk[row]
        return max(alone, 0.3 * alone - 2500) if cases[row]["income"] > 0 else alone

    best = max(sum(worth(row, place + 1) for place, row in enumerate(o)) for o in itertools.permutations(range(6)))
    assert sum(result["value"] for result in results) == pytest.approx(best, rel=1e-4)
    settings = [result["setting"] for result in results]
    assert sorted(setting.split(", ")[0] for setting in settings) == [f"place: {place}" for place in range(1, 7)]
    calls = [setting.endswith("call: yes") for setting in settings]
    assert any(calls)
    assert not any(call and case["income"] <= 0 for call, case in zip(calls, cases, strict=True))


def test_every_levers_own_chance_is_how_often_it_was_drawn_so() -> None:
    """A shelf with a parcel, drawn many times: the chances multiplied are the propensity of an item in its place."""
    plan = SHELF.replace("stage: limited", "stage: wide").replace(
        "deployment: {", "deployment: {exploration: {share: 0.5}, "
    )
    plan = plan.replace(
        "data:\n",
        "  - {name: parcel, type: options, options: [small, large, none], policies: {do_nothing: small}}\ndata:\n",
        1,
    )
    spec = load_text(plan)
    problem = policy.problem(spec)
    every = [
        policy.Beside(
            f"shelf: {' > '.join(shelf)}, parcel: {parcel}", {"shelf": shelf, "parcel": parcel},
            value, {"a": 1.0, "b": 2.0, "c": None if parcel == "large" else 0.5, "d": None},
        )
        for parcel, shelf, value in (("small", ["b", "a"], 3.0), ("large", ["a"], 2.0), ("none", ["a", "b"], None))
    ]  # fmt: skip
    choice = policy.Choice(every[0].setting, every[0].levers, 3.0, every[0].values, (), tuple(every))
    assessed: Any = SimpleNamespace(choice=choice)
    lot = random.Random(4)
    drawn = [rollout.draw(spec, problem, assessed, lot) for _ in range(20_000)]
    parcels = [one.levers["parcel"] for one in drawn]
    assert set(parcels) == {"small", "large"}, "the limits forbid the third"
    # By hand: half of the cases are drawn, with each parcel in half of these.
    assert parcels.count("large") / len(parcels) == pytest.approx(0.25, abs=0.01)
    for one in drawn:
        assert math.prod(one.chances.values()) == pytest.approx(one.propensity)
        assert one.chances["parcel"] == pytest.approx(0.25 if one.levers["parcel"] == "large" else 0.75)
        assert "d" not in one.levers["shelf"]
        assert not (one.levers["parcel"] == "large" and "c" in one.levers["shelf"])
    first = [one.levers["shelf"][0] for one in drawn if one.levers["parcel"] == "large"]
    assert first.count("a") / len(first) == pytest.approx(0.5, abs=0.03), "a or b, alike"
    assert drawn[0].empty == ("shelf: nothing shown, parcel: small", "shelf: nothing shown, parcel: large")


def test_two_levers_drawn_together_leave_each_its_own_chance_for_the_log() -> None:
    plan = served.LOAN_PLAN.replace(
        "data:\n",
        "  - {name: call, type: options, options: [a, b, c], policies: {do_nothing: a, today: a}}\ndata:\n",
        1,
    ).replace("- cost(x)", "")
    spec = load_text(plan + "deployment: {serve: [api], exploration: {share: 0.6}}\n" if "deployment:" not in plan else
                     plan.replace("deployment: {", "deployment: {exploration: {share: 0.6}, "))  # fmt: skip
    problem = policy.problem(spec)
    choice = policy.Choice("grant: no, call: b", {"grant": "no", "call": "b"}, 1.0, {}, ())
    assessed: Any = SimpleNamespace(choice=choice, allowed=np.ones(6, dtype=bool))
    lot = random.Random(1)
    for _ in range(200):
        one = rollout.draw(spec, problem, assessed, lot)
        grant = 0.6 / 2 + 0.4 * (one.levers["grant"] == "no")
        both = 0.6 / 6 + 0.4 * (one.levers == choice.levers)
        assert one.chances == pytest.approx({"grant": grant, "call": both / grant})
        assert one.propensity == pytest.approx(both)


TIPS = """\
drivetrain: 1
stage: limited
project: {name: Tips, owners: [utility]}
objective:
  statement: Households save what they would not have saved anyway.
  measure: {name: saved, unit: EUR/letter, direction: maximize}
  value: "saving * follows - cost(paper) / 6"
  guardrails: [{name: letters, measure: "mean(follows, paper == 'letter')", at_least: 0.05}]
decision: {unit: household, cases: homes, batch: {every: 1 week, cases: 300}, mode: automate}
levers:
  - name: paper
    type: options
    options: {mail: {cost: 0.1}, letter: {cost: 1.2}}
    limits: ["(paper == 'letter') | has_mail"]
    policies:
      {do_nothing: mail, today: {formula: "where(has_mail, 'mail', 'letter')"}, simple_rule: letter, fallback: letter}
    history: {kind: randomised, column: sent_by, propensity: p_sent}
  - name: page
    type: ranking
    of: tips
    slots: 3
    attention: [1.0, 0.7, 0.4]
    limits: ["(page == 0) | owner | cheap", "(page == 0) | (paper == 'letter') | short"]
    policies:
      {do_nothing: "0", today: {formula: saving}, simple_rule: {formula: "0 - saving"}, fallback: {formula: saving}}
    history: {kind: randomised, data: prints, column: place, propensity: p_place}
data:
  - name: homes
    kind: table
    unit: one household
    location: data/homes.csv
    entity: home
    columns:
      rooms: {type: integer, minimum: 1, maximum: 9}
      has_mail: boolean
      owner: boolean
      sent_by: {type: category, values: [mail, letter], role: logged}
      p_sent: {type: number, role: logged, minimum: 0, maximum: 1}
    split: {by: random, validation: 0.3, test: 0.3}
  - name: tips
    kind: table
    unit: one tip
    location: data/tips.csv
    entity: tip
    columns: {saving: {type: number, minimum: 1, maximum: 90}, cheap: boolean, short: boolean}
  - name: prints
    kind: table
    unit: one tip in one letter
    location: data/prints.csv
    columns: {place: {type: integer, role: logged}, p_place: {type: number, role: logged, minimum: 0, maximum: 1}}
    outcomes: {follows: {column: followed, type: binary, affected_by: [page, paper]}}
    join: [{data: homes, on: home}, {data: tips, on: tip}]
models:
  - name: follow
    task: table-classification
    predicts: follows
    inputs: [rooms, owner, saving, page, paper]
    layers: [16]
    training: {epochs: 2, schedule: one_cycle, learning_rate: 0.02, batch_size: 256, pretrained: false}
deployment:
  serve: [api, batch]
  scope: one town
  exploration: {share: 0.2}
  guards: {out_of_domain: {false_alarms: 0.001}, confirm: nobody}
"""


@pytest.mark.full
@pytest.mark.train
def test_an_odd_plan_goes_from_new_to_decisions_that_set_both_levers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    """Limits and a guardrail on both levers, the other lever logged with the cases, sample data, a service."""
    (tmp_path / "drivetrain.yaml").write_text(TIPS, encoding="utf-8")

    def run(folder: Path, *command: str) -> str:
        done = projects.python(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(tmp_path, "-m", "drivetrain", "new", "-o", "out")
    project = tmp_path / "out" / "tips"
    run(project, "-m", "drivetrain", "sample")
    assert "levers.paper.history" in run(project, "-m", "tips.check_data")
    run(project, "-m", "tips.train")
    said = run(project, "-m", "tips.decide")
    assert "letters: " in said
    assert "the log says" in said
    monkeypatch.syspath_prepend(str(project))
    decided = decision.decide(load_spec(project))
    world, action = decided.world, decided.actions["optimized"]
    keys = list(world.inputs[policy.KEY][: world.width])
    homes = {name: np.asarray(world.cases[name])[:: world.width].tolist() for name in ("rooms", "has_mail", "owner")}
    cases = [dict(zip(homes, row, strict=True)) for row in zip(*homes.values(), strict=True)][:60]
    for case in cases:
        case["rooms"] = int(case["rooms"])
    with served.client(project, monkeypatch) as client:
        results = client.post("/decide", json={"cases": cases}).json()["results"]
    shelves = action["page"].reshape(-1, world.width)
    papers = action["paper"][:: world.width]
    judged = [f"paper: {paper}, page: {shown(page, keys)}" for paper, page in zip(papers, shelves, strict=True)]
    inside = [row for row, result in enumerate(results) if result["in_domain"]]
    drawn = [row for row in inside if results[row]["reasons"][0].startswith("drawn by lot")]
    assert len(inside) > 50
    assert 0 < len(drawn) < 30
    for row in set(inside) - set(drawn):
        assert results[row]["recommendation"] == judged[row]
    mail = [row for row in range(len(cases)) if "paper: mail" in results[row]["recommendation"]]
    assert all(cases[row]["has_mail"] for row in mail), "the limits hold for what is drawn as well"
    records = list(log.read(project / "log"))
    assert all(
        set(one["levers"]) == {"paper", "page"} for one in records if one["kind"] == "decision" and one["levers"]
    )


def test_a_batch_of_an_order_alone_says_that_constraints_are_kept_on_average() -> None:
    early = 'optimizer: {constraints: [{name: early, measure: "mean(amount, place < 3)", at_most: 900}]}\n'
    plan = QUEUE.replace("levers:\n", "decision: {unit: loan, batch: {every: 1 day, cases: 6}}\nlevers:\n")
    assert "early is kept to over many batches of the plan's 6 cases" in on_average(
        policy.problem(load_text(plan + early))
    )
    assert on_average(policy.problem(load_text(plan))) == ""


def test_a_large_batch_waits_in_one_queue(tmp_path: Path) -> None:
    """More cases than are looked at at a time; before, each part had a first place of its own."""
    project = served.lender(tmp_path / "p", BOTH.replace("cases: 6", "cases: 300"))
    engine = Engine.open(load_spec(project))
    rng = np.random.default_rng(2)
    rows = [{"amount": float(rng.uniform(200, 4900)), "income": 0.0, "home": "rent"} for _ in range(300)]
    found = decide(engine, rollout.State(1.0), rows, lambda *told: None, random.Random(0))  # type: ignore[arg-type, return-value]
    places = [str(one.answer["recommendation"]).split(", ")[0] for one in found]
    order = np.argsort([-row["amount"] for row in rows], kind="stable")
    assert [places[row] for row in order] == [f"place: {place}" for place in range(1, 301)]
