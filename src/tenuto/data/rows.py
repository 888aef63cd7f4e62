"""Tables from files: JSON, CSV, TSV and Parquet, row by row or column by column. Each format is read in one place: `json_rows.py`, `delimited.py`, `parquet.py`.

Text is UTF-8, with or without a byte order mark, or as a `Form` says, which also says how a file's columns are separated and whether it has a header.
A column that is used and occurs twice is an error; every message names the line. Any of the files may be compressed (`.gz`).
"""

from __future__ import annotations

import array
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenuto.choices import did_you_mean
from tenuto.data.arrow import Roles, read_columns
from tenuto.data.compressed import suffix_of
from tenuto.data.decode import decoded, read_bytes, read_decoded, read_source
from tenuto.data.delimited import cells_of_lines, read_header
from tenuto.data.form import USUAL_FORM, Form, form_with
from tenuto.data.json_rows import NOT_THERE, Row, cell_at, json_rows
from tenuto.data.parquet import Parquet
from tenuto.data.source import Source
from tenuto.errors import DataError

ROW_FORMATS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


class Table(NamedTuple):
    """A table by columns.

    Attributes:
        columns: column name to `[rows]`: a list of texts, `Texts` of pyarrow, or an array.
        lines: [rows] int64, the line of each row; None where the file has no lines, or where they were not counted.
        source: the file.
        form: how it is written, with what its content says.
        quick: whether pyarrow has read its text. Then an error about it cannot name a line: read it again without `roles`.
    """

    columns: dict[str, Any]
    lines: np.ndarray | None
    source: Source
    form: Form = USUAL_FORM
    quick: bool = False


def read_rows(
    path: Path,
    needed: Sequence[str],
    wanted: Sequence[str] = (),
    *,
    form: Form = USUAL_FORM,
    fix: str | None = None,
    read: tuple[str, Source] | None = None,
) -> tuple[Iterator[Row], Source]:
    """The rows of a file in one of ROW_FORMATS, and the file as a source.

    Args:
        needed: columns that every row must have. wanted: columns to take where a row has them. All others are left out. In JSON and Parquet a name with
            dots reaches into nested objects.
        form: how the file is written.
        fix: what the message advises when a needed column is not there.
        read: the text and the source, where they have been read already.
    Raises:
        DataError: the file is unreadable, not in its format, or lacks a needed column. What is wrong with a row is raised when the iterator reaches it.
    """
    columns = (*needed, *wanted)
    suffix = suffix_of(path)
    if suffix == ".parquet":
        return _parquet_rows(path, needed, columns, fix)
    text, source = read or read_decoded(path, form)
    if suffix in (".jsonl", ".json"):
        return json_rows(path, text, needed, columns, fix, lines=suffix == ".jsonl"), source
    names, rows = read_header(path, cells_of_lines(path, text, form), form)
    check_names(path, names, needed, columns, fix)
    places = [(name, names.index(name)) for name in columns if name in names]
    return (Row(f"line {line}", {name: cells[place] for name, place in places}) for line, cells in rows), source


def read_table(path: Path, form: Form = USUAL_FORM, *, tell: Callable[[Path, str, Form], Form] | None = None, roles: Roles | None = None) -> Table:
    """All columns of a .csv, .tsv or .parquet file, or of another text with columns.

    Args:
        form: how the file is written. tell: a function of the path, the text and this form, which says what the content tells.
        roles: for a large table, as in `arrow.read_columns`: only these columns are read, by pyarrow where that can be.
    Raises:
        DataError: the file is unreadable or not in its format, a row has more or fewer cells than the header, or two columns have one name.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        source = read_source(path)
        with Parquet(path) as file:
            check_names(path, file.names, (), file.names)
            return Table(file.arrays(), None, source, form)
    content, source = read_bytes(path)
    if roles is not None:
        quick = read_columns(content, form, form.between(suffix), quotes=suffix == ".csv", roles=roles)
        if quick is not None:
            return Table(quick, None, source, form, True)
    text = decoded(content, str(path), form)
    form = form if tell is None else tell(path, text, form)
    names, rows = read_header(path, cells_of_lines(path, text, form), form)
    check_names(path, names, (), names)
    cells: list[list[str]] = [[] for _ in names]
    lines = array.array("q")
    for line, row in rows:
        lines.append(line)
        for column, cell in zip(cells, row):
            column.append(cell)
    return Table(dict(zip(names, cells)), np.array(lines, dtype=np.int64), source, form)


def check_names(path: Path, names: Sequence[str], needed: Sequence[str], used: Collection[str], fix: str | None = None) -> None:
    """Raise DataError unless each needed column is there, and no used one twice."""
    for name in needed:
        if name not in names:
            advice = did_you_mean(name, names, _or_separated(names, fix))
            raise DataError(f"{path}: there is no column {name!r}.", expected=", ".join(needed), received=", ".join(names) or "an empty file", fix=advice)
    twice = sorted({name for name in names if name in used and names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: two columns are named {twice[0]!r}.", received=", ".join(names), fix="rename or drop one of them")


def _or_separated(names: Sequence[str], fix: str | None) -> str | None:
    """The advice, and that a header of a single name which has other separators in it may be cut elsewhere."""
    mark = next((mark for mark in (";", "\t", "|", ",") if len(names) == 1 and mark in names[0]), None)
    if mark is None:
        return fix
    return f"say what separates the columns: {form_with('separator', 'tab' if mark == chr(9) else mark)}" + (f"; or {fix}" if fix else "")


def _parquet_rows(path: Path, needed: Sequence[str], used: Sequence[str], fix: str | None) -> tuple[Iterator[Row], Source]:
    source = read_source(path)
    with Parquet(path) as file:
        names = file.names
        top = {name: name if name in names or name.partition(".")[0] not in names else name.partition(".")[0] for name in used}
        check_names(path, names, [top[name] for name in needed], list(top.values()), fix)

    def rows() -> Iterator[Row]:
        with Parquet(path) as file:
            for number, row in enumerate(file.rows(list(dict.fromkeys(name for name in top.values() if name in names))), start=1):
                cells = {name: value for name in used if (value := cell_at(row, name)) is not NOT_THERE}
                missing = [name for name in needed if name not in cells]
                if missing:
                    raise DataError(f"{path}, row {number}: there is no {missing[0]!r}.", expected=", ".join(needed), received=repr(row)[:60], fix=fix)
                yield Row(f"row {number}", cells)

    return rows(), source
