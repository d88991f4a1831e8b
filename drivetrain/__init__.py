r"""From a plan to a decision.

::

    objective  <-  levers  <-  data  <-  models
        \                                  |
         \_______  optimizer <- simulator <'     an action, and its evidence

A plan (`drivetrain.yaml`) says what is wanted, what can be changed, what the data tell and only then what to model;
the rooms of this package check it, generate a project from it, and carry it to an action.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.errors import DrivetrainError, SpecError, run
    from drivetrain.findings import Finding
    from drivetrain.spec import Spec, load_spec

__version__ = "0.1.0"
__all__ = ["DrivetrainError", "Finding", "Spec", "SpecError", "__version__", "load_spec", "run"]

_HOMES = {
    "DrivetrainError": "errors",
    "Finding": "findings",
    "Spec": "spec",
    "SpecError": "errors",
    "load_spec": "spec",
    "run": "errors",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that importing the package stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
