"""Windows of series, and batches of them: what a network reads, and from which steps it forecasts what.

Training has a forecast from many steps of a window, each with the values that follow; those that are missing, or after the panel's end, count nothing.
A small panel is read once. Of a large one only the statistics at every 64th step are kept; a window is read from there when it is asked for, with the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.series.features import Columns, Read, Reader
from tenuto.data.series.panel import Panel
from tenuto.data.series.running import Starts

ORIGINS = 64  # of a window, at most, from which training forecasts
ROWS = 64  # windows of a batch that is only read
MOST_KEPT = 2**26  # bytes, about, of a panel that is read once
STEP_BYTES = 160  # of a step, beside its features


class Window(NamedTuple):
    """A piece of a series: it is read from `first` on, and forecasts are made from the steps `origins` [O], counted in the series."""

    series: int
    first: int
    origins: np.ndarray


class Drawn(Sequence[Window]):
    """Windows of training, which are many: those that forecast from every step are made when they are asked for."""

    def __init__(self, spans: np.ndarray, chosen: dict[int, np.ndarray]) -> None:
        self._spans, self._chosen = spans, chosen  # [n, 3] series, first, end; and the steps after `first` of those that do not have all

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, place: int) -> Window:  # type: ignore[override]
        series, first, end = self._spans[place].tolist()
        chosen = self._chosen.get(place)
        return Window(series, first, np.arange(first, end - 1) if chosen is None else first + chosen.astype(np.int64))


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
    """The series of a panel, from which batches of windows are cut.

    Args:
        horizon: steps ahead that are forecast in the end. reach: h, those that a batch has; all by default.
        most_kept: bytes; a panel that needs more, is read window by window.
    """

    def __init__(self, panel: Panel, reader: Reader, horizon: int, reach: int | None = None, *, most_kept: int = MOST_KEPT) -> None:
        self.reader, self.horizon, self.reach, self.lengths, self.begin = reader, horizon, reach or horizon, panel.lengths, panel.begin
        self._panel, self._starts = panel, None if int(self.lengths.sum()) * (STEP_BYTES + 4 * len(reader.names)) <= most_kept else Starts(panel.values, reader.season, steady=reader.steady)
        self._read: list[tuple[Read, int]] = []
        if self._starts is None:
            self._read = [None] * len(panel)  # type: ignore[list-item]
            for rows, read, _ in reader.blocks(panel, horizon):
                for column, row in enumerate(rows.tolist()):
                    self._read[row] = (read, column)

    def drawn(self, context: int, draw: np.random.Generator) -> Drawn:
        """Windows of at most `context` steps, at random places; a long series has several. From the first step that has something to forecast after it, every origin may come."""
        spans, chosen = list[tuple[int, int, int]](), dict[int, np.ndarray]()
        for series, length in enumerate(self.lengths.tolist()):
            if length < 2:
                continue
            for _ in range(max(1, round(2 * length / context)) if length > context else 1):
                end = length if length <= context else int(draw.integers(max(2, context // 2), length + 1))
                first = max(0, end - context)
                if end - 1 - first > ORIGINS:
                    chosen[len(spans)] = np.sort(draw.choice(end - 1 - first, ORIGINS, replace=False)).astype(np.uint16 if context < 2**16 else np.int64)
                spans.append((series, first, end))
        return Drawn(np.array(spans, dtype=np.int64).reshape(-1, 3), chosen)

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

    def at(self, window: Window) -> tuple[Read, int, int]:
        """How a window is read: a block of series, its column there, and the step of the series with which the block begins."""
        return self._blocks([window])[0]

    def _blocks(self, windows: Sequence[Window]) -> list[tuple[Read, int, int]]:
        if self._starts is None:
            return [(*self._read[window.series], 0) for window in windows]
        rows, ends = np.array([window.series for window in windows]), np.array([int(window.origins[-1]) + 1 for window in windows])
        running, firsts = self._starts.before(rows, np.array([window.first for window in windows]))
        read, _ = self.reader.read(self._panel, rows, self.horizon, running, (firsts, ends))
        return [(read, column, int(first)) for column, first in enumerate(firsts)]

    def pieces(self, windows: Sequence[Window], most: int) -> Iterator[list[int]]:
        """Windows of similar lengths together: their places, with at most `most` steps, padding included, and ROWS windows, at a time."""
        steps = np.array([int(window.origins[-1]) + 1 - window.first for window in windows], dtype=np.int64)
        order, first = np.argsort(steps, kind="stable").tolist(), 0
        while first < len(order):
            last = first + 1
            while last < len(order) and last - first < ROWS and steps[order[last]] * (last + 1 - first) <= most:
                last += 1
            yield order[first:last]
            first = last

    def batch(self, windows: Sequence[Window], *, targets: bool = True) -> Batch:
        """The windows as a batch; a window with fewer origins than others repeats its last one, without targets."""
        return self._batch(windows, self._blocks(windows), targets)

    def alone(self, windows: Sequence[Window]) -> list[Batch]:
        """Each window as a batch of its own."""
        parts = [windows[first : first + ROWS] for first in range(0, len(windows), ROWS)]
        return [self._batch([window], [block], True) for part in parts for window, block in zip(part, self._blocks(part))]

    def _batch(self, windows: Sequence[Window], blocks: Sequence[tuple[Read, int, int]], targets: bool) -> Batch:
        horizon, most = self.reach, max(len(window.origins) for window in windows)
        steps = [int(window.origins[-1]) + 1 - window.first for window in windows]
        some = blocks[0][0]
        x = np.zeros((max(steps), len(windows), some.x.shape[2]), dtype=np.float32)
        places = np.zeros((most, len(windows)), dtype=np.int64)
        ahead = np.zeros((most, len(windows), horizon, some.ahead[0].shape[1]), dtype=np.float32)
        base, scale = np.zeros((most, len(windows), horizon)), np.ones((most, len(windows)))
        truth = np.full((most, len(windows), horizon), np.nan) if targets else None
        for row, (window, (read, column, start)) in enumerate(zip(windows, blocks)):
            origins = np.concatenate([window.origins, np.repeat(window.origins[-1:], most - len(window.origins))])
            x[: steps[row], row] = read.x[window.first - start : window.first - start + steps[row], column]
            places[:, row] = origins - window.first
            base[:, row], scale[:, row] = forecast_from(self.reader, read, origins - start, column, horizon)
            to = origins[:, None] + np.arange(1, horizon + 1)
            known = read.ahead[column]
            ahead[:, row] = np.where((to - start < len(known))[..., None], known[np.minimum(to - start, len(known) - 1)], 0.0)
            if truth is not None:
                values = self._panel.values[window.series]
                live = (to < len(values)) & (np.arange(most) < len(window.origins))[:, None] & (to >= self.begin[window.series])
                truth[:, row] = np.where(live, values[np.minimum(to, len(values) - 1)], np.nan)
        made, ends, at, known_ahead, base_of, size = (torch.from_numpy(one) for one in (x, np.array(steps), places, ahead, base, scale))
        return Batch(made, ends, at, known_ahead, base_of, size, None if truth is None else torch.from_numpy(truth))


def forecast_from(reader: Reader, read: Read, origins: np.ndarray, column: Columns, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Base [O, h] and scale [O] of forecasts from these steps of a block; where nothing was observed yet, the base is the level of training."""
    base = read.base(reader.base, reader.season, origins, column, horizon, reader.carry)
    return np.where(np.isnan(base), np.exp(reader.level[0]), base), read.scale[origins, column]
