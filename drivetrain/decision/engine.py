"""`decide`: from predictions to a written policy, and what it is worth beside the policies it must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import artifact, evidence, policy, source
from drivetrain.decision.evaluate import Figure, Label, Statistic, bootstrap, mean_of, proportion_or, ratio_of_means
from drivetrain.decision.optimizer import optimize
from drivetrain.errors import DataError, PolicyError
from drivetrain.spec import Spec

Array = NDArray[Any]
Floats = NDArray[np.float64]

OPTIMIZED = "optimized"
READS = ("objective", "decision", "levers", "data", "models", "simulator", "optimizer")


@dataclass(frozen=True, slots=True)
class World:
    """The cases of one part of the split, with what the models believe and what came true.

    Attributes:
        case: Row number in `source.cases`, shape (n,).
        split: Part of the split each case belongs to, shape (n,).
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed.
        truth: Outcome -> what was observed.
        weights: Summing to 1, shape (n,).
    """

    case: Array
    split: Array
    columns: Mapping[str, Array]
    beliefs: Mapping[str, policy.Belief]
    truth: Mapping[str, Array]
    weights: Floats


@dataclass(frozen=True, slots=True)
class Decided:
    """What `decide` found.

    Attributes:
        result: The evidence, as plain data.
        actions: Policy -> lever -> setting of each evaluated case.
        values: Policy -> value of each evaluated case, shape (n,); more is better.
        prices: Constraint -> shadow price.
        world: The cases that the policies were evaluated on.
    """

    result: Mapping[str, Any]
    actions: Mapping[str, policy.Action]
    values: Mapping[str, Floats]
    prices: Mapping[str, float]
    world: World


def compare(problem: policy.Problem, fitted: World, judged: World, *, seed: int = 42) -> Decided:
    """Fit the policy on one part of the cases and judge all policies on another.

    Args:
        problem: The decision.
        fitted: Cases that the prices of the constraints come from (the validation split).
        judged: Cases that no model and no price has seen (test and held-out).
        seed: Of the bootstrap.

    Raises:
        PolicyError: No feasible policy exists, or a reference policy cannot be computed.
    """
    prices, gap = _fit(problem, fitted)
    label: Label = "model-based" if any(problem.affected[name] for name in problem.outcomes) else "causal"
    actions = {}
    notes = []
    for name in policy.REFERENCES:
        if name != "accuracy_first" and name not in problem.policies:
            notes.append(f"The plan states no `{name}` policy; a review will ask for it.")
            continue
        actions[name] = policy.reference(problem, name, judged.columns, judged.beliefs)
    actions[OPTIMIZED] = _optimized(problem, prices, judged)
    values = {name: _worth(problem, problem.value, judged, action, label) for name, action in actions.items()}
    statistics: dict[Any, Statistic] = {name: mean_of(worth) for name, worth in values.items()}
    for name, worth in values.items():
        if name != OPTIMIZED:
            statistics[OPTIMIZED, name] = mean_of(values[OPTIMIZED] - worth)
    limits = policy.limits(problem, judged.columns)
    parts: dict[str, tuple[Floats, Floats]] = {}
    for limit in limits:
        parts[limit.name] = _measure_of(problem, limit, judged, actions[OPTIMIZED], label)
        statistics["limit", limit.name] = ratio_of_means(*parts[limit.name])
    figures = bootstrap(statistics, judged.weights, seed=seed)
    for name, (top, below) in parts.items():
        figures["limit", name] = proportion_or(figures["limit", name], top, below, judged.weights)
    result = {
        "measure": problem.measure,
        "unit": problem.unit,
        "direction": "minimize" if problem.sign < 0 else "maximize",
        "cases": len(judged.case),
        "policies": [_policy_row(problem, name, figures[name], label, actions[name], judged) for name in actions],
        "differences": [
            {"name": OPTIMIZED, "against": name, **_interval(figures[OPTIMIZED, name]), "label": label}
            for name in actions
            if name != OPTIMIZED
        ],
        "constraints": [_limit_row(limit, figures["limit", limit.name], prices) for limit in limits],
        "gap": gap,
        "notes": notes + _label_notes(problem, label),
    }
    return Decided(result, actions, values, prices, judged)


def _fit(problem: policy.Problem, world: World) -> tuple[dict[str, float], float]:
    """Shadow prices of the hard constraints, and the optimality gap in value per case."""
    limits = [limit for limit in policy.limits(problem, world.columns) if limit.hard]
    values = policy.expectation(problem, problem.value, world.columns, world.beliefs)
    feasible = np.broadcast_to(policy.allowed(problem, world.columns), values.shape)
    free = feasible.any(axis=1)
    if not free.any():
        raise PolicyError("the limits allow no setting for any case.", "Look at the levers' `limits`.", where="levers")
    uses = policy.uses(problem, limits, world.columns, world.beliefs)
    weights = world.weights[free] / world.weights[free].sum()
    names = [limit.name for limit in limits]
    optimum = optimize(values[free], uses[:, free], feasible[free], weights, names)
    return dict(zip(names, optimum.prices.tolist(), strict=True)), optimum.gap


def _optimized(problem: policy.Problem, prices: Mapping[str, float], world: World) -> policy.Action:
    """What the written policy does; where the limits allow nothing, the fallback."""
    _, _, chosen = policy.act(problem, prices, world.columns, world.beliefs)
    action = {lever: settings[chosen] for lever, settings in problem.settings.items()}
    if (chosen < 0).any():
        fallback = policy.reference(problem, "fallback", world.columns, world.beliefs)
        action = {lever: np.where(chosen < 0, fallback[lever], values) for lever, values in action.items()}
    return action


def _worth(problem: policy.Problem, formula: Any, world: World, action: policy.Action, label: Label) -> Floats:
    """Value of each case under an action: what came true, or what the models expect where that cannot be known."""
    if label == "causal":
        return policy.realised(problem, formula, world.columns, world.truth, action)
    settings = np.stack([np.asarray(problem.settings[lever]) for lever in problem.levers])
    taken = np.stack([np.asarray(action[lever]) for lever in problem.levers])
    expected = policy.expectation(problem, formula, world.columns, world.beliefs)
    same = (settings[:, None, :] == taken[:, :, None]).all(axis=0)
    if not same.any(axis=1).all():
        raise PolicyError(
            "a reference policy takes settings between those that are tried.",
            "Give the lever a `step` on which its policies lie.",
            where="levers",
        )
    return np.asarray(expected[np.arange(len(expected)), same.argmax(axis=1)])


def _measure_of(
    problem: policy.Problem, limit: policy.Limit, world: World, action: policy.Action, label: Label
) -> tuple[Floats, Floats]:
    """Numerator and denominator of a constraint's measure for each case under an action."""
    numerator = _worth(problem, limit.numerator, world, action, label)
    below = _worth(problem, limit.denominator, world, action, label)
    if limit.column is not None:
        name, group = limit.column
        there = action.get(name, world.columns.get(name))
        member = np.asarray(there).astype(str) == group
        return numerator * member, below * member
    return numerator, below


def _interval(figure: Figure) -> dict[str, float | None]:
    plain = {"value": figure.value, "low": figure.low, "high": figure.high}
    return {key: value if np.isfinite(value) else None for key, value in plain.items()}


def _policy_row(
    problem: policy.Problem, name: str, figure: Figure, label: Label, action: policy.Action, world: World
) -> dict[str, Any]:
    """A policy's figure in the measure, in which less may be better, and how often it takes each setting."""
    turned = figure if problem.sign > 0 else Figure(-figure.value, -figure.high, -figure.low)
    shares: dict[str, float] = {}
    for row, weight in enumerate(world.weights.tolist()):
        setting = problem.label({lever: values[row] for lever, values in action.items()})
        shares[setting] = shares.get(setting, 0.0) + weight
    most = dict(sorted(shares.items(), key=lambda item: -item[1])[:20])
    return {"name": name, **_interval(turned), "label": label, "shares": most}


def _limit_row(limit: policy.Limit, figure: Figure, prices: Mapping[str, float]) -> dict[str, Any]:
    """A constraint's figure beside its bound; `state` says whether the interval can tell the two apart."""

    def holds(value: float) -> bool:
        return value <= limit.bound if limit.upper else value >= limit.bound

    ends = holds(figure.low), holds(figure.high)
    state = "met" if all(ends) else "too few cases to tell" if any(ends) else "not met"
    return {
        "name": limit.name,
        **_interval(figure),
        "bound": limit.bound,
        "kind": "at_most" if limit.upper else "at_least",
        "hard": limit.hard,
        "met": bool(holds(figure.value)),
        "state": state,
        "price": prices.get(limit.name, 0.0),
    }


def _label_notes(problem: policy.Problem, label: Label) -> list[str]:
    if label == "causal":
        names = ", ".join(f"`{name}`" for name in problem.outcomes)
        return [f"Causal by the plan's claim that no lever moves {names}: logged labels score any policy."]
    return [
        "Model-based: a lever moves an outcome here, so these figures are what the models expect, not what was seen. "
        "Only a randomised trial makes them causal."
    ]


def arrays(problem: policy.Problem, table: Any) -> dict[str, Array]:
    """Columns of an Arrow table that the decision reads, as NumPy arrays; a missing category is an empty string."""
    import pyarrow as pa

    found = {}
    for name in sorted(problem.columns & set(table.column_names)):
        column = table[name].combine_chunks()
        if pa.types.is_boolean(column.type) and column.null_count:
            raise DataError(
                f"is missing in {column.null_count} of {len(column)} cases, and the decision needs it.",
                "Fill it in the source, or take the cases out.",
                where=name,
            )
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found[name] = np.array(column.fill_null("").to_pylist(), dtype=str)
        elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            found[name] = (
                np.array(column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False), dtype="M8[us]").astype(float)
                / 1e6
            )
        else:
            found[name] = np.asarray(column.to_numpy(zero_copy_only=False))
    return found


def world(
    spec: Spec,
    problem: policy.Problem,
    table: Any,
    predictors: Sequence[policy.Predicts],
    parts: Sequence[str],
) -> World:
    """The cases of some parts of the split, predicted.

    Raises:
        DataError: No case is in these parts, or none of them has all outcomes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.is_in(table["split"], value_set=pa.array(list(parts))))
    known = [name for name in problem.outcomes if name in table.column_names]
    for name in known:
        table = table.filter(pc.is_valid(table[name]))
    if not table.num_rows:
        raise DataError(
            f"no case of {' or '.join(parts)} has all outcomes ({', '.join(problem.outcomes)}).",
            "Look at the split and at missing labels: make check.",
            where=spec.case_source.name,
        )
    weight = spec.case_source.weight
    raw = np.asarray(table[weight].to_numpy(zero_copy_only=False), dtype=float) if weight else np.ones(table.num_rows)
    if not (np.isfinite(raw).all() and (raw >= 0).all() and raw.sum() > 0):
        raise DataError("weights must be finite, at least 0, and not all 0.", where=f"{spec.case_source.name}.{weight}")
    needed = {name for predictor in predictors for name in predictor.inputs} & set(table.column_names)
    cases = {name: table[name].to_pylist() for name in needed}
    truth = {}
    for name in known:
        values = table[name].to_pylist()
        truth[name] = (
            np.array(values, dtype=str) if problem.classes[name] and name not in problem.binary else np.array(values)
        )
    return World(
        case=table["case"].to_numpy(),
        split=np.array(table["split"].to_pylist(), dtype=str),
        columns=arrays(problem, table),
        beliefs={n: b for n, b in policy.beliefs(problem, predictors, cases).items() if n in problem.outcomes},
        truth=truth,
        weights=raw / raw.sum(),
    )


def decide(spec: Spec) -> Decided:
    """Make the policy of a project, write it, and record what it is worth.

    Writes `artifacts/policy.json`, `evidence/decide.json`, `evidence/decisions.parquet`.

    Raises:
        DrivetrainError: A model is missing or was changed, data are missing, or no policy can be made.
    """
    problem = policy.problem(spec)
    used = _models(spec, problem)
    folders = {name: spec.root / "artifacts" / name for name in used}
    predictors = [artifact.load(folder, root=spec.root) for folder in folders.values()]
    table = source.cases(spec)
    fitted = world(spec, problem, table, predictors, ("validation",))
    judged = world(spec, problem, table, predictors, ("test", "hold_out"))
    decided = compare(problem, fitted, judged)
    manifests = {name: evidence.file_digest(folder / "manifest.json") for name, folder in folders.items()}
    reads = {path: spec.digest(path) for path in READS}
    path = policy.write(spec.root, policy.written(problem.labels, decided.prices, reads, manifests))
    _write_decisions(spec.root, decided, problem)
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


def _models(spec: Spec, problem: policy.Problem) -> list[str]:
    """Models whose outcomes the decision uses, in dependency order."""
    names = [
        name for name in spec.derived.model_order() if set(spec.model(name).predicts or ()) & set(problem.outcomes)
    ]
    missing = set(problem.outcomes) - {outcome for name in names for outcome in spec.model(name).predicts or ()}
    if missing:
        raise PolicyError(
            f"no model predicts {', '.join(sorted(missing))}, which the decision uses.",
            "Add a model that predicts it.",
            where="models",
        )
    return names


def _sources(spec: Spec) -> list[str]:
    """The case table and what it is joined with."""
    case = spec.case_source
    return [case.name, *(join.data for join in case.join if join.data)]


def _write_decisions(root: Path, decided: Decided, problem: policy.Problem) -> None:
    """`evidence/decisions.parquet`: each judged case, the setting each policy takes, and what that was worth."""
    import os

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"case": decided.world.case, "split": decided.world.split}
    for name, action in decided.actions.items():
        rows = range(len(decided.world.case))
        columns[name] = [problem.label({lever: values[row] for lever, values in action.items()}) for row in rows]
        columns[f"value_{name}"] = decided.values[name]
    path = root / evidence.FOLDER / "decisions.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(pa.table(columns), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
