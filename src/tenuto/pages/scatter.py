"""A scatter plot of an option's values and the results of the trials with them, as inline SVG in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tenuto.pages.axis import Axis, axis_for, tick_text
from tenuto.pages.line_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from tenuto.pages.option_value import option_value
from tenuto.pages.wording import number, percent

WIDTH_OF_A_LETTER = 8.5  # in the largest size that the style sheet gives to ticks


@dataclass(frozen=True)
class Point:
    """One trial: its option's value (`across`), its result (`up`), the class that gives its colour, and the text that appears when the pointer is on it."""

    across: Any
    up: float
    tone: str
    says: str


@dataclass(frozen=True)
class Scatter:
    """Points over a horizontal axis of numbers, or of values side by side.

    Args:
        title: the option.
        points: the important ones last (drawn on top).
        places: the values along the horizontal axis, in order, where they stand side by side; None for an axis of numbers.
        logarithmic: whether the horizontal axis is logarithmic.
        up_logarithmic: whether the vertical axis, of results, is logarithmic.
        share: whether results are shares, 0..1; they are shown as per cent.
        note: a sentence under the plot.
    """

    title: str
    points: Sequence[Point]
    places: Sequence[Any] | None = None
    logarithmic: bool = False
    up_logarithmic: bool = False
    share: bool = False
    note: str = ""

    def svg(self) -> Markup:
        """The drawing, with a description in words for those who do not see it."""
        up = axis_for([point.up for point in self.points], logarithmic=self.up_logarithmic, share=self.share)
        across = None if self.places is not None else axis_for([point.across for point in self.points], logarithmic=self.logarithmic)
        best = self.points[-1] if self.points else None
        said = f"{self.title}: {len(self.points)} trials" + (f"; best at {_text(best.across)} with {percent(best.up) if self.share else number(best.up)}" if best else "") + "."
        drawn = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, said)]
        drawn += [self._level(tick, up) for tick in up.ticks] + self._names(across)
        for point in self.points:
            if math.isfinite(point.up):
                x, y = self._x(point.across, across), TOP + (1 - up.place(point.up)) * (HEIGHT - TOP - BOTTOM)
                drawn.append(
                    Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
                        point.tone, x, y, 5 if point.tone == "third" else 3.6, point.says
                    )
                )
        return Markup("\n").join([*drawn, Markup("</svg>")])

    def _x(self, value: Any, axis: Axis | None) -> float:
        if axis is not None:
            return LEFT + 8 + axis.place(float(value)) * (WIDTH - LEFT - RIGHT - 16)
        places = list(self.places or ())
        return LEFT + (places.index(value) + 0.5) / len(places) * (WIDTH - LEFT - RIGHT)

    def _level(self, tick: float, axis: Axis) -> Markup:
        at = TOP + (1 - axis.place(tick)) * (HEIGHT - TOP - BOTTOM)
        return Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(LEFT, WIDTH - RIGHT, at, at, LEFT - 7, at + 4, tick_text(tick, share=self.share))

    def _names(self, axis: Axis | None) -> list[Markup]:
        """The labels of the horizontal axis."""
        marks = [(tick, tick_text(tick)) for tick in axis.ticks] if axis is not None else [(place, _text(place)) for place in self.places or ()]
        every = math.ceil(len(marks) / 8)
        room = int((WIDTH - LEFT - RIGHT) / max(1, len(marks[::every])) / WIDTH_OF_A_LETTER)
        return [
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(self._x(mark, axis), HEIGHT - BOTTOM + 18, _short(text, room))
            for mark, text in marks[::every]
        ]


def _text(value: Any) -> str:
    """A value as short as possible."""
    return f"{value:.3g}" if isinstance(value, float) else option_value(value)


def _short(text: str, room: int) -> str:
    """As much of a text as has room between its neighbours."""
    return text if len(text) <= room else f"{text[:max(1, room - 1)]}…"
