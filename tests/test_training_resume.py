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
KILLER = '''
"""train.py, which is killed inside the training loop: at the event of fastai that the environment counts to."""
import os
import signal

from drivetrain import load_spec, run
from drivetrain.training import start
from fastai.callback.core import Callback

from .train import fit, make_learner


class Kill(Callback):
    events = 0

    def __call__(self, event):
        Kill.events += 1
        me = (str(Kill.events), os.environ.get("LOCAL_RANK", "0"))
        if me == (os.environ["KILL_AT"], os.environ["KILL_RANK"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(event)


def main():
    plan = load_spec()
    with start(plan) as this_run:
        for job in this_run.jobs():
            learn = make_learner(plan, job.model, job.cases)
            this_run.watch(job, learn)
            learn.add_cb(kill := Kill())
            fit(learn, job.model)
            learn.remove_cb(kill)
            print(f"events: {Kill.events}")
            this_run.keep(job, learn)


run(main)
'''
LONG = PLAN.replace("epochs: 6,", "epochs: 9, early_stopping: 4,")


def tables(folder: Path, rate: str = "0.02") -> Spec:
    (folder / "data").mkdir(parents=True)
    loans().to_parquet(folder / "data" / "loans.parquet")
    return make(folder, LONG.replace("learning_rate: 0.02", f"learning_rate: {rate}"))


def letters(folder: Path, rate: str = "0.005") -> Spec:
    write_digits(folder / "data" / "letters", per_class=10)
    plan = DIGITS.replace("epochs: 3", "epochs: 4").replace("learning_rate: 0.005", f"learning_rate: {rate}")
    return make(folder, plan)


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


def killer(spec: Spec, at: int = 0, ranks: int = 1, rank: int = 0) -> subprocess.CompletedProcess[str]:
    """Train, killed at an event of the training loop; to the end without one."""
    (spec.root / spec.package / "killer.py").write_text(KILLER)
    environment = os.environ | {"KILL_AT": str(at), "KILL_RANK": str(rank)}
    command = [sys.executable, "-m", f"{spec.package}.killer"]
    if ranks > 1:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        command = [sys.executable, *launch, "-m", f"{spec.package}.killer"]
    return subprocess.run(command, cwd=spec.root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.fuzz
@pytest.mark.parametrize(("kind", "rate"), [("tables", "0.02"), ("tables", "auto"), ("letters", "0.005")])
def test_killed_at_random_steps_it_gives_the_same_model(kind: str, rate: str, tmp_path: Path) -> None:
    """Twenty-one kills inside the loop: while a rate is sought, in a step, while an epoch is judged or saved."""
    build, model = (tables, "payer") if kind == "tables" else (letters, "reader")
    reference = build(tmp_path / "reference", rate)
    done = killer(reference)
    assert done.returncode == 0, done.stderr
    events = int(done.stderr.split("events: ")[1].split()[0])
    expected = outcome(reference, model)
    draw, kills, went_on = random.Random(kind + rate), 0, 0
    while kills < 7:
        spec = build(tmp_path / str(kills), rate)
        for _ in range(draw.randint(1, 3)):
            stopped = killer(spec, draw.randint(1, events))
            went_on += "going on where it was stopped" in stopped.stderr
            if stopped.returncode == 0:  # fewer steps were left
                break
            assert stopped.returncode == -signal.SIGKILL, stopped.stderr
            assert not (spec.root / "artifacts" / model).exists()
            kills += 1
        else:
            done = killer(spec)
            assert done.returncode == 0, done.stderr
        assert outcome(spec, model) == expected
        assert [path.name for path in (spec.root / "artifacts").iterdir()] == [model]
        shutil.rmtree(spec.root)
    assert went_on


@pytest.mark.full
def test_two_processes_of_which_one_is_killed_go_on_and_give_the_same_model(tmp_path: Path) -> None:
    reference = tables(tmp_path / "reference")
    done = killer(reference, ranks=2)
    assert done.returncode == 0, done.stderr
    expected = outcome(reference, "payer")
    events = int(done.stderr.split("events: ")[1].split()[0])
    spec = tables(tmp_path / "killed")
    for rank, share in ((1, 0.5), (0, 0.3)):
        stopped = killer(spec, int(share * events), 2, rank)
        assert stopped.returncode != 0
        assert not (spec.root / "artifacts" / "payer").exists()
    done = killer(spec, ranks=2)
    assert done.returncode == 0, done.stderr
    assert "going on where it was stopped" in done.stderr
    assert "epoch 2/9" not in done.stderr
    assert outcome(spec, "payer") == expected
    assert [path.name for path in (spec.root / "artifacts").iterdir()] == ["payer"]


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
