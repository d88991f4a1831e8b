"""Go on where a run was killed, and come to the same result.

After an epoch a checkpoint holds the weights, the optimizer, every source of randomness and the history; of a large
network after as many epochs as make saving a fiftieth of the time. A run that is started again with the same plan, data
and code builds its learner as before, skips the epochs that are done, and goes on with the state in which they ended.
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

from drivetrain import evidence
from drivetrain.training.history import History, is_training


class Checkpoint(Callback):  # type: ignore[misc]
    """Saves the state after every epoch, and brings it back.

    Args:
        file: What lies there when training starts is where it goes on.
        history: Its rows are kept with the state.
    """

    SHARE = 0.02
    """Of the time since the last state, what saving the next may take; a large network is saved less often."""
    QUICK = 0.05
    """Seconds that never matter."""
    SPEED = 5e8
    """Bytes written in a second, on a disk that is neither fast nor slow."""
    order = Recorder.order + 20  # after whatever judges an epoch: the state then holds its judgement

    def __init__(self, file: Path, history: History) -> None:
        self.file, self.history = file, history
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
            _restore(self.learn, self.kept)  # nothing is left to be done; what ends the fit needs the state

    def after_epoch(self) -> None:
        """Save the state, whole or not at all."""
        if self.kept is not None:
            return
        self.figures.append([float(value) for value in self.learn.recorder.values[-1]])
        if not self._is_due():
            return
        state = _state(self.learn) | {"fit": self.fits, "figures": self.figures, "history": list(self.history.rows)}
        with evidence.whole(self.file) as part:
            torch.save(state, part)
        self.saved = time.monotonic()

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
            _restore(self.learn, self.kept)
        self.history.repeating = False
        self.kept = None


def _is_saved(file: Any, **_: Any) -> Any:
    return file


def _state(learn: Any) -> dict[str, Any]:
    """Weights, optimizer, smoothed loss and randomness of a learner, as tensors and plain numbers."""
    kind, keys, *rest = np.random.get_state()
    smooth = learn.recorder.smooth_loss
    return {
        "model": learn.model.state_dict(),
        "optimizer": [dict(one) for one in learn.opt.state_dict()["state"]],
        "hypers": [{name: float(value) for name, value in group.items()} for group in learn.opt.hypers],
        "smooth": [int(smooth.count), float(smooth.val)],
        "python": _plain(random.getstate()),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loaders": [_plain(loader.rng.getstate()) for loader in learn.dls.loaders],
    }


def _restore(learn: Any, kept: dict[str, Any]) -> None:
    learn.model.load_state_dict(kept["model"])
    learn.opt.load_state_dict({"state": kept["optimizer"], "hypers": L(kept["hypers"])})
    learn.recorder.smooth_loss.count, value = kept["smooth"]
    learn.recorder.smooth_loss.val = torch.tensor(value)
    random.setstate(_tuples(kept["python"]))
    kind, keys, *rest = kept["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(kept["torch"])
    if kept["cuda"]:
        torch.cuda.set_rng_state_all(kept["cuda"])
    for loader, state in zip(learn.dls.loaders, kept["loaders"], strict=True):
        loader.rng.setstate(_tuples(state))


def _plain(value: Any) -> Any:
    """Tuples as lists, which load without executing anything."""
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
