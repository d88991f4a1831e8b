"""Work in parts: copies of the process start at once, leave Ctrl-C to their parent, and never outlive it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")

BEGIN = """
import os, sys, threading, time
from drivetrain.workers import pool

"""


def started(code: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@linux
def test_quick_work_is_done_by_copies_and_by_threads_where_another_thread_could_hold_a_lock():
    code = """
with pool(2, quick=True) as executor:
    print(os.getpid() == executor.submit(os.getpid).result())
threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
with pool(2, quick=True) as executor:
    print(os.getpid() == executor.submit(os.getpid).result())
"""
    said, _ = started(code).communicate(timeout=60)
    assert said.split() == ["False", "True"]


WAITING = """
try:
    with pool(2, quick=QUICK) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        tasks = [executor.submit(time.sleep, 3) for _ in range(2)]
        time.sleep(0.3)
        print("ready", flush=True)
        print([task.result() for task in tasks])
except KeyboardInterrupt:
    print("stopped by its parent", flush=True)
"""


@linux
@pytest.mark.parametrize("quick", [True, False])
def test_workers_end_when_their_parent_is_killed(quick):
    process = started(WAITING.replace("QUICK", str(quick)))
    worker = int(process.stdout.readline())
    assert runs(worker)
    assert worker != process.pid
    process.stdout.readline()
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while runs(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(worker)


@linux
def test_ctrl_c_stops_the_parent_and_no_worker_says_a_word():
    process = started(WAITING.replace("QUICK", "True"), start_new_session=True)
    process.stdout.readline()
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    said, complaint = process.communicate(timeout=60)
    assert said == "stopped by its parent\n"
    assert not complaint
