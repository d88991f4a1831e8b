"""The first drive, as a stranger takes it: real commands in real folders, and every fault that the drive can meet."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

PYTHON = sys.executable
ENVIRONMENT = os.environ | {"PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


def say(folder: Path, *command: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would type it in `folder`."""
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=timeout
    )


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder and its hash: what a fault must leave as it was."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def explained(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One clear message, the documented exit code, no traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.strip()]) <= 6, f"not one message: {done.stderr}"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project from the example `clinic-triage`, with its data, trained and decided."""
    base = tmp_path_factory.mktemp("drive")
    assert say(base, "drivetrain", "new", "--example", "clinic-triage", "-o", ".").returncode == 0
    project = base / "clinic-triage"
    for command in (["drivetrain", "sample"], ["make", "check"], ["make", "train"], ["make", "decide"]):
        done = say(project, *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return project


@pytest.fixture
def copy(clinic: Path, tmp_path: Path) -> Path:
    """A copy of the finished project that a test may break."""
    return Path(shutil.copytree(clinic, tmp_path / "clinic-triage"))


def evidence(project: Path, step: str) -> dict:
    return json.loads((project / "evidence" / f"{step}.json").read_text(encoding="utf-8"))


@pytest.mark.train
def test_every_step_leaves_its_evidence_with_the_hashes_of_what_it_read(clinic: Path) -> None:
    for step in ("check", "train", "decide"):
        record = evidence(clinic, step)
        assert record["synthetic"] is False, "scikit-learn's table is real"
        assert record["reads"], step
        assert record["data"]["biopsies"]["sha256"], step
    [path] = (clinic / "artifacts").glob("*/manifest.json")
    folder, manifest = path.parent, json.loads(path.read_text())
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"]
    assert manifest["outcomes"]["malignant"]["classes"] == ["false", "true"]


@pytest.mark.train
def test_the_clinic_s_model_tells_malignant_from_benign(clinic: Path, record_property: Any) -> None:
    [metrics] = list((clinic / "evidence" / "runs").glob("*/metrics.json"))
    found = json.loads(metrics.read_text())
    assert "auroc" in json.dumps(found)

    import pyarrow.parquet as pq
    from sklearn.metrics import roc_auc_score

    [predictions] = list((clinic / "evidence" / "runs").glob("*/predictions-*.parquet"))
    rows = pq.read_table(predictions).to_pandas()
    test = rows[rows["split"] == "test"]
    assert len(test) >= 100
    found_auroc = roc_auc_score(test["truth"].astype(str) == "true", test["p_true"])
    record_property("figure", f"{found_auroc:.3f}")
    assert found_auroc >= 0.97


@pytest.mark.train
def test_the_figure_of_each_policy_is_what_the_held_out_labels_say(clinic: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(clinic / "data/biopsies.parquet").to_pandas()
    decisions = pq.read_table(clinic / "evidence/decisions.parquet").to_pandas()
    malignant = table["malignant"].to_numpy()[decisions["case"]]
    price = {"refer": 400, "recheck": 80, "discharge": 0}
    for row in evidence(clinic, "decide")["result"]["policies"]:
        chosen = decisions[row["name"]]
        cost = (
            chosen.map(price)
            + 10_000 * (malignant & (chosen == "discharge"))
            + 3_000 * (malignant & (chosen == "recheck"))
        )
        assert row["value"] == pytest.approx(cost.mean()), row["name"]
        assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.train
def test_a_changed_cost_makes_the_decision_stale_and_not_the_training(copy: Path) -> None:
    from drivetrain import load_spec
    from drivetrain.evidence import read, stale

    plan = copy / "drivetrain.yaml"
    plan.write_text(plan.read_text().replace("missed: {value: 10000", "missed: {value: 9000"))
    spec = load_spec(copy)
    assert stale(read(copy, "train"), spec.digest) == []
    assert any(path.startswith("objective") for path in stale(read(copy, "decide"), spec.digest))


@pytest.mark.train
def test_the_service_answers_and_a_port_in_use_is_explained(clinic: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PYTHON, "-m", "clinic_triage.serve", "--port", str(port)]
    service = subprocess.Popen(command, cwd=clinic, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
                break
            except OSError:
                assert service.poll() is None, service.stdout.read()
                time.sleep(0.2)
        asked = say(clinic, PYTHON, "-m", "clinic_triage.client", "--url", f"http://127.0.0.1:{port}", "0")
        assert asked.returncode == 0, asked.stderr
        assert any(setting in asked.stdout for setting in ("refer", "recheck", "discharge"))
        before = contents(clinic)
        explained(say(clinic, *command), 2, str(port), "in use")
        assert contents(clinic) == before
    finally:
        service.terminate()
        service.wait(10)


def test_a_target_that_is_not_empty_is_left_as_it_was(tmp_path: Path) -> None:
    taken = tmp_path / "clinic-triage"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    done = say(tmp_path, "drivetrain", "new", "--example", "clinic-triage", "-o", ".")
    explained(done, 2, "clinic-triage")
    assert contents(tmp_path) == {"clinic-triage/mine.txt": hashlib.sha256(b"mine").hexdigest()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objective: [1, 2\nlevers:", ["drivetrain.yaml:1: a `[` is not closed"]),
        ("drivetrain: 1\nproject: {name: X}\nobjectve: {statement: S}\n", ["drivetrain.yaml:3", "objective"]),
    ],
    ids=["broken YAML", "a misspelt part"],
)
def test_a_plan_that_cannot_be_read_is_explained_by_line(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "drivetrain.yaml").write_text(text)
    before = contents(tmp_path)
    for command in (["validate"], ["new", "drivetrain.yaml"], ["sample"], ["check"]):
        explained(say(tmp_path, "drivetrain", *command), 2, *words)
    assert contents(tmp_path) == before


def test_an_unknown_task_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    from drivetrain.examples import path

    text = Path(path("clinic-triage")).read_text().replace("task: table-classification", "task: table-clasification")
    (tmp_path / "drivetrain.yaml").write_text(text)
    before = contents(tmp_path)
    explained(say(tmp_path, "drivetrain", "new"), 2, "task", "table-classification")
    assert contents(tmp_path) == before


@pytest.mark.train
def test_missing_data_are_explained_by_every_step_that_needs_them(copy: Path) -> None:
    (copy / "data/biopsies.parquet").unlink()
    before = contents(copy)
    for step in ("train", "decide"):
        done = say(copy, PYTHON, "-m", f"clinic_triage.{step}")
        explained(done, 2, "data/biopsies.parquet", "drivetrain sample")
    checked = say(copy, PYTHON, "-m", "clinic_triage.check_data")
    assert checked.returncode in (1, 2)
    assert "Traceback" not in checked.stdout + checked.stderr
    after = contents(copy)
    for told in ("evidence/check.json", "evidence/check.html"):  # what the check found is on record
        assert after.pop(told) != before.pop(told)
    assert after == before


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("model.onnx", "model.onnx"),
        ("learner.pkl", "learner.pkl"),
        ("manifest.json", "artifacts/malignancy"),
        ("../policy.json", "policy.json"),
    ],
)
def test_an_artifact_that_was_changed_never_serves(copy: Path, name: str, named: str) -> None:
    [folder] = [path.parent for path in (copy / "artifacts").glob("*/manifest.json")]
    path = folder / name
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    before = contents(copy)
    done = say(copy, PYTHON, "-m", "clinic_triage.serve", "--port", "0", timeout=60)
    explained(done, 2, named)
    assert contents(copy) == before


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A project from the example `mail-sorting` with its data, not trained."""
    assert say(tmp_path, "drivetrain", "new", "--example", "mail-sorting", "-o", ".").returncode == 0
    project = tmp_path / "mail-sorting"
    assert say(project, "drivetrain", "sample").returncode == 0
    return project


def test_an_empty_class_is_named_before_any_training(letters: Path) -> None:
    shutil.rmtree(letters / "data/letters/7")
    (letters / "data/letters/7").mkdir()
    before = contents(letters)
    explained(say(letters, PYTHON, "-m", "mail_sorting.train"), 2, "7")
    assert contents(letters) == before
    checked = say(letters, "make", "check")
    assert checked.returncode == 2, "make turns the step's 1 into its own 2"
    assert "`7`" in checked.stdout or "'7'" in checked.stdout or " 7" in checked.stdout


def test_weights_that_cannot_be_downloaded_are_explained_with_both_ways_out(letters: Path, tmp_path: Path) -> None:
    plan = letters / "drivetrain.yaml"
    plan.write_text(plan.read_text().replace("pretrained: false", "pretrained: true"))
    before = contents(letters)
    done = subprocess.run(
        [PYTHON, "-m", "mail_sorting.train"],
        cwd=letters,
        env=ENVIRONMENT | {"TORCH_HOME": str(tmp_path / "empty"), "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    explained(done, 2, "pretrained: false", "resnet18")
    assert contents(letters) == before


def test_data_that_are_there_already_are_never_written_over(letters: Path) -> None:
    before = contents(letters)
    explained(say(letters, "drivetrain", "sample"), 2, "data/letters")
    assert contents(letters) == before


@pytest.mark.train
@pytest.mark.full
def test_the_mail_drive_reaches_its_goals(letters: Path, record_property: Any) -> None:
    for step in ("check", "train", "decide", "audit", "review"):
        done = say(letters, "make", step)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
    import pyarrow.parquet as pq

    [predictions] = list((letters / "evidence" / "runs").glob("*/predictions-*.parquet"))
    rows = pq.read_table(predictions).to_pandas()
    test = rows[rows["split"] == "test"]
    scores = test[[f"p_{digit}" for digit in range(10)]].to_numpy()
    accuracy = (scores.argmax(axis=1).astype(str) == test["truth"].astype(str)).mean()
    gains = {row["against"]: row for row in evidence(letters, "decide")["result"]["differences"]}
    gain = "{value:.3f} EUR a letter less ({low:.3f} to {high:.3f})".format(**gains["do_nothing"])
    record_property("figure", f"{accuracy:.3f}, {gain}")
    assert accuracy >= 0.95
    assert gains["do_nothing"]["low"] > 0, "worth more per letter than all-manual"
    assert "no groups recorded" in done.stdout + json.dumps(evidence(letters, "audit"))
    assert (letters / "review.html").stat().st_size > 5_000
