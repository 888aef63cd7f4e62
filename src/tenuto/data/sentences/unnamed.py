"""Tables of labelled texts without a header: whether the first line names the columns, and which of two columns holds the labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tenuto.data.delimited import cells_of_lines
from tenuto.data.form import Form
from tenuto.errors import DataError
from tenuto.tongues import argument

_LOOKED_AT = 100_000  # rows


def columns_told(path: Path, content: str, text_column: str, label_column: str, form: Form) -> tuple[str, str, Form]:
    """The names of the columns with the texts and the labels, and the form of the file with what its content says of a header.

    Args:
        path: a .csv or .tsv file; content: its text.
        text_column, label_column: names; or numbers, counted from 0, where there is no header, or from the end with negative ones.
    Raises:
        DataError: nothing says whether the first line names the columns, or which column is which; the message asks.
    """
    if form.header == "yes":
        return text_column, label_column, form
    lines = cells_of_lines(path, content, form)
    first = [cell.strip() for cell in next(lines, (0, []))[1]]
    if form.header == "auto" and (not first or text_column in first):
        return text_column, label_column, form
    rows = [first, *(cells for _, cells in islice(lines, _LOOKED_AT))] if first else []
    count = len(first)
    given = _position(text_column, count), _position(label_column, count)
    label = 1 - given[0] if given[0] is not None and count == 2 else given[1]
    if given[0] is None and label is None and count == 2 and all(len(cells) == 2 for cells in rows):
        label = _label_of_two(rows)
    if form.header == "auto":
        # A label occurs again, and the name of a column does not.
        if label is None or all(cells[label].strip() != first[label] for cells in rows[1:] if len(cells) == count):
            return text_column, label_column, form  # the reader says that there is no such column
    text = given[0] if given[0] is not None else 1 - label if label is not None and count == 2 else 0 if count == 1 else None
    if text is None:
        raise DataError(
            f"{path} has no header, and nothing says which column holds the texts.",
            expected="the columns by their numbers",
            received="; ".join(f"column {number}: {cell[:30]!r}" for number, cell in enumerate(first[:6])) or "an empty file",
            fix=f"say which they are: {argument('text_column', '0')} and {argument('label_column', '1')}",
        )
    return str(text), label_column if label is None else str(label), replace(form, header="no")


def _position(name: str, count: int) -> int | None:
    """The column that a number names; None for another name, or where there is no such column."""
    if not re.fullmatch(r"-?\d{1,6}", name, re.ASCII) or not -count <= int(name) < count:
        return None
    return int(name) % count


def _label_of_two(rows: Sequence[Sequence[str]]) -> int | None:
    """Which of two columns holds the labels, which are few where the texts are many, or single words where the texts are not; None where neither tells."""
    columns = [[row[place].strip() for row in rows] for place in range(2)]
    words = [all(len(cell.split()) <= 1 for cell in column) for column in columns]
    kinds = [len(set(column)) for column in columns]
    few = [2 * kinds[place] <= kinds[1 - place] and kinds[place] < len(rows) for place in range(2)]
    if any(few):
        return few.index(True)
    return words.index(True) if words[0] != words[1] else None
