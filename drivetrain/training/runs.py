"""One run of training: every model of the plan, in dependency order, kept and comparable.

What a run writes: `evidence/runs/<run>/` (history, figures, predictions of held-out cases), `artifacts/<model>/`, and
`evidence/train.json`. Artifacts are staged first and put in place together at the end, so that a run that stops
half-way leaves the models of the run before.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drivetrain import artifact, evidence
from drivetrain.errors import ArtifactError, DrivetrainError, SpecError
from drivetrain.training import cleaning, distributed, faults, judge, log, pictures, reads, unfinished, worth
from drivetrain.training.curve import SHARES, measured, part
from drivetrain.training.rows import check, rows
from drivetrain.training.schema import check_inputs

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model


SAID = ("accuracy", "auroc", "mean_absolute_error", "r2", "area_error", "concordance", "log_loss")
"""Figures that a run says when a model is done."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One learner to be trained.

    Attributes:
        name: Of its files: the model's, with the number of the setting where each has a learner.
        model: The model of the plan.
        cases: The rows to train and to validate on; nothing held out is in it.
        everything: All rows of the model, for the judgement afterwards.
        setting: Of the lever, where each of its settings has a learner; else None.
        number: Of the setting, from 0.
        last: Whether the model is complete when this learner is.
        part: What the model is called while it is trained on a part of its rows, for the learning curve; else empty.
    """

    name: str
    model: Model
    cases: pd.DataFrame
    everything: pd.DataFrame
    setting: str | None = None
    number: int = 0
    last: bool = True
    part: str = ""


class Run:
    """Use as `with start(plan) as run`: leaving the block without an error puts the artifacts in place."""

    def __init__(self, plan: Spec, ranks: int | None = None) -> None:
        plan.require("data", "models")
        self.plan = plan
        self._rank, self._ranks = distributed.join(ranks)
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        self._frames: dict[str, pd.DataFrame] = {}
        self._watched: dict[str, list[Any]] = {}
        self._parts: dict[str, list[judge.Part]] = {}
        self._results: dict[str, Any] = {}
        self._curves: dict[str, list[str]] = {}
        self._trained: dict[str, int] = {}
        self._data = reads.data(plan)
        self._held: Any = None
        self._spoken = ExitStack()

    @property
    def folder(self) -> Path:
        """Where the run's evidence is kept."""
        return self.plan.root / evidence.FOLDER / "runs" / self.name

    @property
    def staging(self) -> Path:
        """Where its work lies until it is done."""
        return self.plan.root / "artifacts" / f"{unfinished.PREFIX}{self.name}"

    def __enter__(self) -> Self:
        # Every model's rows are read before the first is trained: a fault should show in seconds, not after an hour.
        for name in self.plan.derived.model_order():
            model = self.plan.model(name)
            faults.check_task(model)
            check_inputs(self.plan, model)
            if not self._foretold(model):
                self._read(model)
        read = {key: value for model in self.plan.models for key, value in reads.plan(self.plan, model).items()}
        if self._ranks > 1:
            say(f"process {self._rank + 1} of {self._ranks} is there")
        if self._rank == 0:
            self._begin(read)
        self.name = distributed.shared(self.name, self._ranks)
        # fastai's callbacks print, and only results belong on stdout; of several processes one is enough to hear.
        silent = self._spoken.enter_context(Path(os.devnull).open("w", encoding="utf-8")) if self._rank else None
        self._spoken.enter_context(log.spoken(silent or sys.stderr))
        return self

    def _begin(self, read: dict[str, str]) -> None:
        """Take up the run that was stopped, or start a new one."""
        key = unfinished.key(self.plan, self._data, read | {"": str(self._ranks)})
        if found := unfinished.find(self.plan.root / "artifacts", key):
            _, self.name, self._held = found
            say(f"run {self.name}: going on where it was stopped")
        else:
            self._held = unfinished.begin(self.staging, self.name, key)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._spoken.close()
        if self._rank == 0:
            self._end(error)
        if self._ranks > 1 and error is None:
            distributed.leave()
        if isinstance(error, Exception) and not isinstance(error, DrivetrainError):
            explained = faults.explain(error, self.plan, self._frames)
            if explained is not None:
                raise explained from error

    def _end(self, error: BaseException | None) -> None:
        """Put what was made in place, or clear it away."""
        # By the user, or by another process that ended: it may go on.
        stopped = isinstance(error, KeyboardInterrupt) or (self._ranks > 1 and isinstance(error, RuntimeError))
        try:
            if error is None:
                self._finish()
        finally:
            self._held.close()
            if not stopped:
                shutil.rmtree(self.staging, ignore_errors=True)
                if error is not None and not any(self.folder.iterdir()):
                    self.folder.rmdir()

    def jobs(self, curve: bool = False) -> Iterator[Job]:
        """What is to be trained, in dependency order.

        Args:
            curve: Whether to train each model on parts of its rows as well, for its learning curve.
        """
        for name in self.plan.derived.model_order():
            model = self.plan.model(name)
            frame = self._frames[name] if name in self._frames else self._read(model)
            known = frame["split"].isin(["train", "validation"])
            say(f"{name}: {int((frame['split'] == 'train').sum())} rows to train on, {int((~known).sum())} held out")
            cases = frame[known].reset_index(drop=True)
            for share in SHARES if curve else ():
                some = part(self.plan, model, cases, share)
                if some is None:
                    say(f"{name}: {share:.1%} of its rows are too few for a point of the learning curve")
                    continue
                called = f"{name}-{1000 * share:03.0f}"
                self._curves.setdefault(name, []).append(called)
                # As many steps as on all rows: what is missing then are the labels, not the training.
                longer = self.plan.changed({f"models.{name}.training.epochs": round(model.training.epochs / share)})
                yield from self._of(longer.model(name), some, frame, called)
            yield from self._of(model, cases, frame)

    def _of(self, model: Model, cases: pd.DataFrame, frame: pd.DataFrame, part: str = "") -> Iterator[Job]:
        """The learners of one model: one, or one for each setting of a lever."""
        name = part or model.name
        if self._done(name):
            say(f"{name}: was done before the run was stopped")
            return
        if model.arms is None:
            yield Job(name, model, cases, frame, part=part)
            return
        settings = self.plan.derived.settings(model.arms)
        for number, setting in enumerate(settings):
            own = cases[cases[model.arms] == setting].reset_index(drop=True)
            check(self.plan, model, own, f"{model.arms} = {setting}")
            yield Job(f"{name}-{number}", model, own, frame, setting, number, number == len(settings) - 1, part)

    def watch(self, job: Job, learn: Any) -> None:
        """Have a learner say its progress on stderr and keep its history."""
        from fastai.callback.progress import ProgressCallback

        from drivetrain.training import history, resume

        learn.path, learn.model_dir = self.staging, f"models-{job.name}"
        learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, ProgressCallback)])
        if self._ranks > 1:
            distributed.together(learn, self._rank, self._ranks)
        watched = history.History(job.name)
        kept = resume.Checkpoint(self.staging / f"checkpoint-{job.name}.pth", watched, self._rank, self._ranks)
        self._watched[job.name] = [watched, kept]
        learn.add_cbs(self._watched[job.name])
        history.heed(learn, watched, self._ranks)

    def keep(self, job: Job, learn: Any) -> None:
        """Calibrate, export, check and judge a trained learner.

        Raises:
            TrainingError: The exported network and the learner disagree, or the learner cannot be served.
        """
        if self._ranks > 1:
            distributed.part(learn)
        if self._rank == 0:
            self._keep(job, learn)
        if self._ranks > 1:
            distributed.wait()

    def _keep(self, job: Job, learn: Any) -> None:
        """`keep`, in the process that writes."""
        from drivetrain.training import history

        name, model = job.part or job.model.name, job.model
        started = time.monotonic()
        watched, *others = self._watched.pop(job.name, [None])
        history.part(learn)
        if watched is not None:
            learn.remove_cbs([watched, *others])
            if not job.part and watched.rate is not None:
                picture = self.folder / f"learning-rate-{job.name}.png"
                history.draw_rates(watched.tried, watched.rate, picture, job.name)
            if not job.part:
                history.write_table(watched.rows, self.folder / f"history-{job.name}.csv")
                history.draw(watched.rows, self.folder / f"history-{job.name}.png", job.name)
        files = self.staging / f"files-{name}"
        files.mkdir(exist_ok=True)
        parts = self._parts.setdefault(name, [])
        self._trained[name] = self._trained.get(name, 0) + int((job.cases["split"] == "train").sum())
        parts.append(judge.export(self.plan, model, learn, job.cases, files, job.setting, job.number))
        if not job.last:
            return
        manifest = {
            "run": self.name,
            "data": self._data,
            "synthetic": any(entry["synthetic"] for entry in self._data.values()),
            "plan": reads.plan(self.plan, model),
        }
        result = judge.assemble(self.plan, model, parts, job.everything, files, self.staging / name, manifest)
        predictions, validation = result.pop("predictions"), result.pop("validation")
        if not job.part:
            pictures.draw(validation[0], validation[1], self.folder / f"errors-{name}.png", name)
            _write_predictions(self.folder / f"predictions-{name}.parquet", job.everything, predictions)
        result["trained_on"] = self._trained.pop(name)
        result["cleaning"] = job.everything.attrs.get("cleaning", {})
        rate = model.training.learning_rate
        result["learning_rate"] = (watched.rate if watched else None) if rate == "auto" else rate
        result["epochs"] = len(watched.rows) if watched else None
        result["seconds"] = {
            "training": round(sum(row["seconds"] for row in watched.rows), 2) if watched else None,
            "export": round(time.monotonic() - started, 2),
        }
        self._results[name] = result
        if job.part:
            error = result["metrics"]["validation"]
            said = ", ".join(f"{key} {error[key]:.4f}" for key in SAID if error.get(key) is not None)
            say(f"{name}: {result['trained_on']} rows: {said}")
        evidence.write_whole(self.staging / f"result-{name}.json", json.dumps(result, allow_nan=False) + "\n")
        if job.part:
            return
        held_out = result["metrics"]["held_out"]
        said = ", ".join(f"{key} {held_out[key]:.4f}" for key in SAID if held_out.get(key) is not None)
        say(f"{name}: held out ({held_out['cases']} rows): {said or 'nothing to judge'}")

    def _done(self, name: str) -> bool:
        """Whether a model was complete before the run was stopped."""
        kept = self.staging / f"result-{name}.json"
        if kept.exists() and self._made(name) is not None:
            self._results[name] = json.loads(kept.read_text(encoding="utf-8"))
        return name in self._results

    def _made(self, name: str) -> Path | None:
        """Where the artifact is that this run made of a model: still staged, or put in place already."""
        if (self.staging / name).exists():
            return self.staging / name
        placed = self.plan.root / "artifacts" / name
        try:
            return placed if artifact.read_manifest(placed).get("run") == self.name else None
        except ArtifactError:
            return None

    def _read(self, model: Model) -> pd.DataFrame:
        """A model's rows, with what earlier models of this run say where the rows do not hold an input."""
        predictors = {
            name: artifact.load(made, root=self.plan.root)
            for name in self.plan.derived.feeders(model.name)
            if (made := self._made(name)) is not None
        }
        self._frames[model.name] = rows(self.plan, model, predictors)
        cleaned = self._frames[model.name].attrs.get("cleaning", {})
        if any(cleaned.values()):
            said = f"{cleaned['deleted']} rows left out, {cleaned['changed']} labels changed"
            lost = f"; {cleaned['not_found']} decisions fit no row any more" if cleaned["not_found"] else ""
            say(f"{model.name}: {cleaning.FILE}: {said}{lost}")
        check(self.plan, model, self._frames[model.name])
        faults.check_masks(self.plan, model, self._frames[model.name])
        return self._frames[model.name]

    def _foretold(self, model: Model) -> bool:
        """Whether an input must be predicted first, because the model's rows do not hold it."""
        held = set(self.plan.derived.joins(self.plan.derived.model_data(model.name)))
        makers = self.plan.derived.makers
        inputs = [
            name for name in self.plan.derived.model_inputs(model.name) if makers.get(name, model.name) != model.name
        ]
        return any(self.plan.derived.holders[name] not in held for name in inputs)

    def _finish(self) -> None:
        names = self.plan.derived.model_order()
        if not names:
            say("nothing to train: all that the value uses is known when it is decided")
        if missing := [name for name in names if name not in self._results]:
            raise SpecError(f"`{missing[0]}` was not trained.", "`train.py` must keep every job of the run.")
        body = {"run": self.name, "models": {name: self._results[name] for name in names}, **self._judged(names)}
        text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        evidence.write_whole(self.folder / "metrics.json", text)
        if self.plan.path:
            evidence.write_whole(self.folder / "drivetrain.yaml", self.plan.path.read_text(encoding="utf-8"))
        for name in names:
            if (self.staging / name).exists():
                artifact.manifest.put(self.staging / name, self.plan.root / "artifacts" / name)
        digests = {name: artifact.digest(self.plan.root / "artifacts" / name) for name in names}
        read = {key: value for name in names for key, value in reads.plan(self.plan, self.plan.model(name)).items()}
        read = read or {"models": self.plan.digest("models")}
        evidence.record(self.plan.root, "train", body, reads=read, data=self._data, artifacts=digests)
        say(f"run {self.name}: evidence/runs/{self.name}/")

    def _judged(self, names: list[str]) -> dict[str, Any]:
        """What the models are worth together; their learning curves are added to their results."""
        made = {name: artifact.load(path, root=self.plan.root) for name in names if (path := self._made(name))}
        for name, called in self._curves.items():
            smaller = [artifact.load(self.staging / one, root=self.plan.root) for one in called]
            parts = [self._results[one] for one in called]
            model, whole = self.plan.model(name), self._results[name]
            whole["learning_curve"] = measured(self.plan, model, parts, whole, made, smaller)
            pictures.draw_curve(whole["learning_curve"], self.folder / f"learning-curve-{name}.png", name)
        policy = worth.measured(self.plan, list(made.values()))
        if policy is None:
            return {}
        worth.write(policy, self.folder / "worth.parquet")
        entry = policy.entry()
        say(f"{entry['measure']}: {entry['value']:.4g} {entry['unit']} on {entry['cases']} validation cases")
        return {"worth": entry}


def start(plan: Spec, ranks: int | None = None) -> Run:
    """A run over all models of a plan.

    Args:
        plan: The plan.
        ranks: How many processes must train together; None: as many as were started.

    Raises:
        TrainingError: There are not as many processes as were asked for.
        MissingPartError: The plan has no data or no models yet.
        DataError: Rows are missing or unfit; nothing was written.
    """
    return Run(plan, ranks)


def say(text: str) -> None:
    """A line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _write_predictions(path: Path, frame: pd.DataFrame, columns: dict[str, Any]) -> None:
    """What a model predicts for the rows that it was not trained on."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    rest = frame[frame["split"] != "train"].reset_index(drop=True)
    kept = pd.DataFrame({"case": rest["case"].astype("int64"), "split": rest["split"].astype(str), **columns})
    parquet.write_table(pa.Table.from_pandas(kept, preserve_index=False).replace_schema_metadata(), path)
