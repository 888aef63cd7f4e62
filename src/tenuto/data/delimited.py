"""Tables as text, CSV and TSV and what is like them: a line's cells stand between separators, and the first line may name the columns.

    .csv       text,label                              a cell with separators, quotes or line ends stands in double quotes, and a quote inside it is
               "a ""fine"" film, really",good          written twice
    others     text<TAB>label                          quotes have no special meaning

Another separator, and whether there is a header, can be said (`Form`); a space stands for any run of spaces. Lines end in LF, CRLF or CR; empty lines are
skipped. A cell may have any length. A row with more or fewer cells than the first is an error that names its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from tenuto.data.compressed import suffix_of
from tenuto.data.decode import lines_of
from tenuto.data.form import Form
from tenuto.errors import DataError

# The csv module refuses cells of more than 128 KiB, and its only switch is for the whole process. This is the largest C long on every platform.
_LONGEST_CELL = 2**31 - 1

Cells = Iterator[tuple[int, list[str]]]


def cells_of_lines(path: Path, text: str, form: Form) -> Cells:
    """(line where it begins, cells) of each row that is not empty, the header among them.

    Raises:
        DataError: a quote that does not close at the end of its cell.
    """
    suffix = suffix_of(path)
    separator = form.between(suffix)
    rows = _quoted(path, text, separator) if suffix == ".csv" else _plain(text, separator)
    return ((line, cells) for line, cells in rows if cells)


def read_header(path: Path, rows: Cells, form: Form) -> tuple[list[str], Cells]:
    """The names of the columns, and the rows after the header; without a header the names are "0", "1", ...

    Args:
        form: `header="auto"` is read as "yes": a reader that can do without one looks first.
    Raises:
        DataError: when the iterator reaches a row with more or fewer cells than there are names.
    """
    line, first = next(rows, (0, []))
    if form.header == "no":
        return [str(number) for number in range(len(first))], _checked(path, line, first, rows, form, headed=False)
    return [name.strip() for name in first], _checked(path, 0, first, rows, form, headed=True)


def _checked(path: Path, line: int, first: list[str], rows: Cells, form: Form, *, headed: bool) -> Cells:
    if not headed and first:
        yield line, first
    quotes, separator = suffix_of(path) == ".csv", form.between(suffix_of(path))
    for line, cells in rows:
        if len(cells) != len(first):
            what = "tabs" if separator == "\t" else "commas" if separator == "," else f"{separator!r}"
            raise DataError(
                f"{path}, line {line}: it has {len(cells)} cells, the {'header' if headed else 'first line'} has {len(first)}.",
                expected=", ".join(name.strip() for name in first[:12]),
                received=repr(separator.join(cells)[:60]),
                fix="mend the line; "
                + (f"a cell with {what} or line ends stands in double quotes" if quotes else f"a cell with {what} or line ends needs a .csv or .jsonl file"),
            )
        yield line, cells


def _plain(text: str, separator: str) -> Cells:
    cut = None if separator == " " else separator
    return ((number, line.split(cut) if line else []) for number, line in enumerate(lines_of(text), start=1))


def _quoted(path: Path, text: str, separator: str) -> Cells:
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begin = 1
    try:
        for cells in rows:
            yield begin, cells
            begin = rows.line_num + 1
    except csv.Error as error:
        opened = _open_quote(text, begin, separator)
        if opened is None:
            raise DataError(f"{path}, line {begin}: {error}.", expected="a CSV table with a header") from error
        line, after = opened
        raise DataError(
            f"{path}, line {line}: the quote that opens here does not close at the end of its cell.",
            expected='a cell in double quotes, "like this", with each quote inside it written twice',
            received=repr(after[:60]),
            fix="close the quote, or write it twice; in a .tsv file quotes have no special meaning",
        ) from error


def _open_quote(text: str, begin: int, separator: str) -> tuple[int, str] | None:
    """In the row that begins on line `begin`: the line of the first quoted cell that does not end as such a cell must, and the text from there."""
    cell_end = re.compile(rf"[{re.escape(separator)}\r\n]|\Z")
    row = place = sum(len(line) for line in io.StringIO(text, newline="").readlines()[: begin - 1])
    while place < len(text):
        end = _after_quotes(text, place) if text[place] == '"' else cell_end.search(text, place).start()  # type: ignore[union-attr]
        if end is None or text[end : end + 1] not in ("", separator, "\r", "\n"):
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
