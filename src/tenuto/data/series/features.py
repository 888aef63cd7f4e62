"""`Reader`: a panel as a network reads it: at each step numbers of about the size 1, made of what came before and of this step alone; what is learnt for it, is learnt from training.

A forecast is a base, such as the value one season before, plus a number of `scale`s. Base and scale come from the series' own past, so a panel cannot change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.frame import is_missing
from tenuto.data.series.covariates import Covariate, learn_covariates
from tenuto.data.series.panel import Panel, called
from tenuto.data.series.running import Running, Seen
from tenuto.errors import DataError
from tenuto.tongues import either

BASES = ("last", "drift", "mean", "season", "season-drift")
LIMIT = 20.0  # of a number that a network reads; a value far from all others shall not drown them
LEAST_SHARE = 1e-3  # of a series' level, the smallest scale: a constant series has no changes
Columns = int | np.ndarray  # of one series, or of each place's own [O]
BLOCK = 2**21  # numbers of a block of series, padding included
MOST_LEARNT = 1000  # series, at most, from which scales and the base are learnt
MOST_LEVELS = 2**20  # steps, at most, from which scales are learnt


class Read(NamedTuple):
    """A block of series as a network reads it. T steps, B series, h steps ahead.

    Attributes:
        x: [T, B, F] float32. lengths: [B]. scale: [T, B] float64.
        ahead: of each series, [T + h or T, P] float32: what is known of each stamp beforehand. seen: what `Running` saw.
    """

    x: np.ndarray
    lengths: np.ndarray
    scale: np.ndarray
    ahead: list[np.ndarray]
    seen: Seen

    def deviation(self, kind: str, places: np.ndarray, column: Columns) -> np.ndarray:
        """[O], how far the last value at each of these places lies from what the base says there; 0 where that is not known."""
        seen = self.seen
        if kind in ("last", "drift"):
            return np.zeros(len(places))
        found = seen.last[places, column] - seen.mean[places, column] if kind == "mean" else seen.season_step[places, column]
        if kind == "season-drift":
            found = found - seen.season_drift[places, column]
        return np.where(np.isnan(found), 0.0, found)

    def base(self, kind: str, season: int, places: np.ndarray, column: Columns, steps: int, carry: Sequence[float] = ()) -> np.ndarray:
        """The base [O, steps] of a forecast from each of these places [O] in a series, in float64; NaN where nothing was observed yet.

        Args:
            carry: the share of the last value's deviation that is still there so many steps ahead; nothing of it without.
        """
        found = self._plain_base(kind, season, places, column, steps)
        return found + self.deviation(kind, places, column)[:, None] * np.array(carry[:steps]) if len(carry) else found

    def _plain_base(self, kind: str, season: int, places: np.ndarray, column: Columns, steps: int) -> np.ndarray:
        seen, ahead = self.seen, np.arange(1, steps + 1)
        last = np.broadcast_to(seen.last[places, column][:, None], (len(places), steps))
        if kind == "mean":
            return np.where(np.isnan(last), np.nan, seen.mean[places, column][:, None])
        if kind in ("last", "drift"):
            return last + (seen.drift[places, column][:, None] * ahead if kind == "drift" else 0.0)
        cycles = -(-ahead // season)
        found = seen.filled[places[:, None] + ahead - season * (cycles - 1), np.reshape(column, (-1, 1))]
        if kind == "season-drift":
            found = found + seen.season_drift[places, column][:, None] * cycles
        return np.where(np.isnan(found), last, found)


@dataclass(frozen=True)
class Reader:
    """How a panel is read.

    Attributes:
        season: m, in steps. base: one of BASES. carry: [h], the share of the last value's deviation from the base that is carried into each step ahead. calendar: whether what the calendar says is read.
        known, past, static: covariates: known of the future, known up to now, of a whole series.
        level: the mean logarithm of the series' levels in training, its deviation, and the same of the scale in levels.
        steady: whether values that lie very far out are held back from the statistics (`Running.advance`); the change to the next step, one season before, is then read too.
    """

    season: int
    base: str
    calendar: bool
    known: tuple[Covariate, ...] = ()
    past: tuple[Covariate, ...] = ()
    static: tuple[Covariate, ...] = ()
    level: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    names: tuple[str, ...] = field(default=())
    ahead_names: tuple[str, ...] = field(default=())
    carry: tuple[float, ...] = ()
    steady: bool = False

    @classmethod
    def learn(cls, panel: Panel, *, season: int, base: str, horizon: int, calendar: bool = True, known: Sequence[str] = (), past: Sequence[str] = (), static: Sequence[str] = (), steady: bool = False) -> Reader:
        """Learn from a training panel.

        Args:
            base: one of BASES, or "auto": the one whose forecasts of training are best.
        Raises:
            DataError: no value is observed, or a covariate is not there.
        """
        if not any(np.isfinite(values).any() for values in panel.values):
            raise DataError("no value is observed in any series.", expected="numbers to learn from", received=f"{len(panel)} series of missing values")
        known_of, past_of, static_of = (learn_covariates(panel, names, kind) for kind, names in (("known", known), ("past", past), ("static", static)))
        reader = cls(season, "last" if base == "auto" else base, calendar, known_of, past_of, static_of, steady=steady)
        some = panel if len(panel) <= MOST_LEARNT else panel.select(np.linspace(0, len(panel) - 1, MOST_LEARNT).astype(int))
        choice, levels, shares = BaseChoice(season, horizon, BASES if base == "auto" else (base,), len(some)), list[np.ndarray](), {False: list[np.ndarray](), True: list[np.ndarray]()}
        every = 1 + int(some.lengths.sum()) // MOST_LEVELS
        for _, read, _ in reader.blocks(some, horizon):
            choice.add(read)
            levels.append(_finite_log(read.seen.level[::every]))
            for seasonal, change in ((False, read.seen.change), (True, read.seen.season_change)):
                shares[seasonal].append(_finite_log(change[::every], read.seen.level[::every]))
        chosen, carry = choice.best()
        reader = replace(reader, base=chosen if base == "auto" else base, carry=carry if chosen == base or base == "auto" else ())
        parts = [np.concatenate(one) for one in (levels, shares[reader.base.startswith("season")])]
        level = tuple(number for part in parts for number in ((float(np.median(part)), max(float(part.std()), 0.1)) if part.size else (0.0, 1.0)))
        times, _ = panel.frequency.calendar(panel.grid[:1]) if calendar else ([], None)
        ahead = (*times, *(name for one in known_of for name in one.outputs))
        rest = tuple(name for one in (*past_of, *static_of) for name in one.outputs)
        return replace(reader, level=level, names=(*reader.own, *ahead, *rest), ahead_names=ahead)  # type: ignore[arg-type]  # two numbers each

    @property
    def own(self) -> tuple[str, ...]:
        """The names of what is read of the values themselves."""
        return (*_OWN, "change by the season") if self.steady else _OWN

    def blocks(self, panel: Panel, horizon: int, running: Running | None = None) -> Iterator[tuple[np.ndarray, Read, Running]]:
        """The series in blocks of similar lengths: their positions, how they are read, and what is carried after their last step.

        Args:
            horizon: steps ahead for which `ahead` is made; what is not known of them is left at its mean.
            running: what was carried for each series of the panel, before its first value here.
        """
        lengths = panel.lengths
        order, first = np.argsort(lengths, kind="stable"), 0
        while first < len(order):
            last = first + 1
            while last < len(order) and lengths[order[last]] * (last + 1 - first) * 24 <= BLOCK:
                last += 1
            rows = order[first:last]
            before = Running.begin(len(rows), self.season) if running is None else Running(self.season, running.sums[:, rows].copy(), running.filled[:, rows].copy())
            read, after = self.read(panel, rows, horizon, before)
            yield rows, read, after
            first = last

    def read(self, panel: Panel, rows: np.ndarray, horizon: int, running: Running, span: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[Read, Running]:
        """These series of a panel, and what is carried after their last step.

        Args:
            span: of each series the first step that is read, [B], and the one after the last; `running` is what was carried before it. Default: all of it.
        """
        firsts, ends = (np.zeros(len(rows), dtype=np.int64), np.array([len(panel.values[row]) for row in rows])) if span is None else span
        lengths = ends - firsts
        values = np.full((int(lengths.max()), len(rows)), np.nan)
        for column, row in enumerate(rows):
            values[: lengths[column], column] = panel.values[row][firsts[column] : ends[column]]
        seen, after = running.advance(values, lengths, steady=self.steady)
        x, scale = self.of_steps(seen)
        ahead = []
        for column, row in enumerate(rows):
            length, first, end = int(lengths[column]), int(firsts[column]), int(ends[column])
            known = self.ahead(panel, int(row), end + horizon, first)
            ahead.append(known)
            if self.names:
                rest = [one.numbers(panel.columns[one.name][row][first:end]) for one in self.past]
                rest += [np.repeat(one.numbers(np.array([one.cell(panel, int(row))], dtype=object)), length, axis=0) for one in self.static]
                x[:length, column, len(self.own) :] = np.concatenate([known[:length], *rest], axis=1)
        return Read(x, lengths, scale, ahead, seen), after

    def of_steps(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """x [T, B, F] float32 with what is read of the values, the other features being zero, and the scale [T, B]."""
        scale, level = self._scale(seen)
        mean, deviation, share, share_deviation = self.level
        with np.errstate(invalid="ignore", divide="ignore"):
            own = [
                ~np.isnan(seen.value),
                seen.value / level,
                seen.step / scale,
                seen.season_step / scale,
                (seen.last - seen.mean) / scale,
                seen.season_drift / scale,
                (np.log(level) - mean) / deviation,
                (np.log(scale / level) - share) / share_deviation,
                np.minimum(seen.number, 64) / 64,
            ]
            if self.steady:
                own.append((seen.filled[1 : len(seen.last) + 1] - seen.last) / scale)
        x = np.zeros((*seen.value.shape, max(len(self.names), len(own))), dtype=np.float32)
        for place, part in enumerate(own):
            x[..., place] = np.clip(np.where(np.isfinite(part), part, 0.0), -LIMIT, LIMIT)
        return x, scale

    def beside(self, panel: Panel, row: int) -> np.ndarray:
        """[R] float32, what is read beside the values and what is known beforehand, at a step after the end of a series: its static covariates, and the means of what is known up to now."""
        rest = [one.numbers(np.array([None], dtype=object)) for one in self.past] + [one.numbers(np.array([one.cell(panel, row)], dtype=object)) for one in self.static]
        return np.concatenate([np.zeros((1, 0), dtype=np.float32), *rest], axis=1)[0]

    def ahead(self, panel: Panel, row: int, last: int, first: int = 0) -> np.ndarray:
        """[last - first, P] what is known beforehand of the stamps of a series, from the one at `first` on."""
        parts, steps = [panel.calendar(row, first, last)] if self.calendar else [], last - first
        for one in self.known:
            given = one.numbers(panel.columns[one.name][row][first:last])
            parts.append(np.concatenate([given, np.zeros((steps - len(given), given.shape[1]), dtype=np.float32)]))
        return np.concatenate(parts, axis=1) if parts else np.zeros((steps, 0), dtype=np.float32)

    def _scale(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """The scale and the level at each step; those of training where the series itself has not shown any yet."""
        level = np.where(seen.level > 0, seen.level, np.exp(self.level[0]))
        change = seen.season_change if self.base.startswith("season") else seen.change
        usual = level * np.exp(self.level[2])
        return np.maximum(np.where(np.isnan(change), np.where(np.isnan(seen.change), usual, np.maximum(seen.change, usual)), change), level * LEAST_SHARE), level

    def require(self, panel: Panel) -> None:
        """Raise DataError if a column that is read is not in the panel."""
        for one in (*self.known, *self.past, *self.static):
            one.require(panel)

    def require_future(self, panel: Panel, horizon: int) -> None:
        """Raise DataError if what must be known of the future is not there, for the `horizon` steps after each series' last value."""
        for one in self.known:
            for row, column in enumerate(panel.columns[one.name]):
                length = len(panel.values[row])
                given = column[length : length + horizon]
                there = [not is_missing(cell) for cell in given]
                if len(given) < horizon or not all(there):
                    stamp = panel.stamps(row, length, length + horizon)[there.index(False) if False in there else len(given)]
                    raise DataError(f"{one.name!r} must be known of the future, but ends too early for {called(panel.ids[row])}: it has nothing for {stamp}.", expected=f"values for the {horizon} steps after the last one", fix=either("give a frame of the future with it: future=...", "give a file with it: --future FILE"))

    def to_data(self) -> dict[str, Any]:
        """As plain data, for config.json."""
        covariates = {kind: [one.to_data() for one in getattr(self, kind)] for kind in ("known", "past", "static")}
        return {"season": self.season, "base": self.base, "carry": list(self.carry), "steady": self.steady, "calendar": self.calendar, **covariates, "level": list(self.level), "names": list(self.names), "ahead_names": list(self.ahead_names)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Reader:
        """What `to_data` gave."""
        covariates = {kind: tuple(Covariate.from_data(one) for one in data[kind]) for kind in ("known", "past", "static")}
        return cls(data["season"], data["base"], data["calendar"], **covariates, level=tuple(data["level"]), names=tuple(data["names"]), ahead_names=tuple(data["ahead_names"]), carry=tuple(data["carry"]), steady=data.get("steady", False))


_OWN = ("observed", "value", "change", "change since the season before", "distance from the mean", "drift over a season", "level", "scale", "age")


def _finite_log(part: np.ndarray, whole: np.ndarray | float = 1.0) -> np.ndarray:
    """The logarithms of `part` in `whole`, where there are some."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.log(np.where((part > 0) & (np.asarray(whole) > 0), part / whole, np.nan))
    return found[np.isfinite(found)]


class BaseChoice:
    """Which base, of these kinds, has the smallest mean error on training series, each in its own changes, and what is carried in it.

    The share that is carried is that of the least squares for each step ahead, from 0 to 1, and never larger than for the step before. The first kind counts
    where several are alike; only the first three where there is no season.

    Args:
        series: how many there are.
    """

    def __init__(self, season: int, horizon: int, kinds: Sequence[str], series: int) -> None:
        self.season, self.horizon = season, horizon
        self.kinds = kinds if season > 1 else [kind for kind in kinds if not kind.startswith("season")] or BASES[:1]
        self._most = max(40, 2000 // series)  # places of a series
        self._truths: list[np.ndarray] = []
        self._found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in self.kinds}

    def add(self, read: Read) -> None:
        """Look at some places of a block of series."""
        season, horizon = self.season, self.horizon
        for column in range(min(read.x.shape[1], 200)):
            length = int(read.lengths[column])
            first = min(2 * season, length // 2)
            places = np.unique(np.linspace(first, length - 2, self._most).astype(int)) if length > 2 else np.zeros(0, dtype=int)
            if not places.size:
                continue
            ahead = places[:, None] + np.arange(1, horizon + 1)
            change = read.seen.change[places, column][:, None]
            size = np.where(change > 0, change, np.nan)
            self._truths.append(np.where(ahead < length, read.seen.value[np.minimum(ahead, length - 1), column], np.nan) / size)
            for kind in self.kinds:
                self._found[kind].append((read.base(kind, season, places, column, horizon) / size, read.deviation(kind, places, column)[:, None] / size))

    def best(self) -> tuple[str, tuple[float, ...]]:
        """The kind, and the share that is carried into each step ahead."""
        carried, means = {kind: (0.0,) * self.horizon for kind in self.kinds}, dict.fromkeys(self.kinds, np.inf)
        if self._truths:
            truth = np.concatenate(self._truths)
            for kind, parts in self._found.items():
                base, deviation = (np.concatenate(part) for part in zip(*parts))
                left = truth - base
                there = np.isfinite(left) & np.isfinite(deviation)
                both, alone = (np.where(there, deviation * other, 0.0).sum(0) for other in (np.where(there, left, 0.0), deviation))
                share = np.minimum.accumulate(np.clip(np.where(alone > 0, both / np.where(alone > 0, alone, 1.0), 0.0), 0.0, 1.0))
                carried[kind] = tuple(round(float(one), 6) for one in share)
                errors = np.abs(left - np.array(carried[kind]) * np.where(np.isfinite(deviation), deviation, 0.0))
                means[kind] = float(errors[np.isfinite(errors)].mean()) if np.isfinite(errors).any() else np.inf
        kind = min(self.kinds, key=lambda one: means[one])
        return kind, carried[kind]
