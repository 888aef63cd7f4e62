"""The score of each step: how unlikely its value was, before it was seen. At once, and live, one step at a time, with the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.series.features import Reader
from tenuto.data.series.frequency import Frequency
from tenuto.data.series.panel import Panel
from tenuto.data.series.table import Names, stamps_of
from tenuto.data.series.windows import forecast_from
from tenuto.errors import DataError
from tenuto.networks.densities import Density
from tenuto.networks.series import SeriesNetwork, encoded
from tenuto.scalars import number
from tenuto.tasks.series_memory import Memory
from tenuto.tongues import argument


class Scores(NamedTuple):
    """Of one series, each [T] float64; NaN where a value is missing, and at the first step, before which nothing is known.

    Attributes:
        score: higher is stranger. expected: the mean that was forecast. nats: minus the logarithm of the density.
    """

    score: np.ndarray
    expected: np.ndarray
    nats: np.ndarray


class Scored(NamedTuple):
    """One step of a stream. `score` and `expected` are NaN where there is none; `anomaly`: whether the score is above the threshold."""

    score: float
    anomaly: bool
    expected: float


class Scorer(NamedTuple):
    """What scores. Each step is computed by itself, in the same shapes, so that its bits do not depend on how many are scored at once."""

    reader: Reader
    network: SeriesNetwork
    density: Density
    scored_by: str

    def panel(self, panel: Panel) -> list[Scores]:
        """The scores of each series."""
        found: list[Scores] = [None] * len(panel)  # type: ignore[list-item]
        for rows, read, _ in self.reader.blocks(panel, 1):
            output = encoded(self.network, torch.from_numpy(read.x), torch.from_numpy(read.lengths)).output
            for column, row in enumerate(rows.tolist()):
                length = int(read.lengths[column])
                base, scale = forecast_from(self.reader, read, np.arange(length), column, 1)
                known, values = torch.from_numpy(read.ahead[column]), panel.values[row]
                steps = np.full((length, 3), np.nan)
                for step in range(1, length):
                    steps[step] = self.step(output[step - 1, column], known[step : step + 1], base[step - 1, 0], scale[step - 1], values[step])
                found[row] = Scores(*steps.T)
        return found

    def step(self, output: Tensor, ahead: Tensor, base: float, scale: float, value: float) -> tuple[float, float, float]:
        """Score, mean and nats of one value, from the encoder's output [W] at the step before it, and what is known of its own step [1, P]."""
        with torch.no_grad():
            near = torch.zeros(1, 1)  # the base of one step lies at its own beginning
            raw = self.network.head(output, torch.cat([ahead, near], -1))[0]
            parameters = self.density.of(raw, torch.tensor(base, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64))
            mean = float(self.density.mean(parameters.numpy()))
            if math.isnan(value):
                return math.nan, mean, math.nan
            nats = float(self.density.nats(parameters, torch.tensor(value, dtype=torch.float64)))
        score = nats if self.scored_by == "nats" else -self.density.tail(parameters.tolist(), float(value)) / math.log(10)
        return score, mean, nats


class ScoreStream:
    """A series that goes on: `step` scores each new value before it takes it in.

    Whatever comes is taken in, also an anomaly, so that a new level is followed; a value far out is held back from the statistics (`Running.advance`), so that one of them spoils nothing.

    Attributes:
        threshold: above which a step is an anomaly.
    """

    def __init__(self, scorer: Scorer, threshold: float, taken: Callable[[Panel, Memory | None], Memory], memory: Memory | None, names: Names, frequency: Frequency) -> None:
        self.threshold = threshold
        self._scorer, self._taken, self._memory, self._names, self._frequency = scorer, taken, memory, names, frequency

    def step(self, y: float | None, ds: Any = None, **columns: Any) -> Scored:
        """The score of the next value, which is then taken in.

        Args:
            y: the value; None or NaN where it is missing.
            ds: its stamp. Default: one step after the last; the first of a stream without a history needs one.
            columns: what else is known at this step, where the detector reads `known`, `past` or `static` columns.
        Raises:
            DataError: an infinite value, no count where counts were learnt, a stamp that does not come next, or a column that is not there.
        """
        value = math.nan if y is None or y != y else number(y)
        if value is None:
            raise DataError(f"{y!r} is no value.", expected="a finite number; NaN where it is missing")
        memory, panel = self._memory, self._panel(value, ds, columns)
        found = (math.nan, math.nan, math.nan)
        if memory is not None:
            ahead = self._scorer.reader.ahead(memory.panel.joined(panel), 0, 2)[1:]
            found = self._scorer.step(memory.output[0], torch.from_numpy(ahead), memory.base[0, 0], memory.scale[0], value)
        self._memory = self._taken(panel, memory)
        return Scored(found[0], bool(found[0] > self.threshold), found[1])

    def _panel(self, value: float, ds: Any, columns: Mapping[str, Any]) -> Panel:
        """The next value as a panel of one step."""
        reader, before = self._scorer.reader, self._memory
        if ds is None:
            if before is None:
                raise DataError("the first step of a stream has no stamp.", expected="a date or a whole number", fix=argument("ds", "2026-01-31"))
            grid = before.panel.stamps(0, 1, 2)
        else:
            grid = stamps_of([ds], self._names.time)
            zone = getattr(None if before is None else before.panel.grid, "tz", None)
            grid = grid.tz_localize(zone) if zone is not None and grid.tz is None else grid
        if self._frequency.whole != isinstance(grid, np.ndarray):
            raise DataError(f"{ds!r} is no stamp of this series.", expected="a whole number" if self._frequency.whole else "a date")
        cells: dict[str, list[np.ndarray]] = {}
        for one in (*reader.known, *reader.past, *reader.static):
            if one.name not in columns and not (one in reader.static and before is not None):
                raise DataError(f"the step has no {one.name!r}.", expected=", ".join(each.name for each in (*reader.known, *reader.past)))
            cells[one.name] = [np.array([columns[one.name] if one.name in columns else one.cell(before.panel, 0)], dtype=np.float64 if one.categories is None else object)]  # type: ignore[union-attr]
        ids = (None,) if before is None else before.panel.ids
        return Panel(ids, grid, np.zeros(1, dtype=np.int64), [np.array([value], dtype=np.float64)], self._frequency, cells, names=self._names)
