"""What a network held as files: held.json (plain data, with the digest of the tensors) and held.safetensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import RunError, TenutoError
from tenuto.explain.held.fixed_points import FixedPoint, FixedPoints
from tenuto.explain.pair_of_files import PairOfFiles
from tenuto.files import DAMAGE

FILES = PairOfFiles("held.json", "held.safetensors", 1, "the states of a network")
_PLAIN = ("name", "cell", "reverse", "output_state")
_WHOLE = ("names", "inputs", "words", "answers", "of_answers", "notes")
_NUMBERS = ("speed", "kind", "distance", "starts")


def save(held: Any, folder: Path, *, overwrite: bool) -> Path:
    """Write both files, the tensors first; see `Held.save`."""
    FILES.require_room(folder, overwrite=overwrite)
    tensors: dict[str, np.ndarray] = {f"x.{item}": values for item, values in enumerate(held.x)}
    layers = []
    for number, layer in enumerate(held.layers):
        tensors |= {f"{number}.{kind}.{item}": values for kind in ("output", "read") for item, values in enumerate(getattr(layer, kind))}
        for kind in ("states", "gates"):
            tensors |= {f"{number}.{kind}.{name}.{item}": values for name, each in getattr(layer, kind).items() for item, values in enumerate(each)}
        data = {name: getattr(layer, name) for name in _PLAIN}
        data |= {"states": list(layer.states), "gates": {name: [_written(end) for end in layer.ranges[name]] for name in layer.gates}}
        layers.append(data | {"fixed_points": _points(layer.fixed_points, f"{number}.fixed", tensors)})
    about = {name: getattr(held, name) for name in _WHOLE}
    return FILES.write(folder, {**about, "layers": layers}, tensors)


def load(folder: Path, whole: Callable[..., Any], layer: Callable[..., Any]) -> Any:
    """What `save` wrote, made by these two classes.

    Raises:
        RunError: a file is missing, damaged, or of another version.
    """
    data = FILES.read(folder)
    try:
        tensors = FILES.arrays(folder, data)
        items = range(len(data["names"]))
        layers = []
        for number, known in enumerate(data["layers"]):
            states, gates = ({name: [tensors[f"{number}.{kind}.{name}.{item}"] for item in items] for name in known[kind]} for kind in ("states", "gates"))
            output, read = ([tensors[f"{number}.{kind}.{item}"] for item in items] for kind in ("output", "read"))
            ranges = {name: (float(low), float(high)) for name, (low, high) in known["gates"].items()}
            points = _read_points(known["fixed_points"], f"{number}.fixed", tensors)
            plain = {name: known[name] for name in _PLAIN}
            layers.append(layer(**plain, output=output, states=states, gates=gates, ranges=ranges, read=read, fixed_points=points))
        about = {name: data[name] for name in _WHOLE} | {name: tuple(data[name]) for name in ("names", "inputs", "notes")}
        return whole(layers=tuple(layers), x=[tensors[f"x.{item}"] for item in items], **about)
    except TenutoError:
        raise
    except DAMAGE as error:
        raise RunError(f"{folder / FILES.data} is not what a network held: {type(error).__name__}: {error}.", expected="a file that Held.save wrote", fix="restore it from a copy") from error


def _written(end: float) -> float | str:
    return end if np.isfinite(end) else str(end)  # JSON has no infinity


def _points(found: FixedPoints | None, place: str, tensors: dict[str, np.ndarray]) -> dict[str, Any] | None:
    if found is None:
        return None
    tensors[f"{place}.read"] = found.read
    for number, point in enumerate(found.points):
        tensors |= {f"{place}.{number}.output": point.output, f"{place}.{number}.real": point.eigenvalues.real, f"{place}.{number}.imaginary": point.eigenvalues.imag}
        tensors |= {f"{place}.{number}.states.{name}": values for name, values in point.states.items()}
    points = [{**{name: getattr(point, name) for name in _NUMBERS}, "states": list(point.states)} for point in found.points]
    return {"said": found.said, "tried": found.tried, "settled": found.settled, "tolerance": found.tolerance, "points": points}


def _read_points(known: Any, place: str, tensors: dict[str, np.ndarray]) -> FixedPoints | None:
    if known is None:
        return None
    points = []
    for number, one in enumerate(known["points"]):
        states = {name: tensors[f"{place}.{number}.states.{name}"] for name in one["states"]}
        eigenvalues = tensors[f"{place}.{number}.real"] + 1j * tensors[f"{place}.{number}.imaginary"]
        points.append(FixedPoint(states, tensors[f"{place}.{number}.output"], eigenvalues=eigenvalues, **{name: one[name] for name in _NUMBERS}))
    return FixedPoints(tensors[f"{place}.read"], known["said"], tuple(points), known["tried"], known["settled"], known["tolerance"])
