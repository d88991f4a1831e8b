"""The page of figures says what was measured, and every goal on it is held by something that runs."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import page  # noqa: E402
import reports  # noqa: E402

GOALS = [goal for part in page.parts() for goal in part.get("tests", [])]
REPORT = """<testsuites><testsuite timestamp="2026-11-25T10:00:00+00:00" time="90">
<testcase classname="tests.test_house" name="test_importing_is_light" time="1">
 <properties><property name="figure" value="0.12 s"/></properties></testcase>
<testcase classname="tests.test_folds" name="{test}[a]" time="1"/>
<testcase classname="tests.test_folds" name="{test}[b]" time="1"><failure/></testcase>
<testcase classname="tests.test_drive" name="test_the_mail_drive_reaches_its_goals" time="1"><skipped/></testcase>
</testsuite></testsuites>"""
FOLDS = "test_the_optimized_policy_is_worth_at_least_as_much_as_accuracy_and_a_threshold"


def marks(nodes: list[ast.expr]) -> set[str]:
    return {name for node in nodes for name in ("full", "fuzz") if f"pytest.mark.{name}" in ast.unparse(node)}


def found(test: str) -> set[str]:
    """Which of `full` and `fuzz` a test, or some of its cases, is marked with."""
    file, *path = test.split("::")
    body: list[ast.stmt] = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    seen = marks([n.value for n in body if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n.targets[0])])
    for name in path:
        here = next(n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name)
        seen |= marks(here.decorator_list)
        body = here.body
    return seen


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal["test"].rpartition("::")[2])
def test_a_goal_is_held_by_a_test_that_runs_where_the_page_says(goal: dict[str, Any]) -> None:
    seen = found(goal["test"])
    runs = "fuzz" if "fuzz" in seen else "test-rest" if "full" in seen else "test"
    assert goal["runs"] == runs


def test_every_benchmark_stands_on_the_page_once() -> None:
    named = [name for part in page.parts() for name in part.get("benchmarks", [])]
    assert sorted(named) == sorted(script.stem.removeprefix("bench_") for script in page.HERE.glob("bench_*.py"))


def test_the_page_is_made_from_the_figures_that_are_kept() -> None:
    reference = ROOT / "docs" / "reference"
    figures = json.loads((reference / "figures.json").read_text(encoding="utf-8"))
    assert (reference / "figures.md").read_text(encoding="utf-8") == page.page(figures), "make bench ARGS=--page"


def test_a_missed_goal_is_called_missed_and_what_was_not_measured_so() -> None:
    rows = [{"what": "a", "is": 2.0, "most": 1}, {"what": "b", "is": 2.0, "least": 1}, {"what": "c", "is": 3.0}]
    entry = {"when": "today", "machine": "a machine", "load": 0.1, "minutes": 1, "rows": rows}
    shown = page.page({"benchmarks": {"audit": entry}, "tests": {}, "suites": {}})
    assert "| a | 2 | at most 1 | **missed** |" in shown
    assert "| b | 2 | at least 1 | met |" in shown
    assert "| c | 3 | for reference |  |" in shown
    assert "`make bench ARGS=serve`: not run on record." in shown
    assert "1 goals met and 1 missed by benchmarks, 0 held by tests" in shown


def test_what_tests_said_is_read_from_their_reports(tmp_path: Path) -> None:
    (tmp_path / "test-rest.xml").write_text(REPORT.format(test=FOLDS), encoding="utf-8")
    before = {"when": "before", "passed": 2, "failed": 0, "figures": []}
    known = {"tests/test_folds.py::" + FOLDS: {"test-rest": before}}
    figures = {"benchmarks": {}, "tests": known, "suites": {}}
    reports.merge(figures, tmp_path)
    light = figures["tests"]["tests/test_house.py::test_importing_is_light"]["test-rest"]
    assert light["passed"] == 1
    assert light["figures"] == ["0.12 s"]
    folds = figures["tests"]["tests/test_folds.py::" + FOLDS]["test-rest"]
    assert (folds["passed"], folds["failed"]) == (1, 1)
    assert "tests/test_drive.py::test_the_mail_drive_reaches_its_goals" not in figures["tests"], "it was skipped"
    assert figures["suites"]["test-rest"]["minutes"] == 1.5
    assert "**fell**" in page.page(figures)
