"""Go on where a run was killed, and come to the same result.

After an epoch a checkpoint holds the weights, the optimizer, every source of randomness and the history; of a large
network after as many epochs as make saving a fiftieth of the time. A run that is started again with the same plan, data
and code builds its learner as before, skips the epochs that are done, and goes on with the state in which they ended.
Processes that train together have one checkpoint, which the first writes; each has its own randomness in it.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback, CancelEpochException, CancelFitException
from fastai.learner import Recorder
from fastcore.foundation import L
from torch.nn.parallel import DistributedDataParallel

from drivetrain import evidence
from drivetrain.training import distributed
from drivetrain.training.history import History
from drivetrain.training.learners import is_training


class Checkpoint(Callback):  # type: ignore[misc]
    """Saves the state after every epoch, and brings it back.

    Args:
        file: What lies there when training starts is where it goes on.
        history: Its rows are kept with the state.
        rank: The number of this process among those that train together.
        ranks: How many they are.
    """

    SHARE = 0.02
    """Of the time since the last state, what saving the next may take; a large network is saved less often."""
    QUICK = 0.05
    """Seconds that never matter."""
    SPEED = 5e8
    """Bytes written in a second, on a disk that is neither fast nor slow."""
    order = Recorder.order + 20  # after whatever judges an epoch: the state then holds its judgement

    def __init__(self, file: Path, history: History, rank: int = 0, ranks: int = 1) -> None:
        self.file, self.history, self.rank, self.ranks = file, history, rank, ranks
        self.fits = -1
        self.saved = time.monotonic()
        # Plain tensors and numbers; nothing in it is executed.
        self.kept = torch.load(file, map_location="cpu", weights_only=True) if file.exists() else None

    def before_fit(self) -> None:
        """Skip a fit that was done; in the one that was under way, go back to where its last epoch ended."""
        self.run = is_training(self.learn)
        if not self.run:
            return
        self.fits += 1
        self.figures: list[list[float]] = []
        if self.kept is None:
            return
        if self.fits < self.kept["fit"]:
            raise CancelFitException
        self.history.rows[:] = self.kept["history"]
        self.history.repeating = True
        # Callbacks that judge the skipped epochs would save the best of them anew, with weights that are not theirs.
        self.learn.save = _is_saved

    def before_epoch(self) -> None:
        """Skip an epoch that was done; before the first that was not, restore the state."""
        if self.kept is not None:
            if self.epoch < len(self.kept["figures"]):
                raise CancelEpochException
            self._go_on()

    def after_cancel_epoch(self) -> None:
        """Let callbacks that judge epochs see the figures of a skipped one."""
        if self.kept is None or self.epoch >= len(self.kept["figures"]):
            return
        self.figures.append(self.kept["figures"][self.epoch])
        self.learn.recorder.log = L([self.epoch, *self.figures[-1]])
        if self.epoch == self.n_epoch - 1:
            self._restore()  # nothing is left to be done; what ends the fit needs the state

    def after_epoch(self) -> None:
        """Save the state, whole or not at all."""
        if self.kept is not None:
            return
        self.figures.append([float(value) for value in self.learn.recorder.values[-1]])
        if not distributed.shared(self._is_due(), self.ranks):
            return
        states = distributed.gathered(_randomness(self.learn), self.ranks)
        self.saved = time.monotonic()
        if self.rank:
            return
        done = {"fit": self.fits, "figures": self.figures, "history": list(self.history.rows)}
        with evidence.whole(self.file) as part:
            torch.save(_state(self.learn) | {"random": states} | done, part)

    def _is_due(self) -> bool:
        """Whether so much was done since the last state that saving it again costs little beside it."""
        size = sum(one.numel() * one.element_size() for one in self.learn.model.parameters())
        seconds = 3 * size / self.SPEED  # the optimizer keeps two more numbers for each weight
        return bool(seconds <= max(self.QUICK, self.SHARE * (time.monotonic() - self.saved)))

    def after_fit(self) -> None:
        """A fit whose every epoch was skipped ends here."""
        if self.run and self.kept is not None and self.fits == self.kept["fit"]:
            self._go_on()
        self.run = True

    def _go_on(self) -> None:
        assert self.kept is not None
        del self.learn.save
        if self.epoch < self.n_epoch - 1 or self.epoch >= len(self.kept["figures"]):
            self._restore()
        self.history.repeating = False
        self.kept = None

    def _restore(self) -> None:
        assert self.kept is not None
        _restore(self.learn, self.kept)
        _repeat(self.learn, self.kept["random"][self.rank])


def _is_saved(file: Any, **_: Any) -> Any:
    return file


def _state(learn: Any) -> dict[str, Any]:
    """Weights, optimizer and smoothed loss of a learner, as tensors and plain numbers."""
    smooth, mixed = learn.recorder.smooth_loss, getattr(learn, "scaler", None)
    return {
        "model": _network(learn).state_dict(),
        "optimizer": [dict(one) for one in learn.opt.state_dict()["state"]],
        "hypers": [{name: float(value) for name, value in group.items()} for group in learn.opt.hypers],
        "smooth": [int(smooth.count), float(smooth.val)],
        "scaler": mixed.state_dict() if mixed else {},
    }


def _restore(learn: Any, kept: dict[str, Any]) -> None:
    _network(learn).load_state_dict(kept["model"])
    learn.opt.load_state_dict({"state": kept["optimizer"], "hypers": L(kept["hypers"])})
    learn.recorder.smooth_loss.count, value = kept["smooth"]
    learn.recorder.smooth_loss.val = torch.tensor(value)
    if kept["scaler"] and getattr(learn, "scaler", None):
        learn.scaler.load_state_dict(kept["scaler"])


def _network(learn: Any) -> Any:
    """The model itself, also while it is wrapped for several processes."""
    return learn.model.module if isinstance(learn.model, DistributedDataParallel) else learn.model


def _randomness(learn: Any) -> dict[str, Any]:
    """The state of every source of randomness in this process."""
    kind, keys, *rest = np.random.get_state()
    return {
        "python": _plain(random.getstate()),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "loaders": [_plain(loader.rng.getstate()) for loader in _loaders(learn)],
    }


def _repeat(learn: Any, kept: dict[str, Any]) -> None:
    random.setstate(_tuples(kept["python"]))
    kind, keys, *rest = kept["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(kept["torch"])
    if kept["cuda"] is not None:
        torch.cuda.set_rng_state(kept["cuda"])
    for loader, state in zip(_loaders(learn), kept["loaders"], strict=True):
        loader.rng.setstate(_tuples(state))


def _loaders(learn: Any) -> list[Any]:
    """The data loaders themselves, also while each is split among several processes."""
    return [vars(loader).get("dl", loader) for loader in learn.dls.loaders]


def _plain(value: Any) -> Any:
    """Tuples as lists, which load without executing anything."""
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
