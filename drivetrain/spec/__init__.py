"""The plan: what `drivetrain.yaml` says, as typed parts in the order of the approach."""

from drivetrain.errors import MissingPartError, SpecError
from drivetrain.spec.document import dump, load_spec, load_text
from drivetrain.spec.part import OpenQuestion, Part, Unknown, seconds
from drivetrain.spec.plan import Spec

__all__ = [
    "MissingPartError",
    "OpenQuestion",
    "Part",
    "Spec",
    "SpecError",
    "Unknown",
    "dump",
    "load_spec",
    "load_text",
    "seconds",
]
