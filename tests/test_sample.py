"""Sample data: real where scikit-learn ships them, whole or not at all, and only where nothing is yet."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from drivetrain import examples, sample, source
from drivetrain.cli import main
from drivetrain.errors import DataError, EnvironmentFault
from drivetrain.spec import Spec, load_spec


def project(folder: Path, name: str) -> Spec:
    shutil.copy(examples.path(name), folder)
    return load_spec(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_mail_sorting_gets_the_digits_of_scikit_learn_pixel_by_pixel(tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    spec = project(tmp_path, "mail-sorting")
    written = sample.write(spec)
    assert len(written) == 1797
    rows = source.cases(spec).to_pylist()
    digits = load_digits()
    for row in rows[::97]:
        number = int(row["stem"].removeprefix("digit-"))
        assert row["digit"] == str(digits.target[number])
        pixels = np.asarray(Image.open(tmp_path / row["image"]), float)
        np.testing.assert_allclose(pixels, digits.images[number] / 16 * 255, atol=0.5)
    assert json.loads((tmp_path / "data/sample.json").read_text())["synthetic"] is False
    assert not source.fingerprint(spec, "letters").synthetic


def test_clinic_triage_gets_the_biopsies_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_breast_cancer

    spec = project(tmp_path, "clinic-triage")
    sample.write(spec)
    cancer, rows = load_breast_cancer(), source.cases(spec)
    assert rows["malignant"].to_pylist() == [name == 0 for name in cancer.target]
    np.testing.assert_array_equal(rows["worst_area"], cancer.data[:, list(cancer.feature_names).index("worst area")])
    assert not source.fingerprint(spec, "biopsies").synthetic


@pytest.mark.parametrize("name", ["mail-sorting", "clinic-triage"])
def test_real_data_satisfy_the_needs_of_their_plan(tmp_path, name):
    spec = project(tmp_path, name)
    sample.write(spec)
    rows, needs = source.cases(spec), spec.data[0].needs
    assert rows.num_rows >= needs.rows
    labels = rows[next(iter(spec.data[0].outcomes))].to_pylist()
    assert min(labels.count(label) for label in set(labels)) >= needs.per_class


def test_data_that_are_there_are_never_touched(tmp_path):
    spec = project(tmp_path, "mail-sorting")
    (tmp_path / "data/letters/7").mkdir(parents=True)
    (tmp_path / "data/letters/7/mine.png").write_bytes(b"mine")
    before = content(tmp_path)
    with pytest.raises(DataError, match=r"data/letters: is not empty; nothing was written"):
        sample.write(spec)
    assert content(tmp_path) == before


def test_an_empty_folder_is_filled(tmp_path):
    spec = project(tmp_path, "clinic-triage")
    (tmp_path / "data").mkdir()
    assert sample.write(spec) == [tmp_path / "data/biopsies.parquet"]


def test_when_writing_fails_nothing_is_left(tmp_path, monkeypatch):
    spec = project(tmp_path, "mail-sorting")
    before = content(tmp_path)
    monkeypatch.setattr(sample.staging, "write_whole", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(OSError, match="no space"):
        sample.write(spec)
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.rglob("*")] == ["drivetrain.yaml"]


@pytest.mark.parametrize("where", ["../elsewhere", "/elsewhere", "s3://bucket/x", "."])
def test_sample_data_stay_below_the_plan(tmp_path, where):
    plan = examples.path("mail-sorting").read_text().replace("location: data/letters ", f"location: '{where}' ")
    (tmp_path / "drivetrain.yaml").write_text(plan)
    with pytest.raises(DataError, match="below"):
        sample.write(load_spec(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["drivetrain.yaml"]


def test_without_scikit_learn_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'drivetrain\[data,train\]'"):
        sample.write(project(tmp_path, "mail-sorting"))


def test_a_folder_of_many_files_takes_one_line_of_what_was_written(tmp_path, monkeypatch):
    project(tmp_path, "mail-sorting")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, ["sample"]).output.splitlines()
    assert said[0] == "data/letters/0/digit-0000.png to digit-1793.png, 178 files"
    assert len(said) == 10
    assert sum(int(line.split()[-2]) for line in said) == len(list((tmp_path / "data").rglob("*.png")))


def test_a_plan_that_asks_for_more_rows_than_a_machine_holds_is_told_so(tmp_path):
    spec = project(tmp_path, "churn-retention").changed({"data.customers.needs.rows": 10**12})
    with pytest.raises(DataError, match="asks for 1,000,000,000,000 rows of sample data"):
        sample.write(spec)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "drivetrain.yaml"]
