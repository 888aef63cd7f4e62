"""Drawings of an explanation as SVG: values over time, players by size. Blue is below zero, orange above; other colours are those of the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.wording import number

WIDTH, LEFT, RIGHT = 720, 110, 12
MOST_PLAYERS, MOST_BARS, MOST_FEATURES_NAMED = 20, 400, 24
_STYLE = (
    "<style>text{font:12px Inter,'Segoe UI',Helvetica,Arial,sans-serif;fill:#625f58}.rule{stroke:#9a968c;stroke-width:1}"
    ".above{fill:rgb(217,95,14)}.below{fill:rgb(38,110,196)}.error{stroke:#625f58;stroke-width:1.2}"
    "@media (prefers-color-scheme:dark){text{fill:#b0ada5}.error{stroke:#b0ada5}}</style>"
)


class Drawing(str):
    """An SVG picture: its text, which notebooks show as the picture."""

    def _repr_svg_(self) -> str:
        return str(self)


def drawing_of(item: Any, inputs: Sequence[str]) -> Drawing:
    """The picture of one item: its players where it has any that are no cells of time, else its values over time."""
    made = player_bars(item) if item.players is not None and len(item.players.names) <= MOST_PLAYERS else over_time(item, inputs)
    return Drawing(made)


def over_time(item: Any, inputs: Sequence[str]) -> Markup:
    """Above, the sum over the features at each step; below, each feature, as a heat map."""
    values = item.values
    steps, width = values.shape
    rows = min(max(values.shape[1] * 14, 30), 240) if width > 1 else 0
    top, high = 8, 110
    height = top + high + (rows + 14 if rows else 0) + 26
    parts = [_bars(values.sum(1), None if item.error is None else np.sqrt((item.error**2).sum(1)), top, high)]
    below = top + high + 14
    if rows:
        address = heat_map_address(values.T, float(np.abs(values).max()) or 1.0)
        parts.append(
            Markup('<image x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none" style="image-rendering:pixelated" href="{}"/>').format(
                LEFT, below, WIDTH - LEFT - RIGHT, rows, address
            )
        )
        names = [inputs[place] if place < len(inputs) else "" for place in range(width)] if width <= MOST_FEATURES_NAMED and inputs else []
        for place, name in enumerate(names):
            parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 8, below + (place + 0.5) * rows / width + 4, _short(name)))
        if not names:
            parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{} features</text>').format(LEFT - 8, below + rows / 2 + 4, width))
    parts.append(Markup('<text x="{}" y="{}" text-anchor="end">sum</text>').format(LEFT - 8, top + high / 2 + 4))
    parts.append(Markup('<text x="{}" y="{}">step 0</text>').format(LEFT, height - 8))
    if steps > 1:
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">step {}</text>').format(WIDTH - RIGHT, height - 8, steps - 1))
    return _svg(height, parts, f"Values over {steps} steps for {item.target}, from {number(float(values.sum(1).min()))} to {number(float(values.sum(1).max()))} a step.")


def player_bars(item: Any) -> Markup:
    """The players with the largest values, each with its standard error."""
    order = np.argsort(-np.abs(item.player_values), kind="stable")[:MOST_PLAYERS]
    values = item.player_values[order]
    errors = np.zeros(len(order)) if item.player_errors is None else item.player_errors[order]
    most = float((np.abs(values) + errors).max()) or 1.0
    left, row = 190, 22
    zero, reach = left + (WIDTH - left - 70) / 2, (WIDTH - left - 70) / 2
    parts = []
    for place, (number_of, value, error) in enumerate(zip(order, values, errors)):
        y, x = 6 + place * row, zero + reach * value / most
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 8, y + 15, _short(item.players.names[number_of], 28)))
        parts.append(
            Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="14" rx="2"/>').format("above" if value >= 0 else "below", min(zero, x), y + 4, abs(x - zero))
        )
        if error > 0:
            parts.append(_error(x, y + 11, reach * error / most))
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - 4, y + 15, number(float(value))))
    height = 12 + row * len(order)
    parts.append(Markup('<line class="rule" x1="{0:.1f}" x2="{0:.1f}" y1="4" y2="{1}"/>').format(zero, height - 4))
    first = item.players.names[order[0]] if len(order) else "none"
    return _svg(height, parts, f"What each of {len(item.players.names)} players adds to {item.target}; the most is {number(float(values[0]))}, by {first}.")


def _bars(sums: np.ndarray, errors: np.ndarray | None, top: int, high: int) -> Markup:
    """One bar for each step; neighbouring steps share one where there are too many."""
    groups = np.array_split(np.arange(len(sums)), min(len(sums), MOST_BARS))
    values = np.array([sums[group].sum() for group in groups])
    above, below = max(float(values.max()), 0.0), max(float(-values.min()), 0.0)
    scale = high / (above + below or 1.0)
    zero, wide = top + above * scale, (WIDTH - LEFT - RIGHT) / len(groups)
    parts = []
    for place, (group, value) in enumerate(zip(groups, values)):
        x, tall = LEFT + place * wide, abs(value) * scale
        parts.append(
            Markup('<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}: {}</title></rect>').format(
                "above" if value >= 0 else "below", x, zero - tall if value >= 0 else zero, max(wide - min(1.0, wide / 4), 0.2), tall,
                f"step {group[0]}" if len(group) == 1 else f"steps {group[0]} to {group[-1]}", number(float(value)),
            )
        )  # fmt: skip
        if errors is not None and len(groups) <= 60:
            error, y = float(np.sqrt((errors[group] ** 2).sum())) * scale, zero - value * scale
            parts.append(Markup('<line class="error" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>').format(x + wide / 2, y - error, y + error))
    parts.append(Markup('<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, zero, zero))
    return Markup("").join(parts)


def _error(x: float, y: float, half: float) -> Markup:
    return Markup('<line class="error" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(x - half, x + half, y, y)


def _svg(height: float, parts: Sequence[Markup], words: str) -> Markup:
    head = Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">').format(WIDTH, height, words)
    return head + Markup(_STYLE) + Markup("").join(parts) + Markup("</svg>")


def _short(text: str, most: int = 16) -> str:
    shown = text.replace("\n", "⏎") or "–"
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
