"""Windows of series, and batches of them: what a network reads, and from which steps it forecasts what.

Training has a forecast from many steps of a window, each with the values that follow; those that are missing, or after the panel's end, count nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.series.features import Columns, Read, Reader
from tenuto.data.series.panel import Panel

ORIGINS = 64  # of a window, at most, from which training forecasts


class Window(NamedTuple):
    """A piece of a series: it is read from `first` on, and forecasts are made from the steps `origins` [O], counted in the series."""

    series: int
    first: int
    origins: np.ndarray


class Batch(NamedTuple):
    """B windows. T steps, O origins, h steps ahead.

    Attributes:
        x: [T, B, F]. lengths: [B]. places: [O, B] int64, the origins within the window.
        ahead: [O, B, h, P], what is known of the steps ahead. base: [O, B, h] and scale: [O, B], float64: a forecast is base + number * scale.
        targets: [O, B, h] float64, NaN where there is none; None where nothing is to be compared.
    """

    x: Tensor
    lengths: Tensor
    places: Tensor
    ahead: Tensor
    base: Tensor
    scale: Tensor
    targets: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; lengths stay where they are."""
        return self._replace(**{name: part.to(device) for name, part in self._asdict().items() if part is not None and name != "lengths"})

    def select(self, rows: Tensor) -> Batch:
        """The batch of these rows, [N] int64, which may repeat."""
        places = rows.cpu()
        targets = None if self.targets is None else self.targets[:, rows]
        return Batch(self.x[:, rows], self.lengths[places], self.places[:, rows], self.ahead[:, rows], self.base[:, rows], self.scale[:, rows], targets)


class Windows:
    """The series of a panel, read once, from which batches of windows are cut.

    Args:
        horizon: steps ahead that are forecast in the end. reach: h, those that a batch has; all by default.
    """

    def __init__(self, panel: Panel, reader: Reader, horizon: int, reach: int | None = None) -> None:
        self.reader, self.horizon, self.reach, self.lengths, self.begin = reader, horizon, reach or horizon, panel.lengths, panel.begin
        self._at: list[tuple[Read, int]] = [None] * len(panel)  # type: ignore[list-item]
        for rows, read, _ in reader.blocks(panel, horizon):
            for column, row in enumerate(rows.tolist()):
                self._at[row] = (read, column)

    def drawn(self, context: int, draw: np.random.Generator) -> list[Window]:
        """Windows of at most `context` steps, at random places; a long series has several. From the first step that has something to forecast after it, every origin may come."""
        found = []
        for series, length in enumerate(self.lengths.tolist()):
            if length < 2:
                continue
            for _ in range(max(1, round(2 * length / context)) if length > context else 1):
                end = length if length <= context else int(draw.integers(max(2, context // 2), length + 1))
                first = max(0, end - context)
                origins = np.arange(first, end - 1)
                if len(origins) > ORIGINS:
                    origins = np.sort(draw.choice(origins, ORIGINS, replace=False))
                found.append(Window(series, first, origins))
        return found

    def asked(self, context: int | None, step: int = 1, whole: bool = False) -> list[Window]:
        """A window for each series with the origins of what is to be forecast: the first value from `begin` on, then every `step` steps.

        Args:
            context: steps before the first origin, at most; None for all.
            whole: only origins with `horizon` values after them, where a series has one.
        """
        found = []
        for series, (length, begin) in enumerate(zip(self.lengths.tolist(), self.begin.tolist())):
            start = max(begin - 1, 0) if begin else max(length - 1 - self.horizon, 0)
            last = length - 1 - (self.horizon if whole else 1)
            origins = np.arange(start, max(last, start) + 1, step)
            origins = origins[origins <= length - 2]
            if len(origins):
                found.append(Window(series, 0 if context is None else max(0, start + 1 - context), origins))
        return found

    def at(self, series: int) -> tuple[Read, int]:
        """How a series is read: a block of series, and its column there."""
        return self._at[series]

    def scales(self, window: Window) -> np.ndarray:
        """[O], the scale at each origin of a window."""
        read, column = self._at[window.series]
        return read.scale[window.origins, column]

    def batch(self, windows: Sequence[Window], *, targets: bool = True) -> Batch:
        """The windows as a batch; a window with fewer origins than others repeats its last one, without targets."""
        horizon, most = self.reach, max(len(window.origins) for window in windows)
        steps = [int(window.origins[-1]) + 1 - window.first for window in windows]
        first_read = self._at[windows[0].series][0]
        x = np.zeros((max(steps), len(windows), first_read.x.shape[2]), dtype=np.float32)
        places = np.zeros((most, len(windows)), dtype=np.int64)
        ahead = np.zeros((most, len(windows), horizon, first_read.ahead[0].shape[1]), dtype=np.float32)
        base, scale = np.zeros((most, len(windows), horizon)), np.ones((most, len(windows)))
        truth = np.full((most, len(windows), horizon), np.nan)
        for row, window in enumerate(windows):
            read, column = self._at[window.series]
            origins = np.concatenate([window.origins, np.repeat(window.origins[-1:], most - len(window.origins))])
            x[: steps[row], row] = read.x[window.first : window.first + steps[row], column]
            places[:, row] = origins - window.first
            base[:, row], scale[:, row] = forecast_from(self.reader, read, origins, column, horizon)
            to = origins[:, None] + np.arange(1, horizon + 1)
            known = read.ahead[column]
            ahead[:, row] = np.where((to < len(known))[..., None], known[np.minimum(to, len(known) - 1)], 0.0)
            if targets:
                live = (to < self.lengths[window.series]) & (np.arange(most) < len(window.origins))[:, None] & (to >= self.begin[window.series])
                truth[:, row] = np.where(live, read.seen.value[np.minimum(to, len(read.seen.value) - 1), column], np.nan)
        made, ends, at, known_ahead, start, size = (torch.from_numpy(one) for one in (x, np.array(steps), places, ahead, base, scale))
        return Batch(made, ends, at, known_ahead, start, size, torch.from_numpy(truth) if targets else None)


def forecast_from(reader: Reader, read: Read, origins: np.ndarray, column: Columns, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Base [O, h] and scale [O] of forecasts from these steps of a series; where nothing was observed yet, the base is the level of training."""
    base = read.base(reader.base, reader.season, origins, column, horizon, reader.carry)
    return np.where(np.isnan(base), np.exp(reader.level[0]), base), read.scale[origins, column]
