"""`Forecaster`: what comes next in each of many series, as quantiles or as paths, with a recurrent network that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.series.features import BLOCK
from tenuto.data.series.panel import Panel
from tenuto.data.series.windows import Batch, Window, Windows
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.densities import Density, density_of
from tenuto.networks.series import encoded
from tenuto.scores.forecasts import crps, ends_of
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.forecast.answers import Answering
from tenuto.tasks.forecast.evaluation import Forecasts, result_of
from tenuto.tasks.forecast.network import Quantiles, quantile_loss
from tenuto.tasks.forecast.options import HEADS, ForecastOptions
from tenuto.tasks.forecast.paths import Paths, quantiles_of
from tenuto.tasks.forecast.shown import cutoffs, examples, residuals
from tenuto.tasks.series_estimator import LEAST_CONTEXT, drawn_batches, left_over
from tenuto.tongues import argument
from tenuto.train import Outcome
from tenuto.train.course import Course

DECILES = tuple(round(0.1 * number, 1) for number in range(1, 10))


class Forecaster(ForecastOptions, Answering):
    """A recurrent forecaster of many series: for each step ahead the quantiles of what comes.

    One network for all series. It reads each series step by step, in sizes of its own past, and corrects a simple forecast (`base`), such as the value one season before.
    Missing values are allowed: they are left out of losses and statistics. The weights with the lowest loss on the last part of each series are kept.
    With `head="density"` it learns the distribution of the next value, and draws paths from it step by step (DeepAR, Salinas et al. 2020).

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

    @property
    def density_(self) -> Density | None:
        """The density that is learnt; None where quantiles are."""
        return density_of(self.options_["distribution"]) if self.options_["head"] == "density" else None

    @property
    def ahead_(self) -> int:
        """The horizon."""
        return int(self.options_["h"])

    def _wanted(self) -> int:
        return self.h

    def _usual_context(self, season: int) -> int:
        return max(4 * self.h, LEAST_CONTEXT)  # what is older, the statistics have; more and shorter windows teach more (monthly sunspots, CO2)

    @property
    def reach_(self) -> int:
        """All steps ahead at once; a density goes step by step."""
        return self.ahead_ if self.density_ is None else 1

    def _fit(self, data: Panel, validation: Any, test: Any, course: Course) -> None:
        super()._fit(data, validation, test, course)
        self.__dict__.pop("conformal_", None)

    def _members(self) -> int:
        return int(self.options_["members"])

    def _begin(self, windows: Windows) -> Any:
        if self.density_ is not None:
            return super()._begin(windows)
        return np.stack([np.quantile(left, self.levels_) for left in left_over(drawn_batches(windows, self._context_length(), self.seed_))])

    def _head(self, width: int) -> nn.Module:
        if self.density_ is not None:
            return super()._head(width)
        return Quantiles(width, len(self.reader_.ahead_names), self.ahead_, self.levels_, units=self.hidden_size, dropout=self.dropout, start=getattr(self, "_start", None))

    def _losses(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        if self.density_ is not None:
            return super()._losses(network, batch)
        assert batch.targets is not None
        targets = ((batch.targets - batch.base) / batch.scale[..., None]).float()
        found = quantile_loss(network(batch), targets, self.levels_)  # of each member, where there are several
        return found.mean(0) if found.ndim > targets.ndim else found, ~torch.isnan(targets)

    def check_options(self) -> None:
        super().check_options()
        require("head", self.head, HEADS)
        if self.members > 1 and self.head == "density":
            raise ArgumentError(f"{argument('members', self.members)} and {argument('head', 'density')} exclude each other.", expected="members of quantiles, which can be averaged", fix=argument("head", "quantiles") + ", or " + argument("members", 1))
        for name, values, most in (("level", self.level, 100), ("quantiles", self.quantiles, 1)):
            wrong = [value for value in values if not 0 < value < most]
            if wrong:
                raise ArgumentError(f"{argument(name, values)} is out of range.", expected=f"numbers above 0 and below {most}", received=f"{wrong[0]:g}")

    @property
    def levels_(self) -> tuple[float, ...]:
        """The quantiles that are learnt, in order: the ends of the intervals, those asked for, and the deciles."""
        ends = [end for level in self.options_["level"] for end in ends_of(level)]
        return tuple(sorted({*DECILES, *ends, *(round(float(one), 6) for one in self.options_["quantiles"])}))

    def paths_(self) -> Paths:
        """How paths are drawn.

        Raises:
            ArgumentError: quantiles were learnt, not a density.
        """
        density = self.density_
        if density is None:
            raise ArgumentError("this forecaster learnt quantiles, from which no paths can be drawn.", expected=argument("head", "density"), received=argument("head", self.head), fix="fit one with " + argument("head", "density"))
        return Paths(self.reader_, self.network_.eval(), density, self.samples, self.seed_)

    # --- the doors -----------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> Tensor:
        """The quantiles after each series' last step, in its own units, [B, h, Q] float64; of a density the parameters for the next step, [B, 1, K]."""
        if self.density_ is not None:
            return super().forward(batch)
        found = self.network_(batch)[0].double()
        return batch.base[0][..., None] + batch.scale[0][:, None, None] * found

    def held_answers(self, batch: Batch) -> Tensor:
        """The median at each step ahead, [h, B]; of a density the mean."""
        if self.density_ is not None:
            return super().held_answers(batch)
        return torch.full((self.ahead_, len(batch.lengths)), self.levels_.index(0.5), dtype=torch.int64)

    def output_names(self) -> list[Any]:
        """The quantiles; of a density its parameters."""
        return super().output_names() if self.density_ is not None else [f"quantile {level:g}" for level in self.levels_]

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def rolling(self, data: Panel, windows: Sequence[Window], read: Windows | None = None) -> Forecasts:
        """The forecasts from these origins, each from the whole past of its series."""
        read = read or Windows(data, self.reader_, self.ahead_, self.reach_)
        found, scales = [np.empty(0)] * len(windows), [np.empty(0)] * len(windows)
        scored = list[np.ndarray]()
        if self.density_ is not None:
            for place, window in enumerate(windows):
                paths, scales[place] = self.paths_().rolling(data, window, read, self.ahead_)
                after = np.concatenate([data.values[window.series], np.full(self.ahead_, np.nan)])
                scored.append(crps(after[window.origins[:, None] + np.arange(1, self.ahead_ + 1)], paths))
                found[place] = quantiles_of(paths, self.levels_)
        else:
            for places in read.pieces(windows, BLOCK // len(self.reader_.names)):
                for place, quantiles, scale in zip(places, *self._from_origins(read, [windows[place] for place in places])):
                    found[place], scales[place] = quantiles, scale
        forecasts = Forecasts.of(data, windows, found, self.levels_, self.options_["season"], self.ahead_, scales)
        return replace(forecasts, crps=np.concatenate(scored)) if scored else forecasts

    def _from_origins(self, read: Windows, windows: Sequence[Window]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Of each window the quantiles from its origins, [O, h, Q], and the scales there, [O]."""
        network, batch = self.network_.eval(), read.batch(windows, targets=False)
        output = encoded(network, batch.x, batch.lengths).output
        with torch.no_grad():
            from_here = network.at(output[batch.places, torch.arange(len(windows))], batch).double()
        found = (batch.base[..., None] + batch.scale[..., None, None] * from_here).cpu().numpy()
        scales, counts = batch.scale.numpy(), [len(window.origins) for window in windows]
        return [found[:count, row] for row, count in enumerate(counts)], [scales[:count, row] for row, count in enumerate(counts)]

    def _nats(self, read: Windows) -> float:
        """Of a density the nats of a value, one step ahead, the mean over all that are asked for."""
        network, sums, count, windows = self.network_.eval(), 0.0, 0, read.asked(None)
        for places in read.pieces(windows, BLOCK // len(self.reader_.names)):
            with torch.no_grad():
                found, there = self._losses(network, read.batch([windows[place] for place in places]))
            sums, count = sums + float(found.sum()), count + int(there.sum())
        return sums / max(count, 1)

    def _measure(self, data: Panel, name: str) -> Measured:
        self._require_alike(data)
        watch, read = Watch(), Windows(data, self.reader_, self.ahead_, self.reach_)
        windows = read.asked(None, step=max(1, self.ahead_ // 3), whole=True)
        if not windows:
            raise DataError("there is nothing to forecast.", expected="series of two values or more")
        forecasts = self.rolling(data, windows, read)
        speed = prediction_speed(watch, sequences=len(windows), steps=int(data.lengths.sum()), rows=1)
        result = result_of(forecasts, self.options_["level"], models=name == "test")
        if self.density_ is not None:
            result["loss"] = self._nats(read)
        level = self.options_["level"]
        shown = {"examples": examples(forecasts, data, name, level), "cutoffs": cutoffs(forecasts, data, name, level), "residuals": residuals(forecasts, data)}
        return Measured(result, shown, speed)

    def score(self, x: Any, y: Any = None) -> float:
        """Minus the mean weighted quantile loss of forecasts of the last `h` values of each series: higher is better, 0 is perfect."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x)
            self._require_scorable(data)
            return -float(self._measure(data, "validation").result["wql"])

    def _about(self, training: Panel, outcome: Outcome) -> dict[str, Any]:
        return {"title": f"{type(self.cell_).__name__} forecaster, {self.options_['h']} steps of {self.frequency_.name} ahead", "features": list(self.reader_.names)}

    def _kept(self) -> dict[str, Any]:
        conformal = {f"{level:g}": row for level, row in getattr(self, "conformal_", {}).items()}
        return {**super()._kept(), "conformal": conformal or None}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        if kept["conformal"]:
            self.conformal_ = {float(level): list(row) for level, row in kept["conformal"].items()}
