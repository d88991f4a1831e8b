"""The audit of every kind of task, of guardrails, and of data that are out to break it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn import metrics

from drivetrain import audit, evidence
from drivetrain.audit.counts import MOST_GROUPS, cells
from drivetrain.audit.rows import predictions
from tests import fabricated

TABLE = """
drivetrain: 1
stage: model
project: {name: Houses, owners: [a]}
objective:
  statement: Fair prices.
  measure: {name: gain, unit: EUR/house, direction: maximize}
  value: "where(offer == 'yes', price - 100, 0)"
levers: [{name: offer, type: options, options: ["yes", "no"], policies: {do_nothing: "no"}}]
data:
  - name: houses
    kind: table
    location: data/houses.csv
    columns: {size: number, town: category, kind: category}
    outcomes: {price: {column: price, type: number, affected_by: []}}
    groups: [town, kind]
models: [{name: pricer, task: table-regression, predicts: price}]
"""


def houses(root, towns=("north", "south"), rows=400):
    stream = np.random.default_rng(0)
    spec = fabricated.project(root, TABLE)
    (root / "data").mkdir()
    lines = ["size,town,kind,price"]
    for _ in range(rows):
        town = towns[int(stream.integers(len(towns)))]
        lines.append(f"{stream.integers(50, 200)},{town},{stream.choice(['flat', ''])},{stream.normal(200, 30):.3f}")
    (root / "data" / "houses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    from drivetrain import source

    return spec, source.cases(spec)


def priced(root, **options):
    spec, cases = houses(root, **options)
    truth = np.array(cases["price"].to_pylist())
    town = np.array(cases["town"].to_pylist())
    said = truth + np.random.default_rng(1).normal(0, 10, len(truth)) + np.where(town == "south", 8.0, 0.0)
    frame = {"case": cases["case"], "split": cases["split"].cast("string"), "truth": truth, "prediction": said}
    fabricated.trained(spec, frame, "pricer")
    return spec, truth, said, town, np.array(cases["split"].to_pylist()) == "test", cases


class TestNumbers:
    def test_errors_by_group_are_those_of_the_rows_and_a_bias_is_found(self, tmp_path):
        spec, truth, said, town, test, _ = priced(tmp_path)
        result = audit.run(spec)
        [model] = result["models"]
        by_town = next(t for t in model["by_group"] if t["columns"] == ["town"])
        for row in by_town["groups"]:
            rows = test & (town == row["group"]["town"])
            assert row["figures"]["error"]["value"] == pytest.approx((said - truth)[rows].mean())
            expected = metrics.mean_absolute_error(truth[rows], said[rows])
            assert row["figures"]["absolute error"]["value"] == pytest.approx(expected)
        found = [f for f in result["findings"] if f["id"] == "DU201"]
        assert any(f["where"].startswith("models.pricer, price: town=") for f in found)
        assert any(f["where"].endswith("th: error") for f in found)
        assert "error" in audit.text(result)

    def test_a_missing_group_is_a_group_of_its_own(self, tmp_path):
        spec, _, _, _, test, cases = priced(tmp_path)
        by_kind = next(t for t in audit.run(spec)["models"][0]["by_group"] if t["columns"] == ["kind"])
        rows = {row["group"]["kind"]: row["rows"] for row in by_kind["groups"]}
        kinds = np.array(cases["kind"].to_pylist(), dtype=object)
        assert rows == {"flat": (test & (kinds == "flat")).sum(), None: (test & (kinds == None)).sum()}  # noqa: E711
        assert "(missing)" in audit.text(audit.run(spec))

    def test_a_column_with_too_many_groups_is_named_and_left_out(self, tmp_path):
        towns = [f"t{i}" for i in range(MOST_GROUPS * 4)]
        spec, *_ = priced(tmp_path, towns=towns, rows=6_000)
        result = audit.run(spec)
        assert [t["columns"] for t in result["models"][0]["by_group"]] == [["kind"]]
        [finding] = [f for f in result["findings"] if f["id"] == "DU204"]
        assert finding["affected"] == ["town", "town & kind"]


class TestLabels:
    def test_each_label_is_audited_as_a_yes_or_no(self, tmp_path):
        spec, rows = fabricated.mail(tmp_path)
        stream = np.random.default_rng(3)
        n = len(rows["case"])
        has = {label: stream.random(n) < 0.4 for label in ("stamp", "torn")}
        said = {label: np.where(has[label], stream.uniform(0.3, 1, n), stream.uniform(0, 0.7, n)) for label in has}
        truth = [[label for label in has if has[label][i]] for i in range(n)]
        frame = {"case": rows["case"], "split": rows["split"], "truth": pa.array(truth)}
        fabricated.trained(spec, frame | {f"p_{label}": said[label] for label in has})
        found = predictions(spec, "digit_reader")
        assert [entry.outcome for entry in found] == ["digit: stamp", "digit: torn"]
        test = np.array(rows["split"]) == "test"
        for entry, model in zip(found, audit.run(spec)["models"], strict=True):
            label = entry.outcome.split(": ")[1]
            figures = model["overall"]["figures"]
            expected = metrics.recall_score(has[label][test], said[label][test] > 0.5)
            assert figures["true positive rate"]["value"] == pytest.approx(expected)
            assert figures["selection rate"]["value"] == pytest.approx((said[label][test] > 0.5).mean())
            assert figures["calibration gap"]["value"] == pytest.approx((said[label] - has[label])[test].mean())

    def test_labels_may_also_stand_in_columns_of_their_own(self, tmp_path):
        spec, rows = fabricated.mail(tmp_path)
        n = len(rows["case"])
        has = [True, None, False] * (n // 3)
        frame = {"case": rows["case"], "split": rows["split"], "truth_stamp": pa.array(has), "p_stamp": np.full(n, 0.9)}
        fabricated.trained(spec, frame)
        [entry] = predictions(spec, "digit_reader")
        assert set(entry.table["truth"].to_pylist()) == {"true", "false"}
        assert entry.unlabelled > 0


class TestGuardrails:
    @pytest.mark.parametrize(
        ("state", "level", "code"),
        [("met", None, None), ("not met", "fail", "DU301"), ("too few cases to tell", "warn", "DU302")],
    )
    def test_a_guardrail_is_reported_in_every_group(self, tmp_path, state, level, code):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "decide.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        row = {"value": 0.02, "low": 0.0, "high": 0.05, "kind": "at_most", "bound": 0.01, "met": state == "met"}
        body["result"]["constraints"] = [
            {"name": "misrouted share (depot north)", **row, "state": state},
            {"name": "misrouted shares of another kind", **row, "state": "not met"},
        ]
        path.write_text(json.dumps(body), encoding="utf-8")
        result = audit.run(spec)
        assert [g["name"] for g in result["guardrails"]] == ["misrouted share (depot north)"]
        found = [(f["id"], f["level"]) for f in result["findings"] if f["id"].startswith("DU3")]
        assert found == ([(code, level)] if code else [])


class TestPicture:
    def test_it_is_drawn_beside_the_record(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        audit.run(spec)
        with Image.open(tmp_path / "evidence" / "audit.png") as picture:
            picture.load()
            assert picture.width > 500
        assert not [p for p in (tmp_path / "evidence").iterdir() if p.name.startswith(".")]

    def test_names_that_look_like_mathematics_or_sql_are_names(self, tmp_path):
        spec, *_ = priced(tmp_path, towns=("$\\frac{1}{$", "'; DROP TABLE t; --", 'a"b', "<b>"))
        result = audit.run(spec)
        towns = next(t for t in result["models"][0]["by_group"] if t["columns"] == ["town"])
        assert len(towns["groups"]) == 4
        assert (tmp_path / "evidence" / "audit.png").exists()


class TestCounts:
    def test_columns_with_strange_names_are_counted(self):
        table = pa.table({'a"b; --': ["x", None, "x"], "n": [1.0, float("nan"), None], "k0": ["1", "2", "1"]})
        found = cells(table, ['a"b; --', "k0"], ["n"])
        assert sorted(found.rows.tolist()) == [1, 2]
        assert found.sums["n"][:, 3].sum() == 1

    def test_an_empty_table_has_no_cells(self):
        found = cells(pa.table({"g": pa.array([], pa.string()), "n": pa.array([], pa.float64())}), ["g"], ["n"])
        assert found.rows.tolist() == []

    def test_sums_keep_their_digits_far_from_zero(self):
        x = np.random.default_rng(0).normal(1e9, 1.0, 1000)
        found = cells(pa.table({"x": x}), [], ["x"])
        s1, s2, _, n = found.sums["x"].sum(axis=0)
        assert s1 / n + found.centre["x"] == pytest.approx(x.mean(), abs=1e-5)
        assert s2 / n - (s1 / n) ** 2 == pytest.approx(x.var(), rel=1e-6)


def test_a_record_of_the_audit_names_the_artifacts_it_judged(tmp_path):
    spec, _ = fabricated.mail(tmp_path)
    audit.run(spec)
    record = evidence.read(tmp_path, "audit")
    assert record is not None
    assert record.artifacts == {"digit_reader": "1" * 64}


def test_two_outcomes_of_one_model_are_audited_apart(tmp_path):
    text = fabricated.MAIL.replace("predicts: digit", "predicts: [digit, ink]").replace(
        "outcomes: {digit:", "outcomes: {ink: {column: ink, type: binary, affected_by: []}, digit:"
    )
    spec = fabricated.project(tmp_path, text.replace("    groups: [depot]\n", "").replace(", by: [depot]", ""))
    frame = {
        "case": [0, 1, 2],
        "split": ["test"] * 3,
        "truth_digit": ["0", "1", "2"],
        "truth_ink": ["true", "false", None],
    }
    frame |= {"p_digit_0": [0.9, 0.1, 0.1], "p_digit_1": [0.1, 0.9, 0.8], "p_digit_2": [0.0, 0.0, 0.1]}
    fabricated.trained(spec, frame | {"p_ink_false": [0.2, 0.7, 0.5], "p_ink_true": [0.8, 0.3, 0.5]})
    found = {entry.outcome: entry for entry in predictions(spec, "digit_reader")}
    assert found["digit"].table["predicted"].to_pylist() == ["0", "1", "1"]
    assert found["ink"].table["predicted"].to_pylist() == ["true", "false"]
    assert found["ink"].unlabelled == 1
