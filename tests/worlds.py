"""Frozen worlds with planted truth: what would have happened under every setting is known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import numpy as np

from drivetrain import policy
from drivetrain.artifact import Distribution
from drivetrain.decision import Log, World
from drivetrain.spec import load_text

CHURN = """
drivetrain: 1
project: {name: Retention call}
objective:
  statement: Keep the margin of customers whom a call really keeps.
  measure: {name: margin kept, unit: EUR/customer, direction: maximize}
  value: (1 - churned) * margin - cost(offer)
decision: {unit: customer, batch: {every: 1 week, cases: 2000}}
levers:
  - name: offer
    type: options
    options: {nothing: {cost: 0}, call: {cost: 6}}
    limits: ["(offer == 'nothing') | consent"]
    policies:
      do_nothing: nothing
      today: {column: offered}
      simple_rule: {formula: "where(end >= 1, 'call', 'nothing')"}
    history: {kind: randomised, column: offered, propensity: p_offered}
data:
  - name: customers
    kind: table
    location: c.parquet
    columns:
      end: number
      calls: number
      margin: number
      consent: boolean
      offered: {type: category, role: logged}
      p_offered: {type: number, role: logged}
    outcomes: {churned: {column: churned, type: binary, affected_by: [offer]}}
models: [{name: leaving, task: table-classification, predicts: churned, arms: offer}]
optimizer: {constraints: [{name: call capacity, measure: "sum(offer == 'call')", at_most: 400}]}
"""

PRICING = """
drivetrain: 1
project: {name: Motor pricing}
objective:
  statement: Earn the most over five years without losing our share of the market.
  measure: {name: five-year margin, unit: EUR/quote, direction: maximize}
  constants: {expenses: {value: 35, low: 28, high: 45}}
  terms:
    stays: where(period == 0, accept, renew)
    profit: price - claims - expenses
  value: stays * profit
  over_time:
    periods: 5
    every: 1 year
    discount: 0.04
    continues: stays
    next: {age: age + 1, price: price * 1.02}
  guardrails: [{name: market share, measure: mean(accept), at_least: 0.30}]
decision: {unit: quote}
levers:
  - name: price
    type: range
    minimum: 180
    maximum: 2400
    limits: ["abs(price / tariff - 1) <= 0.25"]
    policies: {do_nothing: {column: tariff}}
data:
  - name: quotes
    kind: table
    location: q.parquet
    columns: {age: number, tariff: number, rival: number}
    outcomes:
      accept: {column: accepted, type: binary, affected_by: [price]}
      claims: {column: claims, type: number, affected_by: []}
      renew: {column: renewed, type: binary, affected_by: [price]}
models:
  - {name: demand, task: table-classification, predicts: accept}
  - {name: cost, task: table-regression, predicts: claims, inputs: [age]}
  - {name: loyalty, task: table-classification, predicts: renew}
"""


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


@dataclass
class Chance:
    """A model of a binary outcome from a function of named arrays."""

    outcome: str
    inputs: tuple[str, ...]
    function: Any

    def predict(self, cases: Mapping[str, Sequence[Any]]) -> dict[str, Distribution]:
        yes = self.function(**{name: np.asarray(cases[name]) for name in self.inputs})
        return {self.outcome: Distribution(("false", "true"), np.column_stack([1 - yes, yes]))}


@dataclass
class Amount:
    """A model of a number from its mean and the spread around it."""

    outcome: str
    inputs: tuple[str, ...]
    function: Any
    spread: np.ndarray

    def predict(self, cases: Mapping[str, Sequence[Any]]) -> dict[str, Distribution]:
        mean = self.function(**{name: np.asarray(cases[name]) for name in self.inputs})
        return {self.outcome: Distribution((), np.zeros((len(mean), 0)), mean[:, None] * self.spread)}


def leaving(end: np.ndarray, calls: np.ndarray, margin: np.ndarray, offer: np.ndarray) -> np.ndarray:
    """Chance to leave. Sleeping dogs: near the end of the contract people leave, and a call reminds them of it."""
    moved = 1.1 * end - 1.2 * calls + 0.2
    return sigmoid(-0.8 + 1.4 * end + 0.6 * calls - 0.3 * (margin - 200) / 80 + np.where(offer == "call", moved, 0))


def customers(count: int, seed: int) -> dict[str, np.ndarray]:
    """Customers whose offer was drawn: a call with probability 0.3."""
    stream = np.random.default_rng(seed)
    table: dict[str, np.ndarray] = {
        "end": stream.normal(size=count),
        "calls": stream.normal(size=count),
        "margin": stream.gamma(6, 35, count),
        "consent": stream.random(count) < 0.9,
    }
    called = (stream.random(count) < 0.3) & table["consent"]
    table["offered"] = np.where(called, "call", "nothing")
    # Who did not consent was left alone for certain.
    table["p_offered"] = np.where(table["consent"], np.where(called, 0.3, 0.7), 1.0)
    chance = leaving(table["end"], table["calls"], table["margin"], table["offered"])
    table["churned"] = stream.random(count) < chance
    return table


def churn_problem() -> policy.Problem:
    return policy.problem(load_text(dedent(CHURN)))


def learn_leaving(table: Mapping[str, np.ndarray]) -> Chance:
    """One logistic regression for each offer, from the log."""
    from sklearn.linear_model import LogisticRegression

    def features(end: np.ndarray, calls: np.ndarray, margin: np.ndarray) -> np.ndarray:
        return np.column_stack([end, calls, (margin - 200) / 80])

    arms = {}
    for offer in ("nothing", "call"):
        rows = table["offered"] == offer
        x = features(*(table[name][rows] for name in ("end", "calls", "margin")))
        arms[offer] = LogisticRegression(C=100).fit(x, table["churned"][rows])

    def chance(end: np.ndarray, calls: np.ndarray, margin: np.ndarray, offer: np.ndarray) -> np.ndarray:
        x = features(end, calls, margin)
        return np.where(offer == "call", arms["call"].predict_proba(x)[:, 1], arms["nothing"].predict_proba(x)[:, 1])

    return Chance("churned", ("end", "calls", "margin", "offer"), chance)


def churn_world(problem: policy.Problem, table: Mapping[str, np.ndarray], model: Chance, causal: bool = True) -> World:
    """The customers as `decide` sees them."""
    count = len(table["end"])
    columns = {name: table[name] for name in ("end", "calls", "margin", "consent", "offered")}
    ask = policy.modeler(problem, [model])
    return World(
        case=np.arange(count),
        split=np.full(count, "test"),
        columns=columns,
        beliefs=ask({"": np.arange(count), **columns}, problem.settings),
        truth={"churned": table["churned"]},
        weights=np.full(count, 1 / count),
        models=ask,
        log=Log(
            np.arange(count),
            {"offer": table["offered"]},
            table["p_offered"],
            causal,
            "randomised" if causal else "human",
        ),
    )


def churn_truth(problem: policy.Problem, table: Mapping[str, np.ndarray], offer: np.ndarray) -> np.ndarray:
    """What each customer is truly expected to be worth under an offer."""
    chance = leaving(table["end"], table["calls"], table["margin"], offer)
    return (1 - chance) * table["margin"] - np.where(offer == "call", 6.0, 0.0)


def pricing_problem() -> policy.Problem:
    return policy.problem(load_text(dedent(PRICING)))


CLAIMS_SPREAD = np.quantile(np.random.default_rng(0).gamma(0.8, 1 / 0.8, 200_000), (np.arange(50) + 0.5) / 50)
CLAIMS_SPREAD = CLAIMS_SPREAD / CLAIMS_SPREAD.mean()


def buying(age: np.ndarray, rival: np.ndarray, price: np.ndarray) -> np.ndarray:
    return sigmoid(1.5 - 9 * (price / rival - 1) - 2)


def claiming(age: np.ndarray) -> np.ndarray:
    return 250 + 6 * np.abs(age - 45)


def staying(age: np.ndarray, rival: np.ndarray, price: np.ndarray) -> np.ndarray:
    return sigmoid(1.2 + 0.01 * age - 5 * (price / rival - 1))


def pricing_truth() -> list[Any]:
    """Demand, cost and loyalty as they are."""
    return [
        Chance("accept", ("age", "rival", "price"), buying),
        Amount("claims", ("age",), claiming, CLAIMS_SPREAD),
        Chance("renew", ("age", "rival", "price"), staying),
    ]


def quotes(count: int, seed: int) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(seed)
    age = stream.uniform(20, 75, count)
    tariff = np.round((250 + 6 * np.abs(age - 45) + 35) * stream.uniform(1.05, 1.35, count))
    return {"age": age, "tariff": tariff, "rival": tariff * stream.uniform(0.85, 1.2, count)}


def learn_pricing(count: int, seed: int) -> list[Any]:
    """Models from quotes whose price was drawn within 25 % of the tariff."""
    from sklearn.linear_model import LogisticRegression

    table = quotes(count, seed)
    stream = np.random.default_rng([seed, 1])
    price = table["tariff"] * stream.uniform(0.75, 1.25, count)
    demand, cost, loyalty = pricing_truth()
    accept = stream.random(count) < demand.function(table["age"], table["rival"], price)
    claims = cost.function(table["age"]) * stream.gamma(0.8, 1 / 0.8, count)
    renew = stream.random(count) < loyalty.function(table["age"], table["rival"], price)

    def features(age: np.ndarray, rival: np.ndarray, price: np.ndarray) -> np.ndarray:
        return np.column_stack([(age - 45) / 15, price / rival - 1])

    x = features(table["age"], table["rival"], price)
    bought = LogisticRegression(C=100).fit(x, accept)
    stayed = LogisticRegression(C=100).fit(x[accept], renew[accept])

    def ages_of(age: np.ndarray) -> np.ndarray:
        # Young and old drivers cost more: a bend at 45 that exploration would show.
        return np.column_stack([np.ones(len(age)), age, np.abs(age - 45)])

    ages = ages_of(table["age"])
    fitted = np.linalg.lstsq(ages[accept], claims[accept], rcond=None)[0]
    ratio = claims[accept] / (ages[accept] @ fitted)
    spread = np.quantile(ratio, (np.arange(50) + 0.5) / 50)
    return [
        Chance(
            "accept",
            ("age", "rival", "price"),
            lambda age, rival, price: bought.predict_proba(features(age, rival, price))[:, 1],
        ),
        Amount(
            "claims",
            ("age",),
            lambda age: ages_of(age) @ fitted,
            spread / spread.mean(),
        ),
        Chance(
            "renew",
            ("age", "rival", "price"),
            lambda age, rival, price: stayed.predict_proba(features(age, rival, price))[:, 1],
        ),
    ]


def pricing_world(problem: policy.Problem, table: Mapping[str, np.ndarray], models: Sequence[Any]) -> World:
    count = len(table["age"])
    return World(
        case=np.arange(count),
        split=np.full(count, "test"),
        columns={"tariff": table["tariff"], "age": table["age"]},
        beliefs={},
        truth={},
        weights=np.full(count, 1 / count),
        inputs={"rival": table["rival"]},
        models=policy.modeler(problem, models),
    )
