"""`Forecaster`: quantiles of what comes next in each of many series, with a recurrent network that all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.series.features import BASES, Reader
from tenuto.data.series.frequency import Frequency
from tenuto.data.series.panel import Panel
from tenuto.data.series.table import Names
from tenuto.data.series.windows import Batch, Window, Windows
from tenuto.data.split import check_fraction
from tenuto.errors import ArgumentError, DataError
from tenuto.scores.forecasts import ends_of
from tenuto.tasks.estimator import Batches, Estimator
from tenuto.tasks.evaluation import Measured, UsualCall, Watch, describe_set, prediction_speed
from tenuto.tasks.forecast.answers import Answering
from tenuto.tasks.forecast.evaluation import Forecasts, examples, result_of
from tenuto.tasks.forecast.exported import ExportedForecasts
from tenuto.tasks.forecast.memory import Memory, encoded
from tenuto.tasks.forecast.network import ForecastNetwork, quantile_loss
from tenuto.tasks.forecast.options import ForecastOptions
from tenuto.tongues import argument, either
from tenuto.train import Checkpoint, Launch, Loss, Observer, Outcome, share_of
from tenuto.train.course import Course, Learning

DECILES = tuple(round(0.1 * number, 1) for number in range(1, 10))
LEAST_CONTEXT = 64


class Forecaster(ForecastOptions, Answering, ExportedForecasts, Estimator):
    """A recurrent forecaster of many series: for each step ahead the quantiles of what comes.

    One network for all series. It reads each series step by step, in sizes of its own past, and corrects a simple forecast (`base`), such as the value one season before.
    Missing values are allowed: they are left out of losses and statistics. The weights with the lowest loss on the last part of each series are kept.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        reader_: how a panel is read. levels_: the quantiles that are learnt. memory_: what is carried of each series, up to its last value.
        seed_, network_, metrics_, evaluation_: as in every estimator.
    Example:
        >>> frame = {"ds": range(60), "y": [step % 4 for step in range(60)]}
        >>> model = Forecaster(h=2, freq="1", season=4, cell="gru", hidden_size=4, epochs=1).fit(frame)
        >>> list(model.predict().columns)
        ['ds', 'Forecaster', 'Forecaster-lo-80', 'Forecaster-hi-80', 'Forecaster-lo-95', 'Forecaster-hi-95']
    """

    task = "forecast"
    former_names = {}
    needs_targets = False
    takes = {}

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        static: Any = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        validation: Any = None,
        test: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> Forecaster:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: a long frame of pandas or polars, with a row for each series and stamp; without ids it is one series. Or a `Panel`.
            y: nothing: the values are a column of `x`.
            static: a frame with one row for each id, also those of `validation` and `test`, of what holds for a whole series.
            id_col, time_col, target_col: the names of the columns.
            validation: a frame; its last `h` values of each series are forecast to choose the best weights. Default: `validation_fraction` of each series, its end.
            test, observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        Raises:
            DataError: a gap, a stamp that is twice there or off the grid, an infinite value, a covariate that is not there; id and stamp are named.
            ArgumentError: an option out of range. TrainingError: the loss or a gradient became NaN or infinite.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            if y is not None:
                raise ArgumentError(f"{argument('y')} is given apart.", expected="a long frame whose column y has the values", fix=f"put the values into the frame, and name their column with {argument('target_col')}")
            names = Names(id_col, time_col, target_col)
            given = [None if one is None else self._panel(one, names, static) for one in (x, validation, test)]
        return super().fit(given[0], validation=given[1], test=given[2], observers=observers, checkpoint=checkpoint, launch=launch)

    def _panel(self, x: Any, names: Names, static: Any = None) -> Panel:
        panel = x if isinstance(x, Panel) else Panel.from_frame(x, freq=self.freq, names=names)
        asked = None if self.freq is None else Frequency.of(self.freq)
        if asked not in (None, panel.frequency) and not asked.name.startswith(panel.frequency.name.partition("-")[0]):
            raise DataError(f"{argument('freq', self.freq)} does not fit the data.", received=f"steps of {panel.frequency.name}", fix=f"give {argument('freq', panel.frequency.name)}")
        return panel if static is None else panel.described(static)

    def _read(self, x: Any, y: Any = None) -> Panel:
        if isinstance(x, Panel):
            return x
        if isinstance(x, (list, tuple)):  # of panels or frames
            return Panel.of([self._read(one) for one in x])
        if not hasattr(self, "reader_"):
            return self._panel(x, Names())
        return Panel.from_frame(x, freq=self.frequency_, names=self.names_)

    def _fit(self, data: Panel, validation: Any, test: Any, course: Course) -> None:
        super()._fit(data, validation, test, course)
        for name in ("_windows", "_held", "_start"):
            self.__dict__.pop(name, None)
        self.__dict__.pop("conformal_", None)
        self.memory_ = self._memory(data)

    def _divide(self, data: Panel) -> tuple[Panel, Panel]:
        check_fraction(self.validation_fraction)
        lengths = data.lengths
        ends = np.maximum(np.round(self.validation_fraction * lengths), np.minimum(self.h, lengths // 4)).astype(np.int64)
        if not ends.any():
            raise DataError(
                "every series is too short to be divided.", expected="4 values of a series, at least", received=f"{int(lengths.max())} at most",
                fix=either("give a validation set: validation=...", "give a file with later values: --validation FILE"),
            )  # fmt: skip
        said = f"the last {self.validation_fraction:.0%} of each series, {self.h} steps where it is long enough"
        training = data.cut(lengths - ends, origin=f"{data.origin}, without {said}")
        return training, data.asking_from(lengths - ends, origin=said).select(np.flatnonzero(ends), origin=said)

    def _settled(self, training: Panel) -> dict[str, Any]:
        longest = int(training.lengths.max())
        season = self.season or training.frequency.season
        season = season if 2 * season <= longest or self.season else 1
        self._context = self.context or max(3 * season, 4 * self.h, LEAST_CONTEXT)
        found = super()._settled(training)
        if self.season is None:
            found["season"] = season
        if self.context is None:
            found["context"] = self._context
        return found

    def _items(self, training: Panel) -> int:
        return sum(max(1, round(2 * length / self._context)) if length > self._context else 1 for length in training.lengths.tolist())

    def _prepare(self, training: Panel, held_out: Panel) -> None:
        options = self.options_
        self.frequency_, self.names_ = training.frequency, training.names
        self.reader_ = Reader.learn(
            training, season=options["season"], base=self.base, horizon=self.h, calendar=self.calendar, known=tuple(self.known), past=tuple(self.past), static=tuple(self.static)
        )

    def _ready(self, training: Panel, held_out: Panel) -> None:
        self._require_alike(held_out)
        self.options_["base"] = self.reader_.base
        self._windows, self._held = (Windows(panel, self.reader_, self.h) for panel in (training, held_out))
        if not self._held.asked(None):
            raise DataError("the validation part has nothing to forecast.", expected="series of two values or more")
        self._start = start_quantiles(self._windows, self._context_length(), self.levels_, self.seed_)

    def _require_alike(self, data: Panel) -> None:
        if data.frequency != self.frequency_:
            raise DataError("the data has another frequency than that of training.", expected=self.frequency_.name, received=data.frequency.name)
        self.reader_.require(data)

    def _require_scorable(self, data: Panel) -> None:
        self._require_alike(data)
        if not any(np.isfinite(values[max(int(begin), 1) :]).any() for values, begin in zip(data.values, data.begin)):
            raise DataError("there is no value to compare a forecast with.", expected="a value after the first, in one series at least")
        super()._require_scorable(data)

    def check_options(self) -> None:
        if self.freq is not None:
            self.freq = Frequency.of(self.freq).name
        super().check_options()
        require("base", self.base, ("auto", *BASES))
        named = [*self.known, *self.past, *self.static]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise ArgumentError(f"the column {twice!r} is named twice.", expected=f"each column once, in {argument('known')}, {argument('past')} or {argument('static')}")
        for name, values, most in (("level", self.level, 100), ("quantiles", self.quantiles, 1)):
            wrong = [value for value in values if not 0 < value < most]
            if wrong:
                raise ArgumentError(f"{argument(name, values)} is out of range.", expected=f"numbers above 0 and below {most}", received=f"{wrong[0]:g}")

    @property
    def levels_(self) -> tuple[float, ...]:
        """The quantiles that are learnt, in order: the ends of the intervals, those asked for, and the deciles."""
        ends = [end for level in self.options_["level"] for end in ends_of(level)]
        return tuple(sorted({*DECILES, *ends, *(round(float(one), 6) for one in self.options_["quantiles"])}))

    def _context_length(self) -> int:
        return int(self.options_["context"])

    def _network(self) -> ForecastNetwork:
        reader, options = self.reader_, self.options_
        return ForecastNetwork(
            self.cell_, len(reader.names), len(reader.ahead_names), self.hidden_size, options["h"], self.levels_, num_layers=self.num_layers, dropout=self.dropout, engine=self.engine,
            start=getattr(self, "_start", None),
        )  # fmt: skip

    def _learning(self, training: Panel, held_out: Panel, launch: Launch) -> Learning:
        levels, device, context = self.levels_, torch.device(self.device), self._context_length()
        ahead = self._held.asked(context)
        held = [self._held.batch(ahead[first : first + 64]).to(device) for first in range(0, len(ahead), 64)]

        def batches(epoch: int) -> list[list[Window]]:
            draw = np.random.default_rng([self.seed_, epoch])
            windows = self._windows.drawn(context, draw)
            order, rows = draw.permutation(len(windows)), self.options_["batch_size"]
            return [[windows[place] for place in order[first : first + rows]] for first in range(0, len(order), rows)]

        def loss(network: nn.Module, windows: list[Window], carried: None) -> Loss:
            mine, count = share_of(launch, np.arange(len(windows)))
            found, there = losses(network, self._windows.batch([windows[place] for place in mine]).to(device), levels)
            return Loss((found.sum((0, 2)) / there.sum((0, 2)).clamp(min=1)).mean(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            with torch.no_grad():
                sums = [(found.sum(), there.sum()) for found, there in (losses(network, batch, levels) for batch in held)]
            return {"validation_loss": float(sum(one for one, _ in sums) / max(float(sum(count for _, count in sums)), 1.0))}

        return Learning(batches, loss, validate, lambda windows: f"{len(windows)} windows")

    # --- the doors -----------------------------------------------------------------------------------------------------

    def _batches(self, data: Panel) -> Batches:
        self._require_alike(data)
        windows, lengths = Windows(data, self.reader_, self.options_["h"]), data.lengths
        return Batches(lengths, 64, lambda rows: windows.batch([Window(int(row), 0, lengths[row : row + 1] - 1) for row in rows], targets=False), self._most_steps())

    def forward(self, batch: Batch) -> Tensor:
        """The quantiles after each series' last step, in its own units, [B, h, Q] float64."""
        found = self.network_(batch)[0].double()
        return batch.base[0][..., None] + batch.scale[0][:, None, None] * found

    def answer(self, tensors: Tensor) -> list[np.ndarray]:
        """The quantiles of each series, an array [h, Q]."""
        return list(tensors.detach().cpu().numpy())

    def raw(self, batch: Batch) -> Tensor:
        """The quantiles at each step ahead, [h, B, Q]."""
        return self.forward(batch).transpose(0, 1)

    def answer_lengths(self, batch: Batch) -> Tensor | None:
        """None: every series is forecast as far."""
        return None

    def held_answers(self, batch: Batch) -> Tensor:
        """The median at each step ahead, [h, B]."""
        return torch.full((self.options_["h"], len(batch.lengths)), self.levels_.index(0.5), dtype=torch.int64)

    def output_names(self) -> list[Any]:
        """The quantiles."""
        return [f"quantile {level:g}" for level in self.levels_]

    def input_names(self) -> list[str]:
        """What is read at each step."""
        return list(self.reader_.names)

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def rolling(self, data: Panel, windows: Sequence[Window], read: Windows | None = None) -> Forecasts:
        """The forecasts from these origins, each from the whole past of its series."""
        read = read or Windows(data, self.reader_, self.options_["h"])
        network: Any = self.network_.eval()
        found = []
        for window in windows:
            batch = read.batch([window])
            output = encoded(network, batch.x, batch.lengths).output
            with torch.no_grad():
                from_here = network.quantiles(output[batch.places[:, :1], 0], batch)[:, 0].double()
            found.append((batch.base[:, 0, :, None] + batch.scale[:, 0, None, None] * from_here).cpu().numpy())
        return Forecasts.of(data, windows, found, self.levels_, self.options_["season"], self.options_["h"], [read.scales(window) for window in windows])

    def _measure(self, data: Panel, name: str) -> Measured:
        self._require_alike(data)
        watch, read = Watch(), Windows(data, self.reader_, self.options_["h"])
        windows = read.asked(None, step=max(1, self.options_["h"] // 3), whole=True)
        if not windows:
            raise DataError("there is nothing to forecast.", expected="series of two values or more")
        forecasts = self.rolling(data, windows, read)
        speed = prediction_speed(watch, sequences=len(windows), steps=int(data.lengths.sum()), rows=1)
        return Measured(result_of(forecasts, self.options_["level"], models=name == "test"), {"examples": examples(forecasts, data, name, self.options_["level"])}, speed)

    def score(self, x: Any, y: Any = None) -> float:
        """Minus the mean weighted quantile loss of forecasts of the last `h` values of each series: higher is better, 0 is perfect."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x)
            self._require_scorable(data)
            return -float(self._measure(data, "validation").result["wql"])

    def _describe(self, data: Panel) -> dict[str, Any]:
        return describe_set(data, data.lengths, missing_values=data.missing_values, frequency=data.frequency.name)

    def _usual_call(self, training: Panel) -> UsualCall:
        call = super()._usual_call(training)
        return call._replace(steps=min(call.steps, self._context_length()))

    def _about(self, training: Panel, outcome: Outcome) -> dict[str, Any]:
        return {"title": f"{type(self.cell_).__name__} forecaster, {self.options_['h']} steps of {self.frequency_.name} ahead", "features": list(self.reader_.names)}

    def _kept(self) -> dict[str, Any]:
        conformal = {f"{level:g}": row for level, row in getattr(self, "conformal_", {}).items()}
        return {"frequency": self.frequency_.name, "columns": list(self.names_), "reader": self.reader_.to_data(), "conformal": conformal or None}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.frequency_, self.names_, self.reader_ = Frequency(kept["frequency"]), Names(*kept["columns"]), Reader.from_data(kept["reader"])
        if kept["conformal"]:
            self.conformal_ = {float(level): list(row) for level, row in kept["conformal"].items()}

    def _memory(self, data: Panel, before: Memory | None = None) -> Memory:
        assert isinstance(self.network_, ForecastNetwork)
        return Memory.of(data, self.reader_, self.network_.eval(), self.options_["h"], before)


def losses(network: nn.Module, batch: Batch, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The loss of each origin, series and step ahead, in scales, [O, B, h], and where there is one."""
    assert batch.targets is not None
    targets = ((batch.targets - batch.base) / batch.scale[..., None]).float()
    return quantile_loss(network(batch), targets, levels), ~torch.isnan(targets)


def start_quantiles(windows: Windows, context: int, levels: tuple[float, ...], seed: int) -> np.ndarray:
    """[h, Q], the quantiles of what the bases leave over in training, in scales; those of a neighbouring step where a step has no value."""
    draw = np.random.default_rng([seed, 0])
    drawn = windows.drawn(context, draw)
    chosen = [drawn[place] for place in draw.permutation(len(drawn))[:200]]
    pooled: list[list[np.ndarray]] = [[] for _ in range(windows.horizon)]
    for window in chosen:
        batch = windows.batch([window])
        left = ((batch.targets - batch.base) / batch.scale[..., None])[:, 0].numpy()  # type: ignore[operator]
        for step in range(windows.horizon):
            pooled[step].append(left[np.isfinite(left[:, step]), step])
    found, known = np.zeros((windows.horizon, len(levels))), np.array([-2.0, 2.0])
    for step, parts in enumerate(pooled):
        here = np.concatenate(parts) if parts else np.zeros(0)
        known = here if here.size > 1 else known
        found[step] = np.quantile(np.clip(known, -50, 50), levels)
    return found
