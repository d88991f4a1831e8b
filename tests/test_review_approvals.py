"""Approvals on record, the agenda, and the tour."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from drivetrain import checklist, review
from drivetrain.errors import DrivetrainError, GateError
from drivetrain.review.agenda import agenda
from drivetrain.spec import load_spec
from tests import fabricated

SHORT = """
drivetrain: 1
project: {name: Idea, owners: [a]}
objective: {statement: Fewer letters go astray.}
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The mail project in a git repository whose user is Ann."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    fabricated.project(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "Ann <b>")
    git(tmp_path, "config", "user.email", "ann@example.org")
    return tmp_path


def sign(root: Path, stage: str = "plan", **options):
    spec = load_spec(root)
    held = review.build(spec)
    return review.sign(spec, stage, review.closed(held.gates, stage), **options)


def only(root: Path):
    [signed], faults = review.signatures(load_spec(root))
    assert faults == []
    return signed


class TestSigning:
    def test_a_gate_that_lacks_something_is_not_approved_without_a_condition(self, repository):
        with pytest.raises(GateError, match=r"lacks \d+ things") as error:
            sign(repository)
        assert error.value.exit_code == 1
        assert not (repository / "signatures").exists()
        sign(repository, conditions=["the works council agrees"], dissent=["Bob: too early"])
        signed = only(repository)
        assert (signed.name, signed.email, signed.stage) == ("Ann <b>", "ann@example.org", "plan")
        assert signed.conditions == ("the works council agrees",)
        assert signed.dissent == ("Bob: too early",)
        assert signed.lacking

    def test_a_gate_that_lacks_nothing_is_approved_as_it_is(self, repository):
        spec = load_spec(repository)
        answers = "".join(f"  {i.id}: {{status: yes, owner: a, note: done}}\n" for i in checklist.questions(spec))
        (repository / "checklist.yaml").write_text(f"items:\n{answers}", encoding="utf-8")
        sign(repository)
        assert only(repository).lacking == ()

    def test_it_holds_until_what_was_signed_changes_and_then_says_what(self, repository):
        sign(repository, conditions=["c"])
        assert only(repository).holds
        plan = repository / "drivetrain.yaml"
        text = plan.read_text(encoding="utf-8")
        plan.write_text(text.replace("name: Mail sorting", "name: Mail sortign"), encoding="utf-8")
        assert only(repository).holds, "a typo in a name is not what was signed"
        plan.write_text(text.replace("reversible: true", "reversible: false"), encoding="utf-8")
        assert only(repository).changed == ("levers.bin",)
        second = "  - {name: two, task: image-classification, predicts: digit}\ndeployment:"
        plan.write_text(text.replace("deployment:", second), encoding="utf-8")
        assert only(repository).changed == ("models.two",)
        plan.write_text(text, encoding="utf-8")
        assert only(repository).holds

    def test_a_changed_answer_or_measurement_lapses_it(self, repository):
        spec, _ = fabricated.mail(repository)
        sign(repository, "model", conditions=["c"])
        assert only(repository).holds
        (repository / "checklist.yaml").write_text("items: {team: {status: no}}\n", encoding="utf-8")
        assert only(repository).changed == ("checklist.yaml",)
        path = repository / "evidence" / "decide.json"
        body = json.loads(path.read_text(encoding="utf-8"))
        body["result"]["unit"] = "USD/letter"
        path.write_text(json.dumps(body), encoding="utf-8")
        assert "evidence/decide.json" in only(repository).changed
        assert spec.slug == "mail-sorting"

    def test_the_commit_is_the_proof(self, repository):
        path = sign(repository, conditions=["c"])
        assert only(repository).commit == ""
        git(repository, "add", "signatures")
        git(repository, "commit", "-qm", "approve")
        assert only(repository).commit == git(repository, "log", "-1", "--format=%h").strip()
        path.write_text(path.read_text(encoding="utf-8").replace("ann@example", "eve@example"), encoding="utf-8")
        assert only(repository).commit == "", "changed after the commit"
        git(repository, "commit", "-qam", "someone else")
        assert "not by the one who signed" in only(repository).commit

    def test_without_an_identity_nobody_signs(self, repository):
        git(repository, "config", "--unset", "user.email")
        with pytest.raises(DrivetrainError, match=r"git config user\.name"):
            sign(repository, conditions=["c"])
        assert not (repository / "signatures").exists()

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stage": "../x", "on": {}}', '{"stage": "plan", "on": []}'])
    def test_a_file_that_is_no_signature_is_named_and_hides_no_other(self, repository, text):
        sign(repository, conditions=["c"])
        (repository / "signatures" / "broken.json").write_text(text, encoding="utf-8")
        found, faults = review.signatures(load_spec(repository))
        assert len(found) == 1
        assert "signatures/broken.json" in faults[0]
        assert "broken.json" in review.render(review.build(load_spec(repository)), "html")

    def test_the_review_shows_approvals_and_lapses(self, repository):
        sign(repository, conditions=["the works council agrees"])
        text = (repository / "drivetrain.yaml").read_text(encoding="utf-8")
        (repository / "drivetrain.yaml").write_text(text.replace("value: 4.00", "value: 5.00"), encoding="utf-8")
        held = review.build(load_spec(repository))
        for form in ("html", "markdown"):
            shown = review.render(held, form)
            assert "lapsed" in shown
            assert "works council agrees" in shown
            assert "Ann <b>" not in shown
        assert '"DG302"' in review.render(held, "sarif")


class TestAgenda:
    def test_it_fills_45_minutes_questions_before_decisions(self, tmp_path):
        slots = agenda(review.build(fabricated.project(tmp_path)))
        assert slots[0].start == 0
        assert slots[-1].end == 45
        assert all(a.end == b.start for a, b in pairwise(slots))
        titles = [slot.title for slot in slots]
        assert next(i for i, t in enumerate(titles) if "questions" in t) < next(
            i for i, t in enumerate(titles) if "Decide" in t
        )
        assert slots[1].points

    def test_a_draft_has_one_too_and_it_stands_on_the_page(self, tmp_path):
        held = review.build(fabricated.project(tmp_path, SHORT))
        assert agenda(held)[-1].end == 45
        assert "45 minutes, questions first" in review.render(held, "html")


class TestTour:
    def test_it_goes_from_want_to_twelve_questions_with_answers(self, tmp_path):
        stops = review.tour(fabricated.project(tmp_path))
        assert [stop.title for stop in stops[:3]] == ["What we want", "What we can pull", "What we know"]
        asked = [stop for stop in stops if stop.title.startswith("Question")]
        assert len(asked) == 12
        assert all(stop.answer for stop in asked)
        assert any("line manager" in line for stop in stops for line in stop.lines)

    def test_a_draft_can_be_toured(self, tmp_path):
        assert len(review.tour(fabricated.project(tmp_path, SHORT))) >= 15
