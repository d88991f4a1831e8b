"""From a plan to a project, and from a changed plan to an updated project.

::

    plan + template -> stage (a folder beside the target) -> verify -> one rename -> the project
    project + new evidence -> derived documents, what was edited in them beside them
    project + changed plan -> stage -> verify -> three-way merge -> journal -> files, all or none

Nothing that a user wrote is ever rendered as a template, and nothing is written where the user works until all of it
is known to be sound. This is the only room that knows cookiecutter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.project.derived import rewrite
    from drivetrain.project.generate import Generated, new
    from drivetrain.project.revise import Undone, Updated, recover, undo, update

__all__ = ["Generated", "Undone", "Updated", "new", "recover", "rewrite", "undo", "update"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `new` has no need of what only `update` does."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"Generated": "generate", "new": "generate", "rewrite": "derived"}.get(name, "revise")
    return getattr(import_module(f"{__name__}.{home}"), name)
