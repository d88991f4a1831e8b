"""Documents that are rendered from the plan and its evidence, never merged: written, and checked for freshness."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.checklist import as_markdown
from drivetrain.errors import EvidenceError
from drivetrain.review.card import model_card
from drivetrain.review.gather import gather
from drivetrain.review.sheet import datasheet
from drivetrain.review.welcome import onboarding

if TYPE_CHECKING:
    from drivetrain.checklist import Answer
    from drivetrain.review.gather import Review
    from drivetrain.spec import Spec

ONBOARDING, CHECKLIST, CARD, SHEET = (
    "docs/onboarding.md",
    "docs/bias_checklist.md",
    "docs/model_card.md",
    "docs/datasheet.md",
)


def documents(
    spec: Spec, review: Review | None = None, package: str = "", answers: Mapping[str, Answer] | None = None
) -> dict[str, str]:
    """Path below the project -> text of every derived document, as the plan and the evidence stand now.

    Args:
        spec: The plan; evidence and answers beside it are read.
        review: The review of this plan, if it was built already.
        package: Name of the project's package; found when it is not given.
        answers: Instead of those in `checklist.yaml`.

    Raises:
        EvidenceError: `checklist.yaml` or an evidence record cannot be read.
    """
    held = review or gather(spec, answers=answers)
    name = package or _package(spec)
    return {
        ONBOARDING: onboarding(spec, held, name),
        CHECKLIST: as_markdown(spec, answers=answers),
        CARD: model_card(spec, held, name),
        SHEET: datasheet(spec, held),
    }


def _package(spec: Spec) -> str:
    """The folder with the project's code: a plan that was renamed keeps the package that it had."""
    if not (spec.root / spec.package).is_dir():
        for path in sorted(spec.root.glob("*/learners/__init__.py")):
            return path.parts[-3]
    return spec.package


def stale_documents(spec: Spec, review: Review | None = None) -> list[str]:
    """Derived documents that lie in the project and say something else than they would now.

    None of a plan that has no project around it: what was never written is not stale.
    """
    try:
        return [name for name, text in documents(spec, review).items() if _differs(spec.root / name, text)]
    except EvidenceError:
        return []


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except (OSError, UnicodeDecodeError):
        return False
