"""The demo after its installation, from the plan to a served decision.

python tests/bench/bench_demo.py [--json FILE]
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import report

DEMO = Path(__file__).resolve().parents[1] / "demo.sh"


def measure() -> list[dict[str, object]]:
    """Seconds on the clock, and of the processor."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        begun, before = time.monotonic(), os.times()
        subprocess.run(["bash", DEMO, folder], env=os.environ | {"PATH": path, "PORT": port}, stdout=2, check=True)
        seconds, after = time.monotonic() - begun, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return [
        {"what": "`make demo` after installation, seconds", "is": seconds, "most": 180},
        {"what": "the same, seconds of processor time", "is": spent},
    ]


if __name__ == "__main__":
    report(__doc__, measure)
