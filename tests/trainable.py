"""A small project with a known law in its data for each task that can be trained."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pandas as pd

SHAPES = """\
drivetrain: 1
project: {name: Shapes}
objective:
  statement: Every task can be trained.
  value: "where(sort == 'use', area, 0)"
levers:
  - name: sort
    type: options
    options: [use, leave]
    history: {kind: randomised, data: visits, column: sorted_as, propensity: 0.5}
decision: {cases: shapes}
data:
  - name: shapes
    kind: table
    location: data/shapes.csv
    columns: {image: image, caption: text, note: text, few: boolean}
    outcomes:
      tags: {column: tags, type: labels, values: [red, round, large], affected_by: []}
      area: {column: area, type: number, minimum: 0, maximum: 1, affected_by: []}
      outline: {column: outline, type: mask, values: [ground, shape], affected_by: []}
      kind: {column: kind, values: [a, b, c, d], affected_by: []}
      tone: {column: tone, values: [glad, cross], affected_by: []}
    groups: [few]
    split: {column: part}
  - name: sounds
    kind: audio
    location: data/sounds
    outcomes: {pitch: {column: folder, values: [low, high], affected_by: []}}
  - name: motions
    kind: series
    location: data/motions
    outcomes: {move: {column: folder, values: [walk, turn], affected_by: []}}
  - name: visits
    kind: table
    location: data/visits.parquet
    columns: {region: category, age: number, sorted_as: {type: category, role: logged}}
    outcomes:
      spent: {column: spent, type: number, minimum: 0, unit: EUR, affected_by: []}
      calls: {column: calls, type: number, minimum: 0, affected_by: []}
      stay: {column: stay, type: number, bins: [0, 1, 2, 4, 8], event: ended, affected_by: []}
      came: {column: came, type: binary, affected_by: [sort]}
    groups: [region, age]
    split: {column: part}
  - name: stars
    kind: ratings
    location: data/stars.csv
    ratings: {user: user, item: book}
    outcomes:
      taste: {column: taste, type: number, minimum: 1, maximum: 5, bins: [2, 3, 4], affected_by: []}
      again: {column: again, type: binary, affected_by: []}
"""
SERVED = "deployment: {serve: [api], guards: {out_of_domain: {false_alarms: 0.05}}}\n"
_SMALL = "image: {size: 32, resize: squish}, augment: none"
_QUICK = (
    "training: {epochs: 6, schedule: one_cycle, learning_rate: 0.01, batch_size: 20, pretrained: false, "
    "class_weights: balanced}"
)
# Small batches: without pretrained weights, batch norm needs some hundred steps before its averages are right.
_SLOW = "training: {epochs: 8, schedule: one_cycle, learning_rate: 0.003, batch_size: 10, pretrained: false}"
_FINE = "training: {epochs: 5, schedule: one_cycle, learning_rate: 0.001, batch_size: 6, pretrained: false}"
_TABLE = "layers: [32], training: {epochs: 12, schedule: one_cycle, learning_rate: 0.02, batch_size: 64}"
MEDIA = {
    "tagger": f"task: image-multilabel, predicts: tags, {_SMALL}, {_SLOW}",
    "ruler": f"task: image-regression, predicts: area, {_SMALL}, {_SLOW}",
    "tracer": f"task: image-segmentation, predicts: outline, rows: few, {_SMALL}, {_FINE}",
    "reader": f"task: image-text-classification, predicts: kind, inputs: [image, caption], {_SMALL}, {_QUICK}",
    "ear": f"task: audio-classification, predicts: pitch, encode: {{sample_rate: 4000, fft: 256, mels: 32}}, "
    f"{_SMALL}, {_SLOW}",
    "eye": f"task: series-classification, predicts: move, encode: {{method: gramian, channels: [x, y]}}, "
    f"{_SMALL}, {_SLOW}",
}
"""Models of pictures, or of what is drawn as one: seconds each."""
ROWS = {
    "listener": f"task: text-classification, predicts: tone, inputs: [caption, note], {_QUICK}",
    "purse": f"task: table-regression, predicts: spent, {_TABLE}",
    "phone": f"task: table-regression, predicts: calls, distribution: poisson, {_TABLE}",
    "bed": f"task: table-regression, predicts: stay, {_TABLE}",
    "door": f"task: table-classification, predicts: came, arms: sort, {_TABLE}",
    "shelf": "task: ratings, predicts: taste, factors: 8, "
    "training: {epochs: 8, schedule: one_cycle, learning_rate: 0.02, batch_size: 64}",
    "fan": "task: ratings, predicts: again, factors: 8, "
    "training: {epochs: 8, schedule: one_cycle, learning_rate: 0.02, batch_size: 64}",
}
"""Models of texts, rows and ratings: quick."""


def plan(models: dict[str, str]) -> str:
    """The plan with some of the models."""
    return SHAPES + "models:\n" + "".join(f"  - {{name: {name}, {rest}}}\n" for name, rest in models.items()) + SERVED


GLAD, CROSS = ["thanks", "lovely", "great", "happy"], ["broken", "angry", "late", "awful"]
FILLER = ["the", "parcel", "came", "on", "monday", "with", "a", "letter", "and", "two", "stamps"]


def write(root: Path) -> None:
    """All data of the plan `SHAPES` below `root`."""
    (root / "data").mkdir(parents=True)
    shapes(root)
    sounds(root / "data" / "sounds")
    motions(root / "data" / "motions")
    visits().to_parquet(root / "data" / "visits.parquet")
    stars().to_csv(root / "data" / "stars.csv", index=False)


def parts(count: int) -> np.ndarray:
    return np.array(["train", "train", "train", "validation", "test"])[np.arange(count) % 5]


def shapes(root: Path, count: int = 150) -> None:
    """Pictures of one shape each, its outline as a mask, and two texts about it.

    `kind` is decided by the picture's colour and by a word of the caption together; `tone` by the note alone.
    """
    from PIL import Image

    rng = np.random.default_rng(1)
    folder = root / "data" / "pictures"
    folder.mkdir()
    rows = []
    for number in range(count):
        red, large, is_round = rng.random(3) < 0.5
        radius = rng.integers(9, 14) if large else rng.integers(4, 7)
        x, y = rng.integers(radius, 32 - radius, 2)
        down, across = np.mgrid[:32, :32]
        inside = (across - x) ** 2 + (down - y) ** 2 <= radius**2
        if not is_round:
            inside = (abs(across - x) < radius) & (abs(down - y) < radius)
        pixels = rng.integers(0, 60, (32, 32, 3))
        pixels[inside] = [220, 40, 40] if red else [40, 60, 220]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(inside.astype(np.uint8)).save(folder / f"{number}-outline.png")
        says_old, glad = rng.random(2) < 0.5
        word = "ancient" if says_old else "modern"
        rows.append(
            {
                "image": f"data/pictures/{number}.png",
                "caption": " ".join([*rng.choice(FILLER, 3), word, *rng.choice(FILLER, 2)]),
                "note": " ".join([*rng.choice(FILLER, 4), rng.choice(GLAD if glad else CROSS), *rng.choice(FILLER, 3)]),
                # A picture without a tag would be one that nobody looked at.
                "tags": ";".join(n for n, yes in (("red", red), ("round", is_round), ("large", large)) if yes)
                or "large",
                "area": inside.mean(),
                "outline": f"data/pictures/{number}-outline.png",
                "kind": "abcd"[2 * int(red) + int(says_old)],
                "tone": "glad" if glad else "cross",
            }
        )
    frame = pd.DataFrame(rows).assign(part=parts(count), few=np.arange(count) < 60)
    frame.to_csv(root / "data" / "shapes.csv", index=False)


def sounds(folder: Path, count: int = 120) -> None:
    """Tones of low or high pitch in noise, as 16-bit WAV of different lengths."""
    rng = np.random.default_rng(2)
    for number in range(count):
        name = "high" if number % 2 else "low"
        (folder / name).mkdir(parents=True, exist_ok=True)
        moments = np.arange(rng.integers(3000, 5000)) / 8000
        tone = np.sin(2 * np.pi * (rng.uniform(900, 1300) if number % 2 else rng.uniform(200, 400)) * moments)
        samples = (8000 * tone + 2000 * rng.standard_normal(len(tone))).astype("<i2")
        with wave.open(str(folder / name / f"{number}.wav"), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(8000)
            stream.writeframes(samples.tobytes())


def motions(folder: Path, count: int = 120) -> None:
    """Two sensors: in step with each other (walk) or against each other (turn), as CSV."""
    rng = np.random.default_rng(3)
    for number in range(count):
        name = "turn" if number % 2 else "walk"
        (folder / name).mkdir(parents=True, exist_ok=True)
        moments = np.linspace(0, 1, rng.integers(60, 100))
        x = np.sin(2 * np.pi * (2 * moments + rng.random()))
        y = (-x if number % 2 else x) ** (3 if number % 2 else 1) + rng.normal(0, 0.1, len(x))
        pd.DataFrame({"x": x, "y": y}).to_csv(folder / name / f"{number}.csv", index=False)


def visits(count: int = 1500) -> pd.DataFrame:
    """Visits: what is spent, how often they call, how long they stay (half are not seen to the end), whether they come.

    Sorting helps the young and drives the old away.
    """
    rng = np.random.default_rng(4)
    region = rng.choice(["north", "south"], count)
    age = rng.uniform(20, 70, count)
    south = region == "south"
    stay = rng.exponential(np.where(south, 4.0, 1.0))
    seen_for = rng.uniform(0.5, 6, count)
    used = rng.random(count) < 0.5
    logit = np.where(used, (45 - age) / 8, (age - 45) / 8)
    return pd.DataFrame(
        {
            "region": region,
            "age": age,
            "spent": np.exp(rng.normal(np.log(20 + 60 * south + age), 0.3)),
            "calls": rng.poisson(0.5 + 3 * south).astype(float),
            "stay": np.minimum(stay, seen_for),
            "ended": stay <= seen_for,
            "sorted_as": np.where(used, "use", "leave"),
            "came": rng.random(count) < 1 / (1 + np.exp(-logit)),
            "part": parts(count),
        }
    )


def stars(count: int = 3000) -> pd.DataFrame:
    """Ratings by 60 users of 40 books: taste is two-dimensional; what was liked is read again."""
    rng = np.random.default_rng(5)
    users, books = rng.normal(0, 1, (60, 2)), rng.normal(0, 1, (40, 2))
    user, book = rng.integers(0, 60, count), rng.integers(0, 40, count)
    taste = 3 + (users[user] * books[book]).sum(axis=1) + rng.normal(0, 0.2, count)
    return pd.DataFrame(
        {
            "user": [f"u{one}" for one in user],
            "book": [f"b{one}" for one in book],
            "taste": np.clip(taste, 1, 5).round(2),
            "again": taste > 3,
        }
    )
