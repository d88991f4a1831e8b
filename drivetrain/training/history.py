"""What happened while a model trained: lines on stderr, a table and a picture."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback


class History(Callback):  # type: ignore[misc]
    """Collects the figures of every epoch, over all fits of one learner, and says them on stderr.

    Attributes:
        rows: One per epoch: `epoch`, `train_loss`, `valid_loss`, the metrics, `seconds`.
    """

    order = 61  # after fastai's Recorder, which makes the figures

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[dict[str, float]] = []
        self.repeating = False

    def before_fit(self) -> None:
        """Stay silent while the learning rate is being sought or predictions are gathered."""
        self.run = is_training(self.learn)
        if self.run:
            # fastai would print its table on stdout, where only results belong
            self.learn.logger = _silent

    def before_epoch(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def after_batch(self) -> None:
        """Show how far the epoch is, on a terminal."""
        if self.training and sys.stderr.isatty():
            share = (self.iter + 1) / max(self.n_iter, 1)
            print(f"\r  {self.title}  epoch {self.epoch + 1}/{self.n_epoch}  {share:4.0%} ", end="", file=sys.stderr)

    def after_epoch(self) -> None:
        """Keep the epoch's figures and say them; an epoch that is only repeated after a stop was kept before."""
        if self.repeating:
            return
        names = [str(name) for name in self.recorder.metric_names[1:-1]]
        figures = dict(zip(names, map(float, self.recorder.log[1:]), strict=False))
        self.rows.append({"epoch": len(self.rows) + 1, **figures, "seconds": time.monotonic() - self.started})
        said = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        start = "\r" if sys.stderr.isatty() else ""
        seconds = self.rows[-1]["seconds"]
        line = f"{start}  {self.title}  epoch {self.epoch + 1}/{self.n_epoch}  {said}  {seconds:.1f} s"
        print(line, file=sys.stderr, flush=True)


def is_training(learn: Any) -> bool:
    """Whether a learner is fitted in earnest: not to find a learning rate, to validate or to predict."""
    return bool(learn.create_mbar) and not hasattr(learn, "lr_finder")


def _silent(*_: Any) -> None:
    """A logger that says nothing; a function, so that the learner can still be exported."""


def write_table(rows: list[dict[str, float]], path: Path) -> None:
    """The history as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)


def draw(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """The losses, and the metrics if there are any, by epoch, as PNG."""
    from matplotlib.figure import Figure

    names = [name for name in rows[-1] if name not in ("epoch", "seconds")] if rows else []
    losses = [name for name in names if name.endswith("loss")]
    others = [name for name in names if name not in losses]
    figure = Figure(figsize=(8 if others else 5, 3.5), layout="constrained")
    panels = figure.subplots(1, 2 if others else 1, squeeze=False)[0]
    for panel, shown in zip(panels, (losses, others), strict=False):
        for name in shown:
            panel.plot([row["epoch"] for row in rows], [row.get(name) for row in rows], marker="o", label=name)
        panel.set_xlabel("epoch")
        if shown:
            panel.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
