"""How much better would more labels make it, what is it worth, and which of two runs is better for the decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from projects import PACKAGE, make, python
from test_training_tables import PLAN, loans

from drivetrain import evidence
from drivetrain.artifact.distribution import Distribution
from drivetrain.errors import EvidenceError
from drivetrain.spec import Spec

pytestmark = pytest.mark.train
MEASURED = PLAN.replace(
    "  value:",
    "  measure: {name: profit, unit: EUR per loan, direction: maximize, target: 0.4, formula: 'mean(value)'}\n  value:",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    folder = tmp_path_factory.mktemp("curve")
    (folder / "data").mkdir()
    loans().to_parquet(folder / "data" / "loans.parquet")
    return make(folder, MEASURED)


class Says:
    """A model that says what it was told, row by row of the validation part."""

    inputs = ("income",)

    def __init__(self, chances: Any) -> None:
        self.manifest = {"predicts": ["paid"]}
        self.chances = np.asarray(chances, dtype=float)

    def predict(self, cases: Any) -> dict[str, Distribution]:
        return {"paid": Distribution(("false", "true"), np.stack([1 - self.chances, self.chances], axis=1))}


def validation(project: Spec) -> pd.DataFrame:
    frame = pd.read_parquet(project.root / "data" / "loans.parquet")
    return frame[frame["part"] == "validation"]


def test_a_value_that_no_outcome_stands_in_has_no_worth_to_measure(tmp_path: Path) -> None:
    from drivetrain.training import worth

    (tmp_path / "data").mkdir()
    loans().to_parquet(tmp_path / "data" / "loans.parquet")
    spec = make(tmp_path, PLAN.replace("where(paid, 1, -3)", "1"))
    assert worth.measured(spec, [Says(np.full(200, 0.5))]) is None  # type: ignore[list-item]


def test_the_worth_of_a_model_is_what_its_loans_brought(project: Spec) -> None:
    from drivetrain.training import worth

    paid = validation(project)["paid"].to_numpy()
    chances = np.random.default_rng(0).random(len(paid))
    found = worth.measured(project, [Says(chances)])  # type: ignore[list-item]
    assert found is not None
    # By hand: a loan is given where it is expected to bring something, p - 3 (1 - p) > 0.
    given = chances - 3 * (1 - chances) > 0
    np.testing.assert_allclose(found.values, np.where(given, np.where(paid, 1, -3), 0))
    assert found.best is not None
    np.testing.assert_allclose(found.best, paid * 1.0)
    assert found.entry()["value"] == pytest.approx(np.where(given, np.where(paid, 1, -3), 0).mean())
    assert found.entry()["how"] == "observed"


def test_where_a_lever_moves_the_outcome_only_a_randomised_history_says_what_a_policy_is_worth(tmp_path: Path) -> None:
    from drivetrain.training import worth

    rng = np.random.default_rng(1)
    count, repeats = 4000, 30
    text = """\
drivetrain: 1
project: {name: Calls}
objective: {statement: Customers stay., value: "where(stays, 10, 0) - cost(call)",
  measure: {name: profit, unit: EUR, direction: maximize, formula: 'mean(value)'}}
levers:
  - {name: call, type: options, options: {"yes": {cost: 2}, "no": {cost: 0}},
     history: {kind: randomised, data: people, column: called, propensity: 0.25}}
data:
  - {name: people, kind: table, location: data/people.parquet,
     columns: {age: number, called: {type: category, role: logged}},
     outcomes: {stays: {column: stays, type: binary, affected_by: [call]}}, split: {column: part}}
models:
  - {name: stayer, task: table-classification, predicts: stays, inputs: [age, call]}
"""
    (tmp_path / "data").mkdir()
    estimates, errors = [], []
    for _ in range(repeats):
        age = rng.random(count)
        # The propensity in the plan is that of the setting that was used; here both settings were used as often.
        called = rng.random(count) < 0.5
        stays = rng.random(count) < np.where(called, 0.3 + 0.6 * age, 0.5)
        people = {"age": age, "called": np.where(called, "yes", "no"), "stays": stays, "part": "validation"}
        pd.DataFrame(people).to_parquet(tmp_path / "data" / "people.parquet")
        spec = make(tmp_path, text.replace("propensity: 0.25", "propensity: 0.5"))

        class Knows(Says):
            inputs = ("age", "call")  # type: ignore[assignment]

            def predict(self, cases: Any) -> dict[str, Distribution]:
                chance = np.where(np.array(cases["call"]) == "yes", 0.3 + 0.6 * np.array(cases["age"]), 0.5)
                return {"stays": Distribution(("false", "true"), np.stack([1 - chance, chance], axis=1))}

        model = Knows([])
        model.manifest = {"predicts": ["stays"]}
        found = worth.measured(spec, [model])  # type: ignore[list-item]
        assert found is not None
        assert found.how == "randomised"
        assert found.best is None
        estimates.append(found.values.mean())
        errors.append(worth.error_of(found.values))
    # The law: call where 6 age - 2 > 2, that is above 2/3; worth the integral of both branches.
    truth = (2 / 3) * 5 + (10 * (0.3 / 3 + 0.6 * (1 - 4 / 9) / 2) - 2 / 3)
    z = (np.mean(estimates) - truth) / (np.std(estimates, ddof=1) / np.sqrt(repeats))
    assert abs(z) < 4
    assert 0.7 < np.mean(errors) / np.std(estimates, ddof=1) < 1.4  # the standard error is what they spread by
    spec = make(tmp_path, text.replace("randomised", "human"))
    assert worth.measured(spec, [model]) is None  # type: ignore[list-item]


def test_parts_lie_within_each_other_and_lose_no_class(project: Spec) -> None:
    from drivetrain.training import rows
    from drivetrain.training.curve import SHARES, part

    model = project.models[0]
    cases = rows(project, model)
    cases = cases[cases["split"] != "test"].reset_index(drop=True)
    parts = [part(project, model, cases, share) for share in (*SHARES, 1.0)]
    before: set[int] = set()
    for share, some in zip((*SHARES, 1.0), parts, strict=True):
        assert some is not None
        own = set(some.loc[some["split"] == "train", "case"])
        assert before <= own
        assert abs(len(own) - share * 200) <= 2
        assert (some["split"] == "validation").sum() == 200
        assert set(some.loc[some["split"] == "train", "paid"]) == {"false", "true"}
        before = own
    assert part(project, model, cases, 0.01) is None


@pytest.mark.full
def test_runs_are_kept_with_their_curve_and_compared(project: Spec) -> None:
    from drivetrain.availability.curve import curves
    from drivetrain.training.compare import chosen, compare

    (project.root / project.package / "compare.py").write_text((PACKAGE / "compare.py").read_text())
    with pytest.raises(EvidenceError, match="no run yet"):
        chosen(project.root, [])
    done = python(project.root, "-m", f"{project.package}.train", "--curve")
    assert done.returncode == 0, done.stderr
    record = evidence.read(project.root, "train")
    assert record is not None
    curve = record.result["models"]["payer"]["learning_curve"]
    assert [point["rows"] for point in curve["points"]] == pytest.approx([25, 50, 100, 200], abs=2)
    paid = validation(project)["paid"].mean()
    assert curve["target"] == pytest.approx(paid - 0.4)  # had every outcome been known, each payer brings 1
    assert curve["points"][-1]["error"] == pytest.approx(paid - record.result["worth"]["value"])
    assert [finding.id for finding in curves(project)] == ["DA190"]
    assert (project.root / "evidence" / "runs" / record.result["run"] / "learning-curve-payer.png").exists()
    assert sorted(path.name for path in (project.root / "artifacts").iterdir()) == ["payer"]
    # A model that hardly learns is worth less.
    make(
        project.root,
        MEASURED.replace("epochs: 6", "epochs: 1").replace("learning_rate: 0.02", "learning_rate: 0.00001"),
    )
    assert python(project.root, "-m", f"{project.package}.train").returncode == 0
    shown = python(project.root, "-m", f"{project.package}.compare")
    assert shown.returncode == 0, shown.stderr
    assert "epochs" in shown.stdout
    first, second = chosen(project.root, [])
    found = compare(project.root, first, second)
    assert found["better_by_figures"] == 0
    assert found["worth"]["paired"]
    with pytest.raises(EvidenceError, match="is no run"):
        chosen(project.root, ["nothing"])


def test_a_note_says_when_the_better_predictor_decides_worse(tmp_path: Path) -> None:
    from drivetrain.training.compare import compare

    for name, accuracy, value in (("a", 0.9, -1.0), ("b", 0.8, 2.0)):
        folder = tmp_path / "evidence" / "runs" / name
        folder.mkdir(parents=True)
        worth = {"measure": "profit", "unit": "EUR", "better": "higher", "value": value, "standard_error": 0.1,
                 "cases": 9, "how": "observed"}  # fmt: skip
        metrics = {"validation": {"accuracy": accuracy}}
        (folder / "metrics.json").write_text(json.dumps({"models": {"m": {"metrics": metrics}}, "worth": worth}))
    notes = " ".join(compare(tmp_path, "a", "b")["notes"])
    assert "They disagree: a predicts better, and b decides better" in notes
    (tmp_path / "evidence/runs/a/metrics.json").write_text("{}")
    with pytest.raises(EvidenceError, match="is no record of a run"):
        compare(tmp_path, "a", "b")
