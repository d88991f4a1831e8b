"""The audit of decisions: settings and value by group, whatever the levers are and whatever columns are called."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain import audit, source
from drivetrain.audit.rows import MOST_VALUES, banded
from drivetrain.errors import DataError
from tests import fabricated

PLAN = """
drivetrain: 1
stage: model
project: {name: Calls, owners: [crm]}
objective:
  statement: Keep the margin.
  measure: {name: margin, unit: EUR/customer, direction: maximize}
  value: "(1 - churned) * margin - cost(offer) - discount"
levers:
  - name: offer
    type: options
    options: {nothing: {cost: 0}, call: {cost: 6}}
    policies: {do_nothing: nothing, today: {column: offered}}
    history: {kind: randomised, data: customers, column: offered, propensity: 0.5}
  - {name: discount, type: integer, minimum: 0, maximum: 20, policies: {do_nothing: 0, today: 0}}
data:
  - name: customers
    kind: table
    location: data/customers.csv
    columns:
      margin: number
      error: category
      p_true: category
      age: {type: number, use: audit}
      offered: {type: category, values: [nothing, call], role: logged}
    outcomes: {churned: {column: churned, type: binary, affected_by: [offer]}}
    groups: [error, p_true, age]
models: [{name: leaving, task: table-classification, predicts: churned, inputs: [margin]}]
"""


@pytest.fixture
def calls(tmp_path):
    """A project whose groups are called like columns of the audit; the policy gives ten EUR less to `error == x`."""
    stream = np.random.default_rng(0)
    spec = fabricated.project(tmp_path, PLAN)
    (tmp_path / "data").mkdir()
    lines = ["margin,error,p_true,age,offered,churned"]
    for _ in range(1_500):
        chosen = (stream.choice(["x", "y"]), stream.choice(["a", "b"]), stream.uniform(18, 90))
        setting = stream.choice(["call", "nothing"])
        lines.append(f"{stream.normal(100, 5):.2f},{chosen[0]},{chosen[1]},{chosen[2]:.1f},{setting},"
                     f"{stream.choice(['true', 'false'])}")  # fmt: skip
    (tmp_path / "data" / "customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    cases = source.cases(spec)
    n = cases.num_rows
    truth = np.array([str(v).lower() for v in cases["churned"].to_pylist()])
    p = stream.uniform(0, 1, n)
    own = {"case": cases["case"].to_numpy(), "split": cases["split"].to_pylist()}
    fabricated.trained(spec, {**own, "truth": truth, "p_false": 1 - p, "p_true": p}, "leaving")
    worse = np.array(cases["error"].to_pylist()) == "x"
    frame = {
        "today": ["nothing"] * n, "value_today": stream.normal(50, 1, n), "setting_today_offer": ["nothing"] * n,
        "setting_today_discount": np.zeros(n), "optimized": ["-"] * n,
        "value_optimized": stream.normal(60, 1, n) - 10.0 * worse,
        "setting_optimized_offer": stream.choice(["call", "nothing"], n),
        "setting_optimized_discount": np.where(worse, 3, 9),
        "logged_optimized": np.where(stream.random(n) < 0.3, stream.normal(55, 20, n), np.nan),
    }  # fmt: skip
    fabricated.decided(spec, own | frame)
    test = np.array(own["split"]) == "test"
    return spec, cases, frame, test, p, truth


def group_of(result, columns, group):
    [table] = [
        t for t in result["decisions"]["by_group"] if t["columns"] == list(columns) and t["policy"] == "optimized"
    ]
    [row] = [row for row in table["groups"] if tuple(row["group"].values()) == group]
    return {name: figure["value"] for name, figure in row["figures"].items()}


def test_every_lever_and_the_gain_are_shown_by_group(calls):
    spec, cases, frame, test, *_ = calls
    result = audit.run(spec)
    for name in "xy":
        at = test & (np.array(cases["error"].to_pylist()) == name)
        found = group_of(result, ["error"], (name,))
        assert found["value"] == pytest.approx(frame["value_optimized"][at].mean())
        assert found["gain over today"] == pytest.approx((frame["value_optimized"] - frame["value_today"])[at].mean())
        called = (frame["setting_optimized_offer"][at] == "call").mean()
        assert found["setting rate: offer = call"] == pytest.approx(called)
        assert found["mean setting: discount"] == pytest.approx(frame["setting_optimized_discount"][at].mean())
    assert "mean setting: discount" in audit.text(result)


def test_groups_that_get_less_are_found_by_value_gain_and_setting(calls):
    result = audit.run(calls[0])
    found = {f["where"] for f in result["findings"] if f["id"] == "DU201" and ": error=" in f["where"]}
    figures = {where.rsplit(": ", 1)[1] for where in found if where.startswith("decisions: ")}
    assert figures >= {"value", "gain over today", "discount"}
    assert "* differs from the largest group" in audit.text(result)


def test_what_the_log_says_stands_beside_with_its_label_once_it_says_enough(calls):
    import json

    spec, cases, frame, test, *_ = calls
    assert "value by the log" not in group_of(audit.run(spec), ["error"], ("x",))
    path = spec.root / "evidence" / "decide.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["result"]["logged"] = {"optimized": {"enough": True}}
    path.write_text(json.dumps(body), encoding="utf-8")
    result = audit.run(spec)
    at = test & (np.array(cases["error"].to_pylist()) == "x")
    found = group_of(result, ["error"], ("x",))["value by the log"]
    assert found == pytest.approx(np.nanmean(frame["logged_optimized"][at]))
    assert result["decisions"]["log"] == "not causal"  # the discount was never drawn by lot
    assert "`value by the log`" in audit.text(result)


def test_columns_that_are_called_like_the_audits_own_are_groups_all_the_same(calls):
    spec, cases, _, test, p, truth = calls
    [model] = audit.run(spec)["models"]
    assert model["classes"] == ["false", "true"]
    [table] = [t for t in model["by_group"] if t["columns"] == ["p_true"]]
    for row in table["groups"]:
        at = test & (np.array(cases["p_true"].to_pylist()) == row["group"]["p_true"])
        expected = ((p[at] > 0.5) == (truth[at] == "true")).mean()
        assert row["figures"]["accuracy"]["value"] == pytest.approx(expected)


def test_an_outcome_that_a_lever_moves_is_no_class_to_break_down_by(calls):
    # What would have become of a customer under another setting is not known.
    assert audit.run(calls[0])["decisions"]["by_class"] == []


def test_numbers_are_cut_into_quarters_and_few_values_stay(calls):
    _, cases, *_ = calls
    bands = banded(cases["age"]).to_pylist()
    assert len(set(bands)) == 4
    assert all(abs(bands.count(band) - 375) <= 5 for band in set(bands))
    assert [b.split(". ")[0] for b in sorted(set(bands))] == ["1", "2", "3", "4"]
    import pyarrow as pa

    few = pa.chunked_array([[float(i % MOST_VALUES) for i in range(50)]])
    assert banded(few) is few
    holes = pa.chunked_array([[None if i % 5 == 0 else float(i) for i in range(50)]])
    assert banded(holes).null_count == 10
    assert banded(pa.chunked_array([[7.0] * 30 + [float(i) for i in range(20)]])).null_count == 0


def test_a_group_column_that_the_data_lack_is_said_before_anything_is_audited(calls):
    text = PLAN.replace("groups: [error, p_true, age]", "groups: [error, folk]")
    changed = fabricated.project(calls[0].root, text)
    with pytest.raises(DataError, match="there is no column `folk`"):
        audit.run(changed)
