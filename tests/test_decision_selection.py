"""Cases whose outcome was never observed do not bend the figures towards those that were."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest
from test_decision_project import project
from worlds import Chance, sigmoid

from drivetrain.decision import decide, selection

LOANS = """
drivetrain: 1
project: {name: Loans}
objective:
  statement: Lend to those who repay.
  measure: {name: gain, unit: EUR/request, direction: maximize}
  value: "where(lend == 'yes', where(repaid, 10, -40), 0)"
levers:
  - name: lend
    type: options
    options: [yes, no]
    policies: {do_nothing: "no", simple_rule: "yes"}
data:
  - name: requests
    kind: table
    location: r.parquet
    columns: {income: number, town: {type: category, values: [a, b]}, lent: {type: category, role: logged}}
    split: {validation: 0.2, test: 0.5}
    outcomes:
      repaid: {column: repaid, type: binary, affected_by: [], observed_when: "lent == 'yes'"}
models: [{name: m, task: table-classification, predicts: repaid, inputs: [income, town]}]
"""


def repays(income: np.ndarray, town: np.ndarray) -> np.ndarray:
    return sigmoid(1.6 + 1.2 * income - 0.5 * (town == "b"))


def requests(count: int, seed: int) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(seed)
    income, town = stream.normal(size=count), np.where(stream.random(count) < 0.4, "b", "a")
    lent = stream.random(count) < sigmoid(0.3 + 1.3 * income)
    repaid = stream.random(count) < repays(income, town)
    return {"income": income, "town": town, "lent": np.where(lent, "yes", "no"), "_repaid": repaid, "_lent": lent}


def test_refused_requests_are_stood_in_for_by_the_like_of_them(tmp_path, monkeypatch) -> None:
    table = requests(12_000, 3)
    hidden, lent = table.pop("_repaid"), table.pop("_lent")
    table["repaid"] = [bool(r) if seen else None for r, seen in zip(hidden, lent, strict=True)]
    plan = dedent(LOANS).replace("options: [yes, no]", 'options: ["yes", "no"]')
    model = Chance("repaid", ("income", "town"), repays)
    result = decide(project(tmp_path, monkeypatch, plan, "r.parquet", table, {"m": model})).result
    everybody = next(row for row in result["policies"] if row["name"] == "simple_rule")
    truth = np.where(hidden, 10, -40).mean()
    naive = np.where(hidden[lent], 10, -40).mean()
    assert naive - truth > 3, "those who got a loan repay more often: their mean is no mean of all"
    assert everybody["value"] == pytest.approx(truth, abs=1.0)
    assert everybody["low"] < truth < everybody["high"]
    assert any("not observed in" in note for note in result["notes"])


def test_where_all_is_observed_nothing_is_weighed() -> None:
    seen = np.ones(50, bool)
    assert (selection.chance({"x": np.arange(50.0)}, seen) == 1).all()
    assert selection.said(seen, np.ones(50)) == ""


@pytest.mark.parametrize("kind", ["number", "category", "text with gaps", "nothing known"])
def test_the_chance_to_be_observed_is_that_of_the_world(kind: str) -> None:
    stream = np.random.default_rng(5)
    x = stream.integers(0, 4, 20_000)
    chance = np.array([0.2, 0.4, 0.6, 0.9])[x] if kind != "nothing known" else np.full(20_000, 0.5)
    seen = stream.random(20_000) < chance
    context = {
        "number": {"x": x.astype(float)},
        "category": {"x": np.array(list("abcd"))[x]},
        "text with gaps": {"x": [None if i == 0 else f"kind {i}" for i in x], "files": [b"..."] * 20_000},
        "nothing known": {},
    }[kind]
    np.testing.assert_allclose(selection.chance(context, seen), chance, atol=0.04)


def test_a_handful_of_gaps_teaches_nothing_and_a_rare_case_does_not_carry_the_figure() -> None:
    seen = np.ones(400, bool)
    seen[:5] = False
    np.testing.assert_allclose(selection.chance({"x": np.arange(400.0)}, seen), 395 / 400)
    x = np.repeat([0.0, 1.0], 5_000)
    rare = np.random.default_rng(1).random(10_000) < np.where(x == 0, 0.001, 0.9)
    assert selection.chance({"x": x}, rare).min() >= selection.LEAST


CALLS = """
drivetrain: 1
project: {name: Survey}
objective:
  statement: Please them.
  measure: {name: joy, unit: points/case, direction: maximize}
  value: joy * 10
levers:
  - name: act
    type: options
    options: [plain, gift]
    policies: {do_nothing: plain, today: {column: did}, simple_rule: gift}
    history: {kind: randomised, column: did, propensity: 0.5}
data:
  - name: people
    kind: table
    location: r.parquet
    columns:
      age: number
      did: {type: category, role: logged}
      answered: {type: boolean, known: after}
    outcomes: {joy: {column: joy, type: binary, affected_by: [act], observed_when: answered}}
models: [{name: m, task: table-classification, predicts: joy, inputs: [age, act]}]
"""


def test_unanswered_surveys_of_an_experiment_do_not_bend_its_figures(tmp_path, monkeypatch) -> None:
    stream = np.random.default_rng(9)
    n = 20_000
    age, did = stream.normal(size=n), np.where(stream.random(n) < 0.5, "gift", "plain")
    answered = stream.random(n) < sigmoid(1.5 * age)

    def joy(age: np.ndarray, act: np.ndarray) -> np.ndarray:
        return sigmoid(age + 0.5 * (act == "gift"))

    happy = stream.random(n) < joy(age, did)
    table = {"age": age, "did": did, "answered": answered}
    table["joy"] = [bool(j) if a else None for j, a in zip(happy, answered, strict=True)]
    wrong = Chance("joy", ("age", "act"), lambda age, act: np.full(len(age), 0.4))
    result = decide(project(tmp_path, monkeypatch, dedent(CALLS), "r.parquet", table, {"m": wrong})).result
    truth = {
        "simple_rule": joy(age, np.full(n, "gift")).mean() * 10,
        "do_nothing": joy(age, np.full(n, "plain")).mean() * 10,
    }
    assert happy[answered].mean() * 10 > truth["simple_rule"] + 0.5, "who answers is happier"
    for name, value in truth.items():
        found = result["logged"][name]["estimates"]
        for method in ("ips", "snips", "dr"):
            assert found[method]["value"] == pytest.approx(value, abs=0.35), (name, method)
        assert found["dr"]["low"] < value < found["dr"]["high"]
    assert any("logged cases came to was not observed" in note for note in result["notes"])
