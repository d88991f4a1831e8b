"""`new`, `update` and `undo` at the command line: what they print, and how they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLAN = """\
drivetrain: 1
project: {name: Bear warning}
objective: {statement: Warn hikers., value: "where(bear == 'none', 0, where(alarm == 'on', 0, -50))"}
levers: [{name: alarm, type: options, options: ["on", "off"], owner: hut keeper}]
data: [{name: photos, kind: images, location: data/photos,
        outcomes: {bear: {column: folder, values: [black, none], affected_by: []}}}]
models: [{name: spotter, task: image-classification, predicts: bear}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "drivetrain.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def drivetrain(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drivetrain", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_project_is_made_updated_and_taken_back(tmp_path, plan):
    done = drivetrain("new", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bear-warning" in done.stdout
    root = tmp_path / "bear-warning"
    again = drivetrain("new", cwd=tmp_path)
    assert again.returncode == 2
    assert "not empty" in again.stderr
    assert "Traceback" not in again.stderr
    (root / "drivetrain.yaml").write_text(PLAN.replace("hut keeper", "the ranger"), encoding="utf-8")
    dry = drivetrain("update", "--dry-run", cwd=root)
    assert (dry.returncode, dry.stdout.splitlines()[0][:6]) == (0, "--- a/")
    assert "hut keeper" in (root / "README.md").read_text()
    done = drivetrain("update", root, cwd=tmp_path)
    assert done.returncode == 0
    assert "wrote    README.md" in done.stdout
    assert "the ranger" in (root / "README.md").read_text()
    done = drivetrain("undo", cwd=root / "docs")
    assert done.returncode == 0, done.stderr
    assert "hut keeper" in (root / "README.md").read_text()
    nothing = drivetrain("undo", cwd=root)
    assert nothing.returncode == 2
    assert "no update to take back" in nothing.stderr


def test_data_that_lie_beside_the_plan_are_named_when_its_project_is_made(tmp_path, plan):
    (tmp_path / "data" / "photos").mkdir(parents=True)
    done = drivetrain("new", plan, cwd=tmp_path)
    assert (
        "`data/photos` lies beside the plan. The project looks for it in its own folder: move it there." in done.stdout
    )
    (tmp_path / "data" / "photos").rmdir()
    assert "beside the plan" not in drivetrain("new", plan, "-o", "other", cwd=tmp_path).stdout
    shop = PLAN.replace("location: data/photos", "location: sqlite:///shop.db?table=visits").replace("images", "table")
    shop = shop.replace("image-classification", "table-classification").replace("column: folder", "column: seen")
    plan.write_text(shop, encoding="utf-8")
    (tmp_path / "shop.db").touch()
    done = drivetrain("new", plan, "-o", "third", cwd=tmp_path)
    assert "`shop.db` lies beside the plan." in done.stdout, done.stderr


def test_a_conflict_is_listed_and_ends_with_1(tmp_path, plan):
    drivetrain("new", cwd=tmp_path)
    root = tmp_path / "bear-warning"
    readme = (root / "README.md").read_text()
    (root / "README.md").write_text(readme.replace("hut keeper", "me"))
    (root / "drivetrain.yaml").write_text(PLAN.replace("hut keeper", "the ranger"), encoding="utf-8")
    done = drivetrain("update", cwd=root)
    assert done.returncode == 1
    assert "conflict README.md" in done.stdout
    again = drivetrain("update", cwd=root)
    assert again.returncode == 1
    assert "README.md" in again.stderr


def test_outside_of_a_project_update_says_what_to_do(tmp_path):
    done = drivetrain("update", cwd=tmp_path)
    assert done.returncode == 2
    assert "drivetrain new" in done.stderr
    assert "Traceback" not in done.stderr


def test_any_command_in_a_project_puts_right_what_a_killed_update_left(tmp_path, plan):
    drivetrain("new", cwd=tmp_path)
    root = tmp_path / "bear-warning"
    before = (root / "README.md").read_bytes()
    (root / "drivetrain.yaml").write_text(PLAN.replace("hut keeper", "the ranger"), encoding="utf-8")
    code = """
import os, signal, sys
def kill(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("docs/onboarding.md"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
from drivetrain import project
project.update(".")
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == -9
    assert (root / ".drivetrain" / "pending").is_dir()
    assert b"the ranger" in (root / "README.md").read_bytes()
    done = drivetrain("validate", cwd=root / "docs")
    assert done.returncode == 0, done.stderr
    assert "interrupted" in done.stderr
    assert (root / "README.md").read_bytes() == before
    assert not (root / ".drivetrain" / "pending").exists()


@pytest.mark.parametrize("asked", [["examples"], ["new", "--example", "mail-sorting"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_an_output_that_takes_no_more_is_told_of_without_a_traceback(tmp_path, asked):
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "drivetrain", *asked], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert run.returncode == 2
    assert run.stderr == "the output: No space left on device.\n"


def test_a_command_ends_after_its_threads_and_what_has_to_be_cleaned_up(tmp_path):
    code = """
import atexit, sys, threading, time
from drivetrain import cli
from drivetrain.__main__ import run

def late():
    time.sleep(0.2)
    print("thread")

def main(**named):
    atexit.register(print, "cleaned up")
    threading.Thread(target=late).start()
    real(**named)

real, cli.main = cli.main, main
sys.argv = ["drivetrain", "validate", "nowhere.yaml"]
run()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split("\n")) == (2, ["thread", "cleaned up", ""])
    assert done.stderr.startswith("nowhere.yaml: there is no such file.")


def test_a_step_of_a_project_and_a_slip_say_what_to_type_instead(tmp_path):
    def said(*words):
        done = subprocess.run(
            [sys.executable, "-m", "drivetrain", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr.splitlines()[-1]

    assert said("decide", "--set", "price=3") == (
        2,
        "Error: `decide` is a step of a project: run `make decide` in its folder.",
    )
    assert said("vaildate") == (2, "Error: there is no command `vaildate`. Did you mean `validate`?")
    assert said("frobnicate") == (2, "Error: No such command 'frobnicate'.")
    assert said("validate", ".") == (
        2,
        ".: there is no drivetrain.yaml in this folder. Write a plan with `drivetrain init`.",
    )
    assert said("new", "clinic-triage") == (
        2,
        "clinic-triage: is a plan of the gallery, no file here. Use `--example clinic-triage`.",
    )
