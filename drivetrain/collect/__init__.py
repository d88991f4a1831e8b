"""Data that are still to be collected: searched for, or fetched from a list, with their licences kept beside them.

`collect` fetches what the plan asks for. It can be stopped or killed at any time and goes on where it was; what arrives
is verified before it is kept, and `records.csv` says of every file where it comes from and what may be done with it.
"""

from __future__ import annotations

from drivetrain.collect.run import Done, collect

__all__ = ["Done", "collect"]
