"""A time column as something that sorts as time does: numbers, dates, clock times or durations, each read as what it is and compared exactly.

    numbers            3, 0.5, 1700000000000000001           of any size; whole numbers and decimals keep all their digits
    dates              2026-01-31, 2026/1/31 12:00:00.5      any year; with Z or an offset such as +02:00 they are compared as moments
    clock times        9:30, 12:05:10.25, 1:15 pm
    durations          2 days 03:00:00                       as pandas writes them

All cells of a column are of one kind. A cell that is empty or NaT, that is of another kind than the first one, or that can be read in more than one way
(`01/02/2026`) is an error that names its place. Arrays of numpy's dates and durations are compared as they are, in their own unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.frame import cells_of, is_missing
from tenuto.errors import DataError

_CLOCK = r"(?P<hour>\d{1,6})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?:[.,](?P<fraction>\d{1,18}))?)?"
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    rf"(?P<year>[+-]?\d{{4,6}})(?P<mark>[-/])(?P<month>\d{{1,2}})(?:(?P=mark)(?P<day>\d{{1,2}}))?"
    rf"(?:(?:T|\s+){_CLOCK}\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{{2}}(?::?\d{{2}})?)?)?",
    re.ASCII,
)
_TIME = re.compile(rf"{_CLOCK}\s*(?P<half>[aApP]\.?[mM]\.?)?", re.ASCII)
_DAYS = re.compile(rf"(?P<days>[+-]?\d{{1,12}})\s+days?(?:,?\s+\+?{_CLOCK})?", re.ASCII)
# Dates that are all of one of these forms are read at once by numpy; 9 stands for any digit.
_PLAIN_DATE = re.compile(r"9999-99-99([T ]99:99(:99(\.9{1,6})?)?)?")
_SHAPE = {ord(digit): "9" for digit in "0123456789"}
_PARTS_OF_A_SECOND = 10**18
_PER_SECOND = {"Y": 1 / 31556952, "M": 1 / 2629746, "W": 1 / 604800, "D": 1 / 86400, "h": 1 / 3600, "m": 1 / 60, "s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9, "ps": 1e12, "fs": 1e15, "as": 1e18}
HALF_A_DAY = 12 * 3600 * _PARTS_OF_A_SECOND
_EXPECTED = "numbers, dates like 2026-01-31T12:00:00, clock times like 09:30:00, or durations; one kind in the whole column"


class Moment(NamedTuple):
    """A time: its kind, in words, and a number by which times of this kind are compared."""

    kind: str
    key: Any


def moment_of(cell: Any) -> Moment:
    """What a single cell of a time column says.

    Raises:
        ValueError: it says no time, or could say several; the message says which, in words.
    Example:
        >>> moment_of("9:30").key < moment_of("10:00").key
        True
        >>> moment_of("2026-01-31T12:00:00+02:00") == moment_of("2026-01-31 10:00Z")
        True
    """
    if is_missing(cell):
        raise ValueError("is empty")
    if isinstance(cell, np.timedelta64):
        return Moment("a duration", int(cell.astype("timedelta64[ns]").astype(np.int64)) * 10**9)
    if isinstance(cell, np.generic):
        cell = str(cell) if isinstance(cell, np.datetime64) else cell.item()
    if isinstance(cell, (int, float, Decimal)):
        if cell in (float("inf"), float("-inf")):
            raise ValueError("is infinite")
        return Moment("a number", cell)
    if isinstance(cell, (datetime, date, time)):
        cell = cell.isoformat()
    if isinstance(cell, timedelta):
        nanoseconds = getattr(cell, "nanoseconds", 0)  # pandas'
        return Moment("a duration", ((cell.days * 86400 + cell.seconds) * 10**6 + cell.microseconds) * 10**12 + nanoseconds * 10**9)
    if not isinstance(cell, str):
        raise ValueError(f"is neither a number nor a date, but {type(cell).__name__}")
    return _of_text(cell.strip())


class Instants(NamedTuple):
    """A time column as numbers.

    Attributes:
        order: [rows], sort as the times do; equal times have equal numbers.
        times: [rows] float64. Numbers are as they are; dates, clock times and durations are in seconds, dates since the earliest of them.
    """

    order: np.ndarray
    times: np.ndarray


def instants(column: Any, name: str, place: Callable[[int], str]) -> Instants:
    """A time column as numbers that can be compared exactly, and that say how much time has passed.

    Args:
        column: texts, numbers, dates or durations: a list, an array, or a column of a data frame.
        name: of the column, for messages. place: what a message calls a row, given its number.
    Raises:
        DataError: a cell is empty, of another kind than the first, or says no time; the message names column, place and value.
    """
    fast = _compared_as_it_is(column)
    if fast is not None:
        order, per_second = fast
        earliest = order.min() if per_second is not None and len(order) else 0
        return Instants(order, (order - earliest).astype(np.float64) / (per_second or 1))
    cells = cells_of(column)
    known: dict[Any, Moment] = {}
    keys = []
    first: Moment | None = None
    for row, cell in enumerate(cells):
        moment = known.get(cell) if isinstance(cell, str) else None
        if moment is None:
            try:
                moment = moment_of(cell)
            except ValueError as error:
                fix = "give every row a time" if str(error) == "is empty" else "correct the cell; write dates as year-month-day"
                said = str(error).replace("is neither a number nor a date", "has neither numbers nor dates")
                raise DataError(f"column {name!r} {said} in {place(row)}.", expected=_EXPECTED, received=repr(cell)[:60], fix=fix) from None
            if isinstance(cell, str):
                known[cell] = moment
        first = first or moment
        if moment.kind != first.kind:
            raise DataError(
                f"column {name!r} holds {moment.kind} in {place(row)}, but {first.kind} in {place(0)}.",
                expected=_EXPECTED,
                received=f"{cell!r:.40} and {cells[0]!r:.40}",
                fix="write all times in one form",
            )
        keys.append(moment.key)
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    if first is None or first.kind == "a number":
        times = [float(key) for key in keys]
    else:
        earliest = min(keys)
        times = [(key - earliest) / _PARTS_OF_A_SECOND for key in keys]
    return Instants(np.array([ranks[key] for key in keys], dtype=np.int64), np.array(times, dtype=np.float64))


def is_clock(column: Any) -> bool:
    """Whether a column holds clock times, which begin again at midnight; its first cell says it."""
    cells = cells_of(column[:1])
    try:
        return bool(cells) and moment_of(cells[0]).kind.startswith("a clock time")
    except ValueError:
        return False


def _compared_as_it_is(column: Any) -> tuple[np.ndarray, float | None] | None:
    """A column of numbers, dates or durations that is whole, as an array that sorts, and how many of its units are a second (None for numbers); None where each cell must be looked at."""
    if isinstance(column, np.ma.MaskedArray):
        return None
    if isinstance(column, list) and all(type(cell) is str for cell in column):
        dates = len(column) > 0 and _PLAIN_DATE.fullmatch(column[0].translate(_SHAPE)) and len({cell.translate(_SHAPE) for cell in column}) == 1
        if not dates and max(map(len, column), default=0) > 15:  # float64 keeps 15 digits
            return None
        try:
            array = np.array(column, dtype="datetime64[us]" if dates else np.float64)
        except ValueError:
            return None
    elif isinstance(column, (list, tuple)):
        return None
    else:
        array = np.asarray(column)
    if array.dtype.kind in "Mm":
        return None if np.isnat(array).any() else (array.view(np.int64), _PER_SECOND[np.datetime_data(array.dtype)[0]] / np.datetime_data(array.dtype)[1])
    if array.dtype.kind == "f":
        return (array, None) if np.isfinite(array).all() else None
    return (array, None) if array.dtype.kind in "biu" else None


def _of_text(text: str) -> Moment:
    if _NUMBER.fullmatch(text):
        return Moment("a number", int(text) if text.lstrip("+-").isdigit() else Decimal(text))
    match = _DATE.fullmatch(text)
    if match:
        try:
            days = int(np.datetime64(f"{_year(match['year'])}-{int(match['month']):02}-{int(match['day'] or 1):02}", "D").astype(np.int64))
        except ValueError:
            raise ValueError("is a date that there is not") from None
        zone, seconds = match["zone"], _seconds(match, 24)
        if zone and zone[0] in "+-":
            minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
            seconds -= (1 if zone[0] == "+" else -1) * minutes * 60 * _PARTS_OF_A_SECOND
        return Moment("a date with a time zone" if zone else "a date", days * 86400 * _PARTS_OF_A_SECOND + seconds)
    match = _DAYS.fullmatch(text)
    if match:
        return Moment("a duration", int(match["days"]) * 86400 * _PARTS_OF_A_SECOND + _seconds(match, 24))
    match = _TIME.fullmatch(text)
    if match and match["minute"]:
        seconds = _seconds(match, 12 if match["half"] else 10**6)
        if match["half"]:
            return Moment("a clock time with am or pm", seconds % HALF_A_DAY + (HALF_A_DAY if match["half"][0] in "pP" else 0))
        # Without the seconds, 10:30 may be hours and minutes or minutes and seconds; both sort alike, but not beside 1:10:30.
        return Moment(f"a clock time of {3 if match['second'] else 2} numbers", seconds)
    if re.fullmatch(r"\d{1,2}([/.-])\d{1,2}\1\d{2,4}.*", text, re.ASCII):
        raise ValueError("is a date whose day and month cannot be told apart")
    raise ValueError("is neither a number nor a date")


def _year(text: str) -> str:
    """A year as numpy reads it: with a sign where it has more than four digits."""
    return text if len(text) == 4 or text[0] == "-" else "+" + text.lstrip("+")


def _seconds(match: re.Match[str], most: int) -> int:
    """Seconds since midnight, in parts of a second; `most` is the largest hour."""
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if hour > most or minute > 59 or second > 60 or (hour == most == 24 and minute + second):
        raise ValueError("is a time that there is not")
    # A fraction without seconds is a fraction of the last number: minutes and seconds, 02:13.5.
    return (hour * 3600 + minute * 60 + second) * _PARTS_OF_A_SECOND + int((match["fraction"] or "0").ljust(18, "0"))
