"""What a planning review costs: CPU time of `drivetrain review` beside `drivetrain validate`, interleaved, in one run.

python tests/bench/bench_review.py [--json FILE]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rows import report

from tests import fabricated
from tests.bench.bench_validate import cpu

RUNS = 11


def measure() -> list[dict[str, object]]:
    """The figures beside what they should be; the commands take turns, so that a slow minute strikes both."""
    from drivetrain import audit

    times: dict[str, list[float]] = {"validate": [], "review": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spec, _ = fabricated.mail(root)
        audit.run(spec)
        # Data are older than what was measured on them; younger ones would be hashed again.
        for path in (root / "data").rglob("*"):
            os.utime(path, (0, 0))
        (root / "docs").mkdir()
        for name in ("onboarding.md", "bias_checklist.md", "model_card.md", "datasheet.md"):
            (root / "docs" / name).write_text("old", encoding="utf-8")
        for turn in range(RUNS + 1):
            for name, spent in times.items():
                took = cpu([sys.executable, "-m", "drivetrain", name, str(root)])
                if turn:  # the first one writes bytecode and the documents
                    spent.append(took)
    median = {name: statistics.median(spent) for name, spent in times.items()}
    return [
        {
            "what": "(review of a full project - 0.3 s) / validate",
            "is": (median["review"] - 0.3) / median["validate"],
            "most": 1.5,
        },
        {"what": "review of a full project, CPU seconds", "is": median["review"]},
        {"what": "validate of its plan, CPU seconds", "is": median["validate"]},
    ]


if __name__ == "__main__":
    report(__doc__, measure)
