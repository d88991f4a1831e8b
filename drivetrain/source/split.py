"""Which rows train, which validate, which are kept for the test."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from drivetrain.errors import DataError
from drivetrain.source.columns import case_name, join_keys
from drivetrain.source.convert import text
from drivetrain.source.join import encoded, in_seconds, joined, key_codes
from drivetrain.source.read import missing, open_rows
from drivetrain.source.rows import Rows
from drivetrain.workers import in_turn, pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Source

SPLITS = ("train", "validation", "test", "hold_out")
PART, MANY = 1 << 15, 500_000
"""Names whose lots are drawn at a time, and from which on several processes draw."""
_SPELLINGS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "test": 2, "hold_out": 3}


def split_of(spec: Spec, name: str) -> NDArray[np.int64]:
    """The part of each row of `table(spec, name)`.

    A source that is tied to the decision's cases by joins follows their split, so that nothing about a test case is
    trained on; a row that several cases share goes with the most protected of them. Other sources have their own.

    Returns:
        `(n,)`, index into `SPLITS`; -1 for rows that belong to no case.
    """
    toward = _toward_cases(spec, name)
    if toward is None:
        return _own(spec, spec.source(name))
    return _followed(spec, name, toward)


def names(parts: NDArray[np.int64]) -> pa.Array:
    """Parts as text, empty for rows that belong to no case."""
    import pyarrow as pa

    return pa.array([*SPLITS, ""], pa.string()).take(pa.array(parts % (len(SPLITS) + 1)))


def _toward_cases(spec: Spec, name: str) -> str | None:
    """The neighbour of a source on its shortest way of joins to the cases; None for these and for the untied."""
    cases = case_name(spec)
    if cases is None or cases == name:
        return None
    ties: dict[str, list[str]] = {source.name: [] for source in spec.data}
    for source in spec.data:
        for join in source.join:
            if join.data in ties:
                ties[source.name].append(join.data)
                ties[join.data].append(source.name)
    toward: dict[str, str] = {cases: cases}
    waiting = [cases]
    for here in waiting:
        for there in ties.get(here, ()):
            if there not in toward:
                toward[there] = here
                waiting.append(there)
    return toward.get(name)


def _followed(spec: Spec, name: str, toward: str) -> NDArray[np.int64]:
    import numpy as np

    parts = split_of(spec, toward)
    mine, theirs = open_rows(spec, name), open_rows(spec, toward)
    join, keys = _tie(spec.source(name), spec.source(toward))
    my_code, their_code = key_codes(mine, theirs, keys, join)
    top = int(max(my_code.max(initial=-1), their_code.max(initial=-1))) + 1
    best = np.full(top + 1, -1, np.int64)
    np.maximum.at(best, np.where(their_code < 0, top, their_code), np.where(their_code < 0, -1, parts))
    return best[np.where(my_code < 0, top, my_code)]


def _tie(source: Source, other: Source) -> tuple[str, dict[str, str]]:
    """The join between two sources, as columns of the first -> columns of the second."""
    for place, join in enumerate(source.join):
        if join.data == other.name:
            return f"data.{source.name}.join[{place}]", join_keys(join)
    for place, join in enumerate(other.join):
        if join.data == source.name:
            return f"data.{other.name}.join[{place}]", {there: here for here, there in join_keys(join).items()}
    raise AssertionError("the way to the cases goes along joins")


def _own(spec: Spec, source: Source) -> NDArray[np.int64]:
    """A source's own split; each row of its own table is drawn once, however often a join repeats it."""
    import numpy as np
    import pyarrow as pa

    rows, row = joined(spec, source.name)
    own = open_rows(spec, source.name).count
    if np.array_equal(row, np.arange(own)):
        return _drawn(source, rows, row)
    once, first = np.unique(row, return_index=True)
    parts = np.full(own, -1, np.int64)
    parts[once] = _drawn(source, Rows(len(once), rows.taken(pa.array(first), rows.names)), once)
    return parts


def _drawn(source: Source, rows: Rows, row: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    split, where = source.split, f"data.{source.name}.split"
    parts = np.zeros(rows.count, np.int64)
    if split.column:
        parts = _written(rows, split.column, where)
    held = np.zeros(rows.count, bool)
    for column, values in split.hold_out.items():
        held |= _is_one_of(_column(rows, column, where), values)
    free = np.flatnonzero(~held)
    if not split.column:
        by = split.by or ("entity" if source.entity else "random")
        order = _by_time(source, rows, where) if by == "time" else _by_lot(source, rows, row, by, where)
        parts[free] = _cut(order[free], split.test, split.validation)
    parts[held] = SPLITS.index("hold_out")
    return parts


def _cut(order: NDArray[np.int64], test: float, validation: float) -> NDArray[np.int64]:
    """Parts of rows that are drawn by rank: the lowest ranks are the test, the next validate.

    Rows of equal rank stay together; each cut is where the share is met best, exactly when all ranks differ.
    """
    import numpy as np

    counted = np.bincount(order)
    rank = (np.cumsum(counted > 0) - 1)[order]
    ends = np.concatenate([[0], np.cumsum(counted[counted > 0])])
    first = _nearest(ends, len(order) * test, 0, test > 0)
    second = _nearest(ends, ends[first] + len(order) * validation, first, validation > 0)
    return np.where(rank < first, 2, np.where(rank < second, 1, 0))


def _nearest(ends: NDArray[np.int64], wanted: float, after: int, some: bool) -> int:
    """Number of ranks whose rows come nearest to `wanted`; halves up, and at least one rank where some are wanted."""
    import numpy as np

    place = int(np.argmin(np.abs(ends[::-1] - int(wanted + 0.5))))
    place = max(len(ends) - 1 - place, after)
    # The last rank is for training: a test without training is of no use.
    return min(max(place, after + 1), len(ends) - 2) if some and len(ends) - 2 > after else place


def _column(rows: Rows, name: str, where: str) -> pa.ChunkedArray:
    if name not in rows:
        raise missing(name, rows.names, where)
    return rows.column(name)


def _written(rows: Rows, name: str, where: str) -> NDArray[np.int64]:
    import numpy as np

    written = text(_column(rows, name, where)).to_pylist()
    parts = [_SPELLINGS.get(str(value).strip().lower(), -1) for value in written]
    wrong = sorted({repr(value) for value, part in zip(written, parts, strict=True) if part < 0})
    if wrong:
        raise DataError(
            f"column `{name}` says {', '.join(wrong[:3])}, which is no part.",
            "It must say train, validation or test in every row.",
            where,
        )
    return np.array(parts, np.int64)


def _is_one_of(column: pa.ChunkedArray, values: Sequence[str | float | bool]) -> NDArray[np.bool_]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    words = [text(pa.chunked_array([pa.array([value])]))[0].as_py() for value in values]
    return np.asarray(pc.fill_null(pc.is_in(text(column), value_set=pa.array(words, pa.string())), False))


def _by_time(source: Source, rows: Rows, where: str) -> NDArray[np.int64]:
    """Rank of each row by time, the latest first; rows of one instant share a rank."""
    import numpy as np

    if source.time is None:
        raise DataError("splits by time, but names none.", "Name the column under `time`.", where)
    time = in_seconds(_column(rows, source.time, where))
    empty = np.flatnonzero(np.isnan(time))
    if len(empty):
        raise DataError(
            f"{len(empty)} rows have no `{source.time}` (the first: row {empty[0] + 1}) and cannot be split by time.",
            "Fill the time in, or take these rows out.",
            where,
        )
    return np.asarray(np.unique(-time, return_inverse=True)[1], np.int64)


def _by_lot(source: Source, rows: Rows, row: NDArray[np.int64], by: str, where: str) -> NDArray[np.int64]:
    """Rank of each row by lot.

    The lot of a file or an entity is drawn from its name, not from its place, so that most rows keep their part when
    data are added. Rows of a table have only their place.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    seed = source.split.seed
    name = {"random": "path", "entity": source.entity}.get(by, by)
    if name is None:
        raise DataError("splits by entity, but names none.", "Name the column under `entity`.", where)
    if by == "random" and (name not in rows or rows.files):
        return np.asarray(np.unique(_scrambled(row, seed), return_inverse=True)[1], np.int64)
    keys = encoded(text(_column(rows, name, where)))
    # Arrow keeps what it freed; a text in each of millions of rows is a lot.
    pa.default_memory_pool().release_unused()
    lots = _lots(keys.dictionary, seed)
    codes = np.asarray(pc.fill_null(keys.indices, -1), np.int64)
    if by == "entity":
        rows.encoded[name] = keys
    del keys
    empty = np.flatnonzero(codes < 0)
    if len(empty):
        codes[empty] = len(lots) + np.arange(len(empty))
        lots = np.concatenate([lots, _scrambled(row[empty], seed)])
    return np.asarray(np.unique(lots, return_inverse=True)[1][codes], np.int64)


def _lots(names: pa.Array, seed: int) -> NDArray[np.uint64]:
    """The lot of each name, `(n,)`; a part at a time, for as Python's text millions of names would fill the memory."""
    import numpy as np
    import pyarrow as pa

    lots = np.zeros(len(names), np.uint64)
    starts = range(0, len(names), PART)
    parts = (names.slice(start, PART).cast(pa.binary()).to_pylist() for start in starts)
    with pool(None if len(names) >= MANY else 1, quick=True) as executor:
        for start, drawn in zip(starts, in_turn(executor, partial(_drawn_lots, seed), parts), strict=True):
            lots[start : start + PART] = np.frombuffer(drawn, ">u8")
    return lots


def _drawn_lots(seed: int, names: list[bytes]) -> bytes:
    """Eight bytes for each name."""
    begun, lot = f"{seed}:".encode(), hashlib.blake2b
    return b"".join([lot(begun + name, digest_size=8).digest() for name in names])


def _lot(value: str, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{value}".encode(), digest_size=8).digest(), "big")


def _scrambled(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood 2014): the same on every machine and in every version of NumPy."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(_lot("row", seed))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
