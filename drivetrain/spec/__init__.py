"""The plan: what `drivetrain.yaml` says, as typed parts in the order of the approach.

Reading goes in steps, each of which says all that is wrong at once::

    text --reading--> plain data with line numbers --structure--> clean data --meaning--> findings
                                                        |                                    |
                                              the language (JSON Schema)          names, types, formulas

The steps need no model, so `drivetrain validate` builds none; `load_spec` goes on to the typed parts. What follows from
a plan (`spec.derived`) is computed from the clean data, too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.errors import MissingPartError, SpecError
    from drivetrain.spec.asked import OpenQuestion
    from drivetrain.spec.check import check_file, check_text
    from drivetrain.spec.data import Join, Outcome, Source
    from drivetrain.spec.document import load_spec, load_text
    from drivetrain.spec.duration import seconds
    from drivetrain.spec.language import schema
    from drivetrain.spec.levers import Lever
    from drivetrain.spec.models import Model
    from drivetrain.spec.part import Part, Unknown
    from drivetrain.spec.plan import Spec
    from drivetrain.spec.writing import dump, edit, save

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
    "check_file",
    "check_text",
    "dump",
    "edit",
    "load_spec",
    "load_text",
    "save",
    "schema",
    "seconds",
]

_HOMES = {
    "asked": ("OpenQuestion",),
    "check": ("check_file", "check_text"),
    "data": ("Join", "Outcome", "Source"),
    "document": ("load_spec", "load_text"),
    "duration": ("seconds",),
    "language": ("schema",),
    "levers": ("Lever",),
    "models": ("Model",),
    "part": ("Part", "Unknown"),
    "plan": ("Spec",),
    "writing": ("dump", "edit", "save"),
}
_MODULES = {name: f"drivetrain.spec.{module}" for module, names in _HOMES.items() for name in names}
_MODULES |= {"MissingPartError": "drivetrain.errors", "SpecError": "drivetrain.errors"}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: checking a plan takes no pydantic."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
