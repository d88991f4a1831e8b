"""The learning curve: how much better would more labels make a model?

A model is trained on an eighth, a quarter and half of its rows as well, for as many steps as on all. Its error is
what the decision loses in the objective's own unit against knowing every outcome, where that can be measured; else the
error of the prediction. `check` fits the curve and says how many labels the target needs, with an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.training import worth
from drivetrain.training.schema import predicted

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.artifact import Predictor
    from drivetrain.spec import Model, Spec

SHARES = (0.125, 0.25, 0.5)
"""Parts of the training rows; the whole comes anyway."""
LEAST = 20
"""Rows of a part below which it says nothing."""


def part(plan: Spec, model: Model, cases: pd.DataFrame, share: float) -> pd.DataFrame | None:
    """A part of the training rows, each part within the larger ones; validation rows stay.

    Rows of one entity stay together. Where there are classes, each gives its share, so that none is lost.

    Returns:
        None when too little is left to train on.
    """
    train = cases[cases["split"] == "train"]
    entity = plan.source(plan.derived.model_data(model.name)).entity
    outcome = predicted(model)
    drawn = np.random.default_rng(model.training.seed)
    if entity and entity in train:
        names = drawn.permutation(np.array(sorted({str(value) for value in train[entity]})))
        kept = train[train[entity].astype(str).isin(names[: max(1, round(share * len(names)))])]
    else:
        order = train.iloc[drawn.permutation(len(train))]
        groups = order[outcome].map(str) if plan.outcome(outcome).type not in ("number", "mask") else order["split"]
        place, size = groups.groupby(groups).cumcount(), groups.map(groups.value_counts())
        kept = order[place < np.maximum(1, (share * size).round())]
    if len(kept) < LEAST:
        return None
    classes = plan.outcome(outcome).type not in ("number", "mask")
    if classes and set(kept[outcome].explode()) != set(train[outcome].explode()):
        return None
    return cases.loc[sorted([*kept.index, *cases.index[cases["split"] == "validation"]])].reset_index(drop=True)


def measured(
    plan: Spec,
    model: Model,
    parts: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any],
    predictors: Mapping[str, Predictor],
    smaller: Sequence[Predictor],
) -> dict[str, Any]:
    """The learning curve of a model, as the evidence keeps it.

    Args:
        plan: The plan.
        model: Whose curve it is.
        parts: Results of the model trained on parts, each with `trained_on`.
        whole: Its result on all rows.
        predictors: Every model of the plan, by name.
        smaller: The models trained on parts, in the order of `parts`.

    Returns:
        `metric`, `target` (None where the plan has none) and `points` of `rows`, `error` and `standard_error`.
    """
    results = [*parts, whole]
    others = [one for name, one in predictors.items() if name != model.name]
    found = [worth.measured(plan, [one, *others]) for one in (*smaller, predictors[model.name])]
    goal = plan.objective.measure.target if plan.objective and plan.objective.measure else None
    if all(one is not None and one.best is not None for one in found):
        regrets = [one.best - one.values for one in found if one is not None and one.best is not None]
        last = found[-1]
        assert last is not None
        assert last.best is not None
        points = [(float(gap.mean()), worth.error_of(gap)) for gap in regrets]
        target = None if goal is None else float(last.best.mean()) - last.sign * goal
        metric = f"what is lost against knowing every outcome ({last.unit})"
    else:
        points, target = [_error(one["metrics"]["validation"]) for one in results], None
        metric = _metric(whole["metrics"]["validation"])
    return {
        "metric": metric,
        "target": target,
        "points": [
            {"rows": one["trained_on"], "error": error, "standard_error": noise}
            for one, (error, noise) in zip(results, points, strict=True)
        ],
    }


def _metric(figures: Mapping[str, Any]) -> str:
    if "accuracy" in figures:
        return "share of wrong answers"
    return next(name for name in ("mean_absolute_error", "area_error", "log_loss") if name in figures)


def _error(figures: Mapping[str, Any]) -> tuple[float, float]:
    """The error of a prediction and its standard error."""
    count = max(int(figures["cases"]), 1)
    if "accuracy" in figures:
        right = float(figures["accuracy"])
        return 1 - right, sqrt(right * (1 - right) / count)
    if "mean_absolute_error" in figures:
        mean, square = float(figures["mean_absolute_error"]), float(figures["root_mean_squared_error"]) ** 2
        return mean, sqrt(max(square - mean**2, 0.0) / count)
    return float(figures["area_error"] if "area_error" in figures else figures["log_loss"]), 0.0
