"""What arrived is looked at before it is kept: it must be what the source holds, whole, and no page that says sorry."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from drivetrain.collect.fetch import Refused

if TYPE_CHECKING:
    from drivetrain.collect.fetch import Answer

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}
_SOUNDS = {
    "WAV": ".wav",
    "WAVEX": ".wav",
    "FLAC": ".flac",
    "OGG": ".ogg",
    "MP3": ".mp3",
    "MPEG": ".mp3",
    "AIFF": ".aiff",
}
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def ending(kind: str, answer: Answer) -> str:
    """The ending that a file gets, by what its bytes are and not by what its address or server says.

    Args:
        kind: Kind of the source.
        answer: What arrived.

    Raises:
        Refused: It is not what the source holds, or broken.
    """
    if not answer.body:
        raise Refused("is empty")
    start = answer.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        raise Refused("is a web page, not data")
    if kind.startswith("images"):
        return _picture(answer.body)
    if kind == "audio":
        return _sound(answer.body)
    if kind == "text":
        _text(answer.body)
        return ".txt"
    return _table(answer.body)


def _picture(body: bytes) -> str:
    from drivetrain.source.picture import decoded, unreadable

    try:
        format, *_ = decoded(body)
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise Refused(unreadable(error)) from error
    if format not in _ENDINGS:
        raise Refused(f"is a picture of a format that is not kept ({format})")
    return _ENDINGS[format]


def _sound(body: bytes) -> str:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise Refused("cannot be verified: soundfile is missing (pip install soundfile)") from error
    try:
        with soundfile.SoundFile(io.BytesIO(body)) as file:
            if file.frames > 2**31:
                raise Refused("is a sound too long to be one")
            heard = sum(len(block) for block in file.blocks(1 << 16, dtype="float32"))
            if heard == 0 or heard < file.frames:
                raise Refused(f"breaks off after {heard:,} of {file.frames:,} samples")
            return _SOUNDS[file.format]
    except Refused:
        raise
    except Exception as error:  # a decoder may raise anything on hostile bytes
        raise Refused(f"is no sound that can be decoded ({str(error)[:100]})") from error


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("is no UTF-8 text") from error
    if "\0" in text:
        raise Refused("is no text")
    return text


def _table(body: bytes) -> str:
    if body[:4] == b"PAR1":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for _ in pq.ParquetFile(pa.BufferReader(body)).iter_batches(1 << 14):
                pass
        except (pa.ArrowException, OSError) as error:
            raise Refused("is a broken Parquet file") from error
        return ".parquet"
    first = next(iter(_text(body).splitlines()), "")
    if not any(mark in first for mark in ",;\t|"):
        raise Refused("is no table: its first line names no columns")
    return ".csv"
