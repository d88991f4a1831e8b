"""The whole plan: `Spec`."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from drivetrain.findings import Finding
from drivetrain.spec.data import Source
from drivetrain.spec.deployment import Deployment, Maintenance
from drivetrain.spec.levers import Lever, Uncontrollable
from drivetrain.spec.lookup import Lookup
from drivetrain.spec.models import Model, Optimizer, Simulator
from drivetrain.spec.objective import Decision, Objective, Project
from drivetrain.spec.part import Part, doc

if TYPE_CHECKING:
    from drivetrain.spec.derived import Derived


class Spec(Lookup, Part):
    """A plan, in the order of the approach: objective, levers, data, models, and what carries them to an action."""

    drivetrain: Literal[1] = doc("Version of the plan language.", 1)
    stage: Literal["plan", "data", "model", "parallel", "limited", "wide"] = doc(
        "The gate that the project aims at.", "model", default="plan"
    )
    project: Project = doc("What the project is called and whose it is.", {"name": "Mail sorting"})
    objective: Objective | None = doc("What is wanted.", default=None)
    decision: Decision | None = doc("What is decided, by whom and when.", default=None)
    levers: list[Annotated[Lever, Field(discriminator="type")]] = doc("What can be changed.", default=[])
    uncontrollable: list[Uncontrollable] = doc("What moves outcomes and cannot be changed.", default=[])
    data: list[Source] = doc("What the data are.", default=[])
    models: list[Model] = doc("What is predicted.", default=[])
    simulator: Simulator | None = doc("How expectations are taken.", default=None)
    optimizer: Optimizer | None = doc("How the best setting is chosen.", default=None)
    deployment: Deployment | None = doc("How decisions reach people.", default=None)
    maintenance: Maintenance | None = doc("Who keeps it going.", default=None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Spec":
        """A copy, with what was derived left behind."""
        copy = super().model_copy(update=update, deep=deep)
        for derived in ("derived", "_tree"):
            copy.__dict__.pop(derived, None)
        return copy

    def moved(self, path: Path) -> "Spec":
        """The same plan in another place: evidence and answers beside it are looked for there."""
        copy = self.model_copy()
        copy.__dict__["_path"] = path.resolve()
        return copy

    @cached_property
    def derived(self) -> "Derived":
        """What follows from the plan: names, settings, costs, inputs, the order of models."""
        from drivetrain.spec.derived import Derived
        from drivetrain.spec.document import plain

        return Derived(plain(self))

    def findings(self) -> list[Finding]:
        """What is wrong with a plan that was built or changed in Python; a plan that was loaded has no fault."""
        from drivetrain.spec.document import findings

        return findings(self)

    def changed(self, changes: Mapping[str, Any]) -> "Spec":
        """The plan with other values, checked anew; the same place.

        Args:
            changes: Path -> plain data, as for `edit`: `{"objective.measure.target": 0.2, "levers.bin.owner": None}`.

        Raises:
            SpecError: The changed plan has faults, or a path leads nowhere.
        """
        from drivetrain.spec.document import load_text
        from drivetrain.spec.writing import dump, edit

        spec = load_text(edit(dump(self), changes))
        return spec.moved(self.path) if self.path else spec
