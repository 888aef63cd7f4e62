"""`Answering`: what a fitted forecaster is asked: forecasts as frames, the frames it needs, new values, back-tests, calibrated intervals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tenuto.data.frame import cells_of
from tenuto.data.series.frequency import pandas
from tenuto.data.series.panel import Panel, called
from tenuto.data.series.table import frame_columns, stamps_of
from tenuto.data.series.windows import Window
from tenuto.errors import ArgumentError, DataError
from tenuto.scores.forecasts import ends_of
from tenuto.scores.regression import conformal_widths, held_out_needed
from tenuto.tasks.forecast.evaluation import Forecasts
from tenuto.tasks.forecast.paths import Paths, quantiles_of
from tenuto.tasks.series_estimator import SeriesEstimator
from tenuto.tasks.series_frames import framed, keyed
from tenuto.tasks.series_memory import Memory
from tenuto.tongues import argument


class Answering(SeriesEstimator):
    """The half of a forecaster that answers."""

    conformal_: dict[float, list[float]]
    h: int
    level: tuple[float, ...]
    samples: int

    @property
    @abstractmethod
    def levels_(self) -> tuple[float, ...]:
        """The quantiles that are learnt."""

    @abstractmethod
    def paths_(self) -> Paths:
        """How paths are drawn."""

    @abstractmethod
    def rolling(self, data: Panel, windows: Sequence[Window]) -> Forecasts:
        """The forecasts from these origins."""

    # --- what comes next ------------------------------------------------------------------------------------------------

    def predict(self, x: Any = None, *, h: int | None = None, level: Sequence[float] | None = None, quantiles: Sequence[float] | None = None, future: Any = None, static: Any = None) -> Any:
        """What comes after the last value of each series: a frame with the columns `unique_id`, `ds`, `Forecaster`, and the ends of intervals: `Forecaster-lo-80`, `Forecaster-hi-80`.

        The point forecast is the median. A series' forecast has the same bits alone and beside others. A series that training did not have is forecast from its own values.

        Args:
            x: a frame of the past. Default: what is carried, up to the last value of training or of `update`.
            h: steps, `h` of the fit at most. Default: all.
            level: intervals in per cent. Default: those of the fit. Those that were not learnt lie between those that were.
            quantiles: quantiles in place of intervals, as `Forecaster-q0.1`.
            future: a frame with what is known of the future, where columns are `known`.
            static: a frame with one row for each id.
        Returns:
            A frame of pandas; of polars, if `x` is one.
        Raises:
            NotFittedError; ArgumentError: a horizon beyond that of the fit, or a quantile beyond those that are learnt. DataError: as `fit`; what is known of the future ends too early.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            memory, steps = self._ahead(x, h, future, static)
            asked = () if quantiles is None else tuple(float(one) for one in quantiles)
            intervals = tuple(level) if level is not None else () if asked else tuple(self.options_["level"])
            found = self._quantiles_of(memory)[:, :steps]
            columns = self._columns(found, memory.scale, intervals, asked)
            return framed(self._after(memory.panel, steps) | {name: values.ravel() for name, values in columns.items()}, x)

    def sample_paths(self, x: Any = None, *, h: int | None = None, future: Any = None, static: Any = None) -> Any:
        """Paths of what may come, drawn step by step, where a density was learnt: a frame with the columns `unique_id`, `ds`, `path` (0 to `samples` - 1) and `Forecaster`.

        `predict` gives the quantiles of the same paths. A series has the same paths alone and beside others. Columns of `past` are at their mean in steps that are not known yet.

        Args:
            x, h, future, static: see `predict`.
        Raises:
            NotFittedError; ArgumentError: quantiles were learnt, not a density. And as `predict`.
        """
        self.require_fit("sample_paths")
        with self._calling("sample_paths"):
            paths = self.paths_()
            memory, steps = self._ahead(x, h, future, static)
            drawn = paths.after(memory, int(self.options_["h"]))[:, :, :steps]
            panel, count = memory.panel, self.samples
            stamps = [panel.stamps(row, 1, 1 + steps) for row in range(len(panel)) for _ in range(count)]
            first = keyed(panel, [identity for identity in panel.ids for _ in range(count)], stamps)
            return framed({**first, "path": np.tile(np.repeat(np.arange(count), steps), len(panel)), type(self).__name__: drawn.ravel()}, x)

    def update(self, new: Any) -> Any:
        """Take new values, which follow the last ones: what is carried goes on, nothing is learnt. A later `predict()` has the same bits as one from the whole history.

        Args:
            new: a frame with the values that come next, of all series or of some; a series that is not known yet begins.
        Returns:
            This forecaster.
        Raises:
            NotFittedError; DataError: a series does not go on where it ended.
        """
        self.require_fit("update")
        with self._calling("update"):
            self.memory_ = self._memory(self._read(new), getattr(self, "memory_", None))
        return self

    def make_future_dataframe(self, x: Any = None, h: int | None = None) -> Any:
        """Ids and stamps of what `predict` forecasts, as a frame to which what is known of the future can be added."""
        self.require_fit("make_future_dataframe")
        with self._calling("make_future_dataframe"):
            panel, steps = self._from(x).panel, self._horizon(h)
            return framed(self._after(panel, steps), x)

    def get_missing_future(self, future: Any, x: Any = None, h: int | None = None) -> Any:
        """The rows of `make_future_dataframe` that the frame `future` does not have."""
        wanted = self.make_future_dataframe(x, h)
        with self._calling("get_missing_future"):
            table = frame_columns(future, self.names_)
            ids = cells_of(table[self.names_.id]) if self.names_.id in table else None
            stamps = stamps_of(table[self.names_.time], self.names_.time)
            there = set(zip(ids if ids is not None else [None] * len(stamps), stamps))
            columns = frame_columns(wanted, self.names_)
            keys = cells_of(columns[self.names_.id]) if self.names_.id in columns and ids is not None else [None] * len(cells_of(columns[self.names_.time]))
            kept = [row for row, key in enumerate(zip(keys, stamps_of(columns[self.names_.time], self.names_.time))) if key not in there]
            return wanted[kept] if type(wanted).__module__.startswith("polars") else wanted.iloc[kept].reset_index(drop=True)

    # --- how good it would have been --------------------------------------------------------------------------------------

    def backtest(self, x: Any, *, cutoffs: Sequence[Any] | None = None, n_windows: int = 1, step: int | None = None, refit: bool = False, level: Sequence[float] | None = None, static: Any = None) -> Any:
        """Forecasts as they would have been made at earlier times: a frame with `unique_id`, `ds`, `cutoff` (the last stamp that is known), `y`, and the columns of `predict`.

        Args:
            x: a frame of the whole history.
            cutoffs: stamps. Default: the last `n_windows` that have `h` values after them, `step` steps apart (`h`).
            refit: whether a new forecaster is fitted on what is known at each cutoff. If not, this one forecasts, which may have learnt from later values.
            level: intervals in per cent. Default: those of the fit.
        Raises:
            DataError: no series is long enough.
        """
        if not refit:
            self.require_fit("backtest")
        with self._calling("backtest"):
            data = self._described(self._read(x), static)
            horizon = int(self.h if refit else self.options_["h"])
            origins = self._origins(data, cutoffs, n_windows, horizon if step is None else step, horizon)
            intervals = tuple((self.level if refit else self.options_["level"]) if level is None else level)
            if not refit:
                self._require_alike(data)
                return self._backtested(data, self.rolling(data, [Window(row, 0, places) for row, places in enumerate(origins) if len(places)]), intervals)
            frames = []
            for at in range(max(map(len, origins))):
                ends = np.array([int(places[at]) + 1 if at < len(places) else 0 for places in origins])
                model = type(self)(**self.get_params()).fit(data.cut(ends))  # type: ignore[attr-defined]
                windows = [Window(row, 0, np.array([end - 1])) for row, end in enumerate(ends) if end]
                frames.append(model._backtested(data, model.rolling(data, windows), intervals))
            return pandas().concat(frames, ignore_index=True)

    def calibrate(self, x: Any, *, n_windows: int, step: int = 1, static: Any = None) -> Any:
        """Widen or narrow the intervals of the fit, for each step ahead, so that they hold on the last values of a history as often as they promise (conformal prediction).

        The distance by which a value lies outside of its interval, or within it, is measured in the series' own scale at each of the last `n_windows` origins; of n distances
        the one of rank ceil((n + 1) * level) is added to both ends. The values should not be those of training.

        Args:
            x: a frame with the history. n_windows: origins of each series, `step` steps apart.
        Returns:
            This forecaster, whose `predict` and `save` use the new intervals.
        Raises:
            DataError: too few distances for a level: 80 % needs 4, 95 % needs 19.
        """
        self.require_fit("calibrate")
        with self._calling("calibrate"):
            data = self._described(self._read(x), static)
            self._require_alike(data)
            horizon = int(self.options_["h"])
            origins = self._origins(data, None, n_windows, step, horizon)
            found = self.rolling(data, [Window(row, 0, places) for row, places in enumerate(origins) if len(places)])
            self.conformal_ = {float(level): conformal_changes(found, level) for level in self.options_["level"]}
        return self

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _from(self, x: Any, static: Any = None) -> Memory:
        if x is not None:
            data = self._described(self._read(x), static)
            self._require_alike(data)
            return self._memory(data)
        if not hasattr(self, "memory_"):
            raise DataError("nothing is known of any series yet.", expected="a history to forecast from", fix="give it: " + argument("x") + ", or call update first")
        return self.memory_

    def _ahead(self, x: Any, h: int | None, future: Any, static: Any) -> tuple[Memory, int]:
        """What is carried, with what is known of the future, and how many steps are asked for."""
        memory, steps = self._from(x, static), self._horizon(h)
        known = [one.name for one in self.reader_.known]
        if future is not None and known:
            memory = replace(memory, panel=memory.panel.with_future(future, known, steps))
        self.reader_.require_future(memory.panel, steps)
        return memory, steps

    def _quantiles_of(self, memory: Memory) -> np.ndarray:
        """The quantiles that are learnt of every step ahead, [N, h, Q] float64."""
        horizon = int(self.options_["h"])
        if self.density_ is not None:
            return quantiles_of(self.paths_().after(memory, horizon), self.levels_)
        found = memory.asked(self.reader_, self.network_, horizon).double().numpy()
        return memory.base[:, :, None] + memory.scale[:, None, None] * found

    def _described(self, data: Panel, static: Any) -> Panel:
        return data if static is None else data.described(static)

    def _horizon(self, h: int | None) -> int:
        most = int(self.options_["h"])
        if h is not None and not 1 <= h <= most:
            raise ArgumentError(f"{argument('h', h)} is out of range.", expected=f"1 to {most}, the horizon that was learnt", fix=f"fit a forecaster with {argument('h', h)}" if h > most else None)
        return most if h is None else int(h)

    def _origins(self, data: Panel, cutoffs: Sequence[Any] | None, n_windows: int, step: int, horizon: int) -> list[np.ndarray]:
        """Of each series the steps from which it is forecast."""
        if n_windows < 1 or step < 1:
            raise ArgumentError(f"{argument('n_windows', n_windows)} and {argument('step', step)} are out of range.", expected="1 or more of each")
        lengths = data.lengths
        if cutoffs is not None:
            places = np.stack([data.count_until(cutoff) - 1 for cutoff in sorted(cutoffs)], axis=1)
        else:
            places = (lengths - 1 - horizon)[:, None] - step * np.arange(n_windows)[None, ::-1]
        found = [row[(row >= 0) & (row <= length - 2)] for row, length in zip(places, lengths)]
        if max(map(len, found)) < (1 if cutoffs is not None else n_windows):
            longest = int(lengths.argmax())
            raise DataError(f"no series is long enough: {called(data.ids[longest])} has {lengths[longest]} values.", expected=f"more than {horizon + (n_windows - 1) * step} values, or cutoffs within the data")
        return found

    def _columns(self, found: np.ndarray, scales: np.ndarray, intervals: Sequence[float], quantiles: Sequence[float]) -> dict[str, np.ndarray]:
        """The columns of forecasts [M, h, Q], each [M, h]."""
        name = type(self).__name__
        columns = {name: found[..., self.levels_.index(0.5)]}
        for level in intervals:
            ends = [self._quantile(found, end, argument("level", level)) for end in (0.5 - level / 200, 0.5 + level / 200)]
            if widths := getattr(self, "conformal_", {}).get(float(level)):
                wider = scales[:, None] * np.array(widths[: found.shape[1]])
                ends = [np.minimum(ends[0] - wider, columns[name]), np.maximum(ends[1] + wider, columns[name])]
            columns |= {f"{name}-lo-{level:g}": ends[0], f"{name}-hi-{level:g}": ends[1]}
        return columns | {f"{name}-q{one:g}": self._quantile(found, one, argument("quantiles", one)) for one in quantiles}

    def _quantile(self, found: np.ndarray, wanted: float, said: str) -> np.ndarray:
        """One quantile of forecasts [M, h, Q]; one between two that are learnt lies between these."""
        levels = np.array(self.levels_)
        if not levels[0] - 1e-9 <= wanted <= levels[-1] + 1e-9:
            raise ArgumentError(f"{said} is beyond the quantiles that were learnt.", expected=f"quantiles from {levels[0]:g} to {levels[-1]:g}", fix="fit a forecaster that learns it, with " + argument("level") + " or " + argument("quantiles"))
        near = int(np.abs(levels - wanted).argmin())
        if abs(levels[near] - wanted) < 1e-6:
            return found[..., near]
        above = int(np.searchsorted(levels, wanted))
        share = (wanted - levels[above - 1]) / (levels[above] - levels[above - 1])
        return found[..., above - 1] * (1 - share) + found[..., above] * share

    def _after(self, panel: Panel, steps: int) -> dict[str, Any]:
        """The columns of ids and stamps of the steps that follow the one value that each series of a memory has."""
        return keyed(panel, panel.ids, [panel.stamps(row, 1, 1 + steps) for row in range(len(panel))])

    def _backtested(self, data: Panel, forecasts: Forecasts, intervals: Sequence[float]) -> Any:
        horizon = forecasts.truth.shape[1]
        columns = self._columns(forecasts.quantiles, forecasts.scales, intervals, ())
        ids, stamps, cutoffs, there = [], [], [], []
        for series, origin in zip(forecasts.series.tolist(), forecasts.origins.tolist()):
            ids.append(data.ids[series])
            stamps.append(data.stamps(series, origin + 1, origin + 1 + horizon))
            cutoffs += [data.stamps(series, origin, origin + 1)[0]] * horizon
            there.append(np.arange(origin + 1, origin + 1 + horizon) < len(data.values[series]))
        first = {**keyed(data, ids, stamps), "cutoff": cutoffs, data.names.target: forecasts.truth.ravel()}
        frame = pandas().DataFrame(first | {name: values.ravel() for name, values in columns.items()})
        return frame[np.concatenate(there)].reset_index(drop=True)


def conformal_changes(forecasts: Forecasts, level: float) -> list[float]:
    """For each step ahead, what is added to both ends of an interval, in scales.

    Raises:
        DataError: a step has too few values.
    """
    low, high = map(forecasts.quantile, ends_of(level))
    outside = np.maximum(low - forecasts.truth, forecasts.truth - high) / forecasts.scales[:, None]
    found = []
    for step in range(outside.shape[1]):
        known = np.sort(outside[~np.isnan(outside[:, step]), step])
        change = conformal_widths(known[:, None], level)
        if change is None:
            raise DataError(
                f"{len(known)} forecasts of step {step + 1} are too few for an interval of {level:g} %.", expected=f"{held_out_needed(level)} or more", received=str(len(known)),
                fix=f"more {argument('n_windows')}, more series, or a smaller {argument('level')}",
            )  # fmt: skip
        found.append(float(change[0]))
    return found
