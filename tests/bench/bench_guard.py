"""How well the guard tells digits from what is none, and how many digits it calls strange: python tests/bench guard."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import projects  # noqa: E402
from rows import report  # noqa: E402

from drivetrain import artifact, source  # noqa: E402

COUNT = 200


def strangers(digits: list[Image.Image]) -> dict[str, list[Image.Image]]:
    """Pictures that are no digits, or digits as nobody scans them."""
    rng = np.random.default_rng(5)

    def letter(name: str) -> Image.Image:
        small = Image.new("L", (8, 8))
        ImageDraw.Draw(small).text((1, -2), name, fill=255)
        return small.resize((32, 32), Image.Resampling.NEAREST)

    def texture() -> Image.Image:
        across, phase = np.meshgrid(np.arange(32), np.arange(32))
        waves = np.sin(across * rng.uniform(0.3, 2) + phase * rng.uniform(0.3, 2))
        return Image.fromarray(((waves + 1) * 127).astype(np.uint8))

    return {
        "noise": [Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)) for _ in range(COUNT)],
        "texture": [texture() for _ in range(COUNT)],
        "inversion": [Image.fromarray(255 - np.asarray(digit)) for digit in digits[:COUNT]],
        "letters": [letter(str(rng.choice(list("ABEFHKMNRWXY")))) for _ in range(COUNT)],
        "blanks": [Image.new("L", (32, 32), int(level)) for level in rng.integers(0, 256, COUNT)],
    }


def measure() -> list[dict[str, Any]]:
    """AUROC of each score against each kind of stranger, and false alarms beside the stated rate."""
    from sklearn.metrics import roc_auc_score

    rows: list[dict[str, Any]] = []
    for score in ("energy", "mahalanobis"):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "letters"
            projects.write_digits(root / "data" / "letters", 170)
            plan = projects.DIGITS.replace("{false_alarms: 0.05}", f"{{score: {score}, false_alarms: 0.05}}")
            spec = projects.make(root, plan)
            done = projects.train(spec)
            assert done.returncode == 0, done.stderr
            model = artifact.load(root / "artifacts" / "reader")
            held_out = [row["image"] for row in source.cases(spec).to_pylist() if row["split"] == "test"]
            digits = [Image.open(root / path).convert("L") for path in held_out]
            usual = model.scores({"image": digits})
            found = {}
            for kind, pictures in strangers(digits).items():
                strange = model.scores({"image": pictures})
                truth = np.r_[np.zeros(len(usual)), np.ones(len(strange))]
                found[kind] = float(roc_auc_score(truth, np.r_[usual, strange]))
            rows += [{"what": f"{score}: AUROC, digits against {kind}", "is": value} for kind, value in found.items()]
            rows.append({"what": f"{score}: mean AUROC", "is": float(np.mean(list(found.values()))), "least": 0.97})
            alarms = float((usual > model.manifest["out_of_domain"]["threshold"]).mean())
            rows.append({"what": f"{score}: false alarms at a stated 5 %, {len(usual)} test digits", "is": alarms})
    return rows


if __name__ == "__main__":
    report(__doc__, measure)
