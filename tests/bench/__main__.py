"""Every benchmark, one after another: `python tests/bench [NAME...]`, or `make bench`.

Each `bench_<room>.py` runs in a process of its own, prints its figures beside their goals and writes them as JSON: rows
of `what`, `is` and `most` or `least`. This prints one table over all of them, and writes bench.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; 1 when a goal is missed or a benchmark fails."""
    table: dict[str, list[dict[str, object]]] = {}
    failed = []
    for script in sorted(HERE.glob("bench_*.py")):
        room = script.stem.removeprefix("bench_")
        if names and room not in names:
            continue
        print(f"── {room}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "rows.json"
            done = subprocess.run([sys.executable, str(script), "--json", str(report)], stdout=sys.stderr, check=False)
            if report.exists():
                table[room] = json.loads(report.read_text())
            elif done.returncode:
                failed.append(room)
    for room, rows in table.items():
        for row in rows:
            goal, met = goal_of(row)
            print(
                f"{room:<13} {row['what']!s:<60} {float(str(row['is'])):>10.4g}  {goal:<16} "
                f"{'met' if met else 'MISSED'}"
            )
    for room in failed:
        print(f"{room:<13} did not run to its end")
    (HERE.parents[1] / "bench.json").write_text(json.dumps(table, indent=2) + "\n")
    missed = [row for rows in table.values() for row in rows if not goal_of(row)[1]]
    return int(bool(missed or failed))


def goal_of(row: dict[str, object]) -> tuple[str, bool]:
    """The goal in words, and whether it is met; a row without a goal is a reference."""
    value = float(str(row["is"]))
    if "most" in row:
        return f"at most {float(str(row['most'])):g}", value <= float(str(row["most"]))
    if "least" in row:
        return f"at least {float(str(row['least'])):g}", value >= float(str(row["least"]))
    return "for reference", True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
