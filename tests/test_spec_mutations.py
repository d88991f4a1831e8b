"""A plan that somebody got wrong gives findings or a `SpecError`, never another exception; what passes loads."""

from __future__ import annotations

import random
from pathlib import Path

import mutations
import pytest

from drivetrain.errors import SpecError
from drivetrain.spec.check import check_document, check_text
from drivetrain.spec.document import build
from drivetrain.spec.reading import Document, read

PLANS = [path.read_text() for path in sorted((Path(__file__).parent / "golden" / "plans").glob("*.yaml"))]
TREES = [read(text).tree for text in PLANS]


def of_text(seed: int) -> bool:
    """Whether a plan whose text was changed is still one."""
    random_ = random.Random(seed)
    text = mutations.of_text(random_.choice(PLANS), random_)
    try:
        document = check_text(text)
    except SpecError:
        return False
    return loads(document)


def of_tree(seed: int) -> bool:
    random_ = random.Random(seed)
    document = Document("drivetrain.yaml", tree=mutations.of_tree(random_.choice(TREES), random_))
    try:
        check_document(document)
    except SpecError:
        return False
    return loads(document)


def loads(document: Document) -> bool:
    for finding in document.findings:
        assert "\n" not in str(finding)
        assert finding.where.startswith("drivetrain.yaml")
    if any(finding.level == "fail" for finding in document.findings):
        return False
    build(document)  # the checker and the typed parts must agree on what a plan is
    return True


def test_two_thousand_plans_that_somebody_got_wrong() -> None:
    loaded = sum(of_text(seed) for seed in range(1000)) + sum(of_tree(seed) for seed in range(1000))
    assert 100 < loaded < 1000, "some changes are harmless, most are not"


@pytest.mark.fuzz
def test_fifty_thousand_plans_that_somebody_got_wrong() -> None:
    for seed in range(10_000, 35_000):
        of_text(seed)
        of_tree(seed)
