"""Sounds and sensor series to pictures, by rules that training and service share.

A picture has one channel for each channel of the signal, size by size values between 0 and 1. The pattern holds for any
data that can be converted to images.
"""

from __future__ import annotations

import csv
import io
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import DataError

Signal = NDArray[np.float64]
"""(channels, samples)."""
METHODS = ("spectrogram", "gramian", "recurrence", "line_plot")
DECIBELS = 80.0
"""Range of a spectrogram below its loudest point."""


def sound(value: Any, root: Path | None, rate: int, where: str) -> Signal:
    """One channel of sound, (1, samples), at `rate` samples per second.

    Args:
        value: A `Path`, the file's bytes, or an array of samples at `rate`; text is a path only below `root`.
        root: The project's folder, or None.
        rate: Samples per second.
        where: The case, for messages.

    Raises:
        DataError: It cannot be read as a sound, or holds none.
    """
    if isinstance(value, (np.ndarray, list, tuple)):
        samples, own = np.asarray(value, dtype=np.float64), rate
    else:
        samples, own = _decode(_source(value, root, where), where)
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if samples.size < 2 or not np.isfinite(samples).all():
        raise DataError("the sound holds no samples.", "Replace or remove it.", where)
    return _resample(samples, own, rate)[None]


def series(value: Any, root: Path | None, channels: Sequence[str], where: str) -> Signal:
    """A series of several channels, (channels, samples).

    Args:
        value: A `Path` or the bytes of a CSV file (a Parquet file by path), or {channel: values}.
        root: The project's folder, or None.
        channels: Names of the columns, in order.
        where: The case, for messages.

    Raises:
        DataError: It cannot be read, or a channel is absent.
    """
    columns = value if isinstance(value, Mapping) else _columns(_source(value, root, where), where)
    if absent := [name for name in channels if name not in columns]:
        raise DataError(f"the series has no channel `{absent[0]}`.", f"Give all of: {', '.join(channels)}.", where)
    try:
        found = np.array([np.asarray(columns[name], dtype=np.float64) for name in channels])
    except (TypeError, ValueError) as error:
        raise DataError("the series holds values that are no numbers.", "Correct the file.", where) from error
    if found.shape[1] < 2:
        raise DataError("the series is shorter than two samples.", "Replace or remove it.", where)
    return _without_gaps(found)


def channels(path: Path) -> list[str]:
    """The columns of numbers in a file of a series; one that only rises is the time and no channel.

    Raises:
        DataError: There is none.
    """
    found = []
    for name, values in _columns(path, path.name).items():
        if all(isinstance(value, (int, float)) for value in values):
            steps = np.diff(np.asarray(values, dtype=np.float64))
            if not (len(steps) and (steps > 0).all()):
                found.append(name)
    if not found:
        raise DataError("the series has no column of numbers.", "Name its `encode.channels`.", path.name)
    return found


def picture(signal: Signal, settings: Mapping[str, Any]) -> NDArray[np.float32]:
    """A signal as a picture (channels, size, size) with values from 0 to 1.

    Args:
        signal: (channels, samples).
        settings: `method`, `size`; for spectrograms `fft`, `hop`, `mels` and `sample_rate` (mels 0: no mel scale); for
            the others `low` and `high` of each channel, which training measured.
    """
    size, method = int(settings["size"]), settings["method"]
    if method == "spectrogram":
        planes = [_sized(_spectrogram(channel, settings), size) for channel in signal]
    else:
        low, high = np.asarray(settings["low"])[:, None], np.asarray(settings["high"])[:, None]
        scaled = np.clip((signal - low) / np.where(high > low, high - low, 1), 0, 1)
        even = np.linspace(0, 1, size)
        own = np.linspace(0, 1, signal.shape[1])
        draw = {"gramian": _gramian, "recurrence": _recurrence, "line_plot": _line_plot}[method]
        planes = [draw(np.interp(even, own, channel)) for channel in scaled]
    return np.stack(planes).astype(np.float32)


def _spectrogram(samples: NDArray[np.float64], settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Log power by frequency (low at the top) and time, 0 at DECIBELS below the loudest point, 1 at it."""
    fft, hop = int(settings["fft"]), int(settings["hop"])
    if len(samples) < fft:
        samples = np.pad(samples, (0, fft - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, fft)[::hop]
    power = (np.abs(np.fft.rfft(frames * np.hanning(fft), axis=1)) ** 2).T
    if settings.get("mels"):
        power = mel_filters(int(settings["mels"]), fft, float(settings["sample_rate"])) @ power
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    return np.asarray(np.clip((decibels - decibels.max()) / DECIBELS + 1, 0, 1))


def mel_filters(mels: int, fft: int, rate: float) -> NDArray[np.float64]:
    """Triangular filters (mels, fft // 2 + 1), even on the mel scale.

    Source: O'Shaughnessy, 1987, in HTK's form.
    """
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, fft // 2 + 1)
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _gramian(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gramian angular summation field, from 0 to 1. Source: Wang and Oates, 2015."""
    cosine = 2 * values - 1
    sine = np.sqrt(np.clip(1 - cosine**2, 0, 1))
    return np.asarray((np.outer(cosine, cosine) - np.outer(sine, sine) + 1) / 2)


def _recurrence(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances of all pairs of moments, without a threshold. Source: Eckmann and others, 1987."""
    return np.abs(values[:, None] - values[None])


def _line_plot(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve drawn into a square, high values at the top; each column reaches half-way to its neighbours' values."""
    size = len(values)
    height = (1 - values) * (size - 1)
    before = (height + np.concatenate([height[:1], height[:-1]])) / 2
    after = (height + np.concatenate([height[1:], height[-1:]])) / 2
    top = np.minimum(np.minimum(before, after), height)
    bottom = np.maximum(np.maximum(before, after), height)
    row = np.arange(size)[:, None]
    return np.asarray(np.clip(1 - np.maximum(np.maximum(top - row, row - bottom), 0), 0, 1))


def _sized(plane: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """A plane as size by size values, by linear interpolation along both axes."""
    for axis in (0, 1):
        own, wanted = np.linspace(0, 1, plane.shape[axis]), np.linspace(0, 1, size)
        if plane.shape[axis] == 1:
            plane = np.repeat(plane, size, axis=axis)
            continue
        place = np.interp(wanted, own, np.arange(len(own)))
        below = np.minimum(place.astype(int), len(own) - 2)
        share = np.expand_dims(place - below, 1 - axis)
        plane = np.take(plane, below, axis) * (1 - share) + np.take(plane, below + 1, axis) * share
    return plane


def _resample(samples: NDArray[np.float64], own: int, rate: int) -> NDArray[np.float64]:
    """Another sampling rate, by cutting or extending the spectrum."""
    if own == rate:
        return samples
    count = max(2, round(len(samples) * rate / own))
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return np.fft.irfft(kept, count) * (count / len(samples))


def _without_gaps(values: Signal) -> Signal:
    """Gaps filled by the line between their neighbours; a channel without any value is zero."""
    for channel in values:
        there = np.isfinite(channel)
        if not there.all():
            place = np.arange(len(channel))
            channel[~there] = np.interp(place[~there], place[there], channel[there]) if there.any() else 0.0
    return values


def _source(value: Any, root: Path | None, where: str) -> Path | io.BytesIO:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return io.BytesIO(value)
    if isinstance(value, Path) or (isinstance(value, str) and root is not None):
        return (root or Path()) / value
    if isinstance(value, str):
        raise DataError("a file is expected as its bytes, not as text.", "Send the file itself.", where)
    raise DataError(f"a file is expected, not {type(value).__name__}.", "Give a path or the file's bytes.", where)


def _decode(source: Path | io.BytesIO, where: str) -> tuple[NDArray[np.float64], int]:
    """Samples and their rate: WAV by the standard library, other formats by soundfile where it is installed."""
    try:
        with wave.open(str(source) if isinstance(source, Path) else source, "rb") as stream:
            width, channels, rate = stream.getsampwidth(), stream.getnchannels(), stream.getframerate()
            raw = np.frombuffer(stream.readframes(stream.getnframes()), dtype=np.uint8)
        return _integers(raw, width).reshape(-1, channels), rate
    except FileNotFoundError as error:
        raise DataError(f"the sound `{source}` is missing.", "Check the source's location.", where) from error
    except (wave.Error, EOFError, ValueError, OSError):
        pass
    try:
        import soundfile

        if isinstance(source, io.BytesIO):
            source.seek(0)
        samples, rate = soundfile.read(source, dtype="float64")
    except ImportError as error:
        advice = "Convert it to WAV with whole-number samples, or install soundfile."
        raise DataError("it is not a WAV file that can be read.", advice, where) from error
    except (RuntimeError, OSError, TypeError) as error:
        raise DataError("it cannot be read as a sound.", "Replace or remove it.", where) from error
    return np.asarray(samples, dtype=np.float64), int(rate)


def _integers(raw: NDArray[np.uint8], width: int) -> NDArray[np.float64]:
    """Samples of 1 to 4 bytes as numbers from -1 to 1."""
    if width == 1:
        return np.asarray((raw.astype(np.float64) - 128) / 128)
    wide = np.zeros((len(raw) // width, 4), dtype=np.uint8)
    wide[:, 4 - width :] = raw[: len(wide) * width].reshape(-1, width)
    return np.asarray(wide.view("<i4").ravel() / 2.0**31)


def _columns(source: Path | io.BytesIO, where: str) -> dict[str, Any]:
    """The columns of a CSV file, or of a Parquet file."""
    try:
        if isinstance(source, Path) and source.suffix.lower() in (".parquet", ".pq"):
            from pyarrow import parquet

            return dict(parquet.read_table(source).to_pydict())
        text = source.read_text("utf-8-sig") if isinstance(source, Path) else source.read().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"the series `{source}` is missing.", "Check the source's location.", where) from error
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"it cannot be read as a series ({error}).", "Replace or remove it.", where) from error
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    if len(lines) < 2 or any(len(line) != len(lines[0]) for line in lines):
        raise DataError("it cannot be read as a table with a head.", "Write a CSV file: names, then numbers.", where)
    return {name: [_cell(line[index]) for line in lines[1:]] for index, name in enumerate(lines[0])}


def _cell(text: str) -> float | str:
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError:
        return text
