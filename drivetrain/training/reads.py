"""What training read: fields of the plan, and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.models import Model

_SOURCE = (
    "kind", "location", "filename", "columns", "outcomes", "ratings", "entity", "time", "weight", "join", "split",
)  # fmt: skip


def sources(plan: Spec, model: Model) -> list[str]:
    """The model's source and those that its joins bring in."""
    return list(plan.derived.joins(plan.derived.model_data(model.name)))


def plan(plan: Spec, model: Model) -> dict[str, str]:
    """Path -> digest of the fields of the plan that a model's training depends on; a changed cost is not among them."""
    paths = [f"models.{model.name}", "deployment.guards"]
    paths += [f"data.{name}.{field}" for name in sources(plan, model) for field in _SOURCE]
    for name in plan.derived.model_inputs(model.name):
        if any(lever.name == name for lever in plan.levers):
            paths.append(f"levers.{name}.history")
        if plan.objective and name in plan.objective.terms:
            paths.append(f"objective.terms.{name}")
    if model.arms:
        paths += [f"levers.{model.arms}.history", f"levers.{model.arms}.options"]
    return {path: plan.digest(path) for path in paths}


def data(plan: Spec) -> dict[str, Any]:
    """Source -> its fingerprint, for every source that a model reads.

    Raises:
        DataError: A source is missing or empty.
    """
    from drivetrain import source

    names = dict.fromkeys(name for model in plan.models for name in sources(plan, model))
    found = {name: source.fingerprint(plan, name) for name in names}
    return {
        name: {"sha256": one.sha256, "files": one.files, "bytes": one.bytes, "synthetic": one.synthetic}
        for name, one in found.items()
    }
