"""What the tests that hold a goal said, from the JUnit reports of whole runs and of parts of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import page

ROOT = Path(__file__).resolve().parents[2]


def merge(figures: dict[str, Any], folder: Path) -> None:
    """Put what the reports of a folder say in the place of what was known from earlier ones of the same name.

    Args:
        figures: Changed in place: `tests` (by test and name of the report: when, passed, failed, the figures that it
            recorded) and `suites` (by name of the report: when, minutes, passed, failed).
        folder: Where `make test` and its like leave `<name>.xml`.
    """
    wanted = {goal["test"] for part in page.parts() for goal in part.get("tests", [])}
    figures["tests"] = {test: runs for test, runs in figures["tests"].items() if test in wanted}
    for file in sorted(folder.glob("*.xml")):
        suite = ElementTree.parse(file).getroot().find("testsuite")
        if suite is None:
            continue
        when = f"{datetime.fromisoformat(suite.attrib['timestamp']).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        total = {"when": when, "minutes": round(float(suite.attrib["time"]) / 60, 1), "passed": 0, "failed": 0}
        found: dict[str, dict[str, Any]] = {}
        for case in suite.iter("testcase"):
            if case.find("skipped") is not None:
                continue
            outcome = "passed" if case.find("failure") is None and case.find("error") is None else "failed"
            total[outcome] += 1
            name = name_of(case.attrib["classname"], case.attrib["name"])
            entry = found.setdefault(name, {"when": when, "passed": 0, "failed": 0, "figures": []})
            entry[outcome] += 1
            entry["figures"] += [record.attrib["value"] for record in case.iter("property")]
        figures["suites"][file.stem] = total
        for test in found.keys() & wanted:
            figures["tests"].setdefault(test, {})[file.stem] = found[test]


def name_of(classname: str, name: str) -> str:
    """`tests/test_a.py::TestB::test_c` of a test case, without its parameters."""
    parts = classname.split(".")
    count = next(
        n for n in range(len(parts), -1, -1) if n == 0 or (ROOT / "/".join(parts[:n])).with_suffix(".py").exists()
    )
    return "::".join(["/".join(parts[:count]) + ".py", *parts[count:], name.partition("[")[0]])
