"""The desk behind the endpoints: what is asked, decided, approved and written down, one thing after another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from drivetrain import evidence, load_spec
from drivetrain.errors import DrivetrainError, ServiceError
from drivetrain.serving import history, records, rollout
from drivetrain.serving.answers import Decision, Prediction, Receipt
from drivetrain.serving.approvals import Approvals
from drivetrain.serving.engine import Engine
from drivetrain.serving.limits import Limits, Refused
from drivetrain.serving.log import LOG, Log
from drivetrain.serving.log import read as read_log
from drivetrain.serving.memory import in_large_pages
from drivetrain.serving.metrics import Metrics
from drivetrain.serving.monitor import Monitor, taken
from drivetrain.stages import reached

LOOK_SECONDS = 1.0
"""How often `rollout.json` is looked at."""
MOST_WAITING = 10_000
"""Decisions that may wait for people; the next ones are left to people altogether."""


class Desk:
    """Models, policy, log and approvals of one service. Its methods are called by one thread at a time.

    Args:
        folder: The project's folder; None is the nearest one, from the working directory upwards.
        limits: How much one request may ask for.
        metrics: Where things are counted.

    Raises:
        DrivetrainError: The plan, a model or the policy is missing, was changed, or does not fit.
    """

    def __init__(self, folder: Path | None, limits: Limits, metrics: Metrics) -> None:
        self._folder, self._limits, self._metrics = folder, limits, metrics
        self._lot = random.SystemRandom()
        self._load()
        self.log = Log(self.project.root / LOG)
        limited = self.engine.spec.stage == "limited"
        self.approvals = Approvals(read_log(self.log.folder) if limited else ())

    def _load(self) -> None:
        """Load everything, or change nothing."""
        project = load_spec(self._folder)
        state = rollout.read(project)
        spec = rollout.released(project, state)
        engine = Engine.open(spec, self._limits)
        in_large_pages()
        if not state.release:
            history.keep(project.root, list(engine.predictors))
        self.project, self.engine, self.state = project, engine, state
        self._scope = rollout.scope_of(spec, frozenset(engine.fields))
        self._policy = evidence.file_digest(spec.root / "artifacts" / "policy.json")
        self._monitor = Monitor.of(engine.spec, engine.problem)
        self._looked = monotonic()
        self._metrics.model.clear()
        for name, run in engine.runs.items():
            self._metrics.model.labels(name, run, spec.stage).set(1)

    def refresh(self) -> None:
        """Take up what people have set since; a fault in it is written down, and what is loaded goes on."""
        if monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = monotonic()
        try:
            if rollout.read(self.project).turn != self.state.turn:
                self._load()
        except DrivetrainError as error:
            self._metrics.faults.inc()
            self._write([{**records.stamp("fault"), "what": error.message}])

    def predict(self, cases: list[dict[str, Any]]) -> list[Prediction]:
        """Classes and probabilities of each case."""
        return self.engine.predict(cases)

    def decide(self, cases: list[dict[str, Any]]) -> list[Decision]:
        """A setting, or `defer`, for each case; all are in the log when this returns."""
        self.refresh()
        assessed = self.engine.assess(cases)
        spec = self.engine.spec
        problem = self.engine.problem
        draws = rollout.draws(spec, problem, self.state, assessed, self._lot, self._scope)
        given = [rollout.answer(spec, problem, case, drawn) for case, drawn in zip(assessed, draws, strict=True)]
        written: list[dict[str, Any]] = []
        for answer, drawn, case in zip(given, draws, assessed, strict=True):
            if answer["status"] == "waiting" and len(self.approvals) + len(written) >= MOST_WAITING:
                answer["status"] = "defer"
                answer["reasons"] = ["too many decisions wait for approval already", *answer["reasons"]]
            written.append(records.decision(answer, drawn, case, self._policy))
        if reached(spec.stage, "parallel"):
            self._keep(records.files_of(record, case) for record, case in zip(written, assessed, strict=True))
        self._write(written)
        for record in written:
            # Every shelf is another: as a label of a metric each would cost memory for ever.
            ranking = self.engine.problem.ranking
            setting = record["setting"] if ranking is None else ranking.lever
            self._metrics.decisions.labels(setting, record["status"]).inc()
            self._metrics.outside.inc(not record["in_domain"])
            self._metrics.explored.inc(record["explored"])
            if record["status"] == "waiting":
                self.approvals.wait(record)
        self._watch(written)
        self._metrics.waiting.set(len(self.approvals))
        return given

    def feedback(self, cases: list[dict[str, Any]]) -> list[Receipt]:
        """Outcomes of earlier decisions; all are in the log when this returns."""
        outcomes = self.engine.feedback(cases)
        self._keep(outcome.pop("files") for outcome in outcomes)
        self._write([{**records.stamp("feedback"), **outcome} for outcome in outcomes])
        self._metrics.feedback.inc(len(outcomes))
        return [{"decision": outcome["decision"], "recorded": True} for outcome in outcomes]

    def approve(self, cases: list[dict[str, Any]]) -> list[Receipt]:
        """What people chose for waiting decisions; all are in the log when this returns."""
        chosen = [self.approvals.check(case, number) for number, case in enumerate(cases)]
        made = [{**records.stamp("approval"), **choice} for choice in chosen]
        self._write(made)
        for record in made:
            self.approvals.settle(record)
        self._metrics.waiting.set(len(self.approvals))
        return [{"decision": choice["decision"], "recorded": True} for choice in chosen]

    def file(self, decision: str, column: str) -> Path:
        """A file that came with a waiting decision."""
        path = self.log.folder / records.MEDIA / self.approvals.media_of(decision, column)
        if not path.is_file():
            raise Refused("the file is gone.", status=404)
        return path

    def _watch(self, written: list[dict[str, Any]]) -> None:
        """Count what the policy chose; an alarm is written down, and in stage *wide* it stops the actions."""
        # Many cases in one request are looked at several times; the last look at a setting says what the first did.
        problem, count = self.engine.problem, self._monitor.count
        rung = (alarm for record in written for alarm in count(taken(problem, record["chosen"])))
        found = list({alarm.setting: alarm for alarm in rung}.values())
        if not found:
            return
        self._metrics.alarms.inc(len(found))
        self._write([{**records.stamp("alarm"), "setting": a.setting, "what": str(a)} for a in found])
        self._monitor.forget()
        if self.engine.spec.stage == "wide" and not self.state.paused:
            self.state = rollout.change(self.project, paused="alarm: " + "; ".join(map(str, found)))

    def _keep(self, files: Iterable[Mapping[str, bytes]]) -> None:
        try:
            for some in files:
                records.keep(self.log.folder, some)
        except OSError as error:
            raise _unrecorded(error.strerror or str(error)) from error

    def _write(self, written: list[dict[str, Any]]) -> None:
        try:
            self.log.write(written)
        except ServiceError as error:
            raise _unrecorded(error.what) from error


def _unrecorded(why: str) -> Refused:
    """What cannot be recorded is not answered: a decision that nobody can look up later is none."""
    return Refused(f"nothing was decided, because it could not be recorded ({why})", where="log", status=503)
