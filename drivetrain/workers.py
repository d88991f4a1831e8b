"""Where work is done that falls into parts: in this process, in several, in threads, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from drivetrain.errors import EnvironmentFault


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(workers: int | None, dask: str | None = None, *, threads: bool = False) -> Iterator[Executor | None]:
    """An executor; None stands for this process.

    Args:
        workers: Processes; 1 means this one. None: as many as there are cores.
        dask: Address of a Dask scheduler to use instead.
        threads: Whether threads do the work instead of processes.

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
    import multiprocessing

    made: Executor
    if threads:
        made = ThreadPoolExecutor(count)
    else:
        # A forked copy of a process with threads may hang, so workers start fresh.
        made = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield made
    except BaseException:
        made.shutdown(wait=False, cancel_futures=True)
        raise
    made.shutdown()


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
