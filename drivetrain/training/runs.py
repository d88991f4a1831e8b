"""One run of training: every model of the plan, in dependency order, kept and comparable.

What a run writes: `evidence/runs/<run>/` (history, figures, predictions of held-out cases), `artifacts/<model>/`, and
`evidence/train.json`. Artifacts are staged first and put in place together at the end, so that a run that stops
half-way leaves the models of the run before.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drivetrain import artifact, evidence
from drivetrain.errors import DrivetrainError, SpecError
from drivetrain.training import faults, judge, reads
from drivetrain.training.rows import check, rows

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One learner to be trained.

    Attributes:
        model: The model of the plan.
        cases: The rows to train and to validate on; nothing held out is in it.
        everything: All rows, for the judgement afterwards.
    """

    model: Model
    cases: pd.DataFrame
    everything: pd.DataFrame


class Run:
    """Use as `with start(plan) as run`: leaving the block without an error puts the artifacts in place."""

    def __init__(self, plan: Spec) -> None:
        plan.require("data", "models")
        self.plan = plan
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        self.folder = plan.root / evidence.FOLDER / "runs" / self.name
        self.staging = plan.root / "artifacts" / f".run-{self.name}"
        self._frames: dict[str, pd.DataFrame] = {}
        self._histories: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        self._data = reads.data(plan)

    def __enter__(self) -> Self:
        # Every model's rows are read before the first is trained: a fault should show in seconds, not after an hour.
        for name in self.plan.derived.model_order():
            model = self.plan.model(name)
            faults.check_task(model)
            self._frames[name] = rows(self.plan, model)
            check(self.plan, model, self._frames[name])
        self.folder.mkdir(parents=True)
        self.staging.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            shutil.rmtree(self.staging, ignore_errors=True)
            if error is not None and not any(self.folder.iterdir()):
                self.folder.rmdir()
        if isinstance(error, Exception) and not isinstance(error, DrivetrainError):
            explained = faults.explain(error, self.plan, self._frames.values())
            if explained is not None:
                raise explained from error

    def jobs(self) -> Iterator[Job]:
        """What is to be trained, in dependency order."""
        for name, frame in self._frames.items():
            model = self.plan.model(name)
            known = frame["split"].isin(["train", "validation"])
            say(f"{name}: {int((frame['split'] == 'train').sum())} rows to train on, {int((~known).sum())} held out")
            yield Job(model, frame[known].reset_index(drop=True), frame)

    def watch(self, job: Job, learn: Any) -> None:
        """Have a learner say its progress on stderr and keep its history."""
        from fastai.callback.progress import ProgressCallback

        from drivetrain.training import history

        learn.path = self.staging
        learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, ProgressCallback)])
        self._histories[job.model.name] = history.History(job.model.name)
        learn.add_cb(self._histories[job.model.name])

    def keep(self, job: Job, learn: Any) -> None:
        """Calibrate, export, check and judge a trained learner.

        Raises:
            TrainingError: The exported network and the learner disagree, or the learner cannot be served.
        """
        from drivetrain.training import history

        name = job.model.name
        started = time.monotonic()
        watched = self._histories.pop(name, None)
        if watched is not None:
            learn.remove_cb(watched)
            history.write_table(watched.rows, self.folder / f"history-{name}.csv")
            history.draw(watched.rows, self.folder / f"history-{name}.png", name)
        manifest = {
            "run": self.name,
            "data": self._data,
            "synthetic": any(entry["synthetic"] for entry in self._data.values()),
            "plan": reads.plan(self.plan, job.model),
        }
        result = judge.judge(self.plan, job, learn, self.staging, self.folder, manifest)
        result["epochs"] = len(watched.rows) if watched else None
        result["seconds"] = {
            "training": round(sum(row["seconds"] for row in watched.rows), 2) if watched else None,
            "export": round(time.monotonic() - started, 2),
        }
        self._results[name] = result
        held_out = result["metrics"]["held_out"]
        said = ", ".join(f"{key} {held_out[key]:.4f}" for key in ("accuracy", "auroc") if held_out.get(key) is not None)
        say(f"{name}: held out ({held_out['cases']} rows): {said or 'nothing to judge'}")

    def _finish(self) -> None:
        if missing := [name for name in self._frames if name not in self._results]:
            raise SpecError(f"`{missing[0]}` was not trained.", "`train.py` must keep every job of the run.")
        body = {"run": self.name, "models": self._results}
        text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        evidence.write_whole(self.folder / "metrics.json", text)
        for name in self._results:
            staged = self.staging / name
            artifact.manifest.put(staged, self.plan.root / "artifacts" / name)
        digests = {name: artifact.digest(self.plan.root / "artifacts" / name) for name in self._results}
        read = {
            key: value for name in self._results for key, value in reads.plan(self.plan, self.plan.model(name)).items()
        }
        evidence.record(self.plan.root, "train", body, reads=read, data=self._data, artifacts=digests)
        say(f"run {self.name}: evidence/runs/{self.name}/")


def start(plan: Spec) -> Run:
    """A run over all models of a plan.

    Raises:
        MissingPartError: The plan has no data or no models yet.
        DataError: Rows are missing or unfit; nothing was written.
    """
    return Run(plan)


def say(text: str) -> None:
    """A line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
