"""A review can be held on a plan with a question in it, wherever the question stands."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from drivetrain import checklist, examples, review, rules
from drivetrain.spec import dump, load_spec
from drivetrain.spec.check import check_document
from drivetrain.spec.document import build
from drivetrain.spec.reading import Document, read
from tests.test_spec_agreement import QUESTION, places


def held_with_each_question(name: str, folder: Path, every: int = 1) -> int:
    """Put a question in place of each value and item of a plan in turn, and hold the review; how many there were."""
    tree = read(examples.path(name).read_text(encoding="utf-8")).tree
    number = 0
    for _, key, way in list(places(tree))[::every]:
        asked = copy.deepcopy(tree)
        holder = asked
        for step in way[:-1]:
            holder = holder[step]
        holder[key] = dict(QUESTION)
        document = check_document(Document("drivetrain.yaml", tree=asked))
        if any(finding.level == "fail" for finding in document.findings):
            continue
        plan = folder / "drivetrain.yaml"
        plan.write_text(dump(build(document)), encoding="utf-8")
        spec = load_spec(plan)
        held = review.build(spec)
        assert "What?" in review.render(held, "html"), way
        for form in review.FORMATS:
            assert review.render(held, form), (way, form)
        assert all(review.documents(spec, held).values()), way
        assert rules.questions(spec), way
        assert checklist.initial_yaml(spec), way
        number += 1
    return number


def test_a_review_is_held_with_a_question_anywhere_in_the_plan(tmp_path: Path) -> None:
    assert held_with_each_question("mail-sorting", tmp_path, every=3) > 20


@pytest.mark.fuzz
@pytest.mark.parametrize("name", examples.names())
def test_a_review_is_held_with_a_question_anywhere_in_any_plan(name: str, tmp_path: Path) -> None:
    assert held_with_each_question(name, tmp_path) > 50
