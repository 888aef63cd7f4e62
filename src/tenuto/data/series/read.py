"""Panels from files: CSV, TSV and Parquet tables with a row for each series and stamp, also compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tenuto.data.compressed import suffix_of
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.parquet import Parquet
from tenuto.data.parts import find_parts
from tenuto.data.rows import read_table
from tenuto.data.series.frequency import pandas
from tenuto.data.series.panel import Panel
from tenuto.data.series.table import USUAL_NAMES, Names
from tenuto.data.source import Source
from tenuto.errors import DataError

FORMATS = (".csv", ".tsv", ".txt", ".parquet")


def read_panel(path: str | Path, *, names: Names = USUAL_NAMES, freq: Any = None, fill: str | None = None, form: Form = USUAL_FORM) -> Panel:
    """The series of a file; of a folder, those of its training file.

    Args:
        names, freq, fill: as in `Panel.from_frame`. form: how the file is written.
    Raises:
        DataError: unreadable, in no known format; and as `Panel.from_frame`.
    """
    columns, source = read_frame(path, form)
    try:
        return Panel.from_frame(columns, freq=freq, fill=fill, names=names, source=source)
    except DataError as error:
        raise error.within(str(source.path)) from error.__cause__


def read_frame(path: str | Path, form: Form = USUAL_FORM) -> tuple[dict[str, Any], Source]:
    """All columns of a file, and where they come from.

    Raises:
        DataError: unreadable, or in no known format.
    """
    path = Path(path)
    path = find_parts(path, FORMATS)["train"] if path.is_dir() else path
    if suffix_of(path) not in FORMATS:
        raise DataError(f"{path} is in a format that holds no table of series.", expected=" | ".join(FORMATS) + ", also compressed (.gz)", received=suffix_of(path) or "no suffix")
    table = read_table(path, form)
    columns = dict(table.columns)
    if suffix_of(path) == ".parquet":
        with Parquet(path) as file:
            zones = file.zones
        for name, zone in zones.items():
            columns[name] = pandas().DatetimeIndex(columns[name]).tz_localize("UTC").tz_convert(zone)
    elif form.decimal != ".":
        columns = {name: [cell.replace(form.decimal, ".") for cell in cells] for name, cells in columns.items()}
    return columns, table.source
