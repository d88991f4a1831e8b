"""The audit: figures by class and group equal an independent count, and are recorded as evidence."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from drivetrain import audit, evidence
from drivetrain.audit.counts import cells, subsets
from drivetrain.audit.figures import classes_by_group, expected_calibration_error
from drivetrain.errors import EvidenceError
from drivetrain.findings import worst
from tests import fabricated


def world(seed: int, rows: int = 400) -> dict[str, np.ndarray]:
    """Random truth, predictions and groups: missing values, a group with one class only, a rare group."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(np.array(["f", "m", None], dtype=object), rows, p=[0.5, 0.4, 0.1])
    age = rng.choice(np.array(["young", "old", "very old"], dtype=object), rows, p=[0.6, 0.38, 0.02])
    truth = rng.choice(["a", "b", "c"], rows).astype(object)
    truth[sex == "m"] = np.where(rng.random((sex == "m").sum()) < 0.5, "a", "b")
    truth[age == "very old"] = "c"
    return {"sex": sex, "age": age, "truth": truth, "predicted": rng.choice(["a", "b", "c"], rows).astype(object)}


def masks(world: dict[str, np.ndarray], columns: tuple[str, ...]):
    """Every group that occurs, with its rows: the plain way."""
    keys = list(zip(*(world[c] for c in columns), strict=True))
    for key in set(keys):
        yield key, np.array([k == key for k in keys])


def same(found: float, expected: float) -> bool:
    return (math.isnan(found) and math.isnan(expected)) or math.isclose(found, expected, abs_tol=1e-12)


class TestFiguresEqualAnIndependentCount:
    @pytest.mark.parametrize("seed", range(5))
    def test_every_class_of_every_group_and_intersection(self, seed):
        data = world(seed)
        found = cells(pa.table({k: pa.array(v) for k, v in data.items()}), ["sex", "age", "truth", "predicted"])
        for columns in [(), *subsets(["sex", "age"])]:
            table = classes_by_group(found, columns, ["a", "b", "c"])
            expected = dict(masks(data, columns)) if columns else {(): np.ones(400, bool)}
            assert set(table.groups) == set(expected)
            for place, group in enumerate(table.groups):
                rows = expected[group]
                truth, said = data["truth"][rows], data["predicted"][rows]
                values = {figure.name: figure.interval()[0][place] for figure in table.figures}
                assert table.rows[place] == rows.sum()
                assert same(values["accuracy"], metrics.accuracy_score(truth, said))
                for name in "abc":
                    is_true, is_said = truth == name, said == name
                    recall = metrics.recall_score(is_true, is_said, zero_division=np.nan)
                    precision = metrics.precision_score(is_true, is_said, zero_division=np.nan)
                    specificity = metrics.recall_score(~is_true, ~is_said, zero_division=np.nan)
                    assert same(values[f"true positive rate: {name}"], recall)
                    assert same(values[f"false negative rate: {name}"], 1 - recall)
                    assert same(values[f"precision: {name}"], precision)
                    assert same(values[f"false positive rate: {name}"], 1 - specificity)
                    assert same(values[f"selection rate: {name}"], is_said.mean())

    def test_two_classes_with_calibration(self):
        rng = np.random.default_rng(3)
        p = rng.random(500)
        truth, group = rng.random(500) < p**2, rng.choice(["x", "y"], 500)
        gap, bins = p - truth, np.minimum((p * 10).astype(int), 9)
        table = pa.table(
            {"g": group, "truth": np.where(truth, "true", "false"), "predicted": np.where(p > 0.5, "true", "false"),
             "gap": gap, "bin": bins}
        )  # fmt: skip
        found = cells(table, ["g", "truth", "predicted", "bin"], ["gap"])
        figures = {f.name: f.interval()[0] for f in classes_by_group(found, ["g"], ["false", "true"], "true").figures}
        error = expected_calibration_error(found, ["g"])
        for place, name in enumerate(["x", "y"]):
            rows = group == name
            assert math.isclose(figures["calibration gap"][place], gap[rows].mean())
            assert math.isclose(figures["selection rate"][place], (p[rows] > 0.5).mean())
            expected = sum(
                abs(p[rows & (bins == b)].mean() - truth[rows & (bins == b)].mean()) * (bins[rows] == b).mean()
                for b in range(10)
                if (rows & (bins == b)).any()
            )
            assert math.isclose(error[place], expected)


class TestAnAuditOfAProject:
    def test_figures_by_class_and_group_are_those_of_the_held_out_rows(self, tmp_path):
        spec, rows = fabricated.mail(tmp_path)
        result = audit.run(spec)
        test = np.array(rows["split"]) == "test"
        [model] = result["models"]
        assert model["rows"] == test.sum()
        said, truth, depot = rows["said"][test], rows["truth"][test], np.array(rows["depot"])[test]
        assert model["overall"]["figures"]["accuracy"]["value"] == pytest.approx((said == truth).mean())
        counts = metrics.confusion_matrix(truth, said, labels=["0", "1", "2"]).tolist()
        assert model["confusion"] == counts
        [table] = model["by_group"]
        for row in table["groups"]:
            at = depot == row["group"]["depot"]
            assert row["rows"] == at.sum()
            assert row["figures"]["accuracy"]["value"] == pytest.approx((said[at] == truth[at]).mean())

    def test_the_objectives_value_is_given_for_every_class_and_group_with_an_interval(self, tmp_path):
        spec, rows = fabricated.mail(tmp_path)
        decisions = audit.run(spec)["decisions"]
        test = np.array(rows["split"]) == "test"
        value, depot, truth = rows["value"][test], np.array(rows["depot"])[test], rows["truth"][test]
        assert decisions["policies"]["optimized"]["figures"]["value"]["value"] == pytest.approx(value.mean())
        by_group = next(t for t in decisions["by_group"] if t["policy"] == "optimized")
        by_class = next(t for t in decisions["by_class"] if t["policy"] == "optimized")
        for column, labels, table in (("depot", depot, by_group), ("digit", truth, by_class)):
            for row in table["groups"]:
                figure = row["figures"]["value"]
                assert figure["value"] == pytest.approx(value[labels == row["group"][column]].mean())
                assert figure["low"] < figure["value"] < figure["high"]
        share = by_group["groups"][0]["figures"]["setting rate: manual"]["value"]
        at = depot == by_group["groups"][0]["group"]["depot"]
        assert share == pytest.approx((rows["chosen"][test][at] == "manual").mean())

    def test_without_groups_it_says_so_and_audits_by_class(self, tmp_path):
        text = fabricated.MAIL.replace("    groups: [depot]\n", "").replace(", by: [depot]", "")
        spec, _ = fabricated.mail(tmp_path, text)
        result = audit.run(spec)
        assert result["note"] == "no groups recorded"
        assert "no groups recorded" in audit.text(result)
        assert result["models"][0]["by_group"] == []
        assert "true positive rate: 2" in result["models"][0]["overall"]["figures"]

    def test_it_is_recorded_with_what_it_read(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        result = audit.run(spec)
        record = evidence.read(tmp_path, "audit")
        assert record is not None
        assert record.result == json.loads(json.dumps(result))
        assert dict(record.data) == fabricated.fingerprints(spec)
        assert not evidence.stale(record, spec.digest)
        assert {"data.letters.groups", "objective.value", "data"} <= record.reads.keys()

    def test_evidence_from_sample_data_stays_marked_as_such(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "train.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        body["data"]["letters"]["synthetic"] = True
        path.write_text(json.dumps(body), encoding="utf-8")
        (tmp_path / "evidence" / "decide.json").unlink()
        audit.run(spec)
        assert evidence.read(tmp_path, "audit").synthetic

    def test_before_any_decision_it_audits_the_predictions(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        (tmp_path / "evidence" / "decisions.parquet").unlink()
        assert audit.run(spec)["decisions"] is None

    def test_rows_without_a_known_outcome_are_left_out_and_counted(self, tmp_path):
        spec, rows = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "runs" / fabricated.RUN / "predictions-digit_reader.parquet"
        table = pq.read_table(path)
        truth = [None if i % 5 == 0 else t for i, t in enumerate(table["truth"].to_pylist())]
        pq.write_table(table.set_column(table.column_names.index("truth"), "truth", pa.array(truth)), path)
        [model] = audit.run(spec)["models"]
        test = np.array(rows["split"]) == "test"
        unknown = np.array([t is None for t in truth])
        assert (model["rows"], model["without_truth"]) == ((test & ~unknown).sum(), (test & unknown).sum())

    def test_no_held_out_row_is_a_failure(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "runs" / fabricated.RUN / "predictions-digit_reader.parquet"
        table = pq.read_table(path)
        pq.write_table(table.set_column(1, "split", pa.array(["validation"] * len(table))), path)
        (tmp_path / "evidence" / "decisions.parquet").unlink()
        result = audit.run(spec)
        assert [f["id"] for f in result["findings"] if f["level"] == "fail"] == ["DU102"]

    def test_nothing_trained_is_said_in_one_line(self, tmp_path):
        spec = fabricated.project(tmp_path)
        fabricated.letters(tmp_path)
        with pytest.raises(EvidenceError, match="make train"):
            audit.run(spec)
        assert not (tmp_path / "evidence" / "audit.json").exists()

    def test_predictions_of_other_data_are_refused(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        for path in (tmp_path / "data" / "letters" / "0").iterdir():
            path.unlink()
        with pytest.raises(EvidenceError, match="not in the data"):
            audit.run(spec)

    def test_a_broken_file_of_predictions_is_named(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        path = tmp_path / "evidence" / "runs" / fabricated.RUN / "predictions-digit_reader.parquet"
        path.write_bytes(b"PAR1 nonsense")
        with pytest.raises(EvidenceError, match=r"predictions-digit_reader\.parquet"):
            audit.run(spec)

    def test_findings_have_levels_that_do_not_stop_the_step(self, tmp_path):
        spec, _ = fabricated.mail(tmp_path)
        from drivetrain.findings import Finding

        found = [Finding(**f) for f in audit.run(spec)["findings"]]
        assert worst(found) in ("pass", "note", "warn")
