"""Paths of what may come: a value is drawn from the density of the next step, read as if it had been observed, and so on, step by step (Salinas et al. 2020, section 3).

Each series draws from a generator of its own, which its id and its last stamp choose: its paths have the same bits alone and in a panel, and after `update` those of the whole history.
Letters: M forecasts, S paths, h steps ahead, P and R features, W width, Q quantiles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.series.features import Read, Reader
from tenuto.data.series.panel import Panel
from tenuto.data.series.running import Running
from tenuto.data.series.windows import Window, Windows, forecast_from
from tenuto.layers.rows import chosen_rows, joined_rows, repeated_rows
from tenuto.networks.densities import Density
from tenuto.networks.series import SeriesNetwork, encoded
from tenuto.tasks.series_memory import Memory

BLOCK = 2**21  # numbers of a block of paths


class Here(NamedTuple):
    """Where M forecasts begin.

    Attributes:
        running, state: [.., M] of each; output: [M, W], the encoder's last. ahead: [M, h, P], what is known of the steps ahead. beside: [M, R], what is read besides.
        base, scale: [M], of the first step. keys: what chooses each one's generator.
    """

    running: Running
    state: Any
    output: Tensor
    ahead: np.ndarray
    beside: np.ndarray
    base: np.ndarray
    scale: np.ndarray
    keys: Sequence[str]

    def rows(self, rows: slice) -> Here:
        """Some of them."""
        running = Running(self.running.season, self.running.sums[:, rows], self.running.filled[:, rows])
        return Here(running, chosen_rows(self.state, rows), self.output[rows], self.ahead[rows], self.beside[rows], self.base[rows], self.scale[rows], self.keys[rows])


class Paths(NamedTuple):
    """How paths are drawn: `samples` of them for each forecast."""

    reader: Reader
    network: SeriesNetwork
    density: Density
    samples: int
    seed: int

    def after(self, memory: Memory, steps: int) -> np.ndarray:
        """[M, S, steps], the paths after the last value of each series of a memory."""
        panel = memory.panel
        keys = [_key(panel, row, 0) for row in range(len(panel))]
        ahead = memory.origins(self.reader, steps).ahead[0].numpy()
        beside = np.stack([self.reader.beside(panel, row) for row in range(len(panel))])
        return self._drawn(Here(memory.running, memory.state, memory.output, ahead, beside, memory.base[:, 0], memory.scale, keys), steps)

    def rolling(self, panel: Panel, window: Window, read: Windows, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """[O, S, steps], the paths from each origin of a window that begins with its series; and the scales there, [O]."""
        block, column, _ = read.at(window)
        states, outputs, first, state = [], [], 0, None
        for origin in window.origins.tolist():
            piece = torch.from_numpy(block.x[first : origin + 1, column : column + 1])
            found = encoded(self.network, piece, torch.tensor([len(piece)]), state)
            state, first = found.state, origin + 1
            states.append(state)
            outputs.append(found.output[-1])
        count, origins = len(window.origins), window.origins
        base, scale = forecast_from(self.reader, block, origins, column, 1)
        known = block.ahead[column]
        to = origins[:, None] + np.arange(1, steps + 1)
        ahead = np.where((to < len(known))[..., None], known[np.minimum(to, len(known) - 1)], np.float32(0))
        joined = joined_rows(states)
        running = Running.after(self.reader.season, block.seen, origins, np.full(count, column))
        beside = np.repeat(self.reader.beside(panel, window.series)[None], count, 0)
        return self._drawn(Here(running, joined, torch.cat(outputs), ahead, beside, base[:, 0], scale, [_key(panel, window.series, int(one)) for one in origins]), steps), scale

    def _drawn(self, here: Here, steps: int) -> np.ndarray:
        size = self.samples * (here.output.shape[1] + here.running.season + 40)
        rows = max(1, BLOCK // size)
        blocks = [self._block(here.rows(slice(first, first + rows)), steps) for first in range(0, len(here.keys), rows)]
        return np.concatenate(blocks)

    def _block(self, here: Here, steps: int) -> np.ndarray:
        count, samples, reader = len(here.keys), self.samples, self.reader
        draws = [np.random.default_rng([self.seed, int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")]) for key in here.keys]
        found = np.empty((count, samples, steps))
        first = self._parameters(here.output[:, None], here.ahead[:, None, :1], here.base[:, None], here.scale[:, None])
        found[:, :, 0] = self._draw(np.repeat(first, samples, 1), draws)
        running, state = here.running.repeated(samples), repeated_rows(here.state, samples)
        every, zeros, ones = np.arange(count * samples), np.zeros(count * samples, dtype=np.int64), np.ones(count * samples, dtype=np.int64)
        for step in range(1, steps):
            seen, running = running.advance(found[:, :, step - 1].reshape(1, -1), ones, steady=reader.steady)
            x, scale = reader.of_steps(seen)
            own = x.shape[2] - here.ahead.shape[2] - here.beside.shape[1]
            x[0, :, own:] = np.repeat(np.concatenate([here.ahead[:, step - 1], here.beside], axis=1), samples, 0)
            given = encoded(self.network, torch.from_numpy(x), None, state)
            state = given.state
            base, _ = forecast_from(reader, Read(x, ones, scale, [], seen), zeros, every, 1)
            ahead = np.repeat(here.ahead[:, None, step : step + 1], samples, 1)
            shape = (count, samples)
            parameters = self._parameters(given.output[0].reshape(*shape, -1), ahead, base.reshape(shape), scale.reshape(shape))
            found[:, :, step] = self._draw(parameters, draws)
        return found

    def _parameters(self, output: Tensor, ahead: np.ndarray, base: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """[M, S, K], for each forecast by itself."""
        found = []
        with torch.no_grad():
            for row in range(len(output)):
                start, size = torch.from_numpy(base[row]), torch.from_numpy(scale[row])
                near = torch.zeros(*ahead[row].shape[:-1], 1)  # the base of one step lies at its own beginning
                raw = self.network.head(output[row], torch.cat([torch.from_numpy(ahead[row]), near], -1))[:, 0]
                found.append(self.density.of(raw, start, size).numpy())
        return np.stack(found)

    def _draw(self, parameters: np.ndarray, draws: Sequence[np.random.Generator]) -> np.ndarray:
        return np.stack([self.density.draw(own, draw) for own, draw in zip(parameters, draws)])


def quantiles_of(paths: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """[M, h, Q], the quantiles of paths [M, S, h]. Of S draws the i-th smallest is the quantile i / (S + 1), so that a new draw lies below it that often."""
    return np.moveaxis(np.quantile(paths, levels, axis=1, method="weibull"), 0, -1)


def _key(panel: Panel, row: int, place: int) -> str:
    return f"{panel.ids[row]}|{panel.stamps(row, place, place + 1)[0]}"
