"""Tables from files: JSON lines, CSV, TSV and Parquet, row by row or column by column. Each format is read here and nowhere else.

    .jsonl     {"text": "a fine film", "label": "good"}     one object per line; keys that are not asked for are ignored
    .csv       text,label                                   a header, then one row per line; a cell with commas, quotes or line ends stands in double
               "a ""fine"" film, really",good               quotes, and a quote inside it is written twice
    .tsv       text<TAB>label                               a header, then one row per line; quotes have no special meaning
    .parquet                                                needs pyarrow (`pip install 'tenuto[data]'`)

Text is UTF-8, with or without a byte order mark. Lines end in LF, CRLF or CR; empty lines are skipped. A cell may have any length.
A row with more or fewer cells than the header is an error, and so is a column that is used and occurs twice; every message names the line.
"""

from __future__ import annotations

import array
import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenuto.choices import did_you_mean
from tenuto.data.decode import lines_of, read_source, read_utf8
from tenuto.data.source import Source
from tenuto.errors import DataError, TenutoError

ROW_FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
# The csv module refuses cells of more than 128 KiB, and its only switch is for the whole process. This is the largest C long on every platform.
_LONGEST_CELL = 2**31 - 1
_CELL_END = re.compile(r"[,\r\n]|\Z")


class Row(NamedTuple):
    """A row, and what an error calls its place: "line 3", or "row 3" in a file that has no lines."""

    place: str
    cells: dict[str, Any]


class Table(NamedTuple):
    """A table by columns.

    Attributes:
        columns: column name to `[rows]`: a list of texts, or an array from Parquet.
        lines: [rows] int64, the line of each row; None where the file has no lines.
        source: the file.
    """

    columns: dict[str, Any]
    lines: np.ndarray | None
    source: Source


def read_rows(path: Path, needed: Sequence[str], wanted: Sequence[str] = (), *, fix: str | None = None) -> tuple[Iterator[Row], Source]:
    """The rows of a file in one of ROW_FORMATS, and the file as a source.

    Args:
        needed: columns that every row must have. wanted: columns to take where a row has them. All others are left out.
        fix: what the message advises when a needed column is not there.
    Raises:
        DataError: the file is unreadable, not in its format, or lacks a needed column. What is wrong with a row is raised when the iterator reaches it.
    """
    columns = (*needed, *wanted)
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(path, needed, columns, fix)
    text, source = read_utf8(path)
    if path.suffix.lower() == ".jsonl":
        return _json_rows(path, text, needed, columns, fix), source
    names, rows = _table_rows(path, text)
    _check_names(path, names, needed, columns, fix)
    places = [(name, names.index(name)) for name in columns if name in names]
    return (Row(f"line {line}", {name: cells[place] for name, place in places}) for line, cells in rows), source


def read_table(path: Path) -> Table:
    """All columns of a .csv, .tsv or .parquet file.

    Raises:
        DataError: the file is unreadable or not in its format, a row has more or fewer cells than the header, or two columns have one name.
    """
    if path.suffix.lower() == ".parquet":
        source = read_source(path)
        with _Parquet(path) as file:
            _check_names(path, file.names, (), file.names)
            return Table(file.arrays(), None, source)
    text, source = read_utf8(path)
    names, rows = _table_rows(path, text)
    _check_names(path, names, (), names)
    cells: list[list[str]] = [[] for _ in names]
    lines = array.array("q")
    for line, row in rows:
        lines.append(line)
        for column, cell in zip(cells, row):
            column.append(cell)
    return Table(dict(zip(names, cells)), np.array(lines, dtype=np.int64), source)


def _check_names(path: Path, names: Sequence[str], needed: Sequence[str], used: Collection[str], fix: str | None = None) -> None:
    for name in needed:
        if name not in names:
            raise DataError(f"{path}: there is no column {name!r}.", expected=", ".join(needed), received=", ".join(names) or "an empty file", fix=did_you_mean(name, names, fix))
    twice = sorted({name for name in names if name in used and names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: two columns are named {twice[0]!r}.", received=", ".join(names), fix="rename or drop one of them")


def _json_rows(path: Path, text: str, needed: Sequence[str], used: Collection[str], fix: str | None) -> Iterator[Row]:
    written = [json.dumps(name, ensure_ascii=False) for name in used]
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if any(line.count(name) > 1 for name in written):  # perhaps a key twice; with the parser's hook every line would take three times as long
                json.loads(line, object_pairs_hook=partial(_refuse_twice, used))
            if "\\u" in line:
                json.dumps([row[name] for name in used if name in row] if isinstance(row, dict) else None, ensure_ascii=False).encode("utf-8")  # half a character
        except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError too
            reason = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else str(error)
            if isinstance(error, UnicodeEncodeError):
                reason = "it has half a character (a lone surrogate)"
            raise DataError(f"{path}, line {number} is not JSON: {reason}.", expected=_object(used), received=repr(line[:60])) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is not a JSON object.", expected=_object(used), received=repr(line[:60]))
        missing = [name for name in needed if name not in row]
        if missing:
            raise DataError(f"{path}, line {number}: there is no {missing[0]!r}.", expected=_object(used), received=repr(line[:60]), fix=did_you_mean(missing[0], row, fix))
        yield Row(f"line {number}", {name: row[name] for name in used if name in row})


def _refuse_twice(used: Collection[str], pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if key in used and keys.count(key) > 1]
    if twice:
        raise ValueError(f"two keys are named {twice[0]!r}")


def _object(names: Collection[str]) -> str:
    return "one JSON object per line: {" + ", ".join(f'"{name}": ...' for name in names) + "}"


def _table_rows(path: Path, text: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names in the header, and (line, cells) of each row after it."""
    tabs = path.suffix.lower() == ".tsv"
    rows = ((line, cells) for line, cells in (_tab_cells(text) if tabs else _comma_cells(path, text)) if cells)
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]

    def checked() -> Iterator[tuple[int, list[str]]]:
        for line, cells in rows:
            if len(cells) != len(names):
                raise DataError(
                    f"{path}, line {line}: it has {len(cells)} cells, the header has {len(names)}.",
                    expected=", ".join(names),
                    received=repr(("\t" if tabs else ",").join(cells)[:60]),
                    fix="mend the line; "
                    + ("a cell with tabs or line ends needs a .csv or .jsonl file" if tabs else "a cell with commas or line ends stands in double quotes"),
                )
            yield line, cells

    return names, checked()


def _tab_cells(text: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t") if line else []) for number, line in enumerate(lines_of(text), start=1))


def _comma_cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of each row."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for cells in rows:
            yield begin, cells
            begin = rows.line_num + 1
    except csv.Error as error:
        opened = _open_quote(text, begin)
        if opened is None:
            raise DataError(f"{path}, line {begin}: {error}.", expected="a CSV table with a header") from error
        line, after = opened
        raise DataError(
            f"{path}, line {line}: the quote that opens here does not close at the end of its cell.",
            expected='a cell in double quotes, "like this", with each quote inside it written twice',
            received=repr(after[:60]),
            fix="close the quote, or write it twice; in a .tsv file quotes have no special meaning",
        ) from error


def _open_quote(text: str, begin: int) -> tuple[int, str] | None:
    """In the row that begins on line `begin`: the line of the first quoted cell that does not end as such a cell must, and the text from there."""
    row = place = sum(len(line) for line in io.StringIO(text, newline="").readlines()[: begin - 1])
    while place < len(text):
        end = _after_quotes(text, place) if text[place] == '"' else _CELL_END.search(text, place).start()  # type: ignore[union-attr]
        if end is None or text[end : end + 1] not in ("", ",", "\r", "\n"):
            return begin + len(lines_of(text[row:place] + '"')) - 1, text[place : place + 60]
        place = end + 1
    return None


def _after_quotes(text: str, place: int) -> int | None:
    """Where the quoted cell that begins at `place` has ended; None where it does not end."""
    while (place := text.find('"', place + 1)) >= 0:
        if text[place + 1 : place + 2] != '"':
            return place + 1
        place += 1
    return None


class _Parquet:
    """An open Parquet file; an error of pyarrow's while it is read becomes a DataError."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise DataError(f"{path} needs pyarrow, which is not installed.", fix="pip install 'tenuto[data]'") from error
        # Text that is no UTF-8 and numbers out of range are errors of Python's; a file that claims more than there is, one of memory.
        self._path, self._errors = path, (OSError, pyarrow.ArrowException, ValueError, OverflowError, MemoryError, KeyError, TypeError, AttributeError)
        self._open = pyarrow.parquet.ParquetFile

    def __enter__(self) -> _Parquet:
        try:
            self._file = self._open(self._path)
        except self._errors as error:
            raise self._unreadable(error) from error
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._file.close()
        if isinstance(error, self._errors) and not isinstance(error, TenutoError):
            raise self._unreadable(error) from error

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return list(self._file.schema_arrow.names)

    def arrays(self) -> dict[str, np.ndarray]:
        """Each column as an array."""
        table = self._file.read()
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Each row, with these columns."""
        for batch in self._file.iter_batches(columns=list(columns)):
            yield from batch.to_pylist()

    def _unreadable(self, error: BaseException) -> DataError:
        reason = "it does not fit into memory" if isinstance(error, MemoryError) else " ".join(str(error).split())[:100] or type(error).__name__
        return DataError(f"{self._path} cannot be read as Parquet: {reason}.", expected="a whole Parquet file", fix="copy it again")


def _parquet_rows(path: Path, needed: Sequence[str], used: Sequence[str], fix: str | None) -> tuple[Iterator[Row], Source]:
    source = read_source(path)
    with _Parquet(path) as file:
        _check_names(path, file.names, needed, used, fix)

    def rows() -> Iterator[Row]:
        with _Parquet(path) as file:
            for number, cells in enumerate(file.rows([name for name in file.names if name in used]), start=1):
                yield Row(f"row {number}", cells)

    return rows(), source
