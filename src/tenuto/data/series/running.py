"""`Running`: what is known of each series at each step, from its values so far alone: its level, its usual change, its drift, its last season. It goes on where it stopped.

Each number is computed for its series alone and step by step, so it has the same bits alone and in a panel, at once and in pieces. Letters: T steps, N series, m season.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

FAR = 10.0  # usual changes
SURE = 8  # changes, before anything is held back
LEAST_CHANGE = 1e-3  # of the level: a constant series has no usual change
EVERY, AT_ONCE = 64, 1024  # steps between two starts that are kept; series that are read side by side
LEAST_MEMORY = 32  # steps that a mean looks back, at least; a mean of all would lag behind a series that grows


class Seen(NamedTuple):
    """After each step, [T, N] float64.

    Attributes:
        value: NaN where it is missing. last: the last value that was observed; NaN before the first.
        number: how many values were observed. mean, level: of the values, and of their sizes.
        change, season_change: the mean size of the change since the last value, and since the season before; NaN where there was none.
        drift, season_drift: the means of these changes with their signs.
        changes, turns: how many of these changes there were.
        held: 1 where the value was held back (`advance`), else 0.
        step, season_step: this step's own changes; NaN where one of both values is missing.
        filled: [m + T, N], the values with those of the season before where they are missing; m steps before the first too.
    """

    value: np.ndarray
    last: np.ndarray
    number: np.ndarray
    mean: np.ndarray
    level: np.ndarray
    change: np.ndarray
    season_change: np.ndarray
    drift: np.ndarray
    season_drift: np.ndarray
    step: np.ndarray
    season_step: np.ndarray
    filled: np.ndarray
    changes: np.ndarray
    turns: np.ndarray
    held: np.ndarray


@dataclass
class Running:
    """Of N series: what `advance` needs of the past. `sums`: [11, N], one row for each of `_SUMS`; `filled`: [m, N]."""

    season: int
    sums: np.ndarray
    filled: np.ndarray

    @classmethod
    def begin(cls, series: int, season: int) -> Running:
        """Before the first step."""
        sums = np.zeros((len(_SUMS), series))
        sums[[_SUMS.index(name) for name in ("last", "change", "season_change")]] = np.nan  # not known yet
        return cls(season, sums, np.full((season, series), np.nan))

    @classmethod
    def after(cls, season: int, seen: Seen, places: np.ndarray, columns: np.ndarray) -> Running:
        """Of what was seen, the state after each of these steps [O] of the series in these columns [O]."""
        sums = np.stack([getattr(seen, name)[places, columns] for name in _SUMS])
        return cls(season, sums, seen.filled[places + 1 + np.arange(season)[:, None], columns])

    def repeated(self, times: int) -> Running:
        """Each series so many times, one after another."""
        return Running(self.season, np.repeat(self.sums, times, 1), np.repeat(self.filled, times, 1))

    def advance(self, values: np.ndarray, lengths: np.ndarray, *, steady: bool = False) -> tuple[Seen, Running]:
        """What is seen at each step of `values` [T, N], and the state after each series' last step.

        Args:
            lengths: [N] int, steps of each; what stands beyond is not read.
            steady: whether a value that lies further than 10 usual changes from the last one, and from that of the season before, is taken in as one that lies so far. If the next
                one is far out as well, it is a new level: it is taken in, and the mean begins anew. No change counts as more than 10 usual ones. So one strange value spoils no statistic, whatever its size.
        """
        steps, series = values.shape
        season, memory = self.season, max(3 * self.season, LEAST_MEMORY)
        filled = np.concatenate([self.filled, np.full((steps, series), np.nan)])
        found = np.full((len(_SUMS) + 2, steps, series), np.nan)
        last, count, mean, level, changes, change, drift, turns, turned, season_drift, held = self.sums
        live = np.arange(steps)[:, None] < lengths
        values = np.where(live, values, np.nan)
        for at in range(steps):
            value, before = values[at], filled[at]
            if steady:
                value, held, new, near, season_near = _steadied(value, last, before, held, changes, change, turned, level)
                count, mean, level = np.where(new, 0.0, count), np.where(new, value, mean), np.where(new, np.abs(value), level)
            seen, step, turn = ~np.isnan(value), value - last, value - before
            if steady:
                step, turn = np.clip(step, -near, near), np.clip(turn, -season_near, season_near)
            filled[season + at] = np.where(seen, value, np.where(np.isnan(before), last, before))
            count = count + seen
            share = 1.0 / np.minimum(np.maximum(count, 1.0), memory)
            mean = np.where(seen, mean + (value - mean) * share, mean)
            level = np.where(seen, level + (np.abs(value) - level) * share, level)
            changes, change, drift = _mean(step, changes, change, drift, memory)
            turns, turned, season_drift = _mean(turn, turns, turned, season_drift, memory)
            last = np.where(seen, value, last)
            found[:, at] = (last, count, mean, level, changes, change, drift, turns, turned, season_drift, held, step, turn)
        sums = np.stack([last, count, mean, level, changes, change, drift, turns, turned, season_drift, held])
        after = filled[lengths[None, :] + np.arange(season)[:, None], np.arange(series)[None, :]]
        rows = dict(zip((*_SUMS, "step", "season_step"), found))
        return Seen(value=values, filled=filled, **{name: rows[name] for name in Seen._fields if name in rows}), Running(season, sums, after)


_SUMS = ("last", "number", "mean", "level", "changes", "change", "drift", "turns", "season_change", "season_drift", "held")


def _mean(change: np.ndarray, count: np.ndarray, size: np.ndarray, drift: np.ndarray, memory: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take a change, NaN where there is none, into the number of changes, the mean of their sizes and the mean with signs."""
    there = ~np.isnan(change)
    count = count + there
    share = 1.0 / np.minimum(np.maximum(count, 1.0), memory)
    old = np.where(np.isnan(size), 0.0, size)
    return count, np.where(there, old + (np.abs(change) - old) * share, size), np.where(there, drift + (change - drift) * share, drift)


def _steadied(
    value: np.ndarray, last: np.ndarray, before: np.ndarray, held: np.ndarray, changes: np.ndarray, change: np.ndarray, turned: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The values as they are taken in, whether one was held back, whether one is a new level, and how far a change may count, since the last value and since the season before."""
    sure = changes >= SURE
    near = np.where(sure, FAR * np.maximum(change, LEAST_CHANGE * level), np.inf)
    near = np.where(near > 0, near, np.inf)
    known = ~np.isnan(before + turned)
    middle, season_near = np.where(known, before, last), np.where(known, np.maximum(FAR * turned, near / 10), near)
    low, high = np.minimum(last - near, middle - season_near), np.maximum(last + near, middle + season_near)
    far = sure & ((value < low) | (value > high))
    new = far & (held > 0)
    found = np.where(far & ~new, np.minimum(np.maximum(value, low), high), value)
    return found, np.where(np.isnan(value), held, far & ~new).astype(float), new, near, season_near


class Starts:
    """Of N series: what is carried before every EVERY-th step, from which a piece of a series can be read.

    Args:
        values: [T_i] of each series.
    """

    def __init__(self, values: Sequence[np.ndarray], season: int, *, steady: bool) -> None:
        self.every = max(EVERY, season)  # a season is kept at each of them
        lengths = np.array([len(one) for one in values], dtype=np.int64)
        counts = -(-lengths // self.every)
        self.season, self._first = season, np.cumsum(counts) - counts
        self._sums, self._filled = np.empty((len(_SUMS), int(counts.sum()))), np.empty((season, int(counts.sum())))
        order = np.argsort(lengths, kind="stable")
        for part in (order[place : place + AT_ONCE] for place in range(0, len(order), AT_ONCE)):
            running = Running.begin(len(part), season)
            for number in range(int(counts[part].max(initial=0))):
                live = lengths[part] > number * self.every
                part, running = part[live], Running(season, running.sums[:, live], running.filled[:, live])
                self._sums[:, self._first[part] + number], self._filled[:, self._first[part] + number] = running.sums, running.filled
                pieces = [values[row][number * self.every : (number + 1) * self.every] for row in part]
                found = np.full((max(map(len, pieces)), len(part)), np.nan)
                for column, piece in enumerate(pieces):
                    found[: len(piece), column] = piece
                _, running = running.advance(found, np.array([len(piece) for piece in pieces]), steady=steady)

    def before(self, rows: np.ndarray, steps: np.ndarray) -> tuple[Running, np.ndarray]:
        """For each of these series [B] what is carried at the last start that is not after this step [B], and which step that is."""
        numbers = steps // self.every
        places = self._first[rows] + numbers
        return Running(self.season, self._sums[:, places], self._filled[:, places]), numbers * self.every
