"""The language's versions: how a plan of an older one is read.

A change of meaning raises `VERSION` and adds the step from the version before to `STEPS`; plans keep saying what they
said when they were written, and are brought up to date while they are read.
"""

from collections.abc import Callable
from typing import Any

VERSION = 1
"""Version of the language that this package writes."""

STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version -> what makes a plan of that version one of the next."""


def migrate(tree: dict[str, Any]) -> dict[str, Any]:
    """A plan in the present version; plans of versions that are not known are returned as they are."""
    version = tree.get("drivetrain")
    while type(version) is int and version in STEPS:
        version, tree = version + 1, STEPS[version](tree) | {"drivetrain": version + 1}
    return tree
