"""A line chart as inline SVG: colours come from the page's style sheet, so the same drawing fits a light and a dark page.

Series go in, markup comes out. Values appear when the pointer is on an epoch; style sheet rules do this, since
a report has no script in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup

from tenuto.pages.axis import Axis, axis_for, tick_text, whole_axis
from tenuto.pages.wording import number, percent

WIDTH, HEIGHT = 460, 252
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 24, 38
MOST_NAMES = 12  # along x
PLACES_WITH_VALUES = 40  # along a line, at most: each is a part of the file


@dataclass(frozen=True)
class Series:
    """One line: its name in the legend, a value for each x, and the class that gives its colour (`first`, `second`, `third`).

    Args:
        dots: points and no line.
        low, high: for each x, the ends of a band around the value; empty for none.
    """

    name: str
    values: Sequence[float]
    tone: str = "first"
    dots: bool = False
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Level:
    """A dashed horizontal line, and what it is; without a name, the chart's note says what it is, and it is only drawn where the axis has room."""

    value: float
    name: str = ""


@dataclass(frozen=True)
class LineChart:
    """Everything a line chart shows.

    Args:
        title: what is plotted; also the start of the description that screen readers read aloud.
        x: whole numbers, ascending (epochs, steps).
        series: the lines, the most important last (drawn on top).
        x_name: what x counts, in the singular.
        logarithmic: whether the axis of the values is logarithmic.
        x_logarithmic: whether that of x is; then x begins above zero.
        share: whether the values are shares of something, 0..1; they are shown as per cent.
        from_zero: whether the axis of the values includes zero.
        room_for: more values that the axis has room for, so that charts beside each other have the same one.
        x_names: what stands at each x, where that is not a number; bands are then bars.
        upright: the x of a dashed vertical line and its label, for example the best epoch.
        levels: dashed horizontal lines, for example where a norm was clipped.
        note: a sentence under the chart.
        description: what screen readers read aloud. Default: a sentence about each line.
        few_names: whether only the last line has a name in the legend and shows its values; the others are its background.
    """

    title: str
    x: Sequence[int]
    series: Sequence[Series]
    x_name: str = "epoch"
    logarithmic: bool = False
    x_logarithmic: bool = False
    share: bool = False
    from_zero: bool = False
    room_for: Sequence[float] = ()
    x_names: Sequence[str] = ()
    upright: tuple[int, str] | None = None
    levels: Sequence[Level] = ()
    note: str = ""
    description: str = field(default="")
    few_names: bool = False

    @property
    def named(self) -> Sequence[Series]:
        """The lines that the legend names."""
        return self.series[-1:] if self.few_names else self.series

    def svg(self) -> Markup:
        """The drawing, with a description in words for those who do not see it."""
        values = [v for line in self.series for v in (*line.values, *line.low, *line.high)]
        values += [*self._room_for_levels(values), *self.room_for]
        if self.from_zero:
            values = [*values, 0.0]
        y_axis = axis_for(values, logarithmic=self.logarithmic, share=self.share)
        x_axis = self._x_axis()
        parts = [
            Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
                WIDTH, HEIGHT, self.description or self._described()
            ),
            *self._grid(x_axis, y_axis),
            *(self._band(line, x_axis, y_axis) for line in self.series if len(line.low)),
            *(self._line(line, x_axis, y_axis) for line in self.series),
            *self._marks(x_axis, y_axis),
            *self._values_on_hover(x_axis, y_axis),
            Markup("</svg>"),
        ]
        return Markup("\n").join(parts)

    def _x_axis(self) -> Axis:
        if self.x_names:
            every = -(-len(self.x) // MOST_NAMES)
            return Axis(self.x[0] - 0.5, self.x[-1] + 0.5, tuple(self.x[::every]))
        return whole_axis(self.x[-1], first=self.x[0], logarithmic=self.x_logarithmic) if len(self.x) else whole_axis(1)

    def _x_said(self, x: int) -> str:
        return self.x_names[self.x.index(x)] if self.x_names else f"{self.x_name} {x}"

    def _room_for_levels(self, values: Sequence[float]) -> list[float]:
        """The named levels, and what makes room on the axis for the name of one that lies below all lines, which stands under it."""
        levels = [level.value for level in self.levels if level.name]
        all_of_them = [value for value in (*values, *levels) if math.isfinite(value)]
        return [*levels, *(level - 0.1 * (max(all_of_them) - min(all_of_them)) for level in levels if level <= min(all_of_them) and not self.logarithmic)]

    def _said(self, value: float) -> str:
        return percent(value) if self.share else number(value)

    def _described(self) -> str:
        """The chart in a sentence: where each line starts and ends, and its lowest and highest value."""
        words = []
        for line in self.named:
            finite = [(x, v) for x, v in zip(self.x, line.values) if math.isfinite(v)]
            if finite:
                low, high = min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])
                words.append(
                    f"{line.name} goes from {self._said(finite[0][1])} to {self._said(finite[-1][1])}, "
                    f"lowest {self._said(low[1])} at {self._x_said(low[0])}, highest {self._said(high[1])} at {self._x_said(high[0]) if self.x_names else high[0]}"
                )
        words += [f"{level.name} {self._said(level.value)}" for level in self.levels if level.name]
        return f"{self.title} by {self.x_name}: " + "; ".join(words) + "."

    def _line(self, line: Series, x_axis: Axis, y_axis: Axis) -> Markup:
        """The line's path; a value that is not finite leaves a gap, and a single value between gaps is a dot."""
        drawn = []
        points = list(zip(self.x, line.values))
        for finite, run in groupby(points, key=lambda p: _drawable(p[1], y_axis)):
            if not finite:
                continue
            places = [(_across(x, x_axis), _down(v, y_axis)) for x, v in run]
            if len(places) == 1 or line.dots:
                drawn += [Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(line.tone, *place) for place in places]
            else:
                path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
                drawn.append(Markup('<path class="line {}" d="{}"/>').format(line.tone, path))
        return Markup("").join(drawn)

    def _band(self, line: Series, x_axis: Axis, y_axis: Axis) -> Markup:
        """The area between the ends of a line's band, wherever both are known."""
        drawn = []
        if self.x_names:
            wide = 0.6 * (WIDTH - LEFT - RIGHT) / len(self.x)
            for x, low, high in zip(self.x, line.low, line.high):
                if _drawable(low, y_axis) and _drawable(high, y_axis):
                    top = _down(high, y_axis)
                    drawn.append(Markup('<rect class="band {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>').format(line.tone, _across(x, x_axis) - wide / 2, top, wide, max(_down(low, y_axis) - top, 1)))
            return Markup("").join(drawn)
        for known, run in groupby(zip(self.x, line.low, line.high), key=lambda p: _drawable(p[1], y_axis) and _drawable(p[2], y_axis)):
            if known:
                ends = list(run)
                places = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
                path = "M" + "L".join(f"{_across(x, x_axis):.1f} {_down(v, y_axis):.1f}" for x, v in places) + "Z"
                drawn.append(Markup('<path class="band {}" d="{}"/>').format(line.tone, path))
        return Markup("").join(drawn)

    def _marks(self, x_axis: Axis, y_axis: Axis) -> list[Markup]:
        """The dashed reference lines."""
        parts = []
        if self.upright is not None:
            at, label = _across(self.upright[0], x_axis), self.upright[1]
            anchor = "end" if at > WIDTH * 0.7 else "start" if at < WIDTH * 0.25 else "middle"
            parts.append(
                Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                       '<text class="mark-label" x="{0:.1f}" y="{3}" text-anchor="{4}">{5}</text>').format(
                    at, TOP, HEIGHT - BOTTOM, TOP - 8, anchor, label
                )
            )
        for level in self.levels:
            if y_axis.low <= level.value <= y_axis.high:
                at = _down(level.value, y_axis)
                parts.append(Markup('<line class="mark" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, at, at))
                if level.name:
                    parts.append(self._level_name(level, at))
        return parts

    def _level_name(self, level: Level, at: float) -> Markup:
        """The name of a level and its value: under its line if no other line is there, else above it, at the end where the drawn lines are farther from it."""
        below = all(value >= level.value for line in self.series for value in line.values if math.isfinite(value))
        first, last = ([values[end] for line in self.series if len(values := line.values) and math.isfinite(values[end])] for end in (0, -1))
        farther = min((abs(value - level.value) for value in last), default=0.0) > min((abs(value - level.value) for value in first), default=0.0)
        x, anchor = (WIDTH - RIGHT - 2, "end") if farther or below else (LEFT + 4, "start")
        return Markup('<text class="mark-label" x="{}" y="{:.1f}" text-anchor="{}">{} {}</text>').format(x, at + 15 if below else at - 5, anchor, level.name, self._said(level.value))

    def _values_on_hover(self, x_axis: Axis, y_axis: Axis) -> list[Markup]:
        """For each x, or some of many, an invisible column that shows the values there while the pointer is on it."""
        if not len(self.x):
            return []
        last, count = len(self.x) - 1, min(len(self.x), PLACES_WITH_VALUES)
        chosen = [round(last * place / max(count - 1, 1)) for place in range(count)]
        places = [_across(self.x[index], x_axis) for index in chosen]
        between = [(a + b) / 2 for a, b in zip(places, places[1:])]
        edges = [LEFT, *between, WIDTH - RIGHT]
        parts = []
        for column, (index, at) in enumerate(zip(chosen, places)):
            anchor, shift = ("end", -7) if at > WIDTH / 2 else ("start", 7)
            shown = [(line, line.values[index]) for line in self.named if math.isfinite(line.values[index])]
            dots = Markup("").join(
                Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.2"/>').format(line.tone, at, _down(v, y_axis))
                for line, v in shown
                if _drawable(v, y_axis)
            )
            texts = [self._x_said(self.x[index]), *(f"{line.name} {self._said(v)}{self._between(line, index)}" for line, v in shown)]
            words = Markup("").join(
                Markup('<text class="value" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                    at + shift, TOP + 14 + 16 * row, anchor, text
                )
                for row, text in enumerate(texts)
            )
            parts.append(
                Markup('<g class="column"><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
                       '<line x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>{}{}</g>').format(
                    edges[column], TOP, edges[column + 1] - edges[column], HEIGHT - TOP - BOTTOM, at, at, TOP, HEIGHT - BOTTOM, dots, words
                )
            )
        return parts

    def _between(self, line: Series, index: int) -> str:
        if not len(line.low) or not math.isfinite(line.low[index] + line.high[index]):
            return ""
        return f" ({self._said(line.low[index])} to {self._said(line.high[index])})"

    def _grid(self, x_axis: Axis, y_axis: Axis) -> list[Markup]:
        """Horizontal grid lines with their values, and the ticks of x."""
        parts = []
        for tick in y_axis.ticks:
            at = _down(tick, y_axis)
            parts.append(
                Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                       '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                    LEFT, WIDTH - RIGHT, at, at, LEFT - 7, at + 4, tick_text(tick, share=self.share)
                )
            )
        for tick in x_axis.ticks:
            parts.append(
                Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    _across(tick, x_axis), HEIGHT - BOTTOM + 17, self._x_said(int(tick)) if self.x_names else tick_text(tick)
                )
            )
        name = f"{self.x_name}, logarithmic" if x_axis.logarithmic else self.x_name
        parts.append(Markup('<text class="axis-name" x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - RIGHT, HEIGHT - 4, name))
        return parts


def _across(x: float, axis: Axis) -> float:
    return LEFT + axis.place(x) * (WIDTH - LEFT - RIGHT)


def _down(value: float, axis: Axis) -> float:
    return TOP + (1 - axis.place(value)) * (HEIGHT - TOP - BOTTOM)


def _drawable(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and not (axis.logarithmic and value <= 0)
