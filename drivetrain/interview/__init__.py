"""`drivetrain init`: an interview in the order of the approach that teaches as it asks.

::

    questions.toml -> script (which, in which order) -> talk (asks, reads) -> draft (the file, after every answer)
"""

from __future__ import annotations

from drivetrain.interview.draft import NOTES
from drivetrain.interview.start import blank, copy_example
from drivetrain.interview.talk import interview

__all__ = ["NOTES", "blank", "copy_example", "interview"]
