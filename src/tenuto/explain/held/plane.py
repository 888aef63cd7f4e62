"""A plane with named axes as inline SVG: paths, dots and marks in the colours of the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tenuto.pages.axis import Axis, axis_for, tick_text

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 18, 30, 44
MOST_CORNERS = 400


@dataclass(frozen=True)
class Path:
    """The places of one thing, in order: a line with a ring at its beginning and a dot at its end. says: the text where the pointer is on it."""

    places: Sequence[tuple[float, float]]
    says: str
    tone: str = "second"


@dataclass(frozen=True)
class Mark:
    """One place: a "dot" of a tone, or, as dark as text, a "diamond", a "hollow" diamond or a "cross"."""

    place: tuple[float, float]
    shape: str
    says: str
    tone: str = "first"


@dataclass(frozen=True)
class Plane:
    """What is drawn.

    Args:
        words: what screen readers read aloud. across, up: the names of the axes. share: whether both are shares, 0..1.
        paths, marks: the important ones last (drawn on top).
    """

    words: str
    across: str
    up: str
    paths: Sequence[Path] = ()
    marks: Sequence[Mark] = ()
    share: bool = False

    def svg(self) -> Markup:
        """The drawing."""
        places = [place for path in self.paths for place in path.places] + [mark.place for mark in self.marks]
        across, up = (axis_for([0.0, 1.0] if self.share else [place[side] for place in places], share=self.share) for side in (0, 1))
        drawn = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, self.words)]
        drawn += self._grid(across, up)
        drawn += [self._path(path, across, up) for path in self.paths]
        drawn += [self._mark(mark, across, up) for mark in self.marks]
        return Markup("\n").join([*drawn, Markup("</svg>")])

    def _grid(self, across: Axis, up: Axis) -> list[Markup]:
        parts = []
        for tick in up.ticks:
            y = _y(tick, up)
            parts.append(
                Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                    LEFT, WIDTH - RIGHT, y, y, LEFT - 7, y + 4, tick_text(tick, share=self.share)
                )
            )
        for tick in across.ticks:
            x = _x(tick, across)
            parts.append(
                Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/><text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    x, x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 17, tick_text(tick, share=self.share)
                )
            )
        parts.append(Markup('<text class="axis-name" x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - RIGHT, HEIGHT - 6, self.across))
        parts.append(Markup('<text class="axis-name" x="2" y="{}">{}</text>').format(TOP - 15, self.up))
        return parts

    def _path(self, path: Path, across: Axis, up: Axis) -> Markup:
        every = -(-len(path.places) // MOST_CORNERS)
        places = [(_x(x, across), _y(y, up)) for x, y in [*path.places[:-1:every], path.places[-1]]]
        line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        return Markup(
            '<g class="path"><title>{}</title><path class="line {}" style="stroke-width:1.2" d="{}"/>'
            '<circle class="line {}" cx="{:.1f}" cy="{:.1f}" r="3.2" style="stroke-width:1.4"/><circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.4"/></g>'
        ).format(path.says, path.tone, line, path.tone, *places[0], path.tone, *places[-1])

    def _mark(self, mark: Mark, across: Axis, up: Axis) -> Markup:
        x, y = _x(mark.place[0], across), _y(mark.place[1], up)
        diamond = f"M{x:.1f} {y - 7:.1f}L{x + 7:.1f} {y:.1f}L{x:.1f} {y + 7:.1f}L{x - 7:.1f} {y:.1f}Z"
        cross = f"M{x - 5:.1f} {y - 5:.1f}L{x + 5:.1f} {y + 5:.1f}M{x - 5:.1f} {y + 5:.1f}L{x + 5:.1f} {y - 5:.1f}"
        if mark.shape == "dot":
            return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.6" fill-opacity=".7"><title>{}</title></circle>').format(mark.tone, x, y, mark.says)
        style = {"diamond": "fill:var(--ink);stroke:var(--card)", "hollow": "fill:var(--card);stroke:var(--ink)", "cross": "fill:none;stroke:var(--ink)"}[mark.shape]
        return Markup('<path style="{};stroke-width:1.8" d="{}"><title>{}</title></path>').format(style, cross if mark.shape == "cross" else diamond, mark.says)


def _x(value: float, axis: Axis) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(value: float, axis: Axis) -> float:
    return TOP + (1 - axis.place(value)) * (HEIGHT - TOP - BOTTOM)
