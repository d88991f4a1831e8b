"""Where work is done that falls into parts: in this process, in several, in threads, or on a Dask cluster."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from drivetrain.errors import EnvironmentFault

S = TypeVar("S")
T = TypeVar("T")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(workers: int | None, dask: str | None = None, *, quick: bool = False) -> Iterator[Executor | None]:
    """An executor; None stands for this process.

    Args:
        workers: Processes; 1 means this one. None: as many as there are cores.
        dask: Address of a Dask scheduler to use instead.
        quick: Whether the work is over before fresh processes would have started: then copies of this process do it,
            or threads where copies are not safe.

    Raises:
        EnvironmentFault: Dask is missing, or nothing answers at the address; or `workers` is no number of processes.
    """
    if dask:
        with cluster(dask) as executor:
            yield executor
        return
    if workers is not None and workers < 1:
        raise EnvironmentFault(f"{workers} workers cannot do anything.", "Use `--workers 1` or more.")
    count = workers or cores()
    if count == 1:
        yield None
        return
    made = _Quick(count) if quick else _processes(count, "spawn")
    try:
        yield made
    except BaseException:
        made.shutdown(wait=False, cancel_futures=True)
        raise
    made.shutdown()


def _processes(count: int, start: str) -> Executor:
    import multiprocessing

    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(start), initializer=_begin)


def in_turn(executor: Executor | None, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """What `work` gives for each item, in the order of the items; no more of them wait than keep all cores busy.

    Args:
        executor: Any executor; None works in this process.
        work: Takes an item.
        items: Asked for one by one, as there is room.
    """
    waiting: deque[Future[T]] = deque()
    for item in items:
        if executor is None:
            yield work(item)
            continue
        waiting.append(executor.submit(work, item))
        if len(waiting) > cores():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _Quick(Executor):
    """Workers that start at once, and only when there is work.

    They are copies of this process where none of its threads could hold a lock in them for good, else threads.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._made: Executor | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._made is None:
            copies = sys.platform == "linux" and threading.active_count() == 1
            self._made = _processes(self._count, "fork") if copies else ThreadPoolExecutor(self._count)
        with warnings.catch_warnings():
            # Python counts threads of numerical libraries as well, which prepare for being copied.
            warnings.simplefilter("ignore", DeprecationWarning)
            return self._made.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._made is not None:
            self._made.shutdown(wait, cancel_futures=cancel_futures)


def _begin() -> None:
    """What a worker does first: leave Ctrl-C, which goes to all of them, to its parent, and never outlive that.

    What came with the copy is no garbage: looking for some in it would take time, and a memory of its own.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An executor on the Dask scheduler at `address`.

    Raises:
        EnvironmentFault: Dask is missing, or nothing answers at the address.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise EnvironmentFault("Dask is not installed.", "Install it: pip install 'drivetrain[scale]'") from error
    try:
        client = distributed.Client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise EnvironmentFault(
            f"no Dask scheduler answers at `{address}`.", "Start one with `dask scheduler`, or use `--workers`."
        ) from error
    with client:
        # Equal calls are answered from memory unless they are said to be impure.
        yield client.get_executor(pure=False)
