"""The audit's counts against a hand-written DuckDB query, and against fairlearn's MetricFrame.

python tests/bench/bench_audit.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from drivetrain.audit.counts import cells, subsets
from drivetrain.audit.figures import classes_by_group

GROUPS = ("sex", "age", "region")


def people(rows: int, seed: int = 0) -> pa.Table:
    """Truth and prediction of two classes in three group columns with 2, 6 and 16 values."""
    stream = np.random.default_rng(seed)
    truth = stream.random(rows) < 0.4
    said = np.where(stream.random(rows) < 0.85, truth, ~truth)
    columns = {
        "sex": stream.integers(2, size=rows),
        "age": stream.integers(6, size=rows),
        "region": stream.integers(16, size=rows),
    }
    names = {name: pa.array([f"{name}{i}" for i in range(16)]) for name in columns}
    table = {name: names[name].take(pa.array(codes)) for name, codes in columns.items()}
    words = pa.array(["no", "yes"])
    return pa.table({**table, "truth": words.take(pa.array(truth * 1)), "predicted": words.take(pa.array(said * 1))})


def ours(table: pa.Table) -> dict:
    """Count, selection rate, accuracy, TPR and FPR of every group and intersection."""
    found = cells(table, [*GROUPS, "truth", "predicted"])
    result = {}
    for subset in subsets(GROUPS):
        counted = classes_by_group(found, subset, ["no", "yes"], "yes")
        rates = {figure.name: figure.hits / figure.total for figure in counted.figures}
        wanted = ("selection rate", "accuracy", "true positive rate", "false positive rate")
        for place, group in enumerate(counted.groups):
            result[subset, group] = (int(counted.rows[place]), *(rates[name][place] for name in wanted))
    return result


def by_hand(table: pa.Table) -> list:
    """The same counts as one would write them for this table."""
    with duckdb.connect() as connection:
        connection.register("t", table)
        return connection.sql(
            "SELECT sex, age, region, truth, predicted, count(*) FROM t "
            "GROUP BY GROUPING SETS ((sex, truth, predicted), (age, truth, predicted), (region, truth, predicted), "
            "(sex, age, truth, predicted), (sex, region, truth, predicted), (age, region, truth, predicted), "
            "(sex, age, region, truth, predicted))"
        ).fetchall()


def fairlearn(table: pa.Table) -> dict:
    """The same figures by fairlearn, whose frame gives one intersection at a time."""
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score

    truth, said = ((np.array(table[name].to_pylist()) == "yes").astype(int) for name in ("truth", "predicted"))
    frame = table.select(list(GROUPS)).to_pandas()
    metrics = {
        "count": count, "selection": selection_rate, "accuracy": accuracy_score, "tpr": true_positive_rate,
        "fpr": false_positive_rate,
    }  # fmt: skip
    result = {}
    for subset in subsets(GROUPS):
        found = MetricFrame(metrics=metrics, y_true=truth, y_pred=said, sensitive_features=frame[list(subset)]).by_group
        for group, row in found.iterrows():
            result[subset, group if isinstance(group, tuple) else (group,)] = (int(row["count"]), *row.tolist()[1:])
    return result


def timed(step, *arguments) -> float:
    """Seconds of processor time would hide what DuckDB's threads do; the wall is what people wait for."""
    start = time.perf_counter()
    step(*arguments)
    return time.perf_counter() - start


def check(table: pa.Table) -> None:
    """A figure that is fast and wrong is worth nothing."""
    counted = ours(table)
    theirs = fairlearn(table)
    assert counted.keys() == theirs.keys()
    for key, row in counted.items():
        assert np.allclose(row, theirs[key], atol=1e-12), (key, row, theirs[key])
    total = sum(row[5] for row in by_hand(table))
    assert total == sum(row[0] for row in counted.values())


def measure() -> list[dict]:
    """The ratios, ours and theirs by turns, medians."""
    large, small = people(2_000_000), people(200_000)
    check(people(5_000))
    timed(ours, large), timed(by_hand, large)
    pairs = [(timed(ours, large), timed(by_hand, large)) for _ in range(7)]
    ratio = statistics.median(a / b for a, b in pairs)
    timed(ours, small)
    quick = statistics.median(timed(ours, small) for _ in range(7))
    slow = statistics.median(timed(fairlearn, small) for _ in range(3))
    return [
        {"what": "2 M rows: seconds", "is": statistics.median(a for a, _ in pairs)},
        {"what": "2 M rows: time against DuckDB by hand", "is": ratio, "most": 2},
        {"what": "200,000 rows: fairlearn's time against ours", "is": slow / quick, "least": 50},
    ]


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    path = parser.parse_args().json
    rows = measure()
    for row in rows:
        goal = f"at most {row['most']}" if "most" in row else f"at least {row['least']}" if "least" in row else ""
        print(f"{row['what']:<50} {row['is']:>10.4g}  {goal}")
    if path:
        path.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
