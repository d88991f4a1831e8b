"""A training that was killed goes on where it stopped, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from projects import DIGITS, make, train, write_digits
from test_training_tables import PLAN, loans

from drivetrain import artifact
from drivetrain.errors import ArtifactError
from drivetrain.spec import Spec

pytestmark = pytest.mark.train
LONG = PLAN.replace("epochs: 6,", "epochs: 9, early_stopping: 4,")


def tables(folder: Path) -> Spec:
    (folder / "data").mkdir(parents=True)
    loans().to_parquet(folder / "data" / "loans.parquet")
    return make(folder, LONG)


def letters(folder: Path) -> Spec:
    write_digits(folder / "data" / "letters", per_class=10)
    return make(folder, DIGITS.replace("epochs: 3", "epochs: 4"))


def killed(spec: Spec, after: str = "", seconds: float = 0.0) -> str:
    """Start training and kill it when its progress says `after`, or after some time; what it said."""
    command = [sys.executable, "-u", "-m", f"{spec.package}.train"]
    with subprocess.Popen(command, cwd=spec.root, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        said, start = "", time.monotonic()
        if after:
            for line in process.stderr:
                said += line
                if after in line:
                    break
        else:
            while process.poll() is None and time.monotonic() < start + seconds:
                time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        return said


def outcome(spec: Spec, model: str) -> Any:
    """Everything that a run measured, without the times it took."""
    record = json.loads((spec.root / "evidence" / "train.json").read_text())["result"]
    figures = dict(record["models"][model])
    figures.pop("seconds")
    lines = (spec.root / "evidence" / "runs" / record["run"] / f"history-{model}.csv").read_text().splitlines()
    return figures, [line.rsplit(",", 1)[0] for line in lines]


def loads(folder: Path) -> bool:
    try:
        artifact.load(folder)
    except ArtifactError:
        return False
    return True


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    spec = tables(tmp_path_factory.mktemp("undisturbed"))
    assert train(spec).returncode == 0
    return outcome(spec, "payer")


def test_a_killed_run_goes_on_and_gives_the_same_model(tmp_path: Path, undisturbed: Any) -> None:
    spec = tables(tmp_path)
    # An epoch is said before its state is saved: when the fifth is said, the fourth is safe.
    assert "epoch 5/9" in killed(spec, after="epoch 5/9")
    assert not loads(tmp_path / "artifacts" / "payer")
    done = train(spec)
    assert done.returncode == 0, done.stderr
    assert "going on where it was stopped" in done.stderr
    assert "epoch 4/9" not in done.stderr  # it is not done twice
    assert outcome(spec, "payer") == undisturbed
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["payer"]
    assert len(list((tmp_path / "evidence" / "runs").iterdir())) == 1


def test_a_changed_plan_starts_anew(tmp_path: Path) -> None:
    spec = tables(tmp_path)
    killed(spec, after="epoch 2/9")
    make(tmp_path, LONG.replace("layers: [32]", "layers: [16]").replace("epochs: 9", "epochs: 2"))
    done = train(spec)
    assert done.returncode == 0, done.stderr
    assert "going on" not in done.stderr
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["payer"]


def test_a_checkpoint_is_plain_data(tmp_path: Path) -> None:
    import torch

    spec = tables(tmp_path)
    killed(spec, after="epoch 2/9")
    [checkpoint] = (tmp_path / "artifacts").glob(".run-*/checkpoint-*.pth")
    kept = torch.load(checkpoint, weights_only=True)  # refuses whatever would have to be executed
    assert len(kept["figures"]) in (1, 2, 3), "killed while an epoch was under way: one may not have been kept yet"


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", ["tables", "letters"])
def test_killed_at_random_moments_it_always_ends_well(kind: str, tmp_path: Path) -> None:
    build, model = (tables, "payer") if kind == "tables" else (letters, "reader")
    reference = build(tmp_path / "reference")
    start = time.monotonic()
    assert train(reference).returncode == 0
    length = time.monotonic() - start
    expected = outcome(reference, model)
    draw = random.Random(kind)
    for number in range(10):
        folder = tmp_path / str(number)
        spec = build(folder)
        for _ in range(draw.randint(1, 2)):
            killed(spec, seconds=draw.uniform(0.2, 1.0) * length)
            placed = folder / "artifacts" / model
            assert loads(placed) or not placed.exists()
        done = train(spec)
        assert done.returncode == 0, done.stderr
        assert outcome(spec, model) == expected
        assert [path.name for path in (folder / "artifacts").iterdir()] == [model]
        shutil.rmtree(folder)
