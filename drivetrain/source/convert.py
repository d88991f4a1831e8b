"""From what a file holds to the types that the plan declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# 1.0 is what pandas makes of a 1 as soon as another cell of the column is empty.
_TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "off", "0", "0.0")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COMMA = re.compile(r"[-+]?\d[\d.' ]*,[\d., ]*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
NO_NUMBER = ("", "NA", "N/A", "#N/A", "na", "n/a", "nan", "NaN", "null", "NULL", "None", "none", "-")


def convert(column: pa.ChunkedArray, to: str, where: str) -> pa.ChunkedArray:
    """A column as the type that the plan declares.

    Args:
        column: Values as they stand in the file; text for CSV.
        to: A column type of the plan (`number`, `integer`, `boolean`, `category`, `id`, `time`, `text`, `path`,
            `image`, `audio`), or `binary` for an outcome.
        where: File and column, for messages.

    Returns:
        float64, int64, bool, string, or timestamp in microseconds (UTC, without zone); empty cells are null.

    Raises:
        DataError: A value does not fit; the message names the first rows.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return column.cast(_TARGETS().get(to, pa.string()))
    if to == "number":
        return _number(column, where)
    if to == "integer":
        return _integer(column, where)
    if to in ("boolean", "binary"):
        return _boolean(column, where)
    if to == "time":
        return _time(column, where)
    return text(column)


def text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text, so that the same key read from two files is the same: 17 and 17.0 are both `17`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind):
        whole = pc.cast(column, pa.int64(), safe=False)
        exact = pc.and_kleene(pc.equal(pc.cast(whole, kind), column), pc.less(pc.abs(column), 2.0**53))
        spelled = pc.if_else(pc.fill_null(exact, False), pc.cast(whole, pa.string()), pc.cast(column, pa.string()))
        return pc.if_else(pc.is_null(column, nan_is_null=True), pa.scalar(None, pa.string()), spelled)
    return column.cast(pa.string())


def _TARGETS() -> dict[str, Any]:  # noqa: N802 - a table that may be built only once Arrow is loaded
    import pyarrow as pa

    return {
        "number": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "binary": pa.bool_(),
        "time": pa.timestamp("us"),
    }


def _number(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        stripped = pc.utf8_trim_whitespace(column)
        empty = pc.is_in(pc.utf8_lower(stripped), value_set=pa.array([word.lower() for word in NO_NUMBER]))
        stripped = pc.if_else(empty, pa.scalar(None, stripped.type), stripped)
        try:
            return stripped.cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise _unfit(stripped, "a number", where, _is_number) from error
    if pa.types.is_temporal(kind):
        raise DataError("holds times where the plan says number.", "Declare the column as `time`.", where)
    column = column.cast(pa.float64())
    return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)


def _integer(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.int64())
    numbers = _number(column, where)
    broken = pc.fill_null(pc.not_equal(pc.round(numbers), numbers), False)
    if pc.any(broken).as_py():
        raise _rows(text(column), broken, "a whole number", where)
    return numbers.cast(pa.int64())


def _boolean(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(column.type):
        return column
    words = pc.utf8_lower(pc.utf8_trim_whitespace(text(column)))
    empty = pc.is_in(words, value_set=pa.array(["", "na", "nan", "null"]))
    words = pc.if_else(empty, pa.scalar(None, pa.string()), words)
    yes = pc.is_in(words, value_set=pa.array(_TRUE))
    no = pc.is_in(words, value_set=pa.array(_FALSE))
    neither = pc.and_(pc.is_valid(words), pc.invert(pc.or_(yes, no)))
    if pc.any(neither).as_py():
        raise _rows(words, neither, "true or false", where)
    return pc.if_else(pc.is_valid(words), yes, pa.scalar(None, pa.bool_()))


def _time(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    target = pa.timestamp("us")
    if pa.types.is_timestamp(kind):
        # Arrow stores an instant in UTC beside its zone, so leaving the zone out keeps the instant.
        return column.cast(pa.timestamp("us", kind.tz), safe=False).cast(target)
    if pa.types.is_date(kind):
        return column.cast(target)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # Plain numbers keep their order and their unit; formulas count times in seconds.
        return _number(column, where)
    words = pc.utf8_trim_whitespace(text(column))
    words = pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words)
    for spelled in (words, None):
        try:
            return (_iso(words) if spelled is None else spelled).cast(target)
        except pa.ArrowInvalid:
            pass
    try:
        return words.cast(pa.timestamp("us", "UTC")).cast(target)
    except pa.ArrowInvalid:
        pass
    try:
        return words.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise _unfit(words, "a time such as 2025-06-30 or 2025-06-30T14:05:00", where, _is_time) from error


def _iso(words: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates in other forms than 2025-06-30 that mean one day only; 03/04/2025 is two, and stays as it is."""
    import pyarrow.compute as pc

    for pattern, to in _forms():
        words = pc.replace_substring_regex(words, pattern=pattern, replacement=to)
    return words


def _forms() -> list[tuple[str, str]]:
    """What is looked for in turn, and what it becomes: parts of a date in order, then two digits for each."""
    months = [
        (rf"(?i)^(\d{{1,2}})[ -]{name}[a-z]*\.?[ -](\d{{4}})\b", rf"\2-{place}-\1")
        for place, name in enumerate(_MONTHS, 1)
    ]
    months += [
        (rf"(?i)^{name}[a-z]*\.? (\d{{1,2}}),? (\d{{4}})\b", rf"\2-{place}-\1") for place, name in enumerate(_MONTHS, 1)
    ]
    return [
        *months,
        (r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})\b", r"\1-\2-\3"),
        (r"^(\d{1,2})\.(\d{1,2})\.(\d{4})\b", r"\3-\2-\1"),
        (r"^(\d{4})-(\d{1,2})$", r"\1-\2-01"),
        (r"^(\d{4})-(\d)-", r"\1-0\2-"),
        (r"^(\d{4}-\d\d)-(\d)($|\D)", r"\1-0\2\3"),
    ]


def misfits(column: pa.ChunkedArray, to: str) -> list[int]:
    """Rows whose cell does not fit a type."""
    fits = {"number": _is_number, "integer": _is_integer, "boolean": _is_truth, "binary": _is_truth, "time": _is_time}
    test = fits.get(to)
    if test is None:
        return []
    blank = {word.lower() for word in NO_NUMBER}
    cells = text(column).to_pylist()
    return [row for row, cell in enumerate(cells) if cell and cell.strip().lower() not in blank and not test(cell)]


def _is_integer(value: str) -> bool:
    return _is_number(value) and float(value) == int(float(value))


def _is_truth(value: str) -> bool:
    return value.strip().lower() in (*_TRUE, *_FALSE)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_time(value: str) -> bool:
    from datetime import datetime

    for pattern, to in _forms():
        value = re.sub(pattern, to, value)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return bool(_DAY.match(value))  # Python reads weeks and days of a year as well


def _unfit(column: pa.ChunkedArray, wanted: str, where: str, fits: Any) -> DataError:
    bad = [(row, value) for row, value in enumerate(column.to_pylist()) if value is not None and not fits(value)]
    return _message(bad, wanted, where)


def _rows(column: pa.ChunkedArray, broken: pa.ChunkedArray, wanted: str, where: str) -> DataError:
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(broken).to_pylist()
    return _message([(row, column[row].as_py()) for row in rows], wanted, where)


def _message(bad: list[tuple[int, Any]], wanted: str, where: str) -> DataError:
    advice = "Correct the value, leave the cell empty, or declare another type in the plan."
    if not bad:
        return DataError(f"holds a value that is not {wanted}.", advice, where)
    row, value = bad[0]
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    if wanted == "a number" and _COMMA.fullmatch(str(value)):
        advice = "Numbers have a point before their decimals, and nothing between thousands: 1234.5."
    return DataError(f"row {row + 1} holds {str(value)[:60]!r}{more}, which is not {wanted}.", advice, where)
