"""Out-of-fold predictions: every case predicted by a model that did not see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.training.calibration import temperature
from drivetrain.training.schema import classes, predicted

if TYPE_CHECKING:
    import pandas as pd

    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model


def cross_fit(
    plan: Spec,
    model: Model,
    cases: pd.DataFrame,
    train: Callable[[Spec, Model, pd.DataFrame], Any],
    folds: int = 5,
) -> NDArray[np.float64]:
    """Pooled out-of-fold probabilities (n, k), calibrated within each fold.

    Args:
        plan: The plan.
        model: One of its models.
        cases: n rows of `rows(plan, model)`, without those that are held out for good.
        train: From plan, model and rows to a trained learner. The fold after the one that is predicted validates.
        folds: How many.

    Returns:
        Probabilities in the order of `cases` and of `classes(plan, outcome, cases)`.
    """
    known = classes(plan, predicted(model), cases)
    fold = assign(plan, model, cases, folds)
    found = np.zeros((len(cases), len(known)))
    for one in range(folds):
        # The next fold validates: it is as large as the one that is predicted, and no entity is in both.
        split = np.where(fold == (one + 1) % folds, "validation", "train")
        seen = cases.assign(split=split)[fold != one].reset_index(drop=True)
        learn = train(plan, model, seen)
        with learn.no_bar(), learn.no_logging():
            logits, labels = learn.get_preds(dl=learn.dls.valid, act=_as_is)
            asked, _ = learn.get_preds(dl=learn.dls.test_dl(cases[fold == one].reset_index(drop=True)), act=_as_is)
        degree = temperature(logits.numpy(), labels.numpy().ravel()) if model.calibration != "none" else 1.0
        scaled = asked.numpy().astype(np.float64) / degree
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        found[fold == one] = powers / powers.sum(axis=1, keepdims=True)
    return found


def assign(plan: Spec, model: Model, cases: pd.DataFrame, folds: int) -> NDArray[np.int64]:
    """The fold of each case: shuffled, equally large, an entity's rows together."""
    source = plan.source(plan.derived.model_data(model.name))
    rng = np.random.default_rng(source.split.seed)
    by = source.split.by if source.split.by not in (None, "random", "entity", "time") else source.entity
    if by is None or by not in cases:
        return rng.permutation(len(cases)) % folds
    _, number = np.unique(cases[by].astype(str), return_inverse=True)
    return np.asarray(rng.permutation(number.max() + 1) % folds)[number]


def _as_is(outputs: Any) -> Any:
    return outputs
