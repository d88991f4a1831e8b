"""Every benchmark, one after another: `python tests/bench [NAME...]`, or `make bench ARGS="NAME..."`.

Each `bench_<room>.py` runs in a process of its own, prints its figures beside their goals and writes them as JSON: rows
of `what`, `is` and `most` or `least`. This prints one table over all of them and merges them into
`docs/reference/figures.json`, where benchmarks that were not named keep what was measured before. What tests measured
is read from the reports that `make test`, `make test-rest` and `make fuzz` leave in `reports/`. From both comes
`docs/reference/figures.md`; `--page` only reads and writes that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import page
import reports

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = ROOT / "docs" / "reference" / "figures.json"


def main() -> int:
    """Run the benchmarks named, or all; 1 when a goal is missed or a benchmark fails."""
    parser = argparse.ArgumentParser(description="Measure, and write the page of figures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(page.benchmarks())}")
    parser.add_argument("--page", action="store_true", help="measure nothing, read reports and write the page")
    asked = parser.parse_args()
    if strange := set(asked.names) - set(page.benchmarks()):
        parser.error(f"there is no benchmark {', '.join(sorted(strange))}")
    figures: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    figures = {"benchmarks": {}, "tests": {}, "suites": {}} | figures
    measured, failed = {}, []
    for name in [] if asked.page else asked.names or page.benchmarks():
        print(f"── {name}", file=sys.stderr, flush=True)
        found = run(name)
        if found:
            measured[name] = found
            figures["benchmarks"][name] = found
            KEPT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        else:
            failed.append(name)
    reports.merge(figures, ROOT / "reports")
    kept = figures["benchmarks"]
    figures["benchmarks"] = {name: kept[name] for name in page.benchmarks() if name in kept}
    KEPT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "reference" / "figures.md").write_text(page.page(figures), encoding="utf-8")
    missed = 0
    for name, found in measured.items():
        for row in found["rows"]:
            goal, met = page.goal_of(row)
            missed += not met
            print(f"{name:<13} {row['what']:<60} {row['is']:>10.4g}  {goal:<16} {'met' if met else 'MISSED'}")
    for name in failed:
        print(f"{name:<13} did not run to its end")
    return int(bool(missed or failed))


def run(name: str) -> dict[str, Any] | None:
    """Rows of a benchmark with when, where and on what they were measured; nothing if it did not run to its end."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "rows.json"
        script = HERE / f"bench_{name}.py"
        done = subprocess.run([sys.executable, str(script), "--json", str(report)], stdout=sys.stderr, check=False)
        if done.returncode or not report.exists():
            return None
        rows = json.loads(report.read_text(encoding="utf-8"))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    minutes, load = (time.monotonic() - begun) / 60, os.getloadavg()[2] / (os.cpu_count() or 1)
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine, "load": round(load, 1),
        "minutes": round(minutes, 1), "rows": [{**row, "is": float(row["is"])} for row in rows],
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
