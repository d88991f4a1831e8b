"""By which name a plan calls a column, whatever its file calls it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from drivetrain.spec.names import as_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def called(there: Sequence[str]) -> dict[str, str]:
    """The plan's name of each column -> the name that the file or the database has for it, in its order.

    A column whose name cannot stand in a formula (`Order No.`) is called by the nearest name that can (`order_no`), as
    `validate` proposes it. One that would then be called like another keeps its own name, which no plan can use: nobody
    should have to guess which of the two is meant.
    """
    plain = [name if _NAME.fullmatch(name) else as_name(name) for name in there]
    count = Counter(plain)
    return {near if near and count[near] == 1 else name: name for name, near in zip(there, plain, strict=True)}
