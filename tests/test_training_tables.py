"""Tables train without falling into the silent traps of types and gaps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from projects import make, train

from drivetrain import artifact, evidence
from drivetrain.spec import Spec

pytestmark = pytest.mark.train

PLAN = """\
drivetrain: 1
project: {name: Loans}
objective:
  statement: Loans go to those who pay them back.
  value: "where(offer == 'yes', where(paid, 1, -3), 0)"
levers:
  - {name: offer, type: options, options: ["yes", "no"]}
data:
  - name: loans
    kind: table
    location: data/loans.parquet
    columns:
      branch: category
      rooms: category
      owner: boolean
      income: number
      debts: {type: integer}
      asked: {type: category, use: audit}
    outcomes: {paid: {column: paid, type: binary, affected_by: []}}
    split: {column: part}
models:
  - name: payer
    task: table-classification
    predicts: paid
    layers: [32]
    training: {epochs: 6, schedule: one_cycle, learning_rate: 0.02, batch_size: 64}
"""
ROWS = 600


def loans() -> pd.DataFrame:
    """Loans of a known law: the branch, the rooms and the income decide; every trap is in the columns."""
    rng = np.random.default_rng(7)
    branch = rng.choice(["north", "south", "west"], ROWS)
    rooms = rng.integers(1, 5, ROWS)
    income = rng.normal(30, 8, ROWS)
    logit = 2.5 * (branch == "south") - 2 * (branch == "west") + 1.2 * (rooms - 2.5) + 0.15 * (income - 30)
    part = np.array(["train", "validation", "test"])[np.arange(ROWS) % 3]
    frame = pd.DataFrame(
        {
            # pandas categories carry codes of their own, here in an order that is not the alphabet's
            "branch": pd.Categorical(branch, categories=["west", "south", "north", "never seen"]),
            "rooms": rooms.astype(str),  # whole numbers as text, as a CSV gives them
            "owner": rng.random(ROWS) < 0.5,
            "income": income,
            "debts": pd.array(rng.integers(0, 9, ROWS), dtype="Int64"),
            "asked": "a",
            "paid": rng.random(ROWS) < 1 / (1 + np.exp(-logit)),
            "part": part,
        }
    )
    frame.loc[frame.index[frame["part"] == "test"][:10], "income"] = np.nan  # complete in training
    frame.loc[frame.index[frame["part"] == "validation"][:10], "income"] = np.nan
    frame.loc[frame.index[::7], "debts"] = pd.NA  # gaps everywhere
    frame.loc[frame.index[::11], "branch"] = None
    return frame


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spec]:
    folder = tmp_path_factory.mktemp("loans")
    (folder / "data").mkdir()
    loans().to_parquet(folder / "data" / "loans.parquet")
    spec = make(folder, PLAN)
    for _ in range(2):
        done = train(spec)
        assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(folder))
    yield spec
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == spec.package]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def predictor(project: Spec) -> artifact.Predictor:
    return artifact.load(project.root / "artifacts" / "payer")


def test_what_was_always_known_in_training_is_written_down(predictor: artifact.Predictor) -> None:
    settings = predictor.manifest["preprocessing"]
    known = {*settings["categories"], *settings["continuous"]} - settings["missing"].keys()
    assert known - set(settings["complete"]) == {"debts", "branch"}  # the two with gaps


def test_the_law_is_learned(project: Spec) -> None:
    found = evidence.read(project.root, "train")
    assert found is not None
    payer = found.result["models"]["payer"]
    truth = loans()["paid"].mean()
    assert payer["metrics"]["held_out"]["auroc"] >= 0.75
    assert payer["metrics"]["held_out"]["accuracy"] >= max(truth, 1 - truth) + 0.05
    assert payer["baseline"]["kind"] == "linear"
    assert payer["baseline"]["metrics"]["held_out"]["auroc"] >= 0.75


def test_two_runs_of_one_plan_are_kept_and_give_the_same_model(project: Spec) -> None:
    runs = list((project.root / "evidence" / "runs").iterdir())
    assert len(runs) == 2
    first, second = (json.loads((run / "metrics.json").read_text())["models"]["payer"]["metrics"] for run in runs)
    assert first == second


def test_the_service_predicts_what_the_learner_does(project: Spec, predictor: artifact.Predictor) -> None:
    from drivetrain.training import load_learner, rows
    from drivetrain.training.rows import columns

    frame = rows(project, project.model("payer"))
    learn = load_learner(project.root / "artifacts" / "payer")
    with learn.no_bar(), learn.no_logging():
        learned = learn.get_preds(dl=learn.dls.test_dl(frame))[0].numpy()
    served = predictor.predict(columns(frame, list(predictor.inputs)))["paid"]
    assert served.classes == ("false", "true")
    assert np.abs(served.probabilities - learned).max() <= 1e-4


def test_the_type_of_a_value_does_not_matter(predictor: artifact.Predictor) -> None:
    as_text = {"branch": ["south"], "rooms": ["3"], "owner": ["true"], "income": ["31.5"], "debts": ["2"]}
    as_json = {"branch": ["south"], "rooms": [3], "owner": [True], "income": [31.5], "debts": [2.0]}
    first, second = (predictor.predict(cases)["paid"].probabilities for cases in (as_text, as_json))
    np.testing.assert_array_equal(first, second)


def test_each_input_counts(predictor: artifact.Predictor) -> None:
    base = {"branch": ["north"], "rooms": [2], "owner": [True], "income": [30], "debts": [2]}

    def paid(**changes: object) -> float:
        cases = base | {name: [value] for name, value in changes.items()}
        return float(predictor.predict(cases)["paid"].probabilities[0, 1])

    assert paid(branch="south") > paid() > paid(branch="west")
    assert paid(rooms=4) > paid(rooms=1)
    assert paid(income=45) > paid(income=15)


def test_a_gap_that_training_did_not_have_is_filled_with_the_median(predictor: artifact.Predictor) -> None:
    cases = {"branch": ["south"], "rooms": [3], "owner": [True], "debts": [2]}
    frame = loans()
    median = frame[frame["part"] == "train"]["income"].median()
    gap = predictor.predict(cases | {"income": [None]})["paid"].probabilities
    filled = predictor.predict(cases | {"income": [median]})["paid"].probabilities
    np.testing.assert_allclose(gap, filled, atol=1e-6)


def test_what_is_only_for_the_audit_is_no_input(predictor: artifact.Predictor) -> None:
    assert set(predictor.inputs) == {"branch", "rooms", "owner", "income", "debts"}


def test_balanced_class_weights_still_give_probabilities_that_mean_frequencies(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    size = 3000
    income = rng.normal(0, 1, size)
    paid = rng.random(size) < 1 / (1 + np.exp(-(income - 2.5)))  # about one in nine
    frame = loans().iloc[[1]].merge(pd.DataFrame({"k": range(size)}), how="cross").drop(columns="k")
    frame = frame.assign(income=income, paid=paid, part=np.array(["train", "validation", "test"])[np.arange(size) % 3])
    (tmp_path / "data").mkdir()
    frame.to_parquet(tmp_path / "data" / "loans.parquet")
    spec = make(tmp_path, PLAN.replace("training: {epochs: 6", "training: {class_weights: balanced, epochs: 3"))
    done = train(spec)
    assert done.returncode == 0, done.stderr
    predictor = artifact.load(tmp_path / "artifacts" / "payer")
    test = frame[frame["part"] == "test"]
    cases = {name: test[name].tolist() for name in predictor.inputs}
    mean = predictor.predict(cases)["paid"].probabilities[:, 1].mean()
    assert mean == pytest.approx(test["paid"].mean(), abs=0.04)  # 1,000 cases: two standard errors are 0.02


def test_isotonic_tables_are_of_the_classes_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    frame = loans().rename(columns={"branch": "c"})  # fastai calls the number of classes `c`
    frame.to_parquet(tmp_path / "data" / "loans.parquet")
    plan = PLAN.replace("branch: category", "c: category").replace("layers: [32]", "calibration: isotonic")
    spec = make(tmp_path, plan.replace("Loans", "Steps").replace("epochs: 6", "epochs: 2"))
    done = train(spec)
    assert done.returncode == 0, done.stderr
    predictor = artifact.load(tmp_path / "artifacts" / "payer")
    tables = predictor.manifest["outcomes"]["paid"]["isotonic"]
    assert len(tables) == 2
    # What validation saw is what is said, on average.
    from drivetrain.training import rows

    validation = rows(spec, spec.models[0]).query("split == 'validation'")
    said = predictor.predict({name: validation[name].tolist() for name in predictor.inputs})["paid"].probabilities
    assert said[:, 1].mean() == pytest.approx((validation["paid"] == "true").mean(), abs=0.02)
