"""What a benchmark script does with its rows: prints each beside its goal, and writes them where it is told to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path


def report(description: str | None, measure: Callable[[], list[dict[str, object]]]) -> None:
    """Measure, print, and write the rows to the file of `--json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = measure()
    for row in rows:
        goal = f"at most {row['most']}" if "most" in row else ""
        print(f"{row['what']!s:<60} {float(str(row['is'])):8.3f}  {goal}")
    if asked.json:
        asked.json.write_text(json.dumps(rows))
