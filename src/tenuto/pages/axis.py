"""An axis: the round numbers along a plot, and where a value is between the ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The range of values along one direction of a plot, and its ticks; `place` turns a value into a place.

    Args:
        low: the value at the start of the axis.
        high: the value at its end; above `low`.
        ticks: the values that get a label, ascending.
        logarithmic: equal ratios are equally far apart, rather than equal differences.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where `value` is: 0 at `low` and 1 at `high`; values outside are put at the ends."""
        if self.logarithmic:
            value, low, high = (math.log10(max(v, 1e-300)) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))


def axis_for(values: Sequence[float], *, logarithmic: bool = False, share: bool = False, count: int = 5) -> Axis:
    """An axis with about `count` round ticks that contains every finite value.

    Args:
        values: what will be drawn. Values that are not finite are ignored; on a logarithmic axis so are values that are not positive.
        logarithmic: whether the axis is logarithmic; if no value is positive, it is linear all the same.
        share: whether the values are shares, 0..1; then the axis ends at 0 and 1 at the latest.
        count: how many ticks to aim for on a linear axis.
    Returns:
        An axis whose ends are ticks.
    Example:    >>> axis_for([0.0, 0.93]).ticks
                (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    finite = [float(v) for v in values if math.isfinite(v)]
    if logarithmic:
        positive = [v for v in finite if v > 0]
        if positive:
            return _logarithmic(min(positive), max(positive))
    if not finite:
        return Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    low, high = min(finite), max(finite)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # as good as equal: ticks between them could not be told apart
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half
        if share and high > 0 and low < 1:
            low, high = max(low, 0.0), min(high, 1.0)
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def whole_axis(last: int, *, first: int = 0, count: int = 6, logarithmic: bool = False) -> Axis:
    """An axis that begins exactly at `first` and ends exactly at `last`, with ticks at round whole numbers (epochs, time steps); logarithmic only if `first` is above zero."""
    if last <= first:
        return Axis(first - 0.5, first + 0.5, (first,))
    if logarithmic and first > 0:
        return Axis(first, last, _between(first, last), logarithmic=True)
    step = max(1, round(_round_step((last - first) / count)))
    ticks = [tick for tick in range(math.ceil(first / step) * step, last + 1, step)]
    if ticks[0] != first and ticks[0] - first > step / 2:
        ticks.insert(0, first)
    return Axis(first, last, tuple(ticks))


def tick_text(value: float, *, share: bool = False) -> str:
    """A tick's label, as short as possible: `0.25`, `40`, `200k`, `1e-4`; that of a share as per cent.

    Example:    >>> [tick_text(v) for v in (0.0, 0.25, 40.0, 200_000.0, 0.0001)], tick_text(0.25, share=True)
                (['0', '0.25', '40', '200k', '1e-4'], '25 %')
    """
    if share:
        return f"{100 * value:.4g} %"
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e6 and size >= 1000 and value % (100 if size < 1e5 else 1000) == 0:
        return f"{value / 1000:g}k"
    if size >= 1e5 or size < 1e-3:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.4g}"


def _round_step(step: float) -> float:
    """The smallest round number (1, 2 or 5 times a power of ten) that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 5):
        if step <= factor * power * (1 + 1e-9):
            return factor * power
    return 10 * power


def _logarithmic(low: float, high: float) -> Axis:
    """A logarithmic axis with ends and ticks at powers of ten; if the range is short, also at 2 and 5 times these."""
    if low == high:
        low, high = low / 2, high * 2
    decades = math.log10(high) - math.log10(low)
    factors = (1, 2, 5) if decades < 2 else (1,)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    candidates = [float(f"{factor}e{power}") for power in powers for factor in factors]
    start = max(c for c in candidates if c <= low * (1 + 1e-9))
    end = min(c for c in candidates if c >= high * (1 - 1e-9))
    ticks = [c for c in candidates if start <= c <= end]
    every = math.ceil(len(ticks) / 7)
    return Axis(start, end, tuple(ticks[::every]), logarithmic=True)


def _between(first: int, last: int) -> tuple[float, ...]:
    """Ticks at the whole numbers 1, 2, 5, 10, 20, ... from `first` to `last`; only the powers of ten where these would be many. `first` always has one."""
    powers = [10**power for power in range(len(str(last)))]
    factors = (1, 2, 5) if len(str(last)) - len(str(first)) < 3 else (1,)
    ticks = [factor * power for power in powers for factor in factors if first <= factor * power <= last]
    return (first, *(tick for tick in ticks if tick > 1.4 * first))
