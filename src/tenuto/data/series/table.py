"""The columns of a long frame, whatever library it is of: stamps, ids and numbers as arrays, with errors that name the row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from tenuto.choices import did_you_mean
from tenuto.data.frame import cells_of, columns_of, is_frame, is_missing
from tenuto.data.series.frequency import pandas
from tenuto.errors import DataError
from tenuto.tongues import argument


class Names(NamedTuple):
    """Which column is what. Without a column of that id, the frame is one series."""

    id: str = "unique_id"
    time: str = "ds"
    target: str = "y"


USUAL_NAMES = Names()


def frame_columns(frame: Any, names: Names) -> dict[str, Any]:
    """The columns of a frame by name: of pandas, polars, pyarrow, or a dictionary. A pandas index with a name of `names` is a column too, and so is the index
    of dates of a pandas Series.

    Raises:
        DataError: it is no frame.
    """
    if hasattr(frame, "collect"):  # a lazy one of polars
        frame = frame.collect()
    if type(frame).__name__ == "Series" and hasattr(frame, "index"):
        frame = frame.rename(names.target).rename_axis(frame.index.name or names.time).reset_index()
    elif hasattr(frame, "index") and hasattr(frame, "reset_index"):
        levels = [level for level in frame.index.names if level is not None]
        if any(level in names and level not in frame.columns for level in levels):
            frame = frame.reset_index()
        elif names.time not in frame.columns and type(frame.index).__name__ == "DatetimeIndex":
            frame = frame.rename_axis(names.time).reset_index()
    if not (is_frame(frame) or isinstance(frame, Mapping)):
        raise DataError(
            "the data is no frame.", expected=f"a long frame of pandas or polars with the columns {', '.join(names)}", received=type(frame).__name__,
            fix=f"put it into one: a row for each series and stamp; for one series, {names.time} and {names.target} are enough",
        )  # fmt: skip
    return columns_of(frame)


def require_columns(columns: Collection[str], needed: Collection[str], options: Mapping[str, str]) -> None:
    """Raise DataError if a needed column is not there.

    Args:
        options: by column, the argument that names it.
    """
    for name in needed:
        if name not in columns:
            said = argument(options[name], "NAME") if name in options else ""
            raise DataError(
                f"the frame has no column {name!r}.", expected=", ".join(needed), received=", ".join(map(str, columns)) or "no columns",
                fix=did_you_mean(name, columns, f"say which column it is: {said}" if said else "add it"),
            )  # fmt: skip


def stamps_of(column: Any, name: str) -> Any:
    """A column of dates as pandas' DatetimeIndex, with its time zone, or of whole numbers as int64 [rows].

    Raises:
        DataError: a stamp is missing, or no date.
    """
    pd = pandas()
    zone = getattr(getattr(column, "dtype", None), "time_zone", None)  # polars
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind in ("M", "i", "u") or isinstance(getattr(column, "dtype", None), pd.DatetimeTZDtype):
        given = column
    elif hasattr(column, "to_numpy") and type(column).__module__.startswith("polars"):
        given = column.to_numpy()
    else:
        given = cells_of(column)
    if getattr(getattr(given, "dtype", None), "kind", "") in ("i", "u"):
        given = np.asarray(given, dtype=np.int64).tolist()
    if isinstance(given, list):
        for row, cell in enumerate(given):
            if is_missing(cell):
                raise DataError(f"row {row + 1} has no stamp in {name}.", fix="leave such rows out")
        numbers = [_whole(cell) for cell in given]
        if numbers and None not in numbers:
            given = _days(numbers)
            if given is None:
                return np.array(numbers, dtype=np.int64)
    try:
        found = pd.DatetimeIndex(pd.to_datetime(given))
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{name} has a stamp that is no date, or dates of several kinds.", expected="dates such as 2026-01-31 or 2026-01-31T12:00, in one time zone, or whole numbers",
            received=" ".join(str(error).split())[:120], fix="write them in one way; with changing offsets from UTC, convert them to one time zone first",
        ) from error  # fmt: skip
    missing = np.flatnonzero(found.isna())
    if missing.size:
        raise DataError(f"row {missing[0] + 1} has no stamp in {name}.", fix="leave such rows out")
    return found.tz_localize("UTC").tz_convert(zone) if zone else found


def _whole(cell: Any) -> int | None:
    """A stamp that is a whole number; None for any other."""
    if isinstance(cell, str):
        return int(cell) if cell.strip().isdigit() else None
    return int(cell) if isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool) and cell == int(cell) else None


def _days(numbers: list[Any]) -> list[str] | None:
    """Whole numbers that are all days written as 20260131, as dates; None where they are just numbers."""
    if not all(17000101 <= number <= 22611231 and 1 <= number // 100 % 100 <= 12 and 1 <= number % 100 <= 31 for number in numbers):
        return None
    return [f"{number // 10000}-{number // 100 % 100:02}-{number % 100:02}" for number in numbers]


def numbers_of(column: Any, name: str) -> np.ndarray | None:
    """A column of numbers as float64 [rows], NaN where there is none; None if it holds something that is no number."""
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind in ("f", "i", "u", "b") and hasattr(column, "to_numpy"):
        try:
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan) if hasattr(column, "isna") else column.to_numpy(), dtype=np.float64)
        except (TypeError, ValueError):
            pass
    if isinstance(column, np.ndarray) and kind in ("f", "i", "u", "b") and not np.ma.isMaskedArray(column):
        return column.astype(np.float64)
    found = []
    for cell in cells_of(column):
        try:
            found.append(float("nan") if is_missing(cell) else float(cell))
        except (TypeError, ValueError):
            return None
    return np.array(found, dtype=np.float64)


def required_numbers(column: Any, name: str) -> np.ndarray:
    """The same, where it must be numbers.

    Raises:
        DataError: names the first row without a number.
    """
    found = numbers_of(column, name)
    if found is not None:
        return found
    for row, cell in enumerate(cells_of(column)):
        try:
            float("nan") if is_missing(cell) else float(cell)
        except (TypeError, ValueError):
            raise DataError(f"row {row + 1} has no number in {name}.", expected="a number, or nothing where the value is missing", received=repr(cell)[:40]) from None
    raise AssertionError("a column that is no column of numbers has a cell that is no number")
