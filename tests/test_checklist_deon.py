"""Checklists of deon: their ticks become answers, and ours can be read by deon."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivetrain import checklist
from drivetrain.checklist import answers, deon
from drivetrain.errors import EvidenceError
from tests import fabricated

TODAY = date(2026, 11, 23)
PEOPLE = fabricated.MAIL.replace("personal: false", "personal: true, consent: asked")
# As deon 0.3 writes them; the words behind the ids are not looked at.
MARKDOWN = """# Data Science Ethics Checklist

## A. Data Collection
 - [x] **A.1 Informed consent**: ...
 - [ ] **A.2 Collection bias**: ...
 - [X] **A.3 Limit PII exposure**: ...

## C. Analysis
 - [x] **C.4 Privacy in analysis**: ...
 - [x] Z.9 our own line
"""
RST = "A. Data Collection\n---------\n\n* [x] **A.1 Informed consent**: ...\n* [ ] **A.2 Collection bias**: ...\n"
HTML = (
    "<html><body><h2>A. Data Collection</h2><ul>"
    "<li><input checked type='checkbox'><strong>A.1 Informed consent:</strong> ...</input></li>"
    "<li><input type='checkbox'/><strong>\n   A.2 Collection bias:\n</strong> ...</li></ul></body></html>"
)
NOTEBOOK = json.dumps(
    {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": [f"{row}\n" for row in MARKDOWN.split("\n")]}]}
)


@pytest.mark.parametrize("text", [MARKDOWN, RST, HTML, NOTEBOOK], ids=["markdown", "rst", "html", "notebook"])
def test_ticks_are_read_in_every_format_that_deon_writes(text):
    found = deon.ticks(text)
    assert found["A.1"] is True
    assert found["A.2"] is False


def test_deons_plain_text_has_no_boxes_and_so_no_ticks():
    assert deon.ticks("A. Data Collection\n* A.1 Informed consent: If there are ...\n") == {"A.1": False}


@pytest.mark.parametrize("text", ["", "nothing", "{", "<li>", "- [x] buy milk"])
def test_what_is_no_deon_checklist_is_refused(text):
    with pytest.raises(EvidenceError, match="no deon checklist"):
        deon.ticks(text)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    with suppress(EvidenceError):
        assert deon.ticks(text)


class TestImport:
    def test_a_question_is_answered_when_all_its_items_are_ticked_and_expires(self, tmp_path):
        spec = fabricated.project(tmp_path, PEOPLE)
        done = deon.import_ticks(spec, checklist.initial_yaml(spec), MARKDOWN, "ethics.md", TODAY)
        assert done.answered == ("consent", "minimal")
        assert done.open == ("collection",)
        assert done.unknown == ("Z.9",)
        found = answers.parse(done.text)
        assert found["consent"].status == "yes"
        assert "A.1" in found["consent"].note
        assert found["consent"].owner == "sorting-team"
        assert (found["consent"].expires - TODAY).days == 90
        (tmp_path / "checklist.yaml").write_text(done.text, encoding="utf-8")
        closed = {f.facts["item"] for f in checklist.open_items(tmp_path, today=TODAY) if f.id == "DC100"}
        assert closed == {"consent", "minimal"}

    def test_an_answer_of_the_team_is_never_overwritten(self, tmp_path):
        spec = fabricated.project(tmp_path, PEOPLE)
        text = answers.write_answer(
            checklist.initial_yaml(spec), checklist.question("consent"), {"status": "no", "note": "not yet"}
        )
        done = deon.import_ticks(spec, text, MARKDOWN, "ethics.md", TODAY)
        assert done.kept == ("consent",)
        assert answers.parse(done.text)["consent"].status == "no"

    def test_the_name_of_the_file_cannot_break_out_of_the_answer(self, tmp_path):
        spec = fabricated.project(tmp_path, PEOPLE)
        name = 'x"\n  evil: {status: yes}\n#'
        done = deon.import_ticks(spec, checklist.initial_yaml(spec), MARKDOWN, name, TODAY)
        assert "evil" not in answers.parse(done.text)


class TestExport:
    def test_all_21_items_stand_in_it_with_our_state_and_come_back(self, tmp_path):
        spec = fabricated.project(tmp_path, PEOPLE)
        given_ = {"consent": checklist.Answer("yes", "a", "asked"), "collection": checklist.Answer("no", "a", "gap")}
        for text in (deon.export_yaml(spec, given_), deon.export_markdown(spec, given_)):
            found = deon.ticks(text)
            assert len(found) == 21
            assert [one for one, ticked in found.items() if ticked] == ["A.1"]
            assert "collection: no, gap" in text

    def test_what_the_plan_does_not_set_off_is_said_not_to_be_asked(self, tmp_path):
        text = deon.export_markdown(fabricated.project(tmp_path), {})
        assert "not asked: nothing in the plan sets it off" in text

    def test_deon_could_read_the_yaml(self, tmp_path):
        hostile = PEOPLE.replace("name: Mail sorting", 'name: "a: b # c \\" {{7*7}}"')
        body = yaml.safe_load(deon.export_yaml(fabricated.project(tmp_path, hostile), {}))
        # What deon's parser asks for.
        lines = [
            line
            for section in body["sections"]
            if section["title"] and section["section_id"]
            for line in section["lines"]
        ]
        assert all(line["line_id"] and line["line_summary"] and line["line"] for line in lines)
        assert body["title"].endswith('a: b # c " {{7*7}}')
