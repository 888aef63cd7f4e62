"""Large CSV and TSV tables through pyarrow, where it is installed: several times sooner and in a third of the memory of Python's own reader.

It gives what Python's reader gives, or nothing: a quote that is not that of a whole cell, a cell that is no finite number where one is expected, a row of another
length, another encoding than UTF-8, and whatever else pyarrow might see in another way, is left to Python's reader, which also has the words for what is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.data.form import Form

LEAST = 1 << 20  # bytes; of a smaller table, importing pyarrow takes longer than reading it
# Words for a missing value, each as `frame.is_missing` takes it; written in another way, a word sends the table to Python's reader.
_MISSING = ["", "?", *(form(word) for word in ("na", "n/a", "nan", "nat", "<na>", "null", "none") for form in (str.lower, str.upper, str.title)), "NaN", "NaT"]
_DIGITS = 15  # of a number that float64 keeps as it is written

Roles = Callable[[Sequence[str]], "Mapping[str, bool] | None"]


class Texts:
    """A column of texts, as pyarrow keeps them."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, rows: slice) -> Texts:
        return Texts(self._column[rows])

    def to_pylist(self) -> list[str]:
        """The texts as Python's own."""
        return self._column.to_pylist()  # type: ignore[no-any-return]

    def coded(self) -> tuple[list[str], np.ndarray]:
        """The different texts, in the order in which they first occur, and for each row [rows] the number of its text."""
        made = self._column.combine_chunks().dictionary_encode()
        return made.dictionary.to_pylist(), made.indices.to_numpy()

    def numbers(self) -> np.ndarray | None:
        """The texts as float64 [rows], where each is a finite number of so few characters that nothing of it is lost; else None."""
        import pyarrow
        from pyarrow import compute

        if (compute.max(compute.binary_length(self._column)).as_py() or 0) > _DIGITS:
            return None
        try:
            found = self._column.cast(pyarrow.float64()).to_numpy()
        except pyarrow.ArrowInvalid:
            return None
        return found if np.isfinite(found).all() else None


def read_columns(content: bytes, form: Form, separator: str, *, quotes: bool, roles: Roles) -> dict[str, Any] | None:
    """Columns of a table: numbers [rows] as float64, NaN where there is no value, and `Texts`; None where Python's reader must read it.

    Args:
        content: of the file. separator: what stands between its cells. quotes: whether a quote has its meaning of CSV.
        roles: a function of the names of the columns: which columns to read, and whether each is text; or None where Python's reader is to read the table.
    """
    if len(content) < LEAST or form.codec not in ("utf-8", "utf-8-sig") or separator == " " or len(separator.encode()) > 1 or b"\0" in content:
        return None
    quoted = quotes and b'"' in content
    if quoted and b'"' in _quoted_cells(separator).sub(b"", content):
        return None
    header = _header(content)
    try:
        line = content[slice(*header)].decode("utf-8-sig")
        first = next(csv.reader([line], delimiter=separator, strict=True)) if quoted else line.split(separator)
    except (UnicodeDecodeError, csv.Error):  # a name of several lines, for one
        return None
    names = [str(number) for number in range(len(first))] if form.header == "no" else [name.strip() for name in first]
    wanted = roles(names) if len(set(names)) == len(names) else None
    if not wanted:
        return None
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    begin = (3 if content.startswith(b"\xef\xbb\xbf") else 0) if form.header == "no" else header[1]
    body = pyarrow.BufferReader(pyarrow.py_buffer(memoryview(content)[begin:]))
    try:
        table = arrow_csv.read_csv(
            body,
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=1 << 24, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, quote_char='"' if quoted else False, escape_char=False, newlines_in_values=quoted, ignore_empty_lines=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pyarrow.large_string() if text else pyarrow.float64() for name, text in wanted.items()},
                include_columns=list(wanted),
                null_values=_MISSING,
                strings_can_be_null=False,
                decimal_point=form.decimal,
            ),
        )
    except (pyarrow.ArrowException, ValueError):
        return None
    found: dict[str, Any] = {}
    for name, text in wanted.items():
        column = table.column(name)
        found[name] = Texts(column) if text else column.to_numpy()
        if not text and np.isfinite(found[name]).sum() != len(column) - column.null_count:
            return None
    return found


def _quoted_cells(separator: str) -> re.Pattern[bytes]:
    """Whole cells in quotes, the one after the other; a quote that is left is none of theirs."""
    mark = re.escape(separator.encode())
    return re.compile(rb'(?:(?<=[' + mark + rb'\r\n])|(?<=\xef\xbb\xbf)|\A)"[^"]*(?:""[^"]*)*"(?=[' + mark + rb'\r\n]|\Z)')


def _header(content: bytes) -> tuple[int, int]:
    """Where the first line that is not empty begins and ends."""
    begin = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    while content[begin : begin + 1] in (b"\n", b"\r"):
        begin += 1
    ends = [end for mark in (b"\n", b"\r") if (end := content.find(mark, begin)) >= 0]
    return begin, min(ends, default=len(content))
