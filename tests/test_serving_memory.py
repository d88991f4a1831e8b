"""Large pages change where memory lies, never what it holds."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import pytest

from drivetrain.serving.memory import LEAST, in_large_pages


def test_memory_holds_what_it_held() -> None:
    with mmap.mmap(-1, LEAST + 3 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        for place in range(0, len(region), 4096):
            region[place : place + 8] = place.to_bytes(8, "little")
        in_large_pages()
        assert all(region[p : p + 8] == p.to_bytes(8, "little") for p in range(0, len(region), 4096))


def test_only_large_regions_of_its_own_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = 0x7F0000001000, 0x7E0000000000
    maps = tmp_path / "maps"
    maps.write_text(
        f"{large:x}-{large + LEAST:x} rw-p 00000000 00:00 0 \n"
        f"{small:x}-{small + 4096:x} rw-p 00000000 00:00 0 \n"
        f"{2 * large:x}-{2 * large + LEAST:x} rw-p 00000000 08:01 77   /a file of the team\n"
        f"{3 * large:x}-{3 * large + LEAST:x} r-xp 00000000 00:00 0 \n"
        f"{4 * large:x}-{4 * large + LEAST:x} rw-p 00000000 00:00 0                          [stack]\n"
    )
    asked: list[tuple[int, int, int]] = []

    class Library:
        def madvise(self, start: ctypes.c_void_p, length: ctypes.c_size_t, advice: int) -> int:
            asked.append((start.value or 0, length.value, advice))
            return -1  # a kernel that cannot

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    in_large_pages(maps)
    assert asked == [(0x7F0000200000, LEAST - 2 * 2**20, 25)]


def test_without_such_a_list_nothing_is_asked(tmp_path: Path) -> None:
    in_large_pages(tmp_path / "maps")
