"""`Standardiser`: gives each channel zero mean and unit standard deviation, as learnt from the training part, and fills missing values by a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.sequences.sequences import Sequences, usual_names
from tenuto.data.sequences.times import elapsed, gaps, mean_step
from tenuto.errors import DataError, ShapeError
from tenuto.process import kept_property
from tenuto.tongues import argument, either

MISSING = ("error", "forward", "mean")
# What may stand beside the values of a sequence, made from its times [T] and its mask [T, C]; of a sequence that is read from its end, time runs backward.
BESIDE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mask": lambda times, mask: mask,
    "gap": gaps,
    "gap_reverse": lambda times, mask: gaps(-times[::-1], mask[::-1])[::-1],
    "recency": lambda times, mask: 1 / (1 + gaps(times, mask)),
    "elapsed": lambda times, mask: elapsed(times)[:, None],
    "elapsed_reverse": lambda times, mask: elapsed(-times[::-1])[::-1, None],
}
OF_A_STEP = ("elapsed", "elapsed_reverse")  # one number a step, not one a channel


@dataclass(frozen=True)
class Standardiser:
    """`(x - mean) / deviation` in each channel; then missing values are filled.

    Attributes:
        mean, deviation: [C] float64, mean and standard deviation over all steps of the training part; a constant channel has deviation 1.
        minimum, maximum: [C], for reports.
        channels: C names. named: whether they were given; then data with names is put in their order.
        as_given: the channels that keep their values, for example times; NaN becomes their mean where the rule is "mean".
        bits: in how many bits values are standardised, 32 or 64; runs of versions that rounded values to float32 first keep 32.
        beside: what `apply` puts beside the values (`BESIDE`), in this order. span: the unit of time there, the mean time from a step to the next in training;
            None where training knew no times: then it is a step.
        missing: what NaN becomes. "error": it is refused. "forward": the last value before it in its sequence, or the training mean where
            there is none. "mean": the training mean.
    """

    mean: np.ndarray
    deviation: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    channels: tuple[str, ...]
    missing: str = "error"
    named: bool = False
    bits: int = 64
    as_given: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    span: float | None = None

    @classmethod
    def learn(cls, data: Sequences, *, missing: str = "error", as_given: Iterable[str] = (), beside: Iterable[str] = ()) -> Standardiser:
        """Measure the channels of `data`; missing values do not count. A sequence of weight 2 counts like two. `as_given`: the channels that are not to be standardised.

        Raises:
            ArgumentError: missing is not one of the three rules.
            DataError: a value is missing and the rule is "error", or a channel has no value at all.
        """
        check_missing(missing)
        if missing == "error":
            refuse_missing(data)
        width = len(data.channels)
        count, total = np.zeros(width), np.zeros(width)
        minimum, maximum = np.full(width, np.inf), np.full(width, -np.inf)
        weights = np.ones(len(data)) if data.weights is None else data.weights / data.weights.max()
        for array, weight in zip(data.values, weights):
            count += weight * np.sum(~np.isnan(array), axis=0)
            total += weight * np.nansum(array, axis=0, dtype=np.float64)
            minimum, maximum = np.fmin(minimum, np.fmin.reduce(array)), np.fmax(maximum, np.fmax.reduce(array))
        if not count.all():
            raise DataError(
                f"{data.channels[int(np.argmin(count))]} has no value in any training sequence.", fix="leave the channel out"
            )
        mean = total / count
        # In a second pass: computed in one, as a difference of two sums of squares, it would lose all digits where the mean is large.
        square = sum((weight * np.nansum((array - mean) ** 2, axis=0) for array, weight in zip(data.values, weights)), np.zeros(width))
        deviation = np.sqrt(square / count)
        # What rounding alone leaves of a constant channel; Unix times that differ by a second are five digits above it.
        deviation[deviation < 1e-13 * np.maximum(np.abs(mean), 1e-30)] = 1.0
        span = None if data.times is None else mean_step(data.times, weights)
        return cls(mean, deviation, minimum, maximum, data.channels, missing, data.named, as_given=tuple(as_given), beside=tuple(beside), span=span)

    def arranged(self, data: Sequences) -> Sequences:
        """The data with its channels in the order of training, by name where both have names; then checked.

        Raises:
            DataError: a channel is missing, foreign or there twice; and as `check`.
        """
        if self.named:
            data = data.arranged(self.channels, "the model was trained on")
        self.check(data)
        return data

    def check(self, data: Sequences) -> None:
        """Raise unless `apply` can take every sequence of `data`.

        Raises:
            ShapeError: another number of channels. DataError: a missing value where the rule is "error".
        """
        width = len(self.mean)
        if len(data.channels) != width:
            raise ShapeError(
                f"the data has {len(data.channels)} channels but the model was trained on {width}.",
                expected=f"[T, {width}]: {', '.join(self.channels[:6])}{', ...' if width > 6 else ''}",
                received=f"[T, {len(data.channels)}]: {', '.join(data.channels[:6])}{', ...' if len(data.channels) > 6 else ''}",
                fix="give the same channels as in training; where they have no names, in the same order",
            )
        if self.missing == "error":
            refuse_missing(data)
        if set(self.beside) - {"mask"} and (self.span is None) != (data.times is None):
            known, unknown = "the data says when each step was", "it does not say when each step was"
            raise DataError(
                "the times of the steps are known " + ("in training, but not here." if data.times is None else "here, but were not in training."),
                expected=known if self.span is not None else unknown, received=unknown if self.span is not None else known,
                fix=either("give Sequences(..., times=...), or a table with a column of times", "give a table with a column of times") if data.times is None else "leave the times out, or train with them",
            )  # fmt: skip

    def apply(self, values: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """One sequence `[T, C]`, standardised and filled, and what stands beside it; float32, a new array.

        Args:
            times: [T], when each step was; not read where training knew no times.
        """
        if not self.beside:
            return self._filled(values)
        mask = ~np.isnan(values)
        at = np.arange(len(values), dtype=np.float64) if self.span is None or times is None else times / self.span
        return np.concatenate([self._filled(values), *(BESIDE[kind](at, mask).astype(np.float32) for kind in self.beside)], axis=1)

    @property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Where in the last axis of what `apply` gives the values stand, "value", and each of what stands beside them."""
        found, end = {"value": tuple(range(len(self.channels)))}, len(self.channels)
        for kind in self.beside:
            start, end = end, end + (1 if kind in OF_A_STEP else len(self.channels))
            found[kind] = tuple(range(start, end))
        return found

    def _filled(self, values: np.ndarray) -> np.ndarray:
        if self.bits == 32:
            values = values.astype(np.float32)
        shift, scale = self._maps
        scaled = ((values - shift) / scale).astype(np.float32)
        if self.missing == "error":
            return scaled
        known = ~np.isnan(scaled)
        if known.all():
            return scaled
        if self.missing == "mean":
            return np.where(known, scaled, self._usual)
        last = np.maximum.accumulate(np.where(known, np.arange(len(scaled))[:, None], -1), axis=0)  # [T, C]: the last step with a value
        filled = np.take_along_axis(scaled, np.maximum(last, 0), axis=0)
        return np.where(last >= 0, filled, self._usual)

    @kept_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted from each channel, and what it is divided by."""
        keeps = np.isin(self.channels, self.as_given)
        return np.where(keeps, 0.0, self.mean), np.where(keeps, 1.0, self.deviation)

    @property
    def maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[C] each: what is subtracted from each channel, what it is divided by, and its mean as `apply` gives it, for those who standardise elsewhere."""
        return (*self._maps, self._usual)

    @property
    def _usual(self) -> np.ndarray:
        """[C] float32: the mean of each channel, as `apply` gives it."""
        shift, scale = self._maps
        return ((self.mean - shift) / scale).astype(np.float32)

    def to_data(self) -> dict[str, Any]:
        """As plain data for config.json; `from_data` gives back the same numbers, bit for bit."""
        return {
            "channels": list(self.channels),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
            "missing": self.missing,
            "named": self.named,
            "bits": self.bits,
            "as_given": list(self.as_given),
            "beside": list(self.beside),
            "span": self.span,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Standardiser:
        """The standardiser that `to_data` described."""
        numbers = {name: np.array(data[name], dtype=np.float64) for name in ("mean", "deviation", "minimum", "maximum")}
        channels = tuple(data["channels"])
        # Earlier versions kept neither: names were those of a file, or the usual ones, and values were rounded first.
        named = data.get("named", channels != usual_names(len(channels)))
        return cls(**numbers, channels=channels, missing=data["missing"], named=named, bits=data.get("bits", 32), as_given=tuple(data.get("as_given", ())), beside=tuple(data.get("beside", ())), span=data.get("span"))


def check_missing(missing: str) -> None:
    """Raise ArgumentError unless this is a rule for missing values."""
    require("missing", missing, MISSING)


def refuse_missing(data: Sequences) -> None:
    """Raise a DataError that names the first missing value, if there is one."""
    place = data.first_missing()
    if place is not None:
        sequence, step, channel = place
        raise DataError(
            f"sequence {data.ids[sequence]!r} has a missing value (NaN) at step {step}, {data.channels[channel]}.",
            expected="a number in every place",
            received=f"{data.missing_values} missing values in {len(data)} sequences",
            fix=f"fill them, or train with {argument('missing', 'forward')} (the last value is used again) or {argument('missing', 'mean')}; with the cell 'grud' too, {argument('cell', 'grud')}, a value may be missing",
        )
