"""The log: nothing that was acknowledged is lost, segments end, and a disk that fails is told of."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from drivetrain.errors import ServiceError
from drivetrain.serving import log as logs
from drivetrain.serving.log import Log, read


def test_segments_are_closed_and_begun_while_many_write(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", segment_bytes=5000)

    def write(who: int) -> None:
        for number in range(200):
            log.write([{"kind": "x", "who": who, "number": number, "text": "é" * 20}])

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    found = [(record["who"], record["number"]) for record in read(tmp_path / "log")]
    assert sorted(found) == [(who, number) for who in range(4) for number in range(200)]
    sizes = [path.stat().st_size for path in (tmp_path / "log").glob("*.jsonl")]
    assert len(sizes) > 8
    assert max(sizes) < 5100
    for who in range(4):
        assert [number for one, number in found if one == who] == list(range(200))


def test_the_disk_is_asked_to_keep_it_while_nobody_waits_and_a_fault_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def broken(_: int) -> None:
        asked.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(logs, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(os, "fsync", broken)
    log = Log(tmp_path / "log")
    log.write([{"kind": "first"}])
    assert asked.wait(10)
    monkeypatch.undo()
    for _ in range(1000):
        try:
            log.write([{"kind": "next"}])
        except ServiceError as error:
            assert "Input/output error" in error.message  # noqa: PT017
            break
    else:
        pytest.fail("nobody was told")
    log.write([{"kind": "after"}])
    log.close()
    kinds = [record["kind"] for record in read(tmp_path / "log")]
    assert (kinds[0], kinds[-1]) == ("first", "after")


def test_a_torn_last_line_is_left_out_and_a_torn_middle_is_named(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write([{"kind": "one"}, {"kind": "two"}])
    log.close()
    [segment] = tmp_path.glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-4])
    assert [record["kind"] for record in read(tmp_path)] == ["one"]
    segment.write_bytes(whole[3:])
    with pytest.raises(ServiceError, match=r"jsonl:1.*no record|is not a record"):
        list(read(tmp_path))
