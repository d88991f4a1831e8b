"""`make train` on images: what people get, and what they can rely on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import DIGITS, make, train, write_digits

from drivetrain import artifact, evidence
from drivetrain.errors import ArtifactError
from drivetrain.spec import Spec

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spec]:
    """A project that was trained as a user would: `python -m letters.train`."""
    folder = tmp_path_factory.mktemp("letters")
    spec = make(folder, DIGITS)
    write_digits(folder / "data" / "letters", per_class=30)
    done = train(spec)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # progress is no result
    assert "epoch 3/3" in done.stderr
    sys.path.insert(0, str(folder))
    yield spec
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == spec.package]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def predictor(letters: Spec) -> artifact.Predictor:
    return artifact.load(letters.root / "artifacts" / "reader", root=letters.root)


@pytest.fixture(scope="module")
def record(letters: Spec) -> evidence.Evidence:
    found = evidence.read(letters.root, "train")
    assert found is not None
    return found


def test_served_probabilities_are_the_learners_on_100_images_of_all_classes(
    letters: Spec, predictor: artifact.Predictor, record_property: Any
) -> None:
    import pandas as pd

    from drivetrain.training import load_learner

    paths = sorted(
        path for digit in range(10) for path in list((letters.root / f"data/letters/{digit}").iterdir())[:10]
    )
    assert len(paths) == 100
    learn = load_learner(letters.root / "artifacts" / "reader")
    with learn.no_bar(), learn.no_logging():
        learned = learn.get_preds(dl=learn.dls.test_dl(pd.DataFrame({"image": [str(path) for path in paths]})))[
            0
        ].numpy()
    served = predictor.predict({"image": paths})["digit"]
    assert served.classes == tuple(map(str, range(10))) == tuple(learn.dls.vocab)
    gap = np.abs(served.probabilities - learned).max()
    record_property("figure", f"{gap:.0e}")
    assert gap <= 1e-4
    np.testing.assert_array_equal(served.probabilities.argmax(axis=1), learned.argmax(axis=1))


def test_bytes_paths_and_images_give_the_same(letters: Spec, predictor: artifact.Predictor) -> None:
    from PIL import Image

    path = next((letters.root / "data/letters/7").iterdir())
    values = [path, path.read_bytes(), Image.open(path), path.relative_to(letters.root).as_posix()]
    found = predictor.predict({"image": values})["digit"].probabilities
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-6)


def test_the_learner_is_loaded_only_if_it_is_the_one_that_was_trained(letters: Spec, tmp_path: Path) -> None:
    import shutil

    from drivetrain.training import load_learner

    shutil.copytree(letters.root / "artifacts" / "reader", tmp_path / "reader")
    with (tmp_path / "reader" / "learner.pkl").open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(ArtifactError, match="SHA-256"):
        load_learner(tmp_path / "reader")


def test_the_held_out_part_is_never_trained_on(letters: Spec) -> None:
    job = first_job(letters)
    assert set(job.cases["split"]) == {"train", "validation"}
    held_out = job.everything[job.everything["split"] == "test"]
    assert len(held_out) == 60
    assert not set(held_out["image"]) & set(job.cases["image"])


def first_job(spec: Spec) -> Any:
    """What the first learner of a run would get; the run is then stopped."""
    from drivetrain.training import start

    job = None
    with suppress(Stopped), start(spec) as run:
        job = next(run.jobs())
        raise Stopped
    return job


class Stopped(Exception):
    pass


def test_a_run_that_fails_leaves_the_artifacts_and_evidence_of_the_one_before(letters: Spec) -> None:
    def tree() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for top in ("artifacts", "evidence") for p in (letters.root / top).rglob("*.*")}

    before = tree()
    assert first_job(letters) is not None
    assert tree() == before


def test_a_run_leaves_its_history_figures_and_predictions(letters: Spec, record: evidence.Evidence) -> None:
    from pyarrow import parquet

    [run] = (letters.root / "evidence" / "runs").iterdir()
    assert record.result["run"] == run.name
    names = {
        "drivetrain.yaml", "history-reader.csv", "history-reader.png", "errors-reader.png", "metrics.json",
        "predictions-reader.parquet", "worth.parquet",
    }  # fmt: skip
    assert {path.name for path in run.iterdir()} == names
    # What two runs are compared by: each validation letter is worth 1 in its own bin, -4 in another.
    values = parquet.read_table(run / "worth.parquet")["value"].to_pylist()
    assert set(values) <= {1.0, -4.0}
    assert record.result["worth"]["value"] == pytest.approx(sum(values) / len(values))
    assert (run / "drivetrain.yaml").read_text() == (letters.root / "drivetrain.yaml").read_text()


def test_the_figures_are_those_of_the_predictions(letters: Spec, record: evidence.Evidence) -> None:
    from pyarrow import parquet
    from sklearn import metrics as oracle

    table = parquet.read_table(
        letters.root / "evidence" / "runs" / record.result["run"] / "predictions-reader.parquet"
    ).to_pandas()
    assert sorted(table["split"].unique()) == ["test", "validation"]
    assert table["case"].is_unique
    held_out = table[table["split"] == "test"]
    probabilities = held_out[[f"p_{digit}" for digit in range(10)]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)
    truth = held_out["truth"].astype(int).to_numpy()
    figures = record.result["models"]["reader"]["metrics"]["held_out"]
    assert figures["cases"] == len(held_out) == 60
    assert figures["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
    assert figures["log_loss"] == pytest.approx(oracle.log_loss(truth, probabilities, labels=range(10)), rel=1e-6)
    expected = oracle.roc_auc_score(truth, probabilities, multi_class="ovr", labels=range(10))
    assert figures["auroc"] == pytest.approx(expected)


def test_it_beats_the_baseline_by_far(record: evidence.Evidence) -> None:
    reader = record.result["models"]["reader"]
    assert reader["baseline"]["kind"] == "majority"
    assert reader["metrics"]["held_out"]["accuracy"] >= reader["baseline"]["metrics"]["held_out"]["accuracy"] + 0.3


def test_no_more_validation_cases_raise_an_alarm_than_the_plan_allows(
    letters: Spec, predictor: artifact.Predictor
) -> None:
    from drivetrain.training import rows

    frame = rows(letters, letters.model("reader"))
    paths = frame[frame["split"] == "validation"]["image"].tolist()
    alarms = predictor.scores({"image": paths}) > predictor.manifest["out_of_domain"]["threshold"]
    assert predictor.manifest["out_of_domain"]["false_alarms"] == 0.05
    # The order statistic below which one more such case falls with a probability of 95 %.
    assert alarms.sum() == len(paths) - np.ceil(0.95 * (len(paths) + 1))
    assert alarms.mean() <= 0.05


def test_evidence_names_what_it_read(letters: Spec, record: evidence.Evidence) -> None:
    assert record.artifacts == {"reader": artifact.digest(letters.root / "artifacts" / "reader")}
    assert not evidence.stale(record, letters.digest)
    assert {"models.reader", "data.letters.location", "data.letters.split"} <= set(record.reads)
    assert not any(path.startswith("objective") for path in record.reads)  # a changed cost needs no new training


def test_a_manifest_knows_no_folder_of_this_machine(letters: Spec) -> None:
    text = (letters.root / "artifacts/reader/manifest.json").read_text() + (
        letters.root / "evidence/train.json"
    ).read_text()
    assert str(letters.root) not in text


def test_rows_hold_what_a_learner_expects(letters: Spec) -> None:
    from drivetrain.training import rows

    frame: Any = rows(letters, letters.model("reader"))
    assert len(frame) == 300
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in frame["image"])
    assert (frame["digit"] == [Path(path).parent.name for path in frame["image"]]).all()
