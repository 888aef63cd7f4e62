"""What the commands do for a forecaster: series read, forecasts as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.parts import Parts
from tenuto.data.series.panel import Panel
from tenuto.data.series.read import read_frame, read_panel
from tenuto.data.series.table import Names
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks.answers import layers_said
from tenuto.tasks.columns import formed
from tenuto.tasks.forecast.evaluation import best_line
from tenuto.tasks.task import ClassTable
from tenuto.tongues import argument

MIDNIGHT = " 00:00:00"  # not written where every stamp has it


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Panel]:
    """The training panel. The test panel is the end of each series, or a file of later values; so is the validation panel."""
    whole = read(data, None, choices)
    kept = int(choices["test_steps"])
    if kept and test is not None:
        raise ArgumentError(f"{argument('test_steps', kept)} and {argument('test', str(test))} exclude each other.", expected="one of them")
    later = {name: _later(whole, read(path, None, choices)) for name, path in (("validation", validation), ("test", test)) if path is not None}
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
    return read_panel(data, names=names, fill=choices["fill"] or None, form=formed(choices)["form"])


def predict(model: Any, data: Panel, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each series and step ahead."""
    asked = {name: tuple(_numbers(choice, choices[choice])) or None for name, choice in (("level", "intervals"), ("quantiles", "answer_quantiles"))}
    future = read_frame(choices["future"])[0] if choices["future"] else None
    rows = model.predict(data, h=choices["steps"] or None, future=future, **asked).to_dict("records")
    stamp = model.names_.time
    clock = "" if any(not str(row[stamp]).endswith(MIDNIGHT) for row in rows) else MIDNIGHT
    return [{name: str(cell).removesuffix(clock) if name == stamp else _plain(cell) for name, cell in row.items()} for row in rows]


def described(model: Any) -> str:
    """The network in a few words."""
    options, frequency = getattr(model, "options_", model.get_params()), getattr(model, "frequency_", None)  # before a fit only what was given is known
    steps = f"{options['h']} steps" if frequency is None else f"{options['h']} steps of {frequency.name}"
    season = "" if options["season"] is None else f", season {options['season']}"
    return f"{layers_said(model)}, {steps} ahead{season}, base {options['base']}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """The error, beside that of the best simple line."""
    line = best_line(dict(result))
    error = "no" if result["mase"] is None else f"{result['mase']:.3f}"
    beside = "" if line is None else f" ({line['name']} {line['mase']:.3f})"
    return f"MASE {error}{beside}, season {result['season']}, of {result['forecasts']} forecasts of {result['series']} series"


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Every error beside those of the lines, and how often intervals hold."""
    rows = [("model", "MASE", "MASE, season 1", "MAE", "RMSE", "sMAPE", "WQL")]
    for one in ({"name": "Forecaster", **result}, *result["lines"]):
        root = None if one["mse"] is None else one["mse"] ** 0.5
        numbers = (one["mase"], one["mase_steps"], one["mae"], root, one["smape"], one["wql"])
        rows.append((one["name"], *("-" if number is None else f"{number:.4g}" for number in numbers)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))) for row in rows]
    held = [f"interval of {one['level']:g} % holds {100 * one['coverage']:.1f} % of {result['values']} values" for one in result["coverage"] if one["coverage"] is not None]
    return [said(result), *table, *held]


def _later(whole: Panel, later: Panel) -> Panel:
    """Later values after the history that they follow, of which only they are to be forecast; a panel with a history of its own stays as it is."""
    known = {identity: place for place, identity in enumerate(whole.ids)}
    follows = [row for row, identity in enumerate(later.ids) if identity in known and later.stamps(row)[0] > whole.stamps(known[identity])[-1]]
    if len(follows) < len(later):
        return later
    places = [known[identity] for identity in later.ids]
    joined = whole.select(places).joined(later)
    return joined.asking_from(whole.lengths[places], origin=later.origin)


def _plain(cell: Any) -> Any:
    """A cell as it is written: a number with the digits that float32 has."""
    return float(f"{cell:.7g}") if isinstance(cell, float) else cell


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ArgumentError(f"{argument(name, text)} is not a list of numbers.", expected="numbers with commas between", received=text) from None
