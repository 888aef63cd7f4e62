"""What the commands of tasks over series share: panels read and divided, frames as rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.parts import Parts
from tenuto.data.series.later import only_later
from tenuto.data.series.panel import Panel
from tenuto.data.series.read import read_panel
from tenuto.data.series.table import Names
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks.columns import formed
from tenuto.tasks.series_columns import FREQUENCY
from tenuto.tongues import argument

MIDNIGHT = " 00:00:00"  # not written where every stamp has it


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Panel]:
    """The training panel. The test panel is the end of each series, or a file of later values; so is the validation panel."""
    whole = read(data, None, choices)
    kept = int(choices["test_steps"])
    if kept and test is not None:
        raise ArgumentError(f"{argument('test_steps', kept)} and {argument('test', str(test))} exclude each other.", expected="one of them")
    later = {name: _later(whole, read(path, None, choices), name) for name, path in (("validation", validation), ("test", test)) if path is not None}
    if kept:
        if (whole.lengths <= kept + 1).all():
            raise DataError(f"no series has more than {kept + 1} values.", expected="values to learn from, before those of the test", fix=f"a smaller {argument('test_steps')}")
        ends = np.where(whole.lengths > kept + 1, whole.lengths - kept, whole.lengths)
        said = f"the last {kept} values of each series"
        later["test"] = whole.asking_from(ends, origin=said).select(np.flatnonzero(ends < whole.lengths), origin=said)
        whole = whole.cut(ends, origin=f"{whole.origin}, without {said}")
    return Parts(whole, later.get("validation"), later.get("test"))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Panel:
    """The series of a file."""
    names = Names(choices["series_column"], choices["stamp_column"], choices["y_column"])
    freq = None if choices["frequency"] == FREQUENCY.default else choices["frequency"]
    return read_panel(data, names=names, freq=freq, fill=choices["fill"] or None, form=formed(choices)["form"])


def rows_of(frame: Any, stamp: str) -> list[dict[str, Any]]:
    """A frame as one dictionary for each row; dates without the clock, where all are midnight.

    Args:
        stamp: the column of stamps.
    """
    rows = frame.to_dict("records")
    clock = "" if any(not str(row[stamp]).endswith(MIDNIGHT) for row in rows) else MIDNIGHT
    return [{name: str(cell).removesuffix(clock) if name == stamp else _plain(cell) for name, cell in row.items()} for row in rows]


def _later(whole: Panel, later: Panel, part: str) -> Panel:
    """Later values after the history that they follow, of which only they are to be forecast; of a panel with a history of its own what training does not have."""
    known = {identity: place for place, identity in enumerate(whole.ids)}
    follows = [row for row, identity in enumerate(later.ids) if identity in known and later.stamps(row)[0] > whole.stamps(known[identity])[-1]]
    if len(follows) < len(later):
        return only_later(whole, later, part)
    places = [known[identity] for identity in later.ids]
    joined = whole.select(places).joined(later)
    return joined.asking_from(whole.lengths[places], origin=later.origin)


def _plain(cell: Any) -> Any:
    """A cell as it is written: a number with the digits that float32 has."""
    return float(f"{cell:.7g}") if isinstance(cell, float) else cell
