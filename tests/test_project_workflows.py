"""The workflows of a project: a review on every pull request, and no way in for what strangers write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from drivetrain import checklist
from tests import fabricated

FOLDER = Path(__file__).parents[1] / "template" / "{{ cookiecutter.slug }}" / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def workflow(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def step(job: str, name: str) -> str:
    """The script of a step, as bash runs it."""
    [found] = [one for one in workflow("review.yml")["jobs"][job]["steps"] if one.get("name") == name]
    return found["run"]


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def bash(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a script: `bash -e`, with what the step's `env` names."""
    path = f"{cwd.parent / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(["bash", "-e", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def pull(tmp_path):
    """A function: the plan before and the plan of a pull request -> what its review does, and the files it leaves."""

    def run(before: str | None, now: str, stage: str = "plan", beside: dict[str, str] | None = None):
        root = tmp_path / "repository"
        root.mkdir()
        git(root, "init", "-qb", "main")
        if before is not None:
            (root / "drivetrain.yaml").write_text(before.lstrip(), encoding="utf-8")
            git(root, "add", ".")
        git(root, "commit", "-qm", "before", "--allow-empty")
        git(root, "checkout", "-qb", "change")
        for name, text in {"drivetrain.yaml": now.lstrip(), **(beside or {})}.items():
            (root / name).write_text(text, encoding="utf-8")
        git(root, "add", ".")
        git(root, "commit", "-qm", "change", "--allow-empty")
        git(root, "checkout", "-q", "main")
        git(root, "merge", "-q", "--no-ff", "-m", "GitHub tries the merge", "change")
        temp = tmp_path / "temp"
        temp.mkdir()
        summary = tmp_path / "summary.md"
        done = bash(
            step("review", "Hold the review"), root,
            STAGE=stage, RUNNER_TEMP=str(temp), GITHUB_STEP_SUMMARY=str(summary),
        )  # fmt: skip
        files = {path.name: path.read_text(encoding="utf-8") for path in (temp / "review").iterdir()}
        assert summary.read_text(encoding="utf-8") == files["comment.md"]
        return done, files

    return run


def test_nothing_that_a_pull_request_says_stands_in_a_script():
    for file in FILES:
        for job in workflow(file.name)["jobs"].values():
            for one in job["steps"]:
                assert "${{" not in one.get("run", ""), (file.name, one)
                for value in one.get("env", {}).values():
                    assert "github.head_ref" not in value
                    assert ".title" not in value
                    assert ".body" not in value


def test_every_action_is_a_commit_and_says_which_version_that_is():
    ours = Path(__file__).parents[1] / ".github" / "workflows"
    for file in [*FILES, *sorted(ours.glob("*.yml"))]:
        used = re.findall(r"uses: *(.*)", file.read_text(encoding="utf-8"))
        assert used, file
        for one in used:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", one), (file, one)


def test_the_job_that_may_write_has_no_code_and_the_job_that_has_it_may_not_write():
    text = (FOLDER / "review.yml").read_text(encoding="utf-8")
    review = workflow("review.yml")
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    assert review["permissions"] == {}
    assert review["jobs"]["review"]["permissions"] == {"contents": "read"}
    assert review["jobs"]["comment"]["permissions"] == {"pull-requests": "write"}
    used = [one.get("uses", "") for one in review["jobs"]["comment"]["steps"]]
    assert not [name for name in used if name.startswith("actions/checkout")]
    for file in FILES:
        for job in workflow(file.name)["jobs"].values():
            for one in job["steps"]:
                if one.get("uses", "").startswith("actions/checkout"):
                    assert one["with"]["persist-credentials"] is False


def test_a_closed_gate_fails_and_the_comment_says_what_is_missing_and_what_changed(pull):
    done, files = pull(fabricated.MAIL, fabricated.MAIL.replace("at_most: 0.01", "at_most: 0.03"))
    assert done.returncode == 1
    assert files["comment.md"].startswith("<!-- drivetrain review -->\nThe gate of stage plan is **closed**.")
    assert "guardrail `misrouted share` was loosened" in json.loads(files["review.json"])["changes"][0]["what"]
    assert "was loosened: at most 0.01 became 0.03" in files["comment.md"]
    assert {"review.html", "review.sarif", "review.xml"} <= files.keys()


@pytest.mark.full
class TestWholeRuns:
    def test_a_gate_that_is_met_lets_the_pull_request_pass(self, pull, tmp_path):
        answered = tmp_path / "answered"
        spec = fabricated.project(answered)
        (answered / "minutes.md").write_text("We asked.", encoding="utf-8")
        checklist.add(spec)
        for item in checklist.questions(spec):
            given = {"status": "yes", "owner": "Ann", "note": "We asked.", "evidence": ("minutes.md",)}
            checklist.answer(spec, item.id, given)
        beside = {name: (answered / name).read_text(encoding="utf-8") for name in ("checklist.yaml", "minutes.md")}
        done, files = pull(fabricated.MAIL, fabricated.MAIL, beside=beside)
        assert done.returncode == 0, files["gate.txt"]
        assert "The gate of stage plan is **met**." in files["comment.md"]

    def test_the_first_plan_has_nothing_to_be_compared_with(self, pull):
        done, files = pull(None, fabricated.MAIL)
        assert done.returncode == 1
        assert json.loads(files["review.json"])["against"] == ""

    def test_a_plan_before_that_could_not_be_read_does_not_stop_the_one_that_mends_it(self, pull):
        done, files = pull("drivetrain: [", fabricated.MAIL)
        assert done.returncode == 1
        assert json.loads(files["review.json"])["name"] == "Mail sorting"

    def test_a_plan_that_cannot_be_read_fails_and_the_comment_says_where(self, pull):
        done, files = pull(fabricated.MAIL, fabricated.MAIL.replace("objective:", "objectives:"))
        assert done.returncode == 2
        assert "    " in files["comment.md"]
        assert "objectives" in files["comment.md"]

    def test_a_stage_that_there_is_not_is_named(self, pull):
        done, files = pull(fabricated.MAIL, fabricated.MAIL, stage="$(touch owned); `touch owned`")
        assert done.returncode == 2
        assert "is not one of" in files["comment.md"]

    def test_hostile_text_runs_nothing(self, pull, tmp_path):
        bad = "$(touch owned) `touch owned` ; touch owned @team <script>"
        done, files = pull(fabricated.MAIL, fabricated.MAIL.replace("line manager", json.dumps(bad)))
        assert done.returncode == 1
        assert not (tmp_path / "repository" / "owned").exists()
        assert "&#64;team" in files["comment.md"]
        assert "<script>" not in files["comment.md"]

    @pytest.mark.parametrize(("there", "method"), [("", "POST"), ("17\n18\n", "PATCH")])
    def test_one_comment_is_kept_up_to_date(self, tmp_path, there, method):
        here = tmp_path / "runner"
        (here / "review").mkdir(parents=True)
        (here / "review" / "comment.md").write_text("x", encoding="utf-8")
        (tmp_path / "bin").mkdir()
        gh = tmp_path / "bin" / "gh"
        (tmp_path / "there").write_text(there, encoding="utf-8")
        asked = f'[[ "$*" == *--jq* ]] && exec cat "{tmp_path / "there"}"'
        gh.write_text(f'#!/bin/bash\n{asked}\necho "$*" >> "{tmp_path / "calls"}"\n', encoding="utf-8")
        gh.chmod(0o755)
        script = step("comment", "Write the comment, or the one before anew")
        done = bash(script, here, GITHUB_REPOSITORY="us/mail", NUMBER="7", GH_TOKEN="t")
        assert done.returncode == 0, done.stderr
        [call] = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
        assert f"--method {method}" in call
        assert ("issues/comments/17 " in call) == (method == "PATCH")
        assert call.endswith("-F body=@review/comment.md")

    def test_the_workflows_are_what_github_takes_and_a_security_audit_finds_nothing(self, tmp_path):
        programs = Path(sys.executable).parent
        schema = [programs / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES]
        done = subprocess.run([str(part) for part in schema], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        # GitHub's own actions are named by version: a hash would have to be raised by hand in every project.
        policy = {"rules": {"unpinned-uses": {"config": {"policies": {"actions/*": "ref-pin"}}}}}
        (tmp_path / "zizmor.yml").write_text(yaml.safe_dump(policy), encoding="utf-8")
        audit = [programs / "zizmor", "--offline", "--no-progress", "-c", tmp_path / "zizmor.yml", *FILES]
        done = subprocess.run([str(part) for part in audit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
