"""Is a picture's file whole? What decoders let pass: missing ends, sums nobody compares, lost sectors.

Each function raises ValueError with what is wrong, in words that follow the file's name.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

SECTOR = 512
"""Zero bytes in a row that no compressed picture holds: a flat one of 1,500 x 1,500 pixels has 222."""
PLAIN = 2.0
"""Spread of the brightness below which a picture shows nothing."""
RUN = 16
"""The same for JPEG with the usual Huffman tables: flat pictures have 8, for none of their codes is all zeros."""
_USUAL = bytes((0x10, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D))
"""Table K.5 of ITU-T T.81 as a JPEG file holds it: how many codes of each length, for the brightness."""
_DEFLATE, _JPEG = (8, 32946), 7
_OFFSETS, _COUNTS, _METHOD, _TABLES, _TILES, _TILE_COUNTS = 273, 279, 259, 347, 324, 325


def jpeg(data: bytes) -> bool:
    """Huffman codes fall into step again after a fault, and a decoder may notice nothing; a hole is seen.

    Returns:
        Whether further pictures stand behind the first, as phones put them there.
    """
    if bytes(RUN) in data and _USUAL in data[:4096]:
        start = data.rfind(b"\xff\xda")
        hole, end = data.find(bytes(RUN), start), data.rfind(b"\xff\xd9", start)
        # Behind its end a file may be filled up with zeros.
        if hole >= 0 and not 0 <= end < hole:
            raise ValueError("it has a hole: bytes in its middle are all zero")
    place = 2
    # Segments of the head: a mark, and the length of what follows it.
    with suppress(IndexError):
        while data[place] == 0xFF and data[place + 1] not in (0xDA, 0xD9):
            if data[place + 1] == 0xE2 and data.startswith(b"MPF\0", place + 4):
                return True
            place += 2 + (data[place + 2] << 8 | data[place + 3])
    return False


def other(kind: str, data: bytes) -> None:
    """A file that is no JPEG, by the format that it has."""
    if kind == "PNG" and data.rfind(b"IEND\xaeB`\x82") < 0:
        raise ValueError("it is cut short: its end is missing")
    if kind == "BMP" and len(data) < _needed(data):
        raise ValueError("it is cut short: its last pixels are missing")
    if kind == "GIF":
        gif(data)
    if kind == "GIF" and data.find(bytes(SECTOR)) >= 0:
        raise ValueError("it has a hole: hundreds of its bytes are all zero")


def _needed(data: bytes) -> int:
    """Bytes that a BMP file without compression takes; 0 where its head says too little."""
    head, first = int.from_bytes(data[14:18], "little"), int.from_bytes(data[10:14], "little")
    if head < 40 or int.from_bytes(data[30:34], "little") not in (0, 3):
        return 0
    width, height = (int.from_bytes(data[k : k + 4], "little", signed=True) for k in (18, 22))
    return first + (width * int.from_bytes(data[28:30], "little") + 31) // 32 * 4 * abs(height)


def webp(data: bytes, spread: float) -> None:
    """WebP has no sums. Zeros tell of a hole unless the picture is plain: one of best quality is thousands of them.

    Args:
        data: The file.
        spread: Of the picture's brightness, 0 to 255.
    """
    if spread >= PLAIN and data.find(bytes(SECTOR)) >= 0:
        raise ValueError("it has a hole: hundreds of its bytes are all zero")


def gif(data: bytes) -> None:
    """Walk through the blocks of a GIF file up to its end mark; Pillow takes the end of the file for it."""

    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    place = 13 + table(data[10])
    while place < len(data) and data[place] != 0x3B:
        if data[place] == 0x2C and place + 9 < len(data):
            place += 10 + table(data[place + 9]) + 1
        elif data[place] == 0x21:
            place += 2
        else:
            raise ValueError("it is broken between two of its pictures")
        while place < len(data) and data[place]:
            place += data[place] + 1
        place += 1
    if place >= len(data):
        raise ValueError("it is cut short: its end is missing")


def tiff(data: bytes, tags: Any) -> None:
    """Compare the sums of deflated strips, and decode JPEG ones strictly; libtiff does neither.

    Args:
        data: The file.
        tags: Of one of its pictures: number -> value.
    """
    offsets = tags.get(_OFFSETS) or tags.get(_TILES) or ()
    sizes = tags.get(_COUNTS) or tags.get(_TILE_COUNTS) or ()
    for offset, size in zip(offsets, sizes, strict=False):
        strip = data[offset : offset + size]
        if len(strip) < size:
            raise ValueError("it is cut short: a part of it is missing")
        if tags.get(_METHOD) in _DEFLATE:
            try:
                zlib.decompress(strip)
            except zlib.error as error:
                raise ValueError("a part of it does not fit its check sum") from error
        elif tags.get(_METHOD) == _JPEG:
            import simplejpeg

            tables = tags.get(_TABLES) or b""
            together = tables[:-2] + strip[2 if tables else 0 :]
            simplejpeg.decode_jpeg(together, colorspace="GRAY", strict=True)
            jpeg(together)
