"""`Memory`: what a fitted model carries of each series: everything that a later value or a forecast needs of the past. Values at once or in pieces give the same bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.series.features import Reader
from tenuto.data.series.panel import Panel
from tenuto.data.series.running import Running
from tenuto.data.series.windows import forecast_from
from tenuto.layers.rows import chosen_rows, with_rows
from tenuto.networks.series import SeriesNetwork, beginning, encoded


class Origins(NamedTuple):
    """What the head reads to forecast from the last step of each of B series, with an axis of one origin before B, as in `Batch`."""

    ahead: Tensor
    base: Tensor
    scale: Tensor


@dataclass(frozen=True)
class Memory:
    """Of N series.

    Attributes:
        panel: the series with their last values only, `tail` of each; its columns go on beyond them. running: the statistics.
        state: of the encoder, with N rows. output: [N, W], the encoder's last output. base: [N, h], scale: [N], of a forecast from here.
    """

    panel: Panel
    running: Running
    state: Any
    output: Tensor
    base: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, panel: Panel, reader: Reader, network: SeriesNetwork, horizon: int, before: Memory | None = None) -> Memory:
        """The memory after these values, which follow those of `before` where it knows their series.

        Series of `before` that have no new values stay as they are.
        """
        panel = panel.only({one.name for one in (*reader.known, *reader.past, *reader.static)})
        joined = panel if before is None else before.panel.joined(panel)
        count, ids = len(joined), {identity: place for place, identity in enumerate(joined.ids)}
        running = Running.begin(count, reader.season)
        width: Any = network.encoder.output_width
        output = torch.zeros(count, width)
        base, scale = np.zeros((count, horizon)), np.ones(count)
        state = beginning(network, count, len(reader.names))
        if before is not None:
            old = slice(0, len(before.panel))
            running.sums[:, old], running.filled[:, old] = before.running.sums, before.running.filled
            output[old], base[old], scale[old] = before.output, before.base, before.scale
            state = with_rows(state, torch.arange(len(before.panel)), before.state)
        places = np.arange(count) if before is None else np.array([ids[identity] for identity in panel.ids])
        fresh = panel if before is None else _with_columns(panel, joined, places)
        reader.require(fresh)
        carried = Running(reader.season, running.sums[:, places], running.filled[:, places])
        for rows, read, after in reader.blocks(fresh, horizon, carried):
            at = places[rows]
            index = torch.from_numpy(at)
            found = encoded(network, torch.from_numpy(read.x), torch.from_numpy(read.lengths), chosen_rows(state, index))
            state = with_rows(state, index, found.state)
            ends = torch.from_numpy(read.lengths - 1)
            output[index] = found.output[ends, torch.arange(len(rows))]
            running.sums[:, at], running.filled[:, at] = after.sums, after.filled
            for column, place in enumerate(at.tolist()):
                bases, scales = forecast_from(reader, read, np.array([read.lengths[column] - 1]), column, horizon)
                base[place], scale[place] = bases[0], scales[0]
        return cls(_tail(joined), running, state, output, base, scale)

    def origins(self, reader: Reader, horizon: int) -> Origins:
        """What the head reads beside the encoder's output."""
        ahead = []
        for row in range(len(self.panel)):
            length = len(self.panel.values[row])
            ahead.append(reader.ahead(self.panel, row, length + horizon, length))
        return Origins(torch.from_numpy(np.stack(ahead))[None], torch.from_numpy(self.base[:, :horizon])[None], torch.from_numpy(self.scale)[None])

    def asked(self, reader: Reader, network: SeriesNetwork, horizon: int) -> Tensor:
        """What the head says of the `horizon` steps from here, [N, horizon, ...]."""
        with torch.no_grad():
            return network.eval().at(self.output[None], self.origins(reader, horizon))[0]


def _with_columns(panel: Panel, joined: Panel, places: np.ndarray) -> Panel:
    """The new values, with what the joined panel knows of their series."""
    return replace(panel, static={name: [cells[place] for place in places] for name, cells in joined.static.items()})


def _tail(panel: Panel) -> Panel:
    """The last value of each series alone, and what is known beyond it. The grid begins with the first of these values, so that it does not grow with what was."""
    lengths = panel.lengths
    lasts = panel.starts + lengths - 1
    first = int(lasts.min())
    columns = {name: [one[length - 1 :].copy() for one, length in zip(column, lengths)] for name, column in panel.columns.items()}
    return replace(panel, grid=panel.grid[first:], starts=lasts - first, values=[values[-1:].copy() for values in panel.values], columns=columns, begin=np.zeros(len(panel), dtype=np.int64))
