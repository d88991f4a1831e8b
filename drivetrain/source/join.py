"""Columns that other sources add to each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.errors import DataError
from drivetrain.source.columns import join_keys
from drivetrain.source.convert import text
from drivetrain.source.read import missing, open_rows
from drivetrain.source.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from drivetrain.spec import Spec
    from drivetrain.spec.data import Join, Source


def joined(spec: Spec, name: str, above: tuple[str, ...] = ()) -> tuple[Rows, NDArray[np.int64]]:
    """A source with the columns of its joins.

    A left join keeps rows without a match, with nulls; an inner join drops them. Several matches give several rows, in
    the order of the other source; `as_of` takes the latest one strictly before. Empty keys match nothing. Of two
    columns with the same name, the one of the source itself stays.

    Returns:
        The joined rows, and for each the row of the source's own table that it came from, `(n,)`.

    Raises:
        DataError: A source cannot be read, a key is missing, or joins form a ring.
    """
    import numpy as np

    if name in above:
        raise DataError(
            f"joins form a ring: {' -> '.join([*above, name])}.", "Take one of the joins out.", f"data.{name}.join"
        )
    source = spec.source(name)
    rows = open_rows(spec, name)
    row = np.arange(rows.count)
    for place, join in enumerate(source.join):
        where = f"data.{name}.join[{place}]"
        if join.data is None or join.on is None:
            raise DataError("does not say which source and which column.", "Give `data` and `on`.", where)
        there, _ = joined(spec, join.data, (*above, name))
        left, right = _matches(rows, there, source, join, spec.source(join.data), where)
        rows = _beside(rows, there, left, right)
        row = row[left]
    return rows, row


def key_codes(here: Rows, there: Rows, keys: dict[str, str], where: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Equal numbers for equal keys on both sides; -1 where a key is empty.

    Args:
        here: Rows of one side, `(n,)`.
        there: Rows of the other side, `(m,)`.
        keys: Column here -> column there.
        where: The join's place in the plan.

    Returns:
        Codes `(n,)` and `(m,)`.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = np.zeros(here.count + there.count, np.int64)
    empty = np.zeros(len(codes), bool)
    for mine, theirs in keys.items():
        for side, column in ((here, mine), (there, theirs)):
            if column not in side:
                raise missing(column, side.names, where)
        chunks = [*text(here.column(mine)).chunks, *text(there.column(theirs)).chunks]
        part = encoded(pa.chunked_array(chunks, pa.string()))
        empty |= np.asarray(pc.is_null(part.indices))
        number = np.asarray(pc.fill_null(part.indices, 0), np.int64)
        _, codes = np.unique(codes * (len(part.dictionary) + 1) + number, return_inverse=True)
    codes = np.where(empty, -1, codes)
    return codes[: here.count], codes[here.count :]


def encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A column as numbers and the values that they stand for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    part = pc.dictionary_encode(column).combine_chunks()
    return part.chunk(0) if isinstance(part, pa.ChunkedArray) else part


def _matches(
    here: Rows, there: Rows, source: Source, join: Join, other: Source, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows here and there that stand together, `(k,)` each; there -1 for a row that a left join keeps alone."""
    import numpy as np

    mine, theirs = key_codes(here, there, join_keys(join), where)
    if join.as_of:
        left, right = _latest(here, there, mine, theirs, source, join, other, where)
    else:
        left, right = all_matches(mine, theirs)
    if join.how == "left":
        alone = np.setdiff1d(np.arange(here.count), left)
        order = np.argsort(np.concatenate([left, alone]), kind="stable")
        left = np.concatenate([left, alone])[order]
        right = np.concatenate([right, np.full(len(alone), -1)])[order]
    return left, right


def _beside(here: Rows, there: Rows, left: NDArray[np.int64], right: NDArray[np.int64]) -> Rows:
    """Rows of both sides beside each other."""
    import numpy as np
    import pyarrow as pa

    readers = {name: here.reader(name) for name in here.names}
    files = here.files
    if len(left) != here.count or not np.array_equal(left, np.arange(here.count)):
        readers, files = here.taken(pa.array(left), here.names), ()
    brought = [name for name in there.names if name not in here]
    return Rows(len(left), readers | there.taken(pa.array(right, mask=right < 0), brought), files)


def all_matches(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of row numbers with equal keys, by row here, then by row there."""
    import numpy as np

    order = np.argsort(theirs, kind="stable")
    ordered = theirs[order]
    first = np.searchsorted(ordered, mine, "left")
    count = np.where(mine < 0, 0, np.searchsorted(ordered, mine, "right") - first)
    left = np.repeat(np.arange(len(mine)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + place]


def _latest(
    here: Rows,
    there: Rows,
    mine: NDArray[np.int64],
    theirs: NDArray[np.int64],
    source: Source,
    join: Join,
    other: Source,
    where: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row here the latest row there that is strictly earlier, and no older than `window`."""
    import numpy as np

    from drivetrain.spec import seconds

    my_time, their_time = _times(here, there, source, join, other, where)
    known, theirs_known = np.isfinite(my_time) & (mine >= 0), np.isfinite(their_time) & (theirs >= 0)
    left, right = np.flatnonzero(known), np.flatnonzero(theirs_known)
    code = np.concatenate([mine[left], theirs[right]])
    time = np.concatenate([my_time[left], their_time[right]])
    # At the same instant rows here come first, so that nothing of that instant is taken.
    side = np.concatenate([np.zeros(len(left)), np.ones(len(right))])
    order = np.lexsort((np.arange(len(code)), side, time, code))
    last = np.maximum.accumulate(np.where(side[order] == 1, np.arange(len(order)), -1))
    asks = side[order] == 0
    found = order[last[asks]]
    rows = order[asks]
    match = (last[asks] >= 0) & (code[found] == code[rows])
    if join.window:
        match &= time[rows] - time[found] <= seconds(join.window)
    pairs = left[rows[match]], right[found[match] - len(left)]
    by_row = np.argsort(pairs[0], kind="stable")
    return pairs[0][by_row], pairs[1][by_row]


def _times(
    here: Rows, there: Rows, source: Source, join: Join, other: Source, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both times in seconds; `as_of` names the column on either side, the other side uses its `time`."""
    name = str(join.as_of)
    mine = name if name in here else source.time
    theirs = name if name in there else other.time
    if name not in here and name not in there:
        raise missing(name, [*here.names, *there.names], f"{where}.as_of")
    for side, column in ((source, mine), (other, theirs)):
        if column is None:
            raise DataError(f"`{side.name}` has no `time` to compare with.", "Name its time column.", f"{where}.as_of")
    return in_seconds(here.column(str(mine))), in_seconds(there.column(str(theirs)))


def in_seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A time column as seconds since 1970 (numbers stay as they are), `(n,)`; NaN where it is empty."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        column = pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
