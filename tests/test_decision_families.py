"""Numbers with a named distribution: what is believed is that distribution, from the network to the service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from scipy import stats

from drivetrain import evidence, load_spec, source
from drivetrain.artifact.outcomes import distribution
from drivetrain.policy.belief import Belief
from drivetrain.policy.value import expected
from drivetrain.spec.formula import parse
from drivetrain.training.heads import numbers

FAMILIES = {
    # Of a mean: the distribution around it.
    "normal": lambda mean: stats.norm(mean, 4.0),
    "lognormal": lambda mean: stats.lognorm(0.5, scale=mean * np.exp(-0.125)),
    "poisson": lambda mean: stats.poisson(mean),
    "gamma": lambda mean: stats.gamma(2.0, scale=mean / 2.0),
}


@pytest.mark.parametrize("form", FAMILIES)
def test_what_is_believed_of_a_number_is_its_family(form):
    """Means are known; the spread comes from validation rows; quantiles, mean and an excess are those of SciPy."""
    stream = np.random.default_rng(7)
    mean = stream.uniform(15, 40, 40_000)
    truth = FAMILIES[form](mean).rvs(random_state=stream).astype(float)
    entry = {"type": "number", "minimum": None if form == "normal" else 0.0, "maximum": None}
    entry |= {"spread": numbers.spread(form, mean, truth, entry["minimum"])}
    asked = np.array([12.0, 20.0, 35.0])
    found = distribution(entry, asked[:, None])
    for row, at in enumerate(asked):
        family = FAMILIES[form](at)
        for level in (0.055, 0.255, 0.505, 0.755, 0.945):
            believed = found.quantiles[row][int(100 * level)]  # the j-th is at (j + 1/2) / 100
            assert believed == pytest.approx(family.ppf(level), rel=0.03, abs=0.51 if form == "poisson" else 0.0)
        assert found.quantiles[row].mean() == pytest.approx(at, rel=0.01)
    # What lies above a threshold cannot be had from a mean: E[max(Y - 30, 0)].
    belief = Belief(None, None, found.quantiles[:, None, :])
    none = {"lever": np.array(["only"])}
    over = expected(parse("max(hours - 30, 0)"), {}, {"": np.zeros(3)}, none, {"hours": belief}, draws=4_000)[:, 0]
    for row, at in enumerate(asked):
        family = FAMILIES[form](at)
        values = family.rvs(400_000, random_state=stream)
        assert over[row] == pytest.approx(np.maximum(values - 30, 0).mean(), rel=0.06, abs=0.03)


PLAN = """
drivetrain: 1
project: {name: Repair van}
objective:
  statement: Send as many people as a repair is worth, and no more.
  measure: {name: cost of a repair, unit: EUR/job, direction: minimize}
  constants: {late: 60}
  value: -cost(crew) - late * max(hours - 9, 0) - 2 * delay - 8 * parts - 0.5 * bill
levers:
  - name: crew
    type: options
    options: {one: {cost: 100}, two: {cost: 190}}
    policies: {do_nothing: one, today: {column: sent}, simple_rule: {formula: "where(size > 5, 'two', 'one')"}}
    history: {kind: randomised, column: sent, propensity: 0.5}
data:
  - name: jobs
    kind: table
    location: data/jobs.parquet
    columns: {size: number, age: number, sent: {type: category, role: logged, values: [one, two]}}
    outcomes:
      hours: {column: hours, type: number, minimum: 0, affected_by: [crew]}
      delay: {column: delay, type: number, affected_by: []}
      parts: {column: parts, type: number, minimum: 0, affected_by: []}
      bill: {column: bill, type: number, minimum: 0, affected_by: []}
    rights: {licence: own, personal: false}
models:
"""
MODEL = """
  - name: {name}
    task: table-regression
    predicts: {outcome}
    inputs: {inputs}
    distribution: {form}
    layers: [32]
    training: {{epochs: 12, schedule: one_cycle, learning_rate: 0.02, batch_size: 256, pretrained: false}}
"""
KINDS = {
    "hours": ("gamma", "[size, age, crew]"),
    "delay": ("normal", "[size, age]"),
    "parts": ("poisson", "[size, age]"),
    "bill": ("lognormal", "[size, age]"),
}


def hours(size, age, crew):
    return (2 + size + 0.3 * age) * np.where(crew == "two", 0.6, 1.0)


def jobs(count, seed):
    """Repairs whose crew was drawn; every number from the family that the plan names."""
    stream = np.random.default_rng(seed)
    size, age = stream.uniform(0, 10, count), stream.uniform(0, 10, count)
    sent = np.where(stream.random(count) < 0.5, "two", "one")
    return {
        "size": size,
        "age": age,
        "sent": sent,
        "hours": FAMILIES["gamma"](hours(size, age, sent)).rvs(random_state=stream),
        "delay": stats.norm(3 * size - 10, 4.0).rvs(random_state=stream),
        "parts": FAMILIES["poisson"](1 + 0.5 * age).rvs(random_state=stream).astype(float),
        "bill": FAMILIES["lognormal"](40 + 8 * size).rvs(random_state=stream),
    }


@pytest.mark.full
@pytest.mark.train
def test_named_families_go_from_the_plan_to_the_service(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from drivetrain.serving.engine import Engine

    plan = dedent(PLAN) + "".join(
        MODEL.format(name=f"{outcome}_model", outcome=outcome, form=form, inputs=inputs)
        for outcome, (form, inputs) in KINDS.items()
    )
    (tmp_path / "plan.yaml").write_text(plan + "deployment: {serve: [api]}\n", encoding="utf-8")

    def run(*words, cwd=tmp_path):
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run([sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    run("drivetrain", "new", "plan.yaml", "-o", str(tmp_path))
    root = tmp_path / "repair-van"
    (root / "data").mkdir(exist_ok=True)
    pq.write_table(pa.table(jobs(8_000, 1)), root / "data" / "jobs.parquet")
    run("repair_van.train", cwd=root)
    said = run("repair_van.decide", cwd=root)
    assert "optimized" in said
    run("drivetrain", "review", cwd=root)
    # What a job is expected to cost, by numerical integration of the families that made the data.
    rows = source.cases(load_spec(root)).to_pandas()
    decided = pq.read_table(root / "evidence" / "decisions.parquet").to_pandas()
    at = decided.case.to_numpy()
    size, age = rows["size"].to_numpy()[at], rows["age"].to_numpy()[at]
    cost = {}
    for crew in ("one", "two"):
        mean = hours(size, age, crew)
        # E[max(Y - c, 0)] of a gamma with shape 2: mean · P(shape 3 > c) - c · P(shape 2 > c).
        late = mean * stats.gamma(3, scale=mean / 2).sf(9) - 9 * stats.gamma(2, scale=mean / 2).sf(9)
        rest = 2 * (3 * size - 10) + 8 * (1 + 0.5 * age) + 0.5 * (40 + 8 * size)
        cost[crew] = {"one": 100, "two": 190}[crew] + 60 * late + rest
    earned = {
        name: np.where(decided[name] == "two", cost["two"], cost["one"]).mean()
        for name in ("do_nothing", "today", "simple_rule", "accuracy_first", "optimized")
    }
    oracle = np.minimum(cost["one"], cost["two"]).mean()
    share = (earned["do_nothing"] - earned["optimized"]) / (earned["do_nothing"] - oracle)
    assert share >= 0.95, (earned, oracle)
    result = evidence.read(root, "decide").result
    for row in result["policies"]:
        assert row["label"] == "causal"
        assert abs(row["value"] - earned[row["name"]]) < 2 * (row["high"] - row["low"]) / 2, row["name"]
    direct = result["logged"]["optimized"]["estimates"]["direct"]["value"]
    assert -direct == pytest.approx(earned["optimized"], rel=0.05), "what the models alone expect"
    # The service does what was decided, case by case.
    engine = Engine.open(load_spec(root))
    cases = [{"size": float(s), "age": float(a)} for s, a in zip(size[:200], age[:200], strict=True)]
    answers = engine.decide(cases)
    inside = [place for place, answer in enumerate(answers) if answer["setting"] != "defer"]
    assert len(inside) > 150
    for place in inside:
        assert answers[place]["setting"] == decided["optimized"][place]
