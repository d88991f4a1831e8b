"""A Dask cluster as an executor, for data that outgrow one machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from drivetrain.errors import EnvironmentFault


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
