"""Two processes that train one model are really two: each sees its half, and their gradients are averaged."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from projects import DIGITS, make, python, write_digits
from test_training_tables import PLAN, loans

from drivetrain import artifact, evidence
from drivetrain.spec import Spec

pytestmark = [pytest.mark.train, pytest.mark.full]

PROBE = '''
"""train.py, with a note of what each process saw in its first step."""
import os

import torch
from drivetrain import load_spec, run
from drivetrain.training import start
from fastai.callback.core import Callback

from .train import fit, make_learner


class Note(Callback):
    order = 100

    def __init__(self):
        self.rows = []

    def before_fit(self):
        self.state = {name: value.clone() for name, value in self.model.module.state_dict().items()}
        self.first = True

    def before_step(self):
        self.rows.append(self.xb[1][:, 0].tolist())
        if self.first:
            self.first = False
            grads = {name: one.grad.clone() for name, one in self.model.module.named_parameters()}
            note = {"state": self.state, "x": self.xb, "y": self.yb, "grads": grads}
            torch.save(note, f"probe-{os.environ['RANK']}.pt")

    def after_fit(self):
        torch.save(self.rows, f"rows-{os.environ['RANK']}.pt")


def main():
    plan = load_spec()
    with start(plan, 2) as this_run:
        for job in this_run.jobs():
            learn = make_learner(plan, job.model, job.cases)
            this_run.watch(job, learn)
            learn.add_cb(note := Note())
            fit(learn, job.model)
            learn.remove_cb(note)
            this_run.keep(job, learn)


run(main)
'''


def distributed(spec: Spec, module: str, *arguments: str, ranks: int = 2) -> CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m"]
    return python(spec.root, *launch, f"{spec.package}.{module}", *arguments)


@pytest.fixture
def table(tmp_path: Path) -> Spec:
    (tmp_path / "data").mkdir()
    loans().to_parquet(tmp_path / "data" / "loans.parquet")
    return make(tmp_path, PLAN)


def test_gradients_are_the_mean_of_both_halves(table: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    (table.root / table.package / "probe.py").write_text(PROBE)
    done = distributed(table, "probe")
    assert done.returncode == 0, done.stderr
    notes = [torch.load(table.root / f"probe-{rank}.pt", weights_only=False) for rank in (0, 1)]
    rows = [torch.load(table.root / f"rows-{rank}.pt", weights_only=True) for rank in (0, 1)]
    epoch = len(rows[0]) // 6
    seen = [{value for batch in each[:epoch] for value in batch} for each in rows]
    assert len(seen[0] | seen[1]) > 0.9 * (len(seen[0]) + len(seen[1]))  # disjoint, but for rows of equal income
    # By hand: the network of the learner file, with the weights at the start, on each half.
    monkeypatch.syspath_prepend(str(table.root))
    from drivetrain.training import rows as rows_of

    model = table.models[0]
    file = importlib.import_module(f"{table.package}.learners.payer")
    cases = rows_of(table, model)
    cases = cases[cases["split"] != "test"].reset_index(drop=True)
    learn = file.get_learner(file.get_dls(table, model, cases), model)
    halves = []
    for note in notes:
        learn.model.load_state_dict(notes[0]["state"])
        learn.model.train().zero_grad()
        torch.nn.functional.cross_entropy(learn.model(*note["x"]), note["y"][0].long().ravel()).backward()
        halves.append({name: one.grad.clone() for name, one in learn.model.named_parameters()})
    for name, grad in notes[0]["grads"].items():
        np.testing.assert_allclose(grad, notes[1]["grads"][name], atol=1e-7)
        np.testing.assert_allclose(grad, (halves[0][name] + halves[1][name]) / 2, atol=1e-5)
    assert max(float((halves[0][name] - halves[1][name]).abs().max()) for name in halves[0]) > 1e-3
    for name in [name for name in sys.modules if name.split(".")[0] == table.package]:
        del sys.modules[name]


def test_two_processes_write_one_run_of_pictures(tmp_path: Path) -> None:
    write_digits(tmp_path / "data" / "letters", per_class=15)
    spec = make(
        tmp_path,
        DIGITS.replace("epochs: 3,", "epochs: 4, early_stopping: 3,").replace(
            "learning_rate: 0.005", "learning_rate: auto"
        ),
    )
    done = distributed(spec, "train", "--ranks", "2")
    assert done.returncode == 0, done.stderr
    assert "process 1 of 2 is there" in done.stderr
    assert "process 2 of 2 is there" in done.stderr
    assert done.stderr.count("epoch 1/4") == 1
    assert done.stderr.count("learning rate") == 1  # each searches with its own chance, and all take the first one's
    record = evidence.read(tmp_path, "train")
    assert record is not None
    assert [path.name for path in (tmp_path / "evidence" / "runs").iterdir()] == [record.result["run"]]
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["reader"]
    assert artifact.load(tmp_path / "artifacts" / "reader", root=tmp_path).inputs == ("image",)


def test_another_number_than_was_asked_for_is_refused(table: Spec) -> None:
    alone = python(table.root, "-m", f"{table.package}.train", "--ranks", "2")
    assert alone.returncode == 2
    assert "2 processes were asked for, and 1 is there." in alone.stderr
    assert "Traceback" not in alone.stderr
    three = distributed(table, "train", "--ranks", "3")
    assert three.returncode != 0
    assert "3 processes were asked for, and 2 are there." in three.stderr
    assert not (table.root / "evidence").exists()
