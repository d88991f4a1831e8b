"""What a plan costs to check: CPU time as a ratio to the floor, interleaved, medians, in one run.

python tests/bench/bench_validate.py [--json FILE]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from rows import report

PLAN = Path(__file__).with_name("three-hundred-lines.yaml")
RUNS = 21
# As after an installation: pip leaves bytecode beside every module.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
COMMANDS = {
    "nothing": [sys.executable, "-c", "pass"],
    "floor": [sys.executable, "-c", "import pydantic, ruamel.yaml"],
    "help": [sys.executable, "-m", "drivetrain", "--help"],
    "validate": [sys.executable, "-m", "drivetrain", "validate", str(PLAN)],
    "load": [sys.executable, "-c", f"from drivetrain import load_spec; load_spec({str(PLAN)!r})"],
}


def cpu(command: list[str]) -> float:
    """User and system time of a process and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> list[dict[str, object]]:
    """The figures beside what they should be; every command takes its turn, so that a slow minute strikes all."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(RUNS + 1):
        for name, command in COMMANDS.items():
            spent = cpu(command)
            if turn:  # the first one writes bytecode
                times[name].append(spent)
    median = {name: statistics.median(spent) for name, spent in times.items()}
    lines = len(PLAN.read_text(encoding="utf-8").splitlines())
    return [
        {
            "what": f"validate, plan of {lines} lines / import pydantic, ruamel.yaml",
            "is": median["validate"] / median["floor"],
            "most": 2.5,
        },
        {"what": "drivetrain --help / python -c pass", "is": median["help"] / median["nothing"], "most": 8},
        {"what": "load_spec of that plan / import pydantic, ruamel.yaml", "is": median["load"] / median["floor"]},
        {"what": "validate, CPU seconds", "is": median["validate"]},
    ]


if __name__ == "__main__":
    report(__doc__, measure)
