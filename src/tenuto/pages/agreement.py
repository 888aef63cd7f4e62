"""What was predicted beside what was measured, as inline SVG in the page's colours: on the diagonal both are the same; lines are intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tenuto.pages.axis import axis_for, tick_text
from tenuto.pages.line_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from tenuto.pages.wording import count, number

MOST_INTERVALS = 150  # more lines hide each other


@dataclass(frozen=True)
class Agreement:
    """Points with the measured number across and the predicted one up.

    Args:
        title: what was predicted.
        names: of the points. values, predicted: as many numbers.
        half: how far the interval of each point reaches to each side; None where there are none.
    """

    title: str
    names: Sequence[str]
    values: Sequence[float]
    predicted: Sequence[float]
    half: Sequence[float] | None = None

    def svg(self) -> Markup:
        """The drawing, with a description in words for those who do not see it."""
        axis = axis_for([*self.values, *self.predicted])
        across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

        def x(value: float) -> float:
            return LEFT + axis.place(value) * across

        def y(value: float) -> float:
            return TOP + (1 - axis.place(value)) * up

        said = f"{self.title}: {count(len(self.values), 'sequence')}, predicted against measured, from {number(axis.low)} to {number(axis.high)}."
        drawn = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, said)]
        for tick in axis.ticks:
            text = tick_text(tick)
            drawn.append(
                Markup(
                    '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
                    '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
                ).format(LEFT, WIDTH - RIGHT, y(tick), y(tick), LEFT - 7, y(tick) + 4, text, x(tick), HEIGHT - BOTTOM + 18, text)
            )
        drawn.append(Markup('<line class="diagonal" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(x(axis.low), y(axis.low), x(axis.high), y(axis.high)))
        if self.half is not None and len(self.values) <= MOST_INTERVALS:
            drawn += [
                Markup('<line class="interval" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(x(value), x(value), y(guess - half), y(guess + half))
                for value, guess, half in zip(self.values, self.predicted, self.half)
            ]
        for name, value, guess in zip(self.names, self.values, self.predicted):
            drawn.append(
                Markup('<circle class="dot first" cx="{:.1f}" cy="{:.1f}" r="3.2"><title>{}</title></circle>').format(
                    x(value), y(guess), f"{name}: measured {number(value)}, predicted {number(guess)}"
                )
            )
        return Markup("\n").join([*drawn, Markup("</svg>")])
