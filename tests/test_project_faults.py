"""Whatever fails, and whenever a command is killed: the user's tree is as it was, or complete."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivetrain import project
from drivetrain.errors import ProjectError

PLAN = """\
drivetrain: 1
project: {name: Bear warning}
objective: {statement: Warn hikers., value: "where(bear == 'none', 0, where(alarm == 'on', 0, -50))"}
levers: [{name: alarm, type: options, options: ["on", "off"], owner: hut keeper}]
data: [{name: photos, kind: images, location: data/photos,
        outcomes: {bear: {column: folder, values: [black, none], affected_by: []}}}]
models: [{name: spotter, task: image-classification, predicts: bear}]
"""
CHANGED = (
    PLAN.replace("name: spotter, task: image", "name: watcher, task: table") + "deployment: {serve: [api, voila]}\n"
)
WRITES = {"open", "os.rename", "os.mkdir", "os.chmod", "os.utime", "os.remove", "os.rmdir"}


class Faults:
    """Lets the n-th write below a folder fail, by Python's audit events: they come before the system is asked."""

    def __init__(self) -> None:
        self.below, self.fail_at, self.lasting, self.seen = "", 0, False, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.below or event not in WRITES or not self._counts(event, arguments):
            return
        self.seen += 1
        if self.seen == self.fail_at or (
            self.lasting and self.seen > self.fail_at > 0 and event in {"open", "os.mkdir"}
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _counts(self, event: str, arguments: tuple[Any, ...]) -> bool:
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if event == "open":
            mode, flags = arguments[1:3]
            if not (flags & (os.O_WRONLY | os.O_RDWR) if mode is None else set(mode) & set("wax+")):
                return False
        # Tidying up may fail quietly; deleting a file of the user's may not.
        if event in {"os.remove", "os.rmdir"} and ".drivetrain" in path:
            return False
        return path.startswith(self.below)

    def count(self, below: Path, action: Callable[[], object], fail_at: int = 0, lasting: bool = False) -> int:
        self.fail_at, self.lasting, self.seen = fail_at, lasting, 0
        self.below = str(below)
        try:
            action()
        finally:
            self.below = ""
        return self.seen


FAULTS = Faults()


@pytest.fixture(scope="session", autouse=True)
def audited() -> None:
    sys.addaudithook(FAULTS)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's temporary folder and the user's cache are inside the test's folder, so that faults reach them."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "drivetrain.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, tuple[bytes, int] | None]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def without_undo(files: dict[str, Any]) -> dict[str, Any]:
    return {name: data for name, data in files.items() if not name.startswith(".drivetrain/undo")}


def edited_project(plan: Path, into: Path) -> Path:
    """A project with edits of a team, whose plan has changed since."""
    root = project.new(plan, into).path
    with (root / "README.md").open("a") as stream:
        stream.write("my remark\n")
    with (root / "bear_warning" / "learners" / "spotter.py").open("a") as stream:
        stream.write("# mine\n")
    (root / "docs" / "rollout.md").unlink()
    (root / "drivetrain.yaml").write_text(CHANGED, encoding="utf-8")
    return root


def places(total: int, every: int) -> list[int]:
    return sorted({*range(1, total + 1, every), total - 2, total - 1, total})


def new_survives(tmp_path: Path, plan: Path, every: int) -> None:
    total = FAULTS.count(tmp_path, lambda: project.new(plan, tmp_path / "counted"))
    assert total > 60
    complete = tree(tmp_path / "counted" / "bear-warning")
    for existing in (False, True):
        for fail_at in places(total, every):
            for lasting in (False, True):
                out = tmp_path / f"out-{existing}-{fail_at}-{lasting}"
                if existing:
                    out.mkdir()
                    (out / "mine.txt").write_text("mine")
                before = tree(tmp_path / out.name)
                try:
                    FAULTS.count(tmp_path, lambda: project.new(plan, out), fail_at, lasting)  # noqa: B023
                except ProjectError as error:
                    said = error.message
                    assert tree(out) == before
                    assert out.exists() == existing
                    assert "No space left" in said
                else:  # the cache of templates may be lost; the project may not
                    assert tree(out / "bear-warning") == complete
                shutil.rmtree(out, ignore_errors=True)


def update_survives(tmp_path: Path, plan: Path, every: int) -> None:
    root = edited_project(plan, tmp_path / "kept")
    counted = Path(shutil.copytree(root, tmp_path / "counted"))
    total = FAULTS.count(tmp_path, lambda: project.update(counted))
    assert total > 40
    updated = without_undo(tree(tmp_path / "counted"))
    failed = 0
    for fail_at in places(total, every):
        for lasting in (False, True):
            copy = Path(shutil.copytree(root, tmp_path / f"update-{fail_at}-{lasting}"))
            before = tree(copy)
            try:
                FAULTS.count(tmp_path, lambda: project.update(copy), fail_at, lasting)  # noqa: B023
            except ProjectError:
                failed += 1
                assert tree(copy) == before, fail_at
            else:
                project.recover(copy)
                assert without_undo(tree(copy)) == updated, fail_at
            shutil.rmtree(copy)
    assert failed > len(places(total, every))


def undo_survives(tmp_path: Path, plan: Path, every: int) -> None:
    root = edited_project(plan, tmp_path / "kept")
    original = tree(root)
    project.update(root)
    counted = Path(shutil.copytree(root, tmp_path / "counted"))
    total = FAULTS.count(tmp_path, lambda: project.undo(counted))
    assert tree(tmp_path / "counted") == original
    failed = 0
    for fail_at in places(total, every):
        for lasting in (False, True):
            copy = Path(shutil.copytree(root, tmp_path / f"undo-{fail_at}-{lasting}"))
            before = tree(copy)
            try:
                FAULTS.count(tmp_path, lambda: project.undo(copy), fail_at, lasting)  # noqa: B023
            except ProjectError:
                failed += 1
                assert tree(copy) == before, fail_at
            else:
                project.recover(copy)
                assert tree(copy) == original, fail_at
            shutil.rmtree(copy)
    assert failed > len(places(total, every))


def test_a_fault_during_new_leaves_everything_as_it_was(tmp_path, plan):
    new_survives(tmp_path, plan, every=37)


def test_a_fault_during_update_leaves_everything_as_it_was(tmp_path, plan):
    update_survives(tmp_path, plan, every=19)


def test_a_fault_during_undo_leaves_everything_as_it_was(tmp_path, plan):
    undo_survives(tmp_path, plan, every=11)


@pytest.mark.fuzz
def test_a_fault_at_every_write_of_new_leaves_everything_as_it_was(tmp_path, plan):
    new_survives(tmp_path, plan, every=1)


@pytest.mark.fuzz
def test_a_fault_at_every_write_of_update_leaves_everything_as_it_was(tmp_path, plan):
    update_survives(tmp_path, plan, every=1)


@pytest.mark.fuzz
def test_a_fault_at_every_write_of_undo_leaves_everything_as_it_was(tmp_path, plan):
    undo_survives(tmp_path, plan, every=1)


COMMAND = """
import sys
from pathlib import Path
from drivetrain import project
from drivetrain.errors import DrivetrainError
what, where, plan = sys.argv[1:4]
try:
    project.new(plan, where) if what == "new" else getattr(project, what)(where)
except DrivetrainError as error:
    sys.exit(error.message)
"""
KILLED = """
import os, signal, sys
below, kill_at, seen = sys.argv[4], int(sys.argv[5]), 0
changes = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime"}
def kill(event, arguments):
    global seen
    if event in changes or event == "open" and arguments[1] and "w" in arguments[1]:
        if str(arguments[0]).startswith(below):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
"""


def run(code: str, *arguments: object, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.mark.parametrize("kilobytes", [0, 1, 4, 16])
def test_a_disk_that_fills_up_while_a_file_is_written_leaves_everything_as_it_was(tmp_path, plan, kilobytes):
    """The system refuses the part of a file beyond a size, as a full disk does in the middle of it."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    done = run(COMMAND, "new", tmp_path / "out", plan, limit=limit)
    assert "writing failed" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    root = edited_project(plan, tmp_path / "kept")
    before = tree(root)
    done = run(COMMAND, "update", root, plan, limit=limit)
    assert "writing failed" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert tree(root) == before


@pytest.mark.parametrize("what", ["new", "update", "undo"])
def test_a_kill_between_two_writes_is_made_good_by_the_next_command(tmp_path, plan, what):
    kills_are_survived(tmp_path, plan, what, [1, 4, 30, 55, 80, 95])


@pytest.mark.fuzz
@pytest.mark.parametrize("what", ["new", "update", "undo"])
def test_a_kill_before_every_write_is_made_good_by_the_next_command(tmp_path, plan, what):
    kills_are_survived(tmp_path, plan, what, range(1, 400))


def kills_are_survived(tmp_path: Path, plan: Path, what: str, moments: Any) -> None:
    before, complete, start = _worlds(tmp_path, plan, what)
    survived = 0
    for kill_at in moments:
        where = tmp_path / "killed"
        start(where)
        done = run(KILLED + COMMAND, what, where, plan, where, kill_at)
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr
            break
        survived += 1
        _check(what, where, plan, before, complete)
        shutil.rmtree(where)
    assert survived > 3


@pytest.mark.fuzz
@pytest.mark.parametrize("what", ["new", "update"])
def test_fifty_kills_at_random_moments_are_made_good_by_the_next_command(tmp_path, plan, what):
    before, complete, start = _worlds(tmp_path, plan, what)
    began = time.monotonic()
    start(tmp_path / "timed")
    assert run(COMMAND, what, tmp_path / "timed", plan).returncode == 0
    lasts = time.monotonic() - began
    draw = random.Random(5)
    killed = 0
    while killed < 50:
        where = tmp_path / "killed"
        start(where)
        process = subprocess.Popen([sys.executable, "-c", COMMAND, what, str(where), str(plan)])
        time.sleep(draw.uniform(0.2, 1.0) * lasts)
        killed += process.poll() is None
        process.kill()
        process.wait()
        _check(what, where, plan, before, complete)
        shutil.rmtree(where)


def _worlds(tmp_path: Path, plan: Path, what: str) -> tuple[dict[str, Any], dict[str, Any], Callable[[Path], object]]:
    """The tree before the command, the tree after it, and what makes the former."""
    if what == "new":
        complete = tree(project.new(plan, tmp_path / "complete").path)
        return {}, complete, lambda where: where.mkdir()
    root = edited_project(plan, tmp_path / "kept")
    before = tree(root)
    done = Path(shutil.copytree(root, tmp_path / "complete"))
    project.update(done)
    if what == "undo":
        return without_undo(tree(done)), before, lambda where: shutil.copytree(done, where)
    return before, without_undo(tree(done)), lambda where: shutil.copytree(root, where)


def _check(what: str, where: Path, plan: Path, before: dict[str, Any], complete: dict[str, Any]) -> None:
    if what == "new":
        target = where / "bear-warning"
        assert not target.exists() or tree(target) == complete
        shutil.rmtree(target, ignore_errors=True)
        project.new(plan, where)
        assert [path.name for path in where.iterdir()] == ["bear-warning"]
        assert tree(target) == complete
        return
    project.recover(where)
    left = without_undo(tree(where))
    assert left in (before, complete)
    assert {path.name for path in (where / ".drivetrain").iterdir()} <= {"record.json", "undo"}
