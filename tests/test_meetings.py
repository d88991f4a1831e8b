"""The commands around which people meet, as they are typed: checklist, review, sign, tour."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivetrain import checklist
from drivetrain.checklist.answers import parse
from drivetrain.cli import main
from tests import fabricated


def typed(*arguments: str | Path):
    """Exit code, stdout and stderr of a command."""
    done = CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def project(tmp_path):
    fabricated.project(tmp_path)
    (tmp_path / "evidence").mkdir()
    return tmp_path


class TestChecklist:
    def test_open_questions_are_listed_and_close_the_gate(self, project):
        code, out, _ = typed("checklist", project, "--format", "json")
        assert code == 1
        assert {f["id"] for f in json.loads(out)["findings"]} == {"DC101"}

    def test_questions_are_added_and_answered_with_the_hash_of_what_they_rest_on(self, project):
        code, out, _ = typed("checklist", project, "--add")
        assert code == 1
        assert "added     success" in out
        (project / "minutes.md").write_text("We asked.", encoding="utf-8")
        typed("checklist", project, "--answer", "team", "--status", "yes", "--owner", "Ann", "--evidence", "minutes.md")
        found = parse((project / "checklist.yaml").read_text(encoding="utf-8"))["team"]
        assert (found.status, found.owner, found.date) == ("yes", "Ann", date.today())
        assert [f.id for f in checklist.open_items(project) if f.facts.get("item") == "team"] == ["DC100"]
        (project / "minutes.md").write_text("We asked nobody.", encoding="utf-8")
        assert [f.id for f in checklist.open_items(project) if f.facts.get("item") == "team"] == ["DC105"]

    def test_adding_twice_adds_nothing_and_keeps_what_the_team_wrote(self, project):
        text = "# ours\nitems:\n  team: {status: no, owner: a, note: n}  # why\nother: 1\n"
        (project / "checklist.yaml").write_text(text, encoding="utf-8")
        typed("checklist", project, "--add")
        once = (project / "checklist.yaml").read_text(encoding="utf-8")
        assert "# ours" in once
        assert parse(once)["team"] == parse(text)["team"]
        assert set(parse(once)) == {item.id for item in checklist.questions(fabricated.load_spec(project))}
        typed("checklist", project, "--add")
        assert (project / "checklist.yaml").read_text(encoding="utf-8") == once

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--answer", "nonsense", "--status", "yes"], "no question `nonsense`"),
            (["--answer", "team", "--evidence", "../outside"], "not a file inside the project"),
            (["--answer", "team", "--evidence", "gone.md"], "is not there"),
            (["--answer", "team", "--expires", "soon"], "no date"),
            (["--status", "yes"], "needs --answer"),
        ],
    )
    def test_a_wrong_answer_is_explained_and_nothing_is_written(self, project, arguments, said):
        code, _, err = typed("checklist", project, *arguments)
        assert code == 2
        assert said in err
        assert not (project / "checklist.yaml").exists()

    def test_a_deon_checklist_comes_in_and_goes_out(self, project):
        (project / "ethics.md").write_text(" - [x] **A.2 Collection bias**: ...\n", encoding="utf-8")
        _, out, _ = typed("checklist", project, "--import", project / "ethics.md")
        assert "answered  collection" in out
        code, out, _ = typed("checklist", project, "--export", "deon-markdown")
        assert code == 0
        assert "- [x] **A.2" in out


class TestReview:
    def test_a_page_is_written_and_kept_for_the_next_comparison(self, project):
        code, out, _ = typed("review", project)
        assert code == 0
        assert "review.html" in out
        assert (project / "evidence" / "review.json").exists()
        text = (project / "drivetrain.yaml").read_text(encoding="utf-8")
        (project / "drivetrain.yaml").write_text(text.replace("target: 0.12", "target: 0.2"), encoding="utf-8")
        code, out, _ = typed("review", project, "--against", "last", "--format", "markdown")
        assert "target moved from 0" in out

    def test_a_plan_without_a_project_gets_its_page_and_nothing_else(self, tmp_path):
        fabricated.project(tmp_path)
        typed("review", tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["drivetrain.yaml", "review.html"]

    def test_a_gate_that_is_asked_for_and_not_met_exits_1_and_names_who_owes_what(self, project):
        code, out, err = typed("review", project, "--gate", "data", "--format", "json")
        assert code == 1
        assert json.loads(out)["name"] == "Mail sorting"
        assert "evidence/check.json" in err
        assert "The gate of stage data lacks" in err

    def test_stale_documents_are_written_anew(self, project):
        (project / "docs").mkdir()
        (project / "docs" / "onboarding.md").write_text("old", encoding="utf-8")
        _, out, _ = typed("review", project)
        assert "onboarding.md" in out
        assert "EUR/letter" in (project / "docs" / "onboarding.md").read_text(encoding="utf-8")

    def test_what_to_compare_with_must_be_there(self, project):
        code, _, err = typed("review", project, "--against", "nowhere")
        assert code == 2
        assert "neither a file nor a git revision" in err


def test_a_gate_that_lacks_something_is_not_signed(project):
    code, _, err = typed("sign", "plan", project)
    assert code == 1
    assert "--condition" in err


def test_the_tour_needs_no_terminal(project):
    code, out, _ = typed("tour", project)
    assert code == 0
    assert "What we want" in out
    assert "Question 12 of 12" in out
