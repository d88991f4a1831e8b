"""`docs/reference/figures.md`: every figure that was promised, beside its goal.

Nothing in it is typed: figures come from benchmarks and from what tests recorded, goals from their rows and from
`goals.toml`, whose tests must exist.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = """\
# Figures

What was promised, and what is measured. A figure of a benchmark is a ratio in one run wherever it can be, so that it
holds on other machines. A goal that a test holds stands with what that test recorded: it fails when the figure is not
reached. `make bench` runs the benchmarks, reads what `make test`, `make test-rest` and `make fuzz` reported, and writes
this page; `make bench ARGS=audit` runs one benchmark and keeps the others.
"""


def parts() -> list[dict[str, Any]]:
    """Parts of the page: a title, benchmarks, what has to be said of them, and goals that tests hold."""
    found: list[dict[str, Any]] = tomllib.loads((HERE / "goals.toml").read_text(encoding="utf-8"))["part"]
    return found


def benchmarks() -> dict[str, None]:
    """Names of all benchmarks, in the order of the page and then of the alphabet."""
    there = [script.stem.removeprefix("bench_") for script in sorted(HERE.glob("bench_*.py"))]
    ordered = [name for part in parts() for name in part.get("benchmarks", [])]
    return dict.fromkeys([*(name for name in ordered if name in there), *there])


def goal_of(row: dict[str, Any]) -> tuple[str, bool]:
    """The goal in words, and whether it is met; a row without a goal is a reference."""
    if "most" in row:
        return f"at most {float(row['most']):g}", row["is"] <= float(row["most"])
    if "least" in row:
        return f"at least {float(row['least']):g}", row["is"] >= float(row["least"])
    return "for reference", True


def page(figures: dict[str, Any]) -> str:
    """The page of what was measured (`docs/reference/figures.json`)."""
    lines = []
    for part in parts():
        lines += [f"## {part['title']}", ""]
        for name in part.get("benchmarks", []):
            lines += benchmark(name, figures["benchmarks"].get(name))
        lines += [part["note"], ""] if "note" in part else []
        if "tests" in part:
            lines += ["| goal | is | state | held by | run |", "|---|---|---|---|---|"]
            lines += [held(goal, figures["tests"].get(goal["test"], {})) for goal in part["tests"]] + [""]
    lines += suites(figures["suites"])
    text = "\n".join(lines)
    missed, fell, open_ = (
        text.count("**missed**"),
        text.count("**fell**"),
        text.count("not run") + text.count("in part"),
    )
    counted = (
        f"{text.count('| met |')} goals met and {missed} missed by benchmarks, {text.count('| held |')} held by tests"
    )
    counted += f", {fell} fell" * bool(fell) + f", {open_} not run whole on record" * bool(open_)
    return f"{HEAD}\n{counted}.\n\n{text.rstrip()}\n"


def benchmark(name: str, found: dict[str, Any] | None) -> list[str]:
    """A benchmark's rows, and when and where they were measured."""
    if not found:
        return [f"`make bench ARGS={name}`: not run on record.", ""]
    said = f"`make bench ARGS={name}`, {found['when']}, {found['minutes']:g} minutes on {found['machine']}"
    if found["load"] > 1.2:
        said += f", while {found['load']:g} programs ran for each core"
    lines = [f"{said}.", "", "| what | is | goal | state |", "|---|---|---|---|"]
    for row in found["rows"]:
        goal, met = goal_of(row)
        state = "" if goal == "for reference" else "met" if met else "**missed**"
        lines.append(f"| {row['what']} | {row['is']:.4g} | {goal} | {state} |")
    return [*lines, ""]


def held(goal: dict[str, Any], runs: dict[str, dict[str, Any]]) -> str:
    """A goal that a test holds, and how the last runs of its cases went, some of which may belong to another suite."""
    file, _, test = goal["test"].partition("::")
    by = f"`{Path(file).name}`: {re.sub(r'^test_', '', test.rpartition('::')[2]).replace('_', ' ')}"
    if not runs:
        return f"| {goal['goal']} | | not run on record | {by} | `make {goal['runs']}` |"
    passed, failed = (sum(run[state] for run in runs.values()) for state in ("passed", "failed"))
    state = "**fell**" if failed else "held" if goal["runs"] in runs and passed >= goal.get("cases", 1) else "in part"
    figures = [figure for run in runs.values() for figure in run["figures"]]
    shares = [float(figure[:-1]) for figure in figures if re.fullmatch(r"[\d.]+%", figure)]
    if len(shares) == len(figures) > 2:
        figures = [f"{min(shares):g} to {max(shares):g} %"]
    if not figures and "cases" in goal:
        figures = [f"{passed} of {max(passed + failed, goal['cases'])} cases"]
    said = ", ".join(f"`make {name}`, {run['when']}" for name, run in runs.items())
    return f"| {goal['goal']} | {', '.join(figures)} | {state} | {by} | {said} |"


def suites(found: dict[str, Any]) -> list[str]:
    """Whole runs of the tests."""
    if not found:
        return []
    rows = [
        f"| `make {name}` | {entry['passed']} | {entry['failed']} | {entry['minutes']:g} | {entry['when']} |"
        for name, entry in found.items()
    ]
    goals = "Goals: `make test` at most 10 minutes on two cores, `make test-all` (both) at most 60."
    return [
        "## Runs of the tests",
        "",
        goals,
        "",
        "| run | passed | failed | minutes | when |",
        "|---|---|---|---|---|",
        *rows,
    ]
