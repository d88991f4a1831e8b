"""Ten thousand rows of sample data for each kind: CPU seconds, and pictures as a ratio to writing random ones.

python tests/bench/bench_sample.py [--json FILE]
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rows import report

from drivetrain import examples, sample
from drivetrain.spec import load_spec

ROWS = 10_000
PLANS = {"pictures": "bear-warning", "sounds": "bird-calls", "texts": "support-tickets", "a table": "churn-retention"}


def floor(folder: Path) -> float:
    """CPU seconds for as many pictures of the same size out of a random generator, written by Pillow as it comes."""
    draw = np.random.default_rng(0)
    start = time.process_time()
    for row in range(ROWS):
        pixels = draw.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    return time.process_time() - start


def spent(folder: Path, name: str) -> float:
    """CPU seconds of `sample.write` for a plan of the gallery that needs ten thousand rows."""
    text = examples.path(name).read_text(encoding="utf-8")
    text, changed = re.subn(r"(needs: *\{)", rf"\1rows: {ROWS}, ", re.sub(r"\brows: *\d+,? *", "", text), count=1)
    assert changed
    (folder / "drivetrain.yaml").write_text(text, encoding="utf-8")
    spec = load_spec(folder)
    start = time.process_time()
    sample.write(spec)
    return time.process_time() - start


def measure() -> list[dict[str, object]]:
    """The figures beside what they should be."""
    rows: list[dict[str, object]] = []
    for kind, name in PLANS.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds = spent(Path(folder), name)
        if kind == "pictures":
            with tempfile.TemporaryDirectory() as folder:
                ratio = seconds / floor(Path(folder))
            rows.append({"what": f"{ROWS:,} pictures that show their class / random ones", "is": ratio, "most": 2.5})
        rows.append({"what": f"{ROWS:,} rows of {kind}, CPU seconds", "is": seconds, "most": 30})
    return rows


if __name__ == "__main__":
    report(__doc__, measure)
