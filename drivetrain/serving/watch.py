"""`make drift`: what the log says about inputs, scores, actions and outcomes, window by window."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from drivetrain import evidence
from drivetrain.errors import DataError, EvidenceError, ServiceError
from drivetrain.serving import compare, records
from drivetrain.serving.assessed import DEFER, verdict
from drivetrain.serving.engine import Engine
from drivetrain.serving.field import case_of_row
from drivetrain.serving.log import read
from drivetrain.serving.monitor import Alarm, alarms, taken

if TYPE_CHECKING:
    from drivetrain.spec import Spec

WINDOW = "7 days"
"""Length of a window where the plan's `monitoring.window` says nothing."""
REFERENCE = "reference"
"""Step of the evidence that holds what the windows are compared with."""
MOST_CASES = 2000
"""Cases of the reference, drawn with a fixed seed."""
MOST_IN_WINDOW = 20_000
"""Decisions of one window that are looked at, drawn with a fixed seed."""
AT_A_TIME = 64

Series = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time.

    Attributes:
        begins: UTC time, ISO 8601.
        ends: UTC time, ISO 8601.
        decisions: How many were asked for.
        deferred: Share that was left to people by the policy or the guard.
        outside: Share that was unlike the training data.
        explored: Share that was drawn by lot.
        changes: Every series beside its reference, alarms first.
        actions: Settings whose rate has changed by the plan's factor.
    """

    begins: str
    ends: str
    decisions: int
    deferred: float
    outside: float
    explored: float
    changes: Sequence[compare.Change]
    actions: Sequence[Alarm]

    @property
    def alarm(self) -> bool:
        """Whether people have to look."""
        return bool(self.actions) or any(change.alarm for change in self.changes)


@dataclass(frozen=True, slots=True)
class Labels:
    """Outcomes that came back.

    Attributes:
        came_back: Decisions with an outcome.
        shaped: Of these, outcomes that the plan says are shaped by the lever, where the service set the lever itself:
            what the next model would learn from them is partly this one's own opinion.
        drawn: Of these, decisions drawn by lot.
    """

    came_back: int
    shaped: int
    drawn: int


@dataclass(frozen=True, slots=True)
class Watched:
    """All windows of a log, the oldest first, and what came back."""

    project: str
    unit: str
    factor: float
    cases: int
    windows: Sequence[Window]
    labels: Labels


def watch(spec: Spec) -> Watched:
    """Compare every window of the log with the cases that the policy was judged on.

    Raises:
        ServiceError: There is no log yet.
        DataError: The reference is not there, and neither are the data to make it from.
    """
    log = spec.root / "log"
    decisions = [record for record in read(log) if record["kind"] == "decision"]
    if not decisions:
        raise ServiceError("no decision was written down yet.", "Start the service, and ask it: make serve.", "log")
    came_back: dict[str, dict[str, Any]] = {}
    for record in read(log):
        if record["kind"] == "feedback":
            # Outcomes come one after another; of one outcome the latest counts.
            came_back.setdefault(record["decision"], {}).update(record["outcomes"])
    engine = Engine.open(spec)
    reference = _reference(engine)
    monitoring = spec.deployment.monitoring if spec.deployment else None
    factor = monitoring.action_rate_change if monitoring else 2.0
    windows = [
        _window(engine, reference, factor, begins, ends, found, came_back)
        for begins, ends, found in _split(decisions, (monitoring.window if monitoring else None) or WINDOW)
    ]
    unit = (spec.decision.unit if spec.decision else None) or "case"
    return Watched(
        spec.project.name, unit, factor, len(reference["setting"]), windows, _labels(spec, decisions, came_back)
    )


def _split(
    decisions: Sequence[Mapping[str, Any]], length: str
) -> Iterator[tuple[datetime, datetime, list[Mapping[str, Any]]]]:
    """Decisions by window; windows without any are left out."""
    from drivetrain.spec import seconds

    span = timedelta(seconds=seconds(length))
    ordered = sorted(decisions, key=lambda record: str(record["time"]))
    begins = datetime.fromisoformat(ordered[0]["time"])
    found: list[Mapping[str, Any]] = []
    for record in ordered:
        time = datetime.fromisoformat(record["time"])
        if time >= begins + span:
            yield begins, begins + span, found
            begins += span * ((time - begins) // span)
            found = []
        found.append(record)
    yield begins, begins + span, found


def _window(
    engine: Engine,
    reference: Series,
    factor: float,
    begins: datetime,
    ends: datetime,
    found: list[Mapping[str, Any]],
    came_back: Mapping[str, Mapping[str, Any]],
) -> Window:
    seen = found if len(found) <= MOST_IN_WINDOW else random.Random(42).sample(found, MOST_IN_WINDOW)
    series = dict(series_of(engine, seen))
    compared = _compared(engine.spec)
    for record in found:
        for outcome in came_back.get(record["decision"], {}).keys() & compared:
            value = came_back[record["decision"]][outcome]
            series.setdefault(f"{outcome}: came back", []).append(value)
    before = reference["setting"]
    counts, expected = _counts(engine, series["setting"]), _counts(engine, before)
    return Window(
        begins.isoformat(timespec="minutes"),
        ends.isoformat(timespec="minutes"),
        len(found),
        sum(record["chosen"] is None for record in found) / len(found),
        sum(not record["in_domain"] for record in found) / len(found),
        sum(bool(record["explored"]) for record in found) / len(found),
        compare.compare({name: values for name, values in reference.items() if name != "setting"}, series),
        alarms(
            counts,
            {setting: count / len(before) for setting, count in expected.items()},
            len(before),
            factor,
            total=len(seen),
        )
        if len(seen) >= compare.LEAST
        else [],
    )


def _counts(engine: Engine, settings: Sequence[str]) -> Counter[str]:
    """How many decisions took each setting; of a shelf, showed each item."""
    return Counter(one for setting in settings for one in taken(engine.problem, None if setting == DEFER else setting))


def series_of(engine: Engine, found: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Records of decisions as columns that can be compared."""
    series: dict[str, list[Any]] = {"setting": [record["chosen"] or DEFER for record in found]}
    for name, field in engine.fields.items():
        values = [record["columns"].get(name) for record in found]
        if field.type in ("number", "integer", "boolean", "category"):
            series[name] = values
        elif field.type == "text":
            series[f"{name}: length"] = [None if value is None else float(len(value)) for value in values]
        elif field.type == "image":
            for look in ("brightness", "contrast", "width", "height"):
                series[f"{name}: {look}"] = [record["looks"].get(name, {}).get(look) for record in found]
    for model, predictor in engine.predictors.items():
        series[f"{model}: strangeness"] = [record["scores"].get(model) for record in found]
        for outcome in predictor.manifest["predicts"]:
            told = [record["predictions"].get(outcome, {}) for record in found]
            series[f"{outcome}: likeliest"] = [one.get("most_likely") for one in told]
            series[f"{outcome}: confidence"] = [max(one["probabilities"]) if "classes" in one else None for one in told]
            series[f"{outcome}: expected"] = [one.get("mean") for one in told]
    return {name: values for name, values in series.items() if any(value is not None for value in values)}


def _reference(engine: Engine) -> dict[str, list[Any]]:
    """What the service would have written down for the cases that the policy was judged on; made once for a release."""
    from drivetrain import artifact

    root = engine.spec.root
    digests = {name: artifact.digest(root / "artifacts" / name) for name in engine.predictors}
    digests["policy.json"] = evidence.file_digest(root / "artifacts" / "policy.json")
    kept = evidence.read(root, REFERENCE)
    if kept is not None and dict(kept.artifacts) == digests:
        return {name: list(values) for name, values in kept.result["series"].items()}
    series = _judged(engine)
    evidence.record(root, REFERENCE, {"series": series}, reads={}, data={}, artifacts=digests)
    return series


def _judged(engine: Engine) -> dict[str, list[Any]]:
    from drivetrain import source

    spec = engine.spec
    try:
        table = source.cases(spec)
    except DataError as error:
        advice = "Run `make drift` once where the data are; it leaves evidence/reference.json for where they are not."
        raise DataError(error.what, advice, error.where) from error
    parts = table["split"].to_pylist()
    held_out = [row for row, part in enumerate(parts) if part in ("test", "hold_out")]
    chosen = held_out if len(held_out) >= compare.LEAST else [row for row, part in enumerate(parts) if part != "train"]
    if len(chosen) > MOST_CASES:
        chosen = sorted(random.Random(42).sample(chosen, MOST_CASES))
    if not chosen:
        raise EvidenceError("no case was held out.", "Give the case table a split.", "data")
    rows = table.take(chosen).to_pylist()
    written = []
    for start in range(0, len(rows), AT_A_TIME):
        cases = [case_of_row(engine.fields, row, spec.root) for row in rows[start : start + AT_A_TIME]]
        written += [records.decision(verdict(case), None, case, "") for case in engine.assess(cases)]
    series = series_of(engine, written)
    outcomes = _compared(spec) & set(table.column_names)
    return series | {f"{name}: came back": [row[name] for row in rows] for name in sorted(outcomes)}


def _compared(spec: Spec) -> set[str]:
    """Outcomes whose values can be compared as they are; a mask is a file."""
    return {name for part in spec.data for name, outcome in part.outcomes.items() if outcome.type != "mask"}


def _labels(spec: Spec, decisions: Sequence[Mapping[str, Any]], came_back: Mapping[str, Mapping[str, Any]]) -> Labels:
    shaped_outcomes = {name for part in spec.data for name, outcome in part.outcomes.items() if outcome.shaped_by}
    answered = [(r, came_back[r["decision"]]) for r in decisions if r["decision"] in came_back]
    shaped = sum(r["status"] == "act" and not r["explored"] and bool(shaped_outcomes & f.keys()) for r, f in answered)
    return Labels(len(answered), shaped, sum(bool(r["explored"]) for r, _ in answered))
