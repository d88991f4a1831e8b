"""`decide`: from predictions to a written policy, and what it is worth beside the policies it must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import artifact, evidence, policy, source
from drivetrain.decision import explore, impressions, whatif
from drivetrain.decision.compare import Decided, compare
from drivetrain.decision.items import items
from drivetrain.decision.log import seen
from drivetrain.decision.world import world
from drivetrain.errors import PolicyError
from drivetrain.spec import Spec

READS = {
    "objective": ("measure", "constants", "terms", "value", "over_time", "guardrails"),
    "decision": ("unit", "cases", "batch"),
    "levers": (
        *("type", "options", "options_from", "minimum", "maximum", "step", "cost", "of", "slots", "attention"),
        *("limits", "policies", "history"),
    ),
    "data": (
        *("kind", "location", "filename", "columns", "outcomes", "ratings", "entity", "time", "weight", "groups"),
        *("join", "split", "collect"),
    ),
    "models": ("task", "predicts", "data", "inputs", "rows", "arms", "distribution", "calibration"),
}
"""Fields that a decision reads: who owns a lever, and how an objective is worded, change nothing in it."""
JUDGED = ("test", "hold_out")
FITTED = 2_000
"""Cases that prices come from where a lever is searched over several periods or scenarios."""


def decide(spec: Spec, executor: Executor | None = None) -> Decided:
    """Make the policy of a project, write it, and record what it is worth.

    Writes `artifacts/policy.json`, `evidence/decide.json`, `evidence/decisions.parquet` and pictures; the randomisation
    code `evidence/experiment.py` where only an experiment would make the figures causal.

    Args:
        spec: The plan of a project that was trained.
        executor: What simulates the cases, part by part: a pool of processes or threads, a Dask cluster; None: this
            process. The figures are the same.

    Raises:
        DrivetrainError: A model is missing or was changed, data are missing, or no policy can be made.
    """
    problem, predictors, table, folders = _opened(spec)
    ranked, left_out = items(spec, problem, predictors) if problem.items else (None, [])
    fitted = world(spec, problem, table, predictors, ("validation",), ranked, _enough(problem))
    judged = world(spec, problem, table, predictors, JUDGED, ranked)
    fitted, judged = replace(fitted, executor=executor), replace(judged, executor=executor)
    speaking = None if ranked is None else impressions.logged(spec, problem, table, predictors, ranked)
    decided = compare(problem, fitted, judged, logged_cases=speaking)
    if ranked is not None:
        held_out = sum(part in JUDGED for part in table["split"].to_pylist())
        if judged.count < held_out:
            left_out.append(f"Judged on {judged.count:,} of {held_out:,} cases, drawn by lot.")
        left_out += impressions.silent(spec, problem, speaking)
        decided = replace(decided, result={**decided.result, "notes": [*decided.result["notes"], *left_out]})
    decided = replace(
        decided, result={**decided.result, "notes": [*decided.result["notes"], *_beside(spec, decided.result)]}
    )
    explored, program = explore.all_of(spec, problem, decided, fitted)
    decided = replace(decided, result={**decided.result, **explored})
    manifests = {name: evidence.file_digest(folder / "manifest.json") for name, folder in folders.items()}
    if ranked is not None:
        manifests[policy.ITEMS] = evidence.file_digest(policy.write_items(spec.root, ranked))
    reads = {path: spec.digest(path) for path in _read(spec)}
    made = policy.written(
        problem.labels, decided.prices, reads, manifests, threshold=decided.threshold, seen=problem.seen
    )
    path = policy.write(spec.root, made)
    _write_decisions(spec.root, decided, problem)
    experiment = spec.root / evidence.FOLDER / "experiment.py"
    if program:
        evidence.write_whole(experiment, program)
    else:
        experiment.unlink(missing_ok=True)
    data = {name: source.fingerprint(spec, name) for name in _sources(spec)}
    evidence.record(
        spec.root,
        "decide",
        decided.result,
        reads=reads,
        data={name: {"sha256": found.sha256, "synthetic": found.synthetic} for name, found in data.items()},
        artifacts=manifests | {path.name: evidence.file_digest(path)},
    )
    return decided


def what_if(spec: Spec, changes: Mapping[str, str], executor: Executor | None = None) -> Mapping[str, Any]:
    """What the policies would be worth if something were another; nothing is written.

    Args:
        spec: The plan of a project that was trained.
        changes: Lever, constant or column -> its value, as text.
        executor: What simulates the cases, as for `decide`.

    Raises:
        DrivetrainError: A name is none of these, or its value does not fit.
    """
    problem, predictors, table, _ = _opened(spec)
    ranked = items(spec, problem, predictors)[0] if problem.items else None
    fitted = world(spec, problem, table, predictors, ("validation",), ranked, _enough(problem))
    judged = world(spec, problem, table, predictors, JUDGED, ranked)
    fitted, judged = replace(fitted, executor=executor), replace(judged, executor=executor)
    return whatif.what_if(problem, fitted, judged, changes)


def _opened(spec: Spec) -> tuple[policy.Problem, list[policy.Predicts], Any, dict[str, Path]]:
    """The decision, its models and its cases."""
    problem = policy.problem(spec)
    folders = {name: spec.root / "artifacts" / name for name in _models(spec, problem)}
    predictors: list[policy.Predicts] = [artifact.load(folder, root=spec.root) for folder in folders.values()]
    table = source.cases(spec)
    if not (spec.optimizer and spec.optimizer.extrapolate):
        problem = replace(problem, seen=seen(spec, problem, table))
    return problem, predictors, table, folders


def _beside(spec: Spec, result: Mapping[str, Any]) -> list[str]:
    """What to say where the figure of today's policy is not the plan's `measure.current`."""
    measure = spec.objective.measure if spec.objective else None
    shown = (result.get("reported") or result)["policies"]
    found = next((row for row in shown if row["name"] == "today"), None)
    if measure is None or measure.current is None or found is None or None in (found["low"], found["high"]):
        return []
    if measure.agrees(found["value"], found["low"], found["high"]):
        return []
    return [
        f"The plan says that the measure is {measure.current:g} today; under `today` it comes to {found['value']:.4g} "
        f"({found['low']:.4g} to {found['high']:.4g}). Correct `measure.current`, or find what `value` leaves out."
    ]


def _read(spec: Spec) -> list[str]:
    """Paths of everything in the plan that a decision depends on."""
    parts: dict[str, Sequence[Any]] = {"levers": spec.levers, "data": spec.data, "models": spec.models}
    found = ["simulator", "optimizer", *(f"{section}[*].name" for section in parts)]
    for section, fields in READS.items():
        places = [f"{section}.{part.name}" for part in parts[section]] if section in parts else [section]
        found += [f"{place}.{field}" for place in places for field in fields]
    return found


def _enough(problem: policy.Problem) -> int | None:
    """Cases that prices come from: a sample where every case takes thousands of questions to the models."""
    return FITTED if problem.searched and not problem.simple else None


def _models(spec: Spec, problem: policy.Problem) -> list[str]:
    """Models whose outcomes the decision uses, and those that feed them, in dependency order."""
    wanted = {problem.home(name) for name in problem.outcomes}
    for _ in spec.models:
        wanted |= {name for outcome in wanted for name in problem.feeders.get(outcome, ())}
    names = [name for name in spec.derived.model_order() if set(spec.model(name).predicts or ()) & wanted]
    missing = wanted - {outcome for name in names for outcome in spec.model(name).predicts or ()}
    if missing:
        raise PolicyError(
            f"no model predicts {', '.join(sorted(missing))}, which the decision uses.",
            "Add a model that predicts it.",
            where="models",
        )
    return names


def _sources(spec: Spec) -> list[str]:
    """The case table, what it is joined with, and the items that are ranked."""
    case = spec.case_source
    ranked = [lever.of for lever in spec.levers if lever.type == "ranking" and lever.of not in (None, "cases")]
    return list(dict.fromkeys([case.name, *(join.data for join in case.join if join.data), *filter(None, ranked)]))


def _write_decisions(root: Path, decided: Decided, problem: policy.Problem) -> None:
    """`evidence/decisions.parquet`: each judged case, what each policy does (of items: how many), and its worth."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    world, width = decided.world, decided.world.width
    columns: dict[str, Any] = {"case": world.case[::width], "split": world.split[::width]}
    for name, action in decided.actions.items():
        # Of items their number is said, and what is set beside them once a case.
        each = {lever: np.asarray(values)[::width] for lever, values in action.items()}
        said: dict[str, Any] = dict(each)
        if problem.items and problem.ranking:
            each[problem.ranking.lever] = world.by_case(action[problem.ranking.lever] > 0)
            said[problem.ranking.lever] = np.array([f"{n:g} shown" for n in each[problem.ranking.lever].tolist()])
        columns[name] = [problem.label({lever: v[row] for lever, v in said.items()}) for row in range(world.count)]
        columns |= {f"setting_{name}_{lever}": values for lever, values in each.items()}
        columns[f"value_{name}"] = decided.values[name]
        if world.log is not None and name in decided.scores:
            # What the log says about a case; nothing about cases that are not in it.
            columns[f"logged_{name}"] = np.full(len(world.case), np.nan)
            columns[f"logged_{name}"][world.log.rows] = decided.scores[name]
    with evidence.whole(root / evidence.FOLDER / "decisions.parquet") as part:
        pq.write_table(pa.table(columns), part)
