"""The section "What the network holds" of the page of an explanation: for each layer its states and gates, what its units stand for, its path and points of rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tenuto.errors import TenutoError
from tenuto.explain.held.fixed_points import FixedPoint
from tenuto.explain.held.held import Held, HeldLayer
from tenuto.explain.held.plane import Mark, Path, Plane
from tenuto.explain.held.selectivity import Selectivity
from tenuto.explain.held.trajectory import Trajectory
from tenuto.pages.heat_map import heat_map_address, similar_rows_together
from tenuto.pages.page import render
from tenuto.pages.wording import count, number, percent, shortened

MOST_LAYERS, MOST_PATHS, MOST_INPUTS, MOST_POINTS, MOST_WORDS = 8, 16, 12, 12, 400
MOST_COLUMNS, MOST_ROWS = 600, 128
TONES = ("first", "third", "second")
SHAPES = {"stable": "diamond", "neutral": "diamond", "saddle": "hollow", "unstable": "cross"}


def section_of(held: Held) -> Markup:
    """The section as HTML."""
    shown = held.layers[:MOST_LAYERS]
    return render(
        "held.html",
        item=held.names[0],
        items=count(len(held.names), "item"),
        layers=[_layer(held, layer) for layer in shown],
        notes=[*held.notes, *([f"{count(len(held) - len(shown), 'more layer')} are not drawn."] if len(held) > len(shown) else [])],
    )


def _layer(held: Held, layer: HeldLayer) -> dict[str, Any]:
    said: list[str] = []
    path = _tried(said, layer.trajectory, min(2, layer.output[0].shape[1]))
    stands = _tried(said, held.selectivity, layer.name)
    gates = [{"name": name, "said": _gate_said(layer, name), **_strip(values[0], 1.0 if _opens(layer, name) else None)} for name, values in layer.gates.items()]
    return {
        "name": layer.name,
        "cell": layer.cell,
        "states": [{"name": name, "said": _units(values[0]), **_strip(values[0], None)} for name, values in layer.states.items()],
        "gates": gates,
        "open": _open(layer),
        "path": None if path is None or len(path.shares) < 2 else {"svg": _path(held, layer, path), "legend": _legend(held, layer)},
        "units": None if stands is None else _rows(held, stands),
        "of_answers": "" if stands is None or stands.answers is None else stands.of_answers,
        "words": _words(held, layer, stands),
        "points": _points(layer),
        "notes": list(dict.fromkeys(said)),
    }


def _tried(said: list[str], call: Any, *given: Any) -> Any:
    """What the call gives, or None, and what it said."""
    try:
        return call(*given)
    except TenutoError as error:
        said.append(error.what)
        return None


def _opens(layer: HeldLayer, gate: str) -> bool:
    return tuple(layer.ranges[gate]) == (0.0, 1.0)


def _units(values: np.ndarray) -> str:
    return count(values.shape[1], "unit")


def _gate_said(layer: HeldLayer, gate: str) -> str:
    low, high = layer.ranges[gate]
    if not _opens(layer, gate):
        return f"{_units(layer.gates[gate][0])}, " + ("without bounds" if math.isinf(low) and math.isinf(high) else f"from {number(low)} to {number(high)}")
    found = layer.openness[gate]
    return f"{_units(layer.gates[gate][0])}; above 0.9 in {percent(float(found.open.mean()))} of all steps and units, below 0.1 in {percent(float(found.shut.mean()))}"


def _strip(values: np.ndarray, limit: float | None) -> dict[str, Any]:
    """[T, W] as a picture: units that are alike near each other; neighbouring steps and units share a pixel where there are too many."""
    rows = np.nan_to_num(values.T.astype(np.float64))
    rows = _fewer(rows[similar_rows_together(rows)], MOST_ROWS)
    size = limit or float(np.abs(rows).max()) or 1.0
    columns = _fewer(rows.T, MOST_COLUMNS).T
    height = int(np.clip(6 * len(rows), 36, 260))
    return {"address": heat_map_address(columns, size), "height": height, "last": len(values) - 1, "limit": number(size)}


def _fewer(rows: np.ndarray, most: int) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.stack([group.mean(0) for group in np.array_split(rows, most)])


def _open(layer: HeldLayer) -> list[dict[str, Any]]:
    """The gates as dots, one for each unit, a few gates in a drawing."""
    found = list(layer.openness.items())
    drawings = []
    for first in range(0, len(found), len(TONES)):
        some = list(zip(TONES, found[first : first + len(TONES)]))
        marks, words = [], []
        for tone, (name, gate) in some:
            words.append(f"{name} is open in {percent(float(gate.open.mean()))} and shut in {percent(float(gate.shut.mean()))}")
            for unit, (right, left) in enumerate(zip(gate.open, gate.shut)):
                marks.append(Mark((float(right), float(left)), "dot", f"gate {name}, unit {unit}: open in {percent(float(right))}, shut in {percent(float(left))} of the steps", tone))
        said = f"Gates as dots, one for each unit. Over all steps and units {'; '.join(words)}."
        svg = Plane(said, "share of steps above 0.9 (open)", "share of steps below 0.1 (shut)", marks=marks, share=True).svg()
        drawings.append({"tones": [(tone, f"gate {name}") for tone, (name, _) in some], "svg": svg})
    return drawings


def _kinds(held: Held) -> list[str]:
    """The answers that have colours of their own."""
    if held.answers is None or any(len(own) != 1 for own in held.answers):
        return []
    kinds = sorted({own[0] for own in held.answers})
    return kinds if 2 <= len(kinds) <= len(TONES) else []


def _path(held: Held, layer: HeldLayer, found: Trajectory) -> Markup:
    kinds = _kinds(held)
    paths = []
    for item, places in enumerate(found.points[:MOST_PATHS]):
        tone = TONES[kinds.index(held.answers[item][0])] if kinds and held.answers is not None else "second" if item else "first"
        ordered = places[::-1] if layer.reverse else places
        paths.append(Path([(float(x), float(y)) for x, y in ordered], f"item {held.names[item]}", tone))
    marks = []
    for point in layer.fixed_points.points[:MOST_POINTS] if layer.fixed_points is not None else ():
        x, y = found.place(point.output[None])[0]
        marks.append(Mark((float(x), float(y)), SHAPES[point.kind], f"{point.kind} fixed point, largest eigenvalue {number(point.largest)}"))
    shares = [percent(float(share)) for share in found.shares]
    words = f"The paths of {count(len(paths), 'item')} in the plane of the two largest principal components, which hold {shares[0]} and {shares[1]} of the variance."
    return Plane(words, f"first component, {shares[0]} of the variance", f"second component, {shares[1]} of the variance", paths[::-1], marks).svg()


def _legend(held: Held, layer: HeldLayer) -> dict[str, Any]:
    kinds = _kinds(held)
    tones = [(tone, kind) for tone, kind in zip(TONES, kinds)] or [("first", f"item {held.names[0]}"), *([("second", "other items")] if len(held.names) > 1 else [])]
    marks = "A ring is where an item begins, a dot where it ends."
    if layer.fixed_points is not None and layer.fixed_points.points:
        marks += " Fixed points: a full diamond is stable, an empty one a saddle, a cross unstable."
    return {"tones": tones, "marks": marks}


def _rows(held: Held, found: Selectivity) -> list[list[str]]:
    """What is stood for, the two units that do so the most, and how much."""
    rows: list[list[str]] = []
    if found.inputs is not None and (held.words is None or held.inputs):
        width = found.inputs.shape[1]
        names = held.inputs if len(held.inputs) == width else tuple(f"input {place}" for place in range(width))
        sizes = np.abs(np.nan_to_num(found.inputs)).max(0)
        for place in np.argsort(-sizes, kind="stable")[:MOST_INPUTS]:
            rows.append([shortened(names[place], 28), *_best(found.inputs[:, place])])
    rows.append(["position in time", *_best(found.time)])
    if found.answers is not None:
        rows.append(["answer (eta squared)", *_best(found.answers)])
    return rows


def _best(values: np.ndarray) -> list[str]:
    sizes = np.nan_to_num(np.abs(values))
    if not sizes.any():
        return ["–"] * 4
    order = [int(unit) for unit in np.argsort(-sizes, kind="stable")[:2]]
    return [text for unit in order for text in (f"unit {unit}", f"{values[unit]:.2f}")] + ["–"] * (4 - 2 * len(order))


def _words(held: Held, layer: HeldLayer, found: Selectivity | None) -> dict[str, Any] | None:
    """The first item's words, coloured by the unit that tells answers apart the best, or else moves the most."""
    if held.words is None or len(held.words[0]) != len(layer.output[0]):
        return None
    every = np.concatenate(layer.output)
    sizes = every.std(0) if found is None or found.answers is None else np.nan_to_num(found.answers)
    unit = int(sizes.argmax())
    values = layer.output[0][:, unit]
    most = float(np.abs(values).max()) or 1.0
    words = [
        {"text": text, "side": "above" if value >= 0 else "below", "share": f"{abs(float(value)) / most:.2f}", "value": number(float(value))}
        for text, value in zip(held.words[0][:MOST_WORDS], values)
    ]
    return {"unit": unit, "words": words, "joined": all(len(text) == 1 for text in held.words[0])}


def _points(layer: HeldLayer) -> dict[str, Any] | None:
    found = layer.fixed_points
    if found is None:
        return None
    settled = f"{found.settled} of {count(found.tried, 'start')} came to {count(len(found.points), 'point')} that the layer does not leave."
    if not found.points:
        settled = f"None of {count(found.tried, 'start')} came to a point that the layer does not leave: its states go on moving while this input stays the same."
    return {"said": found.said, "settled": settled, "tolerance": number(found.tolerance), "rows": [_point(point) for point in found.points[:MOST_POINTS]]}


def _point(point: FixedPoint) -> Sequence[str]:
    turning = abs(point.eigenvalues[0].imag) > 1e-9
    time = point.time_constant
    lasts = "does not fade" if math.isinf(time) else f"grows, {number(-time)} steps" if time < 0 else f"fades, {number(time)} steps"
    return [point.kind, number(point.largest) + (" (turning)" if turning else ""), lasts, str(point.growing), number(point.speed), number(point.distance), str(point.starts)]
