"""`SeriesEstimator`: what tasks over series share: how panels are read, divided and cut into windows, how a head is trained on them, and what is kept.

The head here is the density of the next value; a task may have another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.series.features import BASES, Reader
from tenuto.data.series.frequency import Frequency
from tenuto.data.series.later import only_later
from tenuto.data.series.panel import Panel, called
from tenuto.data.series.table import Names
from tenuto.data.series.windows import MOST_KEPT, Batch, Drawn, Window, Windows
from tenuto.data.split import check_fraction
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.densities import Density, density_of
from tenuto.networks.members import Members
from tenuto.networks.series import DensityHead, SeriesNetwork
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import UsualCall, describe_set
from tenuto.tasks.series_exported import ExportedSeries
from tenuto.tasks.series_memory import Memory
from tenuto.tasks.series_options import SeriesOptions
from tenuto.tongues import argument, either
from tenuto.train import Checkpoint, Launch, Loss, Observer, share_of
from tenuto.train.course import Course, Learning

E = TypeVar("E", bound="SeriesEstimator")

LEAST_CONTEXT = 64


class SeriesEstimator(SeriesOptions, ExportedSeries, Estimator):
    """What is fitted on long frames of series.

    Attributes (after fit):
        reader_: how a panel is read. frequency_, names_: of its stamps and columns. memory_: what is carried of each series, up to its last value.
    """

    former_names = {}
    needs_targets = False
    takes = {}
    steady: ClassVar[bool] = False  # whether values that lie very far out are held back from the statistics

    network_: SeriesNetwork
    reader_: Reader
    frequency_: Frequency
    names_: Names
    memory_: Memory

    # --- what a task answers ---------------------------------------------------------------------------------------------

    @property
    def ahead_(self) -> int:
        """Steps ahead that are of interest."""
        return 1

    def _wanted(self) -> int:
        """`ahead_` of the fit that begins."""
        return 1

    @property
    def reach_(self) -> int:
        """Steps ahead that the head answers at once."""
        return 1

    def _members(self) -> int:
        """How many networks learn side by side."""
        return 1

    def _begin(self, windows: Windows) -> Any:
        """What the head says before anything is learnt, from training."""
        assert self.density_ is not None
        return likeliest(self.density_, drawn_batches(windows, self._context_length(), self.seed_))

    def _head(self, width: int) -> nn.Module:
        """The head over outputs of this width."""
        assert self.density_ is not None
        start = getattr(self, "_start", [0.0] * len(self.density_.parameters))
        return DensityHead(width, len(self.reader_.ahead_names), start, units=self.hidden_size, dropout=self.dropout)

    def _losses(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of each origin, series and step ahead, [O, B, h], and where there is one."""
        assert self.density_ is not None and batch.targets is not None
        return self.density_.loss(network(batch), batch.base, batch.scale[..., None], batch.targets), ~torch.isnan(batch.targets)

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self: E,
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
    ) -> E:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: a long frame of pandas or polars, with a row for each series and stamp; without ids it is one series. Or a `Panel`, or a list of these.
            y: nothing: the values are a column of `x`.
            static: a frame with one row for each id, also those of `validation` and `test`, of what holds for a whole series.
            id_col, time_col, target_col: the names of the columns.
            validation: a frame; the last values of each series choose the best weights. Default: `validation_fraction` of each series, its end.
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
        if isinstance(x, (list, tuple)):  # of panels or frames
            panel = Panel.of([self._panel(one, names) for one in x])
        else:
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
        validation, test = (None if given is None else only_later(data, given, part) for given, part in ((validation, "validation"), (test, "test")))
        super()._fit(data, validation, test, course)
        for name in ("_windows", "_held", "_start"):
            self.__dict__.pop(name, None)
        self.memory_ = self._memory(data)

    def _divide(self, data: Panel) -> tuple[Panel, Panel]:
        check_fraction(self.validation_fraction)
        lengths, steps = data.lengths, self._wanted()
        ends = np.maximum(np.round(self.validation_fraction * lengths), np.minimum(steps, lengths // 4)).astype(np.int64)
        if not ends.any():
            raise DataError(
                "every series is too short to be divided.", expected="4 values of a series, at least", received=f"{int(lengths.max())} at most",
                fix=either("give a validation set: validation=...", "give a file with later values: --validation FILE"),
            )  # fmt: skip
        said = f"the last {self.validation_fraction:.0%} of each series" + (f", {steps} steps where it is long enough" if steps > 1 else "")
        training = data.cut(lengths - ends, origin=f"{data.origin}, without {said}")
        return training, data.asking_from(lengths - ends, origin=said).select(np.flatnonzero(ends), origin=said)

    def _settled(self, training: Panel) -> dict[str, Any]:
        longest = int(training.lengths.max())
        season = self.season or training.frequency.season
        season = season if 2 * season <= longest or self.season else 1
        self._context = self.context or self._usual_context(season)
        found = super()._settled(training)
        if self.season is None:
            found["season"] = season
        if self.context is None:
            found["context"] = self._context
        return found

    def _usual_context(self, season: int) -> int:
        """Steps of a window, where nothing is said."""
        return max(3 * season, LEAST_CONTEXT)

    def _items(self, training: Panel) -> int:
        return sum(max(1, round(2 * length / self._context)) if length > self._context else 1 for length in training.lengths.tolist())

    def _prepare(self, training: Panel, held_out: Panel) -> None:
        self.frequency_, self.names_ = training.frequency, training.names
        self._require_possible(training)
        self.reader_ = Reader.learn(
            training, season=self.options_["season"], base=self.base, horizon=self.ahead_, calendar=self.calendar, known=tuple(self.known), past=tuple(self.past), static=tuple(self.static), steady=self.steady
        )

    def _ready(self, training: Panel, held_out: Panel) -> None:
        self._require_alike(held_out)
        self.options_["base"] = self.reader_.base
        self._windows, self._held = (Windows(panel, self.reader_, self.ahead_, self.reach_) for panel in (training, held_out))
        if not self._held.asked(None):
            raise DataError("the validation part has nothing to forecast.", expected="series of two values or more")
        self._start = self._begin(self._windows)

    def _require_alike(self, data: Panel) -> None:
        if data.frequency != self.frequency_:
            raise DataError("the data has another frequency than that of training.", expected=self.frequency_.name, received=data.frequency.name)
        self.reader_.require(data)
        self._require_possible(data)

    def _require_possible(self, data: Panel) -> None:
        """Raise DataError if counts are learnt and a value is none."""
        if self.density_ is None or not self.density_.counts:
            return
        for row, values in enumerate(data.values):
            wrong = np.flatnonzero((values < 0) | (values != np.floor(values)) & ~np.isnan(values))
            if wrong.size:
                at = int(wrong[0])
                raise DataError(
                    f"{called(data.ids[row])} has {values[at]:g} at {data.stamps(row, at, at + 1)[0]}, which is no count.", expected=f"whole numbers, 0 or more, for {argument('distribution', self.distribution)}",  # type: ignore[attr-defined]
                    received=f"{len(wrong)} values of this series that are none", fix=argument("distribution", "student-t"),
                )  # fmt: skip

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
        density_of(self.distribution)  # type: ignore[attr-defined]
        named = [*self.known, *self.past, *self.static]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise ArgumentError(f"the column {twice!r} is named twice.", expected=f"each column once, in {argument('known')}, {argument('past')} or {argument('static')}")

    def _context_length(self) -> int:
        return int(self.options_["context"])

    def _network(self) -> SeriesNetwork:
        return SeriesNetwork(self.cell_, len(self.reader_.names), self.hidden_size, self._head, num_layers=self.num_layers, dropout=self.dropout, engine=self.engine, members=self._members(), encoder=self.encoder, window=self._context_length())

    def _learning(self, training: Panel, held_out: Panel, launch: Launch) -> Learning:
        device, context = torch.device(self.device), self._context_length()
        ahead = self._held.asked(context)
        numbers = max(len(window.origins) for window in ahead) * len(ahead) * self.reach_ * (16 + 4 * len(self.reader_.ahead_names))
        parts = [ahead[first : first + 64] for first in range(0, len(ahead), 64)]
        kept = [self._held.batch(part).to(device) for part in parts] if numbers <= MOST_KEPT else None

        def batches(epoch: int) -> Pieces:
            draw = np.random.default_rng([self.seed_, epoch])
            windows = self._windows.drawn(context, draw)
            return Pieces(windows, draw.permutation(len(windows)), self.options_["batch_size"])

        def loss(network: nn.Module, windows: list[Window], carried: None) -> Loss:
            mine, count = share_of(launch, np.arange(len(windows)))
            found, there = self._losses(network, self._windows.batch([windows[place] for place in mine]).to(device))
            return Loss((found.sum((0, 2)) / there.sum((0, 2)).clamp(min=1)).mean(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            held = (self._held.batch(part).to(device) for part in parts) if kept is None else kept
            with torch.no_grad():
                sums = [(found.sum(), there.sum()) for found, there in map(partial(self._losses, network), held)]
            return {"validation_loss": float(sum(one for one, _ in sums) / max(float(sum(count for _, count in sums)), 1.0))}

        return Learning(batches, loss, validate, lambda windows: f"{len(windows)} windows")

    # --- the doors -----------------------------------------------------------------------------------------------------

    def _batches(self, data: Panel) -> Batches:
        self._require_alike(data)
        windows, lengths = Windows(data, self.reader_, self.ahead_, self.reach_), data.lengths
        return Batches(lengths, 64, lambda rows: windows.batch([Window(int(row), 0, lengths[row : row + 1] - 1) for row in rows], targets=False), self._most_steps())

    def forward(self, batch: Batch) -> Tensor:
        """The parameters of the density of the value after each series' last step, in its own units, [B, 1, K] float64."""
        assert self.density_ is not None
        return self.density_.of(self.network_(batch)[0], batch.base[0], batch.scale[0][:, None])

    def answer(self, tensors: Tensor) -> list[np.ndarray]:
        """What `forward` gives for each series, an array [h, K]."""
        return list(tensors.detach().cpu().numpy())

    def raw(self, batch: Batch) -> Tensor:
        """The same at each step ahead, [h, B, K]."""
        return self.forward(batch).transpose(0, 1)

    def answer_lengths(self, batch: Batch) -> Tensor | None:
        """None: every series is forecast as far."""
        return None

    def held_answers(self, batch: Batch) -> Tensor:
        """The mean at each step ahead, [h, B]."""
        return torch.zeros((self.reach_, len(batch.lengths)), dtype=torch.int64)

    def output_names(self) -> list[Any]:
        """The parameters of the density."""
        assert self.density_ is not None
        return list(self.density_.parameters)

    def input_names(self) -> list[str]:
        """What is read at each step."""
        return list(self.reader_.names)

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _describe(self, data: Panel) -> dict[str, Any]:
        return describe_set(data, data.lengths, missing_values=data.missing_values, frequency=data.frequency.name)

    def _usual_call(self, training: Panel) -> UsualCall:
        call, encoder = super()._usual_call(training), self.network_.encoder
        call = call._replace(layer=encoder.members[0]) if isinstance(encoder, Members) else call
        return call._replace(steps=min(call.steps, self._context_length()))

    def _kept(self) -> dict[str, Any]:
        return {"frequency": self.frequency_.name, "columns": list(self.names_), "reader": self.reader_.to_data()}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.frequency_, self.names_, self.reader_ = Frequency(kept["frequency"]), Names(*kept["columns"]), Reader.from_data(kept["reader"])

    def _memory(self, data: Panel, before: Memory | None = None) -> Memory:
        self._require_possible(data)
        return Memory.of(data, self.reader_, self.network_.eval(), self.ahead_, before)


class Pieces(Sequence[list[Window]]):
    """The batches of an epoch: so many windows each, in this order, made when they are asked for."""

    def __init__(self, windows: Drawn, order: np.ndarray, rows: int) -> None:
        self._windows, self._order, self._rows = windows, order, rows

    def __len__(self) -> int:
        return -(-len(self._order) // self._rows)

    def __getitem__(self, place: int) -> list[Window]:  # type: ignore[override]
        if not 0 <= place < len(self):
            raise IndexError(place)  # which ends an iteration
        return [self._windows[int(one)] for one in self._order[place * self._rows : (place + 1) * self._rows]]


def drawn_batches(windows: Windows, context: int, seed: int) -> list[Batch]:
    """At most 200 windows of training, each a batch."""
    draw = np.random.default_rng([seed, 0])
    drawn = windows.drawn(context, draw)
    return windows.alone([drawn[int(place)] for place in draw.permutation(len(drawn))[:200]])


def left_over(batches: Sequence[Batch]) -> list[np.ndarray]:
    """For each step ahead what the bases leave over, in scales, within 50; those of a neighbouring step where a step has no value."""
    pooled = [((batch.targets - batch.base) / batch.scale[..., None])[:, 0].numpy() for batch in batches]  # type: ignore[operator]
    left = np.concatenate(pooled) if pooled else np.zeros((0, 1))
    found, known = [], np.array([-2.0, 2.0])
    for column in left.T:
        here = column[np.isfinite(column)]
        known = here if here.size > 1 else known
        found.append(np.clip(known, -50, 50))
    return found


def likeliest(density: Density, batches: Sequence[Batch]) -> list[float]:
    """The network's numbers with which these targets are the likeliest, if it gives the same ones everywhere."""
    guess = density.start(left_over(batches)[0])
    if not batches:
        return guess
    base, scale, targets = (torch.cat([one.flatten() for one in parts]) for parts in zip(*((batch.base, batch.scale, batch.targets) for batch in batches)))
    raw = torch.tensor(guess, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([raw], max_iter=60, line_search_fn="strong_wolfe")

    def nats() -> Tensor:
        search.zero_grad()
        found = density.loss(raw.expand(len(base), -1), base, scale, targets).mean()
        found.backward()
        return found

    with torch.enable_grad():
        search.step(nats)
    return raw.tolist() if bool(raw.isfinite().all()) else guess
