"""From a plan to a project, and from a changed plan to an updated project.

::

    plan + template -> stage (a folder beside the target) -> verify -> one rename -> the project

Nothing that a user wrote is ever rendered as a template, and nothing is written where the user works until all of it
is known to be sound. This is the only room that knows cookiecutter.
"""

from __future__ import annotations

from drivetrain.project.generate import Generated, new
from drivetrain.project.revise import Undone, Updated, recover, undo, update

__all__ = ["Generated", "Undone", "Updated", "new", "recover", "undo", "update"]
