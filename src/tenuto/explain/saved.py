"""An explanation as files: explanation.json (plain data, with the digest of the tensors) and explanation.safetensors; and as shap's class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.errors import ArgumentError, RunError, TenutoError
from tenuto.explain.players import Players
from tenuto.explain.trust.stored import trust_of
from tenuto.files import DAMAGE, read_json, read_tensors, sha256_of, write_json, write_tensors

DATA, TENSORS = "explanation.json", "explanation.safetensors"
VERSION = 1
_ARRAYS = ("values", "x", "error", "player_values", "player_errors")
_PLAIN = ("name", "target", "prediction", "base", "state", "words", "measured", "notes")


def save(explanation: Any, folder: Path, *, overwrite: bool) -> Path:
    """Write both files, the tensors first; see `Explanation.save`."""
    if (folder / DATA).exists() and not overwrite:
        raise RunError(f"{folder} has an explanation already.", fix="choose another folder, or overwrite=True")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror or error}.", fix="choose another folder") from error
    tensors = {}
    for number, item in enumerate(explanation.items):
        arrays = {name: getattr(item, name) for name in _ARRAYS}
        if item.players is not None:
            arrays["places"] = item.players.places
        tensors |= {f"{number}.{name}": torch.from_numpy(np.array(array)) for name, array in arrays.items() if array is not None}
    write_tensors(folder / TENSORS, tensors)
    items = [
        {**{name: getattr(item, name) for name in _PLAIN}, "players": None if item.players is None else list(item.players.names)} for item in explanation.items
    ]
    about = {name: getattr(explanation, name) for name in ("method", "settings", "background", "inputs")}
    trust = {} if explanation.trust is None else {"trust": explanation.trust.plain()}
    write_json(folder / DATA, {"format_version": VERSION, **about, "tensors_sha256": sha256_of(folder / TENSORS), "items": items, **trust})
    return folder


def load(folder: Path, whole: type, part: type) -> Any:
    """The explanation that `save` wrote, made of these two classes."""
    data = read_json(folder / DATA)
    try:
        if data["format_version"] != VERSION:
            raise RunError(f"{folder} was written by another version of tenuto.", received=f"format_version {data['format_version']}", fix="install a newer tenuto")
        if not (folder / TENSORS).is_file() or sha256_of(folder / TENSORS) != data["tensors_sha256"]:
            raise RunError(f"{folder / TENSORS} is not the file that {DATA} was written with.", expected="both files as they were saved", fix="restore the folder from a copy")
        tensors = {name: tensor.numpy() for name, tensor in read_tensors(folder / TENSORS).items()}
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
        raise RunError(f"{folder / DATA} is no explanation: {type(error).__name__}: {error}.", expected="a file that Explanation.save wrote", fix="restore it from a copy") from error


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
