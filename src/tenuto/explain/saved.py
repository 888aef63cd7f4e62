"""An explanation as files: explanation.json (plain data, with the digest of the tensors) and explanation.safetensors; and as shap's class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import ArgumentError, RunError, TenutoError
from tenuto.explain.pair_of_files import PairOfFiles
from tenuto.explain.players import Players
from tenuto.explain.trust.stored import trust_of
from tenuto.files import DAMAGE

FILES = PairOfFiles("explanation.json", "explanation.safetensors", 1, "an explanation")
_ARRAYS = ("values", "x", "error", "player_values", "player_errors")
_PLAIN = ("name", "target", "prediction", "base", "state", "words", "measured", "notes")


def save(explanation: Any, folder: Path, *, overwrite: bool) -> Path:
    """Write both files, the tensors first; see `Explanation.save`."""
    FILES.require_room(folder, overwrite=overwrite)
    tensors = {}
    for number, item in enumerate(explanation.items):
        arrays = {name: getattr(item, name) for name in _ARRAYS}
        if item.players is not None:
            arrays["places"] = item.players.places
        tensors |= {f"{number}.{name}": array for name, array in arrays.items() if array is not None}
    items = [
        {**{name: getattr(item, name) for name in _PLAIN}, "players": None if item.players is None else list(item.players.names)} for item in explanation.items
    ]
    about = {name: getattr(explanation, name) for name in ("method", "settings", "background", "inputs")}
    trust = {} if explanation.trust is None else {"trust": explanation.trust.plain()}
    return FILES.write(folder, {**about, "items": items, **trust}, tensors)


def load(folder: Path, whole: type, part: type) -> Any:
    """The explanation that `save` wrote, made of these two classes."""
    data = FILES.read(folder)
    try:
        tensors = FILES.arrays(folder, data)
        items = []
        for number, known in enumerate(data["items"]):
            arrays = {name: tensors.get(f"{number}.{name}") for name in _ARRAYS}
            players = None if known["players"] is None else Players(tuple(known["players"]), tensors[f"{number}.places"])
            plain = {name: known[name] for name in _PLAIN}
            plain["words"], plain["notes"] = None if plain["words"] is None else tuple(plain["words"]), tuple(plain["notes"])
            items.append(part(**plain, **arrays, players=players))
        return whole(data["method"], data["settings"], data["background"], tuple(data["inputs"]), tuple(items), trust_of(data.get("trust"), len(items)))
    except TenutoError:
        raise
    except DAMAGE as error:
        raise RunError(f"{folder / FILES.data} is no explanation: {type(error).__name__}: {error}.", expected="a file that Explanation.save wrote", fix="restore it from a copy") from error


def to_shap(explanation: Any) -> Any:
    """See `Explanation.to_shap`."""
    try:
        import shap
    except ImportError as error:
        raise ArgumentError("shap is not installed.", fix="pip install shap") from error
    columns = [_columns(explanation, item) for item in explanation.items]
    if any(names != columns[0][0] for names, _, _ in columns):
        raise ArgumentError("the items have different columns, so they are not one table.", expected="items of one length, with the same players", fix="explain items of one length together")
    base = [np.nan if item.base is None else item.base for item in explanation.items]
    values, data = (np.stack([column[place] for column in columns]) for place in (1, 2))
    return shap.Explanation(values=values, base_values=np.array(base), data=data, feature_names=columns[0][0])


def _columns(explanation: Any, item: Any) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, values and data of an item's row. The data of a player is the mean of its cells."""
    if item.players is not None:
        means = [item.x[item.players.places == number].mean() if (item.players.places == number).any() else np.nan for number in range(len(item.players.names))]
        return list(item.players.names), item.player_values, np.array(means)
    names = explanation.inputs or [f"input {number}" for number in range(item.values.shape[1])]
    return [f"{name}, step {step}" for step in range(len(item.values)) for name in names], item.values.ravel(), item.x.ravel()
