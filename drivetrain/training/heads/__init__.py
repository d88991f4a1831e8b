"""Kinds of outcomes, each with its manifest entry, calibration, figures and baseline.

Every module here has the same functions, so that the rest of training need not know what is predicted:

    entry(plan, outcome, frame)            what the manifest says of the outcome before anything is measured
    targets(plan, outcome, frame)          truth, as the other functions take it
    calibrate(outputs, truth, offsets)     the temperature of raw outputs on the validation rows
    finish(plan, model, entry, outputs, truth)   the entry with what validation showed
    scale(outputs, entry)                  outputs in the units in which learner and service are compared
    figures(truth, distribution, entry)    how good it is
    baseline(...)                          the simplest thing that could work, as a distribution
    table(distribution, truth, entry)      columns of the predictions that a run keeps
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from drivetrain.training.heads import bins, classes, labels, masks, numbers
from drivetrain.training.schema import learns_bins

if TYPE_CHECKING:
    from drivetrain.spec import Model, Spec


def of(plan: Spec, model: Model, outcome: str) -> ModuleType:
    """The module of the kind of outcome that a model predicts."""
    spec = plan.outcome(outcome)
    if spec.type == "number":
        return bins if learns_bins(plan, model) else numbers
    return {"labels": labels, "mask": masks}.get(spec.type, classes)
