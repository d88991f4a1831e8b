"""What trained models are worth for the decision: the objective's value of the policy that follows from them.

Measured on the validation rows: candidates are chosen by it, and the test must stay unseen until the choice is made.
Where no outcome depends on a lever, what happened scores any policy. Where one does, only rows of a randomised history
in which the policy's setting was used say something; they count by the inverse of its propensity (Horvitz and Thompson
1952, self-normalised). Constraints of the whole population (a budget) are left aside: `decide` obeys them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import policy, source
from drivetrain.errors import DrivetrainError
from drivetrain.training.rows import plain

if TYPE_CHECKING:
    from drivetrain.artifact import Predictor
    from drivetrain.spec import Spec

Floats = NDArray[np.float64]
MOST_SETTINGS = 200
"""Settings that are tried to find the best in hindsight."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The value of a policy.

    Attributes:
        case: Row numbers in `source.cases`, (n,).
        values: Whose mean is the value, in the objective's unit, more is better, (n,).
        best: What each case would have been worth had every outcome been known, (n,); None where nobody can know.
        how: `observed` or `randomised`.
        sign: -1 where the plan's measure is to be minimised: the measure is `sign * mean`.
        measure: Its name.
        unit: Its unit.
    """

    case: NDArray[np.int64]
    values: Floats
    best: Floats | None
    how: str
    sign: int
    measure: str
    unit: str

    def entry(self) -> dict[str, Any]:
        """JSON data: the measure with its standard error."""
        return {
            "measure": self.measure,
            "unit": self.unit,
            "better": "higher" if self.sign > 0 else "lower",
            "value": self.sign * float(self.values.mean()),
            "standard_error": error_of(self.values),
            "cases": len(self.values),
            "how": self.how,
        }


def error_of(values: Floats) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def measured(plan: Spec, predictors: Sequence[Predictor]) -> Worth | None:
    """What the policy that follows from some models is worth.

    Args:
        plan: The plan.
        predictors: The trained models of the decision.

    Returns:
        None where the plan has no value yet, or where nothing that happened can score another policy.
    """
    try:
        if any(lever.type == "ranking" for lever in plan.levers):
            return None  # a place in a list is decided for all cases together: `decide` does that
        problem = policy.problem(plan)
        if problem.horizon or any(shock.weight for shock in problem.scenarios):
            return None
        known = {name for one in predictors for name in one.manifest["predicts"]}
        if problem.censored:
            return None  # a time that is not over is no label
        if not problem.outcomes or not set(problem.outcomes) <= known:
            return None
        return _measured(plan, problem, predictors)
    except DrivetrainError:  # `decide` says what is wrong with the decision; training is not stopped by it
        return None


def _measured(plan: Spec, problem: policy.Problem, predictors: Sequence[Predictor]) -> Worth | None:
    import pyarrow.compute as pc

    table = source.cases(plan)
    table = table.filter(pc.equal(table["split"], "validation"))
    for name in problem.outcomes:
        if name not in table.column_names:
            return None
        table = table.filter(pc.is_valid(table[name]))
    if not table.num_rows:
        return None
    frame = table.to_pandas()
    columns = {name: plain(frame[name]) for name in problem.columns if name in frame}
    needed = {name for one in predictors for name in one.inputs} & set(table.column_names)
    inputs = {name: table[name].to_pylist() for name in needed - set(problem.levers) - set(columns)}
    truth = {name: _truth(problem, name, frame[name]) for name in problem.outcomes}
    case = table["case"].to_numpy().astype(np.int64)
    asked: dict[str, Any] = {"": case, **inputs, **columns}
    found = policy.consider(problem, asked, policy.modeler(problem, list(predictors)))
    chosen = found.choose({})
    action = found.action(np.maximum(chosen, 0))
    weight = plan.case_source.weight
    shares = plain(frame[weight]).astype(float) if weight else np.ones(len(case))
    shares = shares / shares.mean()
    if any(problem.affected[name] for name in problem.outcomes):
        values = _randomised(plan, problem, table, columns, truth, action, shares)
        return None if values is None else _made(problem, case, values, None, "randomised")
    values = policy.realised(problem, problem.value, columns, truth, action) * shares
    best = _best(problem, columns, truth, np.broadcast_to(policy.allowed(problem, columns, None), found.feasible.shape))
    return _made(problem, case, values, None if best is None else best * shares, "observed")


def _made(
    problem: policy.Problem, case: NDArray[np.int64], values: Floats, best: Floats | None, how: str
) -> Worth | None:
    if not np.isfinite(values).all():
        return None
    return Worth(case, values, best, how, problem.sign, problem.measure, problem.unit)


def _truth(problem: policy.Problem, name: str, values: Any) -> NDArray[Any]:
    if name in problem.binary:
        return np.array([str(value).lower() in ("true", "1", "1.0") for value in values])
    return np.asarray(plain(values))


def _best(
    problem: policy.Problem,
    columns: Mapping[str, NDArray[Any]],
    truth: Mapping[str, NDArray[Any]],
    feasible: NDArray[np.bool_],
) -> Floats | None:
    """The greatest value that each case could have had, (n,); None where there are too many settings to try."""
    if problem.searched is not None or len(problem.labels) > MOST_SETTINGS:
        return None
    count = len(next(iter(truth.values())))
    best = np.full(count, -np.inf)
    for place in range(len(problem.labels)):
        action = {name: np.full(count, values[place]) for name, values in problem.settings.items()}
        value = policy.realised(problem, problem.value, columns, truth, action)
        best = np.where(feasible[:, place], np.maximum(best, value), best)
    return best if np.isfinite(best).all() else None


def _randomised(
    plan: Spec,
    problem: policy.Problem,
    table: Any,
    columns: Mapping[str, NDArray[Any]],
    truth: Mapping[str, NDArray[Any]],
    action: Mapping[str, NDArray[Any]],
    shares: Floats,
) -> Floats | None:
    """Values whose mean is the policy's, from the rows in which its setting was used by lot; None without such rows."""
    weights = shares.copy()
    for lever in plan.levers:
        history = lever.history
        if history is None or history.kind != "randomised" or history.column not in table.column_names:
            return None
        if history.rows.strip() not in ("True", "1", "true") or history.propensity is None or lever.type != "options":
            return None
        used = np.array([str(value) for value in table[history.column].to_pylist()])
        chance = history.propensity
        given = (
            np.asarray(table[chance].to_numpy(zero_copy_only=False), dtype=float)
            if isinstance(chance, str)
            else np.full(len(used), float(chance))
        )
        weights = weights * (used == np.asarray(action[lever.name]).astype(str)) / given
    if np.count_nonzero(weights) < 2:
        return None
    realised = policy.realised(problem, problem.value, columns, truth, action)
    mean = float((weights * realised).sum() / weights.sum())
    # Linearised, so that the spread of these values is that of the estimate.
    return np.asarray(mean + weights / weights.mean() * (realised - mean))


def write(found: Worth, path: Path) -> None:
    """The values, case by case, by which two runs are compared."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"case": found.case, "value": found.sign * found.values}), path)
