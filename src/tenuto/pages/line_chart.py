"""A line chart as inline SVG: colours come from the page's style sheet, so the same drawing fits a light and a dark page.

Series go in, markup comes out. Values appear when the pointer is on an epoch; style sheet rules do this, since
a report has no script in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup, escape

from tenuto.pages.axis import Axis, axis_for, tick_text, whole_axis
from tenuto.pages.wording import number

WIDTH, HEIGHT = 460, 252
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 22, 34
MOST_POINTS_WITH_VALUES = 300


@dataclass(frozen=True)
class Series:
    """One line: its name in the legend, a value for each x, and the class that gives its colour (`first`, `second`, `third`); with `dots`, points and no line."""

    name: str
    values: Sequence[float]
    tone: str = "first"
    dots: bool = False


@dataclass(frozen=True)
class LineChart:
    """Everything a line chart shows.

    Args:
        title: what is plotted; also the start of the description that screen readers read aloud.
        x: whole numbers, ascending (epochs, steps).
        series: the lines, the most important last (drawn on top).
        x_name: what x counts, one word in the singular.
        logarithmic: whether the axis of the values is logarithmic.
        from_zero: whether the axis of the values includes zero.
        upright: the x of a dashed vertical line and its label, for example the best epoch.
        level: the value of a dashed horizontal line, for example where a norm was clipped; the note says what it is.
        note: a sentence under the chart.
        description: what screen readers read aloud. Default: a sentence about each line.
        few_names: whether only the last line has a name in the legend and shows its values; the others are its background.
    """

    title: str
    x: Sequence[int]
    series: Sequence[Series]
    x_name: str = "epoch"
    logarithmic: bool = False
    from_zero: bool = False
    upright: tuple[int, str] | None = None
    level: float | None = None
    note: str = ""
    description: str = field(default="")
    few_names: bool = False

    @property
    def named(self) -> Sequence[Series]:
        """The lines that the legend names."""
        return self.series[-1:] if self.few_names else self.series

    def svg(self) -> Markup:
        """The drawing, with a description in words for those who do not see it."""
        values = [v for line in self.series for v in line.values]
        if self.from_zero:
            values = [*values, 0.0]
        y_axis = axis_for(values, logarithmic=self.logarithmic)
        x_axis = whole_axis(self.x[-1], first=self.x[0]) if len(self.x) else whole_axis(1)
        parts = [
            Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
                WIDTH, HEIGHT, self.description or self._described()
            ),
            *_grid(x_axis, y_axis, self.x_name),
            *(self._line(line, x_axis, y_axis) for line in self.series),
            *self._marks(x_axis, y_axis),
            *self._values_on_hover(x_axis, y_axis),
            Markup("</svg>"),
        ]
        return Markup("\n").join(parts)

    def _described(self) -> str:
        """The chart in a sentence: where each line starts and ends, and its lowest and highest value."""
        words = []
        for line in self.named:
            finite = [(x, v) for x, v in zip(self.x, line.values) if math.isfinite(v)]
            if finite:
                low, high = min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])
                words.append(
                    f"{line.name} goes from {number(finite[0][1])} to {number(finite[-1][1])}, "
                    f"lowest {number(low[1])} at {self.x_name} {low[0]}, highest {number(high[1])} at {high[0]}"
                )
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
        if self.level is not None and y_axis.low <= self.level <= y_axis.high:
            at = _down(self.level, y_axis)
            parts.append(Markup('<line class="mark" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, at, at))
        return parts

    def _values_on_hover(self, x_axis: Axis, y_axis: Axis) -> list[Markup]:
        """For each x an invisible column that shows the values there while the pointer is on it."""
        if not len(self.x) or len(self.x) > MOST_POINTS_WITH_VALUES:
            return []
        step = (WIDTH - LEFT - RIGHT) / max(1, len(self.x) - 1)
        parts = []
        for index, x in enumerate(self.x):
            at = _across(x, x_axis)
            anchor, shift = ("end", -7) if at > WIDTH / 2 else ("start", 7)
            shown = [(line, line.values[index]) for line in self.named if math.isfinite(line.values[index])]
            dots = Markup("").join(
                Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.2"/>').format(line.tone, at, _down(v, y_axis))
                for line, v in shown
            )
            texts = [f"{self.x_name} {x}", *(f"{line.name} {number(v)}" for line, v in shown)]
            words = Markup("").join(
                Markup('<text class="value" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                    at + shift, TOP + 12 + 14 * row, anchor, text
                )
                for row, text in enumerate(texts)
            )
            parts.append(
                Markup('<g class="column"><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
                       '<line x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>{}{}</g>').format(
                    at - step / 2, TOP, step, HEIGHT - TOP - BOTTOM, at, at, TOP, HEIGHT - BOTTOM, dots, words
                )
            )
        return parts


def _grid(x_axis: Axis, y_axis: Axis, x_name: str) -> list[Markup]:
    """Horizontal grid lines with their values, and the ticks of x."""
    parts = []
    for tick in y_axis.ticks:
        at = _down(tick, y_axis)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                   '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                LEFT, WIDTH - RIGHT, at, at, LEFT - 7, at + 4, tick_text(tick)
            )
        )
    for tick in x_axis.ticks:
        parts.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                _across(tick, x_axis), HEIGHT - BOTTOM + 16, tick_text(tick)
            )
        )
    parts.append(
        Markup('<text class="axis-name" x="{}" y="{}" text-anchor="end">{}</text>').format(
            WIDTH - RIGHT, HEIGHT - 3, escape(x_name)
        )
    )
    return parts


def _across(x: float, axis: Axis) -> float:
    return LEFT + axis.place(x) * (WIDTH - LEFT - RIGHT)


def _down(value: float, axis: Axis) -> float:
    return TOP + (1 - axis.place(value)) * (HEIGHT - TOP - BOTTOM)


def _drawable(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and not (axis.logarithmic and value <= 0)
