"""Results and decisions by class and by group, with intervals.

::

    predictions, decisions  ->  cells (one pass of DuckDB)  ->  figures by class, group, intersection
                                                            ->  differences that chance does not explain  ->  findings
"""

from __future__ import annotations

from drivetrain.audit.report import text
from drivetrain.audit.run import run

__all__ = ["run", "text"]
