"""The plan: what `drivetrain.yaml` says, as typed parts in the order of the approach."""

from drivetrain.errors import MissingPartError, SpecError
from drivetrain.spec.data import Join, Outcome, Source
from drivetrain.spec.document import dump, load_spec, load_text
from drivetrain.spec.levers import Lever
from drivetrain.spec.models import Model
from drivetrain.spec.part import OpenQuestion, Part, Unknown, seconds
from drivetrain.spec.plan import Spec

__all__ = [
    "Join",
    "Lever",
    "MissingPartError",
    "Model",
    "OpenQuestion",
    "Outcome",
    "Part",
    "Source",
    "Spec",
    "SpecError",
    "Unknown",
    "dump",
    "load_spec",
    "load_text",
    "seconds",
]
