"""The planning review: the plan, its gates, its evidence and its open questions, in one place.

::

    plan + checklist.yaml + evidence/  ->  build  ->  Review (plain data)  ->  HTML, Markdown, JSON, SARIF, JUnit
                                                                           ->  onboarding, model card, datasheet, tour
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.review.approvals import sign, signatures
    from drivetrain.review.card import model_card
    from drivetrain.review.derived import documents, stale_documents
    from drivetrain.review.differences import compare
    from drivetrain.review.formats import FORMATS, render
    from drivetrain.review.gates import closed
    from drivetrain.review.gather import Review
    from drivetrain.review.hold import build, keep
    from drivetrain.review.sheet import datasheet
    from drivetrain.review.walk import tour
    from drivetrain.review.welcome import onboarding

_HOMES = {
    "FORMATS": "formats",
    "Review": "gather",
    "build": "hold",
    "closed": "gates",
    "compare": "differences",
    "datasheet": "sheet",
    "documents": "derived",
    "keep": "hold",
    "model_card": "card",
    "onboarding": "welcome",
    "render": "formats",
    "sign": "approvals",
    "signatures": "approvals",
    "stale_documents": "derived",
    "tour": "walk",
}

__all__ = [
    "FORMATS",
    "Review",
    "build",
    "closed",
    "compare",
    "datasheet",
    "documents",
    "keep",
    "model_card",
    "onboarding",
    "render",
    "sign",
    "signatures",
    "stale_documents",
    "tour",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a review needs few of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
