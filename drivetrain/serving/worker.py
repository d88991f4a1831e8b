"""One thread that asks the models, and a queue before it that does not stand.

Requests that come together wait for each other for a moment. When more come than can be answered in a second, a queue
only makes everybody wait and nobody faster: then all but the next one are told to come again, and as long as too many
come, a request is taken only when it can be answered at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from drivetrain.serving.limits import Refused

Answer = TypeVar("Answer")

SECONDS_OF_WORK = 1.0
"""Work that may wait."""
LEAST = 4
"""Requests that may wait however long one takes."""
STRICT = 2
"""Requests taken at one time while too many come: one at the models, and one that follows without a gap. That one is
taken when the first is half done, so that it waits no longer than it must."""
STRICT_SECONDS = 0.5
"""How long that lasts after the last refusal."""


class _Job(NamedTuple):
    work: Callable[[], Any]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Worker:
    """A thread with a short queue. All methods but the thread's own are called from one event loop.

    Args:
        most: Requests that are taken at one time, however short they are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[_Job] = deque()
        self._calls: SimpleQueue[None] = SimpleQueue()  # one for every job, and one to stop
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._usual = 0.01
        self._begun = 0.0
        self._strict_until = 0.0
        self.taken = 0

    def full(self) -> bool:
        """Whether the next request is to be refused; it is, when this says so."""
        if not self.taken:
            return False
        now = perf_counter()
        if now < self._strict_until:
            if self.taken < STRICT and now > self._begun + self._usual / 2:
                return False
            self._strict_until = now + STRICT_SECONDS
            return True
        if self.taken < min(self._most, max(LEAST, int(SECONDS_OF_WORK / self._usual))):
            return False
        self._strict_until = now + STRICT_SECONDS
        self._send_away()
        return True

    async def ask(self, work: Callable[[], Answer]) -> Answer:
        """Have something done by the thread.

        Raises:
            Refused: Too much waits already, or so much came after it that it was sent away (503).
        """
        if self.full():
            raise _too_many()
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        self.taken += 1
        try:
            if self.taken == 1:
                self._begun = perf_counter()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="models", daemon=True)
                self._thread.start()
            self._jobs.append(job)
            self._calls.put(None)
            answer: Answer = await job.answer
            return answer
        finally:
            self.taken -= 1

    def stop(self) -> None:
        """Finish what was taken, and take no more."""
        self._stopping = True
        self._calls.put(None)
        if self._thread is not None:
            self._thread.join()
        self._thread, self._stopping = None, False

    def _send_away(self) -> None:
        """Refuse all that waits but the next."""
        while len(self._jobs) > 1:
            try:
                job = self._jobs.pop()
            except IndexError:  # the thread was quicker
                return
            if not job.answer.done():
                job.answer.set_exception(_too_many())

    def _run(self) -> None:
        while True:
            self._calls.get()
            try:
                job = self._jobs.popleft()
            except IndexError:  # sent away meanwhile, or nothing is left to do
                if self._stopping:
                    return
                continue
            if job.answer.cancelled():
                continue
            self._begun = begun = perf_counter()
            try:
                found, fault = job.work(), None
            except Exception as error:  # Handed to who asked, whatever it is.
                found, fault = None, error
            self._usual += 0.1 * (perf_counter() - begun - self._usual)
            job.loop.call_soon_threadsafe(_hand_over, job.answer, found, fault)


def _hand_over(answer: asyncio.Future[Any], found: Any, fault: Exception | None) -> None:
    if answer.done():
        return
    if fault is not None:
        answer.set_exception(fault)
    else:
        answer.set_result(found)


def _too_many() -> Refused:
    return Refused("too many requests are waiting; come again in a second.", status=503)
