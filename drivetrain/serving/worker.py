"""One thread that asks the models, and a queue before it that stays short.

A queue that stands makes everybody wait and nobody faster. Bursts may wait a moment; once the queue has not been empty
for a while, only as many requests are taken as can be answered in good time, and the rest is told to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

from drivetrain.serving.limits import Refused

Answer = TypeVar("Answer")

BURST_SECONDS = 0.25
"""Work that may wait when the queue was empty a moment ago."""
STANDING_SECONDS = 0.1
"""A queue that has not been empty for so long stands."""
STANDING = 2
"""Requests taken at one time while the queue stands: one at the models, one that follows without a gap."""


class Worker:
    """A thread with a short queue.

    Args:
        most: Requests that are taken at one time, whatever their burst.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._usual = 0.005
        self._empty_at = perf_counter()
        self.taken = 0

    def full(self) -> bool:
        """Whether the next request is to be refused."""
        if self.taken < STANDING:
            return False
        if perf_counter() - self._empty_at > STANDING_SECONDS:
            return True
        return self.taken >= min(self._most, max(STANDING, int(BURST_SECONDS / self._usual)))

    async def ask(self, work: Callable[[], Answer]) -> Answer:
        """Have something done by the thread.

        Raises:
            Refused: Too much waits already (503).
        """
        if self.full():
            raise Refused("too many requests are waiting; come again in a second.", status=503)
        if not self.taken:
            self._empty_at = perf_counter()
        self.taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work)
        finally:
            self.taken -= 1
            if not self.taken:
                self._empty_at = perf_counter()

    def stop(self) -> None:
        """Wait for what was taken, and take no more."""
        self._thread.shutdown()

    def _timed(self, work: Callable[[], Answer]) -> Answer:
        begun = perf_counter()
        try:
            return work()
        finally:
            self._usual += 0.1 * (perf_counter() - begun - self._usual)
