"""What happened while a model trained: lines on stderr, a table and pictures."""

from __future__ import annotations

import csv
import math
import sys
import time
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback

from drivetrain.errors import TrainingError
from drivetrain.training import distributed
from drivetrain.training.learners import is_training


class History(Callback):  # type: ignore[misc]
    """Collects the figures of every epoch, over all fits of one learner, and says them on stderr.

    Attributes:
        rows: One per epoch: `epoch`, `train_loss`, `valid_loss`, the metrics, `seconds`.
        rate: The learning rate that was looked for and found.
        tried: The rates that were tried for it, and the loss at each.
    """

    order = 61  # after fastai's Recorder, which makes the figures

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[dict[str, float]] = []
        self.rate: float | None = None
        self.tried: tuple[list[float], list[float]] = ([], [])
        self.repeating = False

    def before_fit(self) -> None:
        """Stay silent while predictions are gathered."""
        self.seeking = hasattr(self.learn, "lr_finder")
        self.run = self.seeking or is_training(self.learn)
        if self.run:
            # fastai would print its table on stdout, where only results belong
            self.learn.logger = _silent

    def before_epoch(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def after_batch(self) -> None:
        """Show how far the epoch is, on a terminal."""
        if not self.training or not sys.stderr.isatty():
            return
        if self.seeking:
            done, what = self.train_iter / self.learn.lr_finder.num_it, "looking for a learning rate"
        else:
            done, what = (self.iter + 1) / max(self.n_iter, 1), f"epoch {self.epoch + 1}/{self.n_epoch}"
        print(f"\r  {self.title}  {what}  {done:4.0%} ", end="", file=sys.stderr)

    def after_epoch(self) -> None:
        """Keep the epoch's figures and say them; an epoch that is only repeated after a stop was kept before.

        Raises:
            TrainingError: A loss is no number any more, so there is nothing left to learn from.
        """
        if self.repeating or self.seeking:
            return
        names = [str(name).lstrip("_") for name in self.recorder.metric_names[1:-1]]  # fastai calls one `_rmse`
        figures = dict(zip(names, map(float, self.recorder.log[1:]), strict=False))
        if not all(math.isfinite(value) for name, value in figures.items() if name.endswith("loss")):
            what = f"the loss is no number any more after epoch {self.epoch + 1}: the training went astray."
            advice = "Write a smaller `training.learning_rate`, or look for values that are far too large."
            raise TrainingError(what, advice, f"models.{self.title}")
        self.rows.append({"epoch": len(self.rows) + 1, **figures, "seconds": time.monotonic() - self.started})
        said = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        start = "\r" if sys.stderr.isatty() else ""
        seconds = self.rows[-1]["seconds"]
        line = f"{start}  {self.title}  epoch {self.epoch + 1}/{self.n_epoch}  {said}  {seconds:.1f} s"
        print(line, file=sys.stderr, flush=True)

    def after_fit(self) -> None:
        """Remember what was tried for a learning rate."""
        if self.run and self.seeking:
            self.tried = list(map(float, self.recorder.lrs)), list(map(float, self.recorder.losses))
        self.run = True


def heed(learn: Any, watched: History, ranks: int) -> None:
    """Have the learner say which learning rate it finds; of several processes all take the first one's.

    Args:
        learn: Its `lr_find` is replaced, until `part` is called.
        watched: Keeps the rate.
        ranks: How many processes train together: each searches with its own chance.
    """
    find = learn.lr_find

    def lr_find(*given: Any, **named: Any) -> Any:
        try:
            found = find(*given, **named)
        except IndexError as error:  # fastai drops what comes after a loss that is no number, and nothing was left
            advice = "Look for values that are far too large, or write `training.learning_rate`."
            where = f"models.{watched.title}"
            raise TrainingError("no learning rate can be found: the loss is no number.", advice, where) from error
        found = type(found)(*distributed.shared(list(found), ranks))
        watched.rate = float(found[0])
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}  {watched.title}  learning rate {watched.rate:.2g} found (lr_find)", file=sys.stderr)
        return found

    learn.lr_find = lr_find


def part(learn: Any) -> None:
    """Leave the learner as it was: it can be exported again."""
    vars(learn).pop("lr_find", None)


def _silent(*_: Any) -> None:
    """A logger that says nothing; a function, so that the learner can still be exported."""


def write_table(rows: list[dict[str, float]], path: Path) -> None:
    """The history as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)


def draw_rates(tried: tuple[list[float], list[float]], found: float, path: Path, title: str) -> None:
    """The loss by learning rate, and the rate that was found, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*tried)
    axes.axvline(found, color="grey", linestyle="--", linewidth=1, label=f"found: {found:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


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
