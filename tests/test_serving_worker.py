"""Requests that come together wait for each other; a flood is refused, and forgotten when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from drivetrain.serving.limits import Refused
from drivetrain.serving.worker import STRICT_SECONDS, Worker


def taking(seconds: float) -> Callable[[], float]:
    def work() -> float:
        time.sleep(seconds)
        return seconds

    return work


def ask(worker: Worker, count: int, seconds: float, gap: float = 0.0) -> list[tuple[float, bool]]:
    """Ask so many times, whatever the answers do: for each how long it took, and whether it was answered."""

    async def one() -> tuple[float, bool]:
        begun = time.perf_counter()
        try:
            await worker.ask(taking(seconds))
        except Refused as error:
            if error.status != 503:
                raise
            return time.perf_counter() - begun, False
        return time.perf_counter() - begun, True

    async def all_of_them() -> list[tuple[float, bool]]:
        tasks = []
        for _ in range(count):
            tasks.append(asyncio.create_task(one()))
            await asyncio.sleep(gap)
        return list(await asyncio.gather(*tasks))

    return asyncio.run(all_of_them())


def test_what_comes_together_is_answered_one_after_another() -> None:
    worker = Worker(64)
    assert all(answered for _, answered in ask(worker, 20, 0.002))
    assert worker.taken == 0
    worker.stop()


def test_a_flood_is_refused_and_who_is_taken_does_not_wait() -> None:
    worker = Worker(64)
    ask(worker, 5, 0.02)
    found = ask(worker, 1000, 0.02, gap=0.002)
    answered = sorted(seconds for seconds, ok in found if ok)
    assert len(answered) > 60
    assert sum(not ok for _, ok in found) > 500
    # One at the models and one behind it, on a busy machine; a queue of all 64 would take over a second.
    assert answered[int(0.95 * len(answered))] < 0.4
    refused = sorted(seconds for seconds, ok in found if not ok)
    assert refused[len(refused) // 2] < 0.05
    worker.stop()


def test_in_a_flood_nobody_is_taken_who_would_wait_for_most_of_another() -> None:
    worker = Worker(1)
    worker._usual = 0.2  # as after many requests of this length

    async def flood() -> list[bool]:
        first = asyncio.create_task(worker.ask(taking(0.25)))
        await asyncio.sleep(0.01)
        early = [asyncio.create_task(worker.ask(taking(0.01))) for _ in range(3)]
        await asyncio.wait(early)
        await asyncio.sleep(0.15)
        late = [asyncio.create_task(worker.ask(taking(0.01))) for _ in range(2)]
        await asyncio.wait([first, *late])
        return [task.exception() is None for task in (first, *early, *late)]

    assert asyncio.run(flood()) == [True, False, False, False, True, False]
    worker.stop()


def test_after_a_flood_everything_is_as_before() -> None:
    worker = Worker(8)
    assert any(not ok for _, ok in ask(worker, 100, 0.01, gap=0.001))
    time.sleep(STRICT_SECONDS + 0.05)
    assert all(ok for _, ok in ask(worker, 6, 0.01))
    worker.stop()


def test_a_fault_is_told_to_who_asked_and_the_thread_goes_on() -> None:
    worker = Worker(8)

    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(worker.ask(broken))
    assert asyncio.run(worker.ask(lambda: 7)) == 7
    worker.stop()


def test_who_left_is_not_waited_for() -> None:
    worker = Worker(8)
    done: list[int] = []

    async def impatient() -> None:
        first = asyncio.create_task(worker.ask(taking(0.1)))
        second = asyncio.create_task(worker.ask(lambda: done.append(2)))
        await asyncio.sleep(0.02)
        second.cancel()
        await first
        await worker.ask(lambda: done.append(3))

    asyncio.run(impatient())
    assert done == [3]
    assert worker.taken == 0
    worker.stop()


def test_stopping_finishes_what_was_taken() -> None:
    worker = Worker(8)

    async def taken() -> list[float]:
        tasks = [asyncio.create_task(worker.ask(taking(0.02))) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.to_thread(worker.stop)
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(taken()) == [0.02] * 3
