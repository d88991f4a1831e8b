"""One training over several processes: several GPUs of a machine, or several CPU processes.

torchrun starts the processes, fastai and accelerate split every batch among them and average their gradients. All of
them run the same `train.py`; only the first writes. How many there must be is asked for by number, and checked: a
launcher that quietly starts one process trains, but not what was meant.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drivetrain.errors import EnvironmentFault, TrainingError
from drivetrain.training.learners import is_training

if TYPE_CHECKING:
    from fastai.learner import Learner

PATIENCE = timedelta(hours=12)
"""How long the others wait while the first exports and judges."""


def join(asked: int | None = None) -> tuple[int, int]:
    """Join the processes that a launcher started; without a launcher this process is alone.

    Args:
        asked: How many there must be; None: as many as there are.

    Returns:
        The number of this process, from 0, and how many there are.

    Raises:
        TrainingError: There are not as many as were asked for.
        EnvironmentFault: accelerate is not installed.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if asked is not None and asked != started:
        what = f"{asked} processes were asked for, and {started} {'is' if started == 1 else 'are'} there."
        raise TrainingError(what, f"Start them with `make train-distributed RANKS={asked}`, or with torchrun.")
    if started == 1:
        return 0, 1
    import torch

    alone = not torch.cuda.is_available()
    if alone:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise EnvironmentFault("accelerate is not installed.", "Install the extra: drivetrain[train].") from error
    # Before the data loaders are made: it also decides which GPU belongs to this process.
    PartialState(cpu=alone, timeout=PATIENCE)
    there = torch.ones(1, device=_device())
    torch.distributed.all_reduce(there)
    if int(there.item()) != started:
        raise TrainingError(f"{started} processes were started, and {int(there.item())} answer.", "Start them again.")
    return torch.distributed.get_rank(), started


def leave() -> None:
    """Part from the other processes."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def wait() -> None:
    """Wait until every process is here."""
    import torch

    torch.distributed.barrier()


def shared(value: Any, ranks: int) -> Any:
    """The first process's text, number or list of them, in every process."""
    import torch

    if ranks == 1:
        return value
    held = [value]
    torch.distributed.broadcast_object_list(held, src=0, device=_device())
    return held[0]


def gathered(value: Any, ranks: int) -> list[Any]:
    """What each process holds, in their order; empty in all but the first."""
    import torch

    if ranks == 1:
        return [value]
    first = torch.distributed.get_rank() == 0
    held: list[Any] = [None] * ranks if first else []
    torch.distributed.gather_object(value, held if first else None, dst=0)
    return held


def together(learn: Learner, rank: int, ranks: int) -> None:
    """Let the processes train a learner together, from its next fit on."""
    from fastai.distributed import DistributedDL, DistributedTrainer
    from fastai.torch_core import set_seed

    class Together(DistributedTrainer):  # type: ignore[misc]
        """Fits in common; the search for a learning rate, which writes and reads files, each process for itself."""

        def before_fit(self) -> None:
            self.run = is_training(self.learn)
            _appear(rank if self.run else 0, ranks if self.run else 1)
            self.learn.model_dir = self.common if self.run else f"{self.common}-{rank}"
            if self.run:
                super().before_fit()

        def after_fit(self) -> None:
            if self.run:
                super().after_fit()
            self.run = True

    DistributedDL._broadcast = _broadcast
    import torch

    set_seed(int(torch.initial_seed() % 2**31) + rank)  # each drops out and varies its own images in its own way
    callback = Together(sync_bn=False)
    callback.common = learn.model_dir
    learn.add_cb(callback)


def part(learn: Learner) -> None:
    """What comes after the fits, each process does alone.

    Raises:
        TrainingError: The processes hold different weights, so their gradients were not averaged.
    """
    import torch
    from fastai.distributed import DistributedTrainer

    learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, DistributedTrainer)])
    sums = torch.stack([one.detach().double().abs().sum() for one in learn.model.parameters()]).to(_device())
    low, high = sums.clone(), sums.clone()
    torch.distributed.all_reduce(low, torch.distributed.ReduceOp.MIN)
    torch.distributed.all_reduce(high, torch.distributed.ReduceOp.MAX)
    if not torch.allclose(low, high, rtol=1e-6, atol=1e-12):
        raise TrainingError("the processes trained apart: their weights differ.", "Train with `make train`.")
    _appear(0, 1)


def _appear(rank: int, ranks: int) -> None:
    """What fastai takes this process for."""
    os.environ["RANK"], os.environ["WORLD_SIZE"] = str(rank), str(ranks)


def _device() -> Any:
    """Where tensors lie that are exchanged."""
    import torch

    on_gpu = torch.distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def _broadcast(_: Any, numbers: Any, rank: int) -> Any:
    """Take the order of the rows from one process; fastai's own way needs a GPU."""
    import torch

    held = torch.tensor(list(numbers), dtype=torch.int64, device=_device())
    torch.distributed.broadcast(held, rank)
    return held.cpu().tolist()
