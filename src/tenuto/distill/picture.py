"""An automaton as a picture: states on a circle, moves as arrows, in the colours of the page. Up to a dozen states can be read so; of more there is the table."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from tenuto.distill.automaton import Automaton

MOST_STATES = 12
WIDTH, NODE, ROOM = 720, 26, 62  # of the picture, at least; radius of a state; what loops and labels need above and below the circle
MOST_LETTERS = 18  # of a label
LABEL = 0.36  # how far along an arrow its letters stand
BEND = 0.16  # of the length of an arrow: how far its middle lies beside the straight line, so that there and back are two lines

Point = tuple[float, float]


def picture_of(automaton: Automaton) -> Markup | None:
    """The picture, with a description in words for those who do not see it; None where there are too many states."""
    count = len(automaton)
    if count > MOST_STATES:
        return None
    radius = 0.0 if count == 1 else max(95.0, 27.0 * count)
    width = max(WIDTH, round(2 * (radius + NODE + 2 * ROOM)))
    middle = (width / 2, radius + NODE + ROOM)
    places = [(middle[0] - radius * math.cos(2 * math.pi * state / count), middle[1] - radius * math.sin(2 * math.pi * state / count)) for state in range(count)]
    said = f"{automaton.kind} with {count} states; the table has every move."
    drawn = [Markup('<svg class="chart automaton" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, round(2 * middle[1]), said)]
    drawn.append(Markup('<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0 0 10 5 0 10z"/></marker></defs>'))
    drawn.append(_line(f"M{places[0][0] - 1.6 * NODE:.1f} {places[0][1] - 1.6 * NODE:.1f}L{places[0][0] - 0.75 * NODE:.1f} {places[0][1] - 0.75 * NODE:.1f}"))  # where to begin
    for (one, other), letters in automaton.edges().items():
        drawn += _loop(places[one], middle, letters) if one == other else _arrow(places[one], places[other], letters)
    kinds = sorted({str(answer) for answer in automaton.answers})
    for state, (place, answer) in enumerate(zip(places, automaton.answers)):
        drawn += _node(place, state, answer, double=len(kinds) == 2 and str(answer) == kinds[1])
    return Markup("\n").join([*drawn, Markup("</svg>")])


def _line(path: str) -> Markup:
    return Markup('<path class="move" d="{}" marker-end="url(#arrow)"/>').format(path)


def _arrow(start: Point, end: Point, letters: list[str]) -> list[Markup]:
    """A bent arrow from the edge of a state to that of another, with its letters nearer to where it begins: in the middle of the circle arrows cross."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    beside = (-down / length, across / length)
    bend = BEND * length + 8
    control = ((start[0] + end[0]) / 2 + bend * beside[0], (start[1] + end[1]) / 2 + bend * beside[1])
    first, last = _towards(start, control), _towards(end, control)
    near, far, side = (1 - LABEL) ** 2, LABEL**2, 2 * LABEL * (1 - LABEL)
    label = tuple(near * one + side * middle + far * other + 11 * away for one, middle, other, away in zip(start, control, end, beside))
    return [_line(f"M{first[0]:.1f} {first[1]:.1f}Q{control[0]:.1f} {control[1]:.1f} {last[0]:.1f} {last[1]:.1f}"), _label((label[0], label[1]), letters)]


def _loop(place: Point, middle: Point, letters: list[str]) -> list[Markup]:
    """An arrow from a state to itself, on the side that looks away from the middle."""
    across, down = place[0] - middle[0], place[1] - middle[1]
    length = math.hypot(across, down)
    out = (across / length, down / length) if length else (0.0, -1.0)
    turn = math.atan2(out[1], out[0])
    ends = [(place[0] + NODE * math.cos(turn + side), place[1] + NODE * math.sin(turn + side)) for side in (-0.5, 0.5)]
    pulls = [(place[0] + 2.9 * NODE * math.cos(turn + side), place[1] + 2.9 * NODE * math.sin(turn + side)) for side in (-0.55, 0.55)]
    path = f"M{ends[0][0]:.1f} {ends[0][1]:.1f}C{pulls[0][0]:.1f} {pulls[0][1]:.1f} {pulls[1][0]:.1f} {pulls[1][1]:.1f} {ends[1][0]:.1f} {ends[1][1]:.1f}"
    return [_line(path), _label((place[0] + (NODE + 46) * out[0], place[1] + (NODE + 46) * out[1]), letters)]


def _towards(place: Point, other: Point) -> Point:
    """The point of a state's edge in the direction of another point."""
    across, down = other[0] - place[0], other[1] - place[1]
    length = math.hypot(across, down)
    return place[0] + NODE * across / length, place[1] + NODE * down / length


def _label(place: Point, letters: list[str]) -> Markup:
    text = ", ".join(letters)
    short = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
    return Markup('<text class="letters" x="{:.1f}" y="{:.1f}" text-anchor="middle" dominant-baseline="middle"><title>{}</title>{}</text>').format(*place, text, short)


def _node(place: Point, state: int, answer: Any, *, double: bool) -> list[Markup]:
    """A state: a circle, doubled where it accepts, with its answer, or its number where that is long."""
    text = str(answer)
    short = text if len(text) <= 6 else f"{text[:5]}…"
    circles = [Markup('<circle class="state" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(*place, size) for size in ([NODE, NODE - 4] if double else [NODE])]
    number = Markup('<text class="number" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(place[0], place[1] - 9, state)
    return [*circles, number, Markup('<text class="answer" x="{:.1f}" y="{:.1f}" text-anchor="middle"><title>{}</title>{}</text>').format(place[0], place[1] + 9, text, short)]
