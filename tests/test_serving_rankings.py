"""Rankings over HTTP: every case gets the order that was judged offline, and the one that a reader can work out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import projects
import pytest
import served

from drivetrain import decision, load_spec, policy
from drivetrain.serving import log
from drivetrain.serving.harvesting import rows_of
from drivetrain.serving.steering import steer
from drivetrain.serving.watch import watch
from drivetrain.spec import Spec

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
        if name.startswith("shelf"):
            del sys.modules[name]


def shown(places: np.ndarray, keys: list[str]) -> str:
    """The names in order of place."""
    order = sorted((place, key) for place, key in zip(places, keys, strict=True) if place > 0)
    return " > ".join(key for _, key in order) or "nothing shown"


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
