"""What the plan says of today is held against what the data say of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from drivetrain import load_spec
from drivetrain.availability import check
from drivetrain.findings import Finding
from drivetrain.spec.objective import Measure

PLAN = """
drivetrain: 1
project: {name: Today}
objective:
  statement: s
  measure: {name: cost, unit: EUR/case, direction: minimize, current: CURRENT}
  constants: {fee: 2}
  value: "-where(late, 10, 0) - cost(act) - fee"
levers:
  - name: act
    type: options
    options: {wait: {cost: 0}, call: {cost: 1}}
    policies: {do_nothing: wait, today: TODAY}
    history: {kind: human, column: did}
decision: {batch: {every: 1 day, cases: 100}}
data:
  - name: rows
    kind: table
    location: r.parquet
    split: {validation: 0.2, test: 0.6}
    columns: {size: number, did: {type: category, role: logged}, copies: {type: number, use: audit}}
    outcomes: {late: {column: late, type: binary, affected_by: MOVED}}
"""


def table(count: int = 4_000) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(4)
    did = np.where(stream.random(count) < 0.3, "call", "wait")
    late = stream.random(count) < np.where(did == "call", 0.1, 0.5)
    return {"size": stream.random(count), "did": did, "late": late, "copies": 1.0 + late}


def found(
    folder: Path, *, current="3", today="wait", moved="[]", was="", now="", rows: dict | None = None
) -> list[Finding]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = dedent(PLAN).replace("CURRENT", current).replace("TODAY", today).replace("MOVED", moved)
    assert was in text
    (folder / "drivetrain.yaml").write_text(text.replace(was, now, 1) if was else text)
    pq.write_table(pa.table(rows or table()), folder / "r.parquet")
    return [finding for finding in check(load_spec(folder)) if finding.id == "DA213"]


def judged(data: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    from drivetrain import source

    cases = source.cases(load_spec(folder))
    inside = np.array([part in ("test", "hold_out") for part in cases["split"].to_pylist()])
    return {name: values[cases["case"].to_numpy()[inside]] for name, values in data.items()}


def test_a_figure_that_the_data_bear_out_passes_and_another_is_named_with_both(tmp_path: Path) -> None:
    data = table()
    [wrong] = found(tmp_path, current="3")
    cost = (judged(data, tmp_path)["late"] * 10 + 2).mean()
    assert (wrong.level, wrong.where) == ("warn", "objective.measure.current")
    assert wrong.facts["measured"] == pytest.approx(cost)
    assert f"is 3, and under today's policy the data say {cost:.4g} EUR/case" in wrong.what
    assert "find what `value` leaves out" in wrong.advice
    [right] = found(tmp_path, current=f"{cost + 0.05:.2f}")
    assert right.level == "pass"


def test_an_outcome_that_the_lever_moves_is_known_only_where_todays_setting_was_used(tmp_path: Path) -> None:
    data = table()
    [some] = found(tmp_path, moved="[act]")
    rows = judged(data, tmp_path)
    assert some.facts["measured"] == pytest.approx((rows["late"][rows["did"] == "wait"] * 10 + 2).mean())
    assert "those in which today's setting was used" in some.what
    [logged] = found(tmp_path, moved="[act]", today="{column: did}")
    assert logged.facts["measured"] == pytest.approx((rows["late"] * 10 + (rows["did"] == "call") + 2).mean())
    assert logged.facts["cases"] == len(rows["late"])


def test_a_rule_is_worked_out_row_by_row_and_weights_count(tmp_path: Path) -> None:
    data = table()
    rule = "{formula: \"where(size > 0.5, 'call', 'wait')\"}"
    [ruled] = found(tmp_path, today=rule)
    rows = judged(data, tmp_path)
    assert ruled.facts["measured"] == pytest.approx((rows["late"] * 10 + (rows["size"] > 0.5) + 2).mean())
    [weighed] = found(tmp_path, was="    columns: {size", now="    weight: copies\n    columns: {size")
    weights = judged(data, tmp_path)["copies"]
    assert weighed.facts["measured"] == pytest.approx(
        (weights * (judged(data, tmp_path)["late"] * 10 + 2)).sum() / weights.sum()
    )


def test_a_measure_of_its_own_is_the_one_that_is_compared(tmp_path: Path) -> None:
    data = table()
    [own] = found(tmp_path, was="current: 3}", now='current: 3, formula: "sum(late) + mean(value, size > 0.5)"}')
    rows = judged(data, tmp_path)
    value = -(rows["late"] * 10 + 2)
    assert own.facts["measured"] == pytest.approx(100 * rows["late"].mean() + value[rows["size"] > 0.5].mean())
    assert own.facts["low"] < own.facts["measured"] < own.facts["high"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"today": "{most_likely: late}"}, "today's policy asks a model"),
        ({"today": "{formula: \"where(late, 'call', 'wait')\"}"}, "today's policy asks a model"),
        ({"moved": "[act]", "was": "    history: {kind: human, column: did}\n"}, "nothing records how `act` was set"),
        (
            {"was": "  value:", "now": "  over_time: {periods: 3, every: 1 year}\n  value:"},
            "`value` spans several periods",
        ),
        ({"rows": table(40)}, "is known in"),
    ],
)
def test_what_cannot_be_compared_says_why(tmp_path: Path, change: dict, why: str) -> None:
    [finding] = found(tmp_path, **change)
    assert finding.level == "note"
    assert why.replace("is known in", "are known in") in finding.what
    assert finding.advice


def test_nothing_is_said_where_the_plan_says_nothing(tmp_path: Path) -> None:
    question = "{unknown: How much?, owner: me, due: 2027-01-01}"
    assert found(tmp_path, current=question) == []
    assert found(tmp_path, was=", today: wait", now="") == []


def test_unlabelled_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    data: dict = table()
    data["late"] = [None if i % 3 == 0 else bool(v) for i, v in enumerate(data["late"])]
    [finding] = found(tmp_path, rows=data)
    rows = judged({"late": np.array(data["late"], dtype=object)}, tmp_path)["late"]
    known = np.array([v for v in rows if v is not None], dtype=float)
    assert finding.facts["cases"] == len(known)
    assert finding.facts["measured"] == pytest.approx((known * 10 + 2).mean())


def test_sample_data_are_no_reason_to_doubt_the_plan(tmp_path: Path) -> None:
    from drivetrain.sample import write

    text = dedent(PLAN).replace("CURRENT", "300").replace("TODAY", "wait").replace("MOVED", "[]")
    (tmp_path / "drivetrain.yaml").write_text(text)
    write(load_spec(tmp_path))
    [finding] = [f for f in check(load_spec(tmp_path)) if f.id == "DA213"]
    assert finding.level == "note"
    assert "sample data" in finding.what


def test_a_policy_may_only_take_settings_from_its_column(tmp_path: Path) -> None:
    data = table()
    used = data["did"].astype(object)
    used[:3], used[3:5] = "phone", None
    found(tmp_path, today="{column: did}")
    inside = judged({"place": np.arange(len(used))}, tmp_path)["place"]
    assert not [one for one in check(load_spec(tmp_path)) if one.id == "DA214"]
    found(tmp_path, today="{column: did}", rows=data | {"did": used})
    said = [one for one in check(load_spec(tmp_path)) if one.id == "DA214"]
    empty, strange = np.isin([3, 4], inside).sum(), np.isin([0, 1, 2], inside).sum()
    assert empty > 0
    assert strange > 0
    assert {one.where for one in said} == {"levers.act.policies.today"}
    assert {one.level for one in said} == {"fail"}
    cases = "1 case" if empty == 1 else f"{empty} cases"
    assert said[0].what == f"`did` is empty in {cases} of the test."
    verb, cases = ("is", "1 case") if strange == 1 else ("are", f"{strange} cases")
    assert said[1].what == f"`did` holds `phone`, which {verb} no setting, in {cases} of the test."
    assert said[1].advice == "Settings are `wait`, `call`: correct the column, or name these among them."


def test_labels_count_for_what_the_plan_says_of_them(tmp_path: Path) -> None:
    """Of 4,000 rows a third is late or lost; each of these costs ten."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = dedent(PLAN).replace("CURRENT", "3").replace("TODAY", "wait").replace("MOVED", "[]")
    text = text.replace("where(late, 10, 0)", "10 * (has(late, 'late') | has(late, 'lost'))")
    text = text.replace("type: binary", "type: labels, values: [late, lost, 'not so good']")
    stream = np.random.default_rng(7)
    bad = stream.random(4_000) < 1 / 3
    cells = np.where(bad, stream.choice(["late", "lost;late", "not so good, lost"], 4_000), "not so good")
    cells = [None if number % 10 == 0 else cell for number, cell in enumerate(cells)]
    (tmp_path / "drivetrain.yaml").write_text(text)
    pq.write_table(pa.table(table() | {"late": pa.array(cells)}), tmp_path / "r.parquet")
    [finding] = [one for one in check(load_spec(tmp_path)) if one.id == "DA213"]
    where = judged({"place": np.arange(4_000)}, tmp_path)["place"]
    known = where[where % 10 != 0]
    assert finding.facts["cases"] == len(known)
    assert finding.facts["measured"] == pytest.approx(10 * bad[known].mean() + 2)


def test_a_measure_that_is_the_plans_is_not_called_another_for_the_last_digit():
    """Every letter costs 0.3 by hand: the mean of 359 of them is 0.30000000000000016, with an interval as short."""
    measure = Measure(name="handling cost", unit="EUR/letter", direction="minimize", current=0.3, target=0.12)
    assert measure.agrees(0.30000000000000016, 0.3000000000000001, 0.3000000000000002)
    assert measure.agrees(0.31, 0.305, 0.315)
    assert not measure.agrees(0.36, 0.35, 0.37)
    assert Measure(name="cost", unit="EUR", direction="minimize", current=100, target=99).agrees(102, 99, 103)
    assert not Measure(name="cost", unit="EUR", direction="minimize", current=100, target=99).agrees(102, 101, 103)
