"""The planning review: the plan, its gates, its evidence and its open questions, in one place.

::

    plan + checklist.yaml + evidence/  ->  build  ->  Review (plain data)  ->  HTML, Markdown, JSON, SARIF, JUnit
"""

from __future__ import annotations

from drivetrain.review.build import Review, build
from drivetrain.review.card import model_card
from drivetrain.review.datasheet import datasheet
from drivetrain.review.documents import documents, refresh, stale_documents
from drivetrain.review.onboarding import onboarding
from drivetrain.review.render import FORMATS, render

__all__ = [
    "FORMATS",
    "Review",
    "build",
    "datasheet",
    "documents",
    "model_card",
    "onboarding",
    "refresh",
    "render",
    "stale_documents",
]
