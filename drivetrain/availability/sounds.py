"""Findings about sounds: unreadable, silent, clipped, odd, and there twice."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drivetrain.availability.images import Seen
from drivetrain.availability.leaks import sides
from drivetrain.availability.look import Look, count, some
from drivetrain.availability.pictures import conflicts, copies

if TYPE_CHECKING:
    import numpy as np

    from drivetrain.findings import Finding

SILENT = 1e-3
"""Root mean square (full scale is 1) below which nothing is to be heard: -60 dB."""
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
CLIPPED = 1e-3
"""Share of samples at the limit, in runs of three, from which on a sound is cut off."""


@lru_cache(maxsize=1)
def record() -> np.dtype[Any]:
    """Layout of what is kept of a sound."""
    import numpy as np

    return np.dtype(
        [("digest", "u8"), ("rate", "u4"), ("channels", "u2"), ("frames", "u8"), ("level", "f4"), ("clipped", "f4")]
    )


def listen_to_all(paths: Sequence[str]) -> Seen:
    """Read and decode files; never raises for what is in them."""
    import numpy as np

    seen = Seen(np.zeros(len(paths), record()), {})
    for place, path in enumerate(paths):
        try:
            with open(path, "rb") as stream:
                data = stream.read()
            if not data:
                seen.errors[place] = "is empty"
                continue
            _note(seen.facts[place], data)
        except Exception as error:  # a decoder may raise anything on hostile bytes, and one file must not end the run
            said = str(error).strip().splitlines()
            seen.errors[place] = f"cannot be decoded ({said[0][:120] if said else type(error).__name__})"
            seen.facts[place] = np.zeros((), record())
    return seen


def _note(fact: Any, data: bytes) -> None:
    import numpy as np
    from xxhash import xxh3_64_intdigest

    _whole(data)
    samples, rate = heard(data)
    if not len(samples):
        raise ValueError("it holds no sound")
    if not np.isfinite(samples).all():
        raise ValueError("it holds samples that are no numbers")
    fact["digest"] = xxh3_64_intdigest(data)
    fact["rate"], fact["frames"], fact["channels"] = rate, len(samples), samples.shape[1]
    # A constant offset is nothing that one hears.
    fact["level"] = float(np.sqrt(np.mean(samples.var(0, dtype=np.float64))))
    top = np.abs(samples) >= min(0.999, max(float(np.abs(samples).max()), 1e-9) * 0.9999)
    runs = top[2:] & top[1:-1] & top[:-2]
    fact["clipped"] = float(runs.mean()) if len(samples) > 2 and np.abs(samples).max() > 0.3 else 0.0


def _whole(data: bytes) -> None:
    """Raise when a WAV or AIFF file is shorter than it says; most readers take what is there without a word."""
    if data[:4] == b"FORM" and int.from_bytes(data[4:8], "big") + 8 > len(data):
        raise ValueError(f"it is cut short: {len(data):,} of {int.from_bytes(data[4:8], 'big') + 8:,} bytes")
    if data[:4] == b"OggS":
        _pages(data)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"data":
            if place + 8 + size > len(data):
                raise ValueError(f"it is cut short: {len(data) - place - 8:,} of {size:,} bytes of sound")
            return
        place += 8 + size + size % 2
    raise ValueError("it holds no sound")


def _pages(data: bytes) -> None:
    """Compare the check sum of each page of an Ogg file (RFC 3533); decoders skip pages that do not fit theirs.

    The sum is the common CRC-32 with the bits of each byte, and of the sum, in the other order.
    """
    place, last = 0, False
    while place + 27 <= len(data):
        if data[place : place + 4] != b"OggS":
            raise ValueError("it is broken between two of its pages")
        count = data[place + 26]
        end = place + 27 + count + sum(data[place + 27 : place + 27 + count])
        if end > len(data):
            break
        page = data[place : place + 22] + bytes(4) + data[place + 26 : end]
        found = zlib.crc32(page.translate(_TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF
        if found.to_bytes(4, "big").translate(_TURNED)[::-1] != data[place + 22 : place + 26][::-1]:
            raise ValueError("a part of it does not fit its check sum")
        place, last = end, bool(data[place + 5] & 4)
    if not last:
        raise ValueError("it is cut short: its last page is missing")


def heard(data: bytes) -> tuple[Any, int]:
    """Samples from -1 to 1, `(n, channels)`, and their rate."""
    import io

    import numpy as np
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        samples = file.read(dtype="float32", always_2d=True)
        if 0 < file.frames < 2**62 and len(samples) < file.frames:
            raise ValueError(f"it breaks off after {len(samples):,} of {file.frames:,} samples")
        return np.asarray(samples), int(file.samplerate)


def sounds(look: Look, seen: Seen) -> Iterator[Finding]:
    """Findings about the files of a source.

    Args:
        look: The source.
        seen: What each of its own rows holds, `(n,)`.
    """
    import numpy as np

    if seen.errors:
        broken = sorted(seen.errors)
        names = look.own_names(broken)
        yield look.finding(
            "DA801",
            "fail",
            f"{count(len(broken), 'sound')} of {len(seen.facts):,} cannot be read.",
            "Fetch them again, or take them out.",
            affected=[f"{name}: {seen.errors[row]}" for name, row in zip(names, broken, strict=True)],
            facts={"files": names},
        )
    else:
        yield look.finding("DA801", "pass", f"{count(len(seen.facts), 'sound')} can be read.")
    good = np.flatnonzero(seen.facts["frames"] > 0)
    if not len(good):
        return
    facts = seen.facts[good]
    for id, found, what, advice in (
        ("DA802", facts["level"] < SILENT, "are silent", "Take them out, or check the microphone."),
        ("DA803", facts["clipped"] > CLIPPED, "are clipped", "Record them again at a lower level."),
    ):
        if found.any():
            names = look.own_names(good[found])
            yield look.finding(
                id, "warn", f"{count(len(names), 'sound')} {what}.", advice, affected=names, facts={"files": names}
            )
    yield from _odd(look, seen, good)
    _, unit, sizes = np.unique(seen.facts["digest"], return_inverse=True, return_counts=True)
    unit = np.where((sizes[unit] > 1) & (seen.facts["frames"] > 0), unit, -1)
    again = np.flatnonzero(unit >= 0)
    if len(again):
        across = np.flatnonzero(sides(look.own_parts, unit))
        yield look.finding(
            "DA307",
            "fail" if len(across) else "warn",
            f"{count(len(again), 'sound', verb='are')} exact copies of another one"
            + (f", {len(across):,} of them across parts of the split." if len(across) else "."),
            "Take the copies out.",
            affected=copies(look, unit, again),
            facts={"files": look.own_names(again), "across": look.own_names(across)},
        )
        yield from conflicts(look, unit, again, "DA308", "exact copies", "fail")
    else:
        yield look.finding("DA307", "pass", "no sound is there twice.")


def _odd(look: Look, seen: Seen, good: Any) -> Iterator[Finding]:
    import numpy as np

    channels, sizes = np.unique(seen.facts["channels"][good], return_counts=True)
    if len(channels) > 1:
        usual = channels[sizes.argmax()]
        yield look.finding(
            "DA804",
            "note",
            f"sounds have several numbers of channels ({some(channels.tolist())}; most have {usual}).",
            "Training takes their mean; check that the others were recorded in the same way.",
            affected=look.own_names(good[seen.facts["channels"][good] != usual]),
            facts={"channels": {str(one): int(size) for one, size in zip(channels, sizes, strict=True)}},
        )
    rates, sizes = np.unique(seen.facts["rate"][good], return_counts=True)
    if len(rates) > 1:
        usual = rates[sizes.argmax()]
        names = look.own_names(good[seen.facts["rate"][good] != usual])
        yield look.finding(
            "DA804",
            "note",
            f"sounds have several sample rates ({some([f'{rate} Hz' for rate in rates])}).",
            "All are brought to one rate for training; high sounds are lost where it was low.",
            affected=names,
            facts={"rates": {str(rate): int(size) for rate, size in zip(rates, sizes, strict=True)}},
        )
    length = seen.facts["frames"][good] / seen.facts["rate"][good]
    odd = np.abs(np.log(length / np.median(length))) > np.log(5)
    if 0 < odd.sum() <= 0.05 * len(good):
        names = look.own_names(good[odd])
        yield look.finding(
            "DA805",
            "warn",
            f"{count(len(names), 'sound', verb='are')} much shorter or longer than the others.",
            "Listen to them.",
            affected=[f"{name}: {seconds:.2f} s" for name, seconds in zip(names, length[odd], strict=True)],
            facts={"files": names},
        )
