"""Keras's recurrent layers in a `.keras` file as layers of ours. The file is read as what it is, a zip with JSON and HDF5: Keras is not needed, h5py is."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.adapters.gates import Gates, blocks, recurrent_of
from tenuto.adapters.keras import ACTIVATION_NAMES, weights_from_keras
from tenuto.cell import Cell
from tenuto.cells import GRU, LSTM, Elman, ResetBeforeGRU
from tenuto.errors import ArgumentError, DataError
from tenuto.files import DAMAGE
from tenuto.layers import Recurrent
from tenuto.runs.names import CONFIG

_KINDS = ("LSTM", "GRU", "SimpleRNN")


def from_file(path: Path) -> tuple[dict[str, Recurrent], set[str], set[str]]:
    """The layers by Keras's name for them, the tensors that they are made of, and all tensors.

    Raises:
        DataError: the file is no `.keras` file, or damaged. ArgumentError: h5py is missing, or a layer has something that none of ours has.
    """
    try:
        import h5py
    except ImportError as error:
        raise ArgumentError("a .keras file is read with the package h5py, which is not installed.", fix="pip install 'tenuto[keras]'") from error
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read(CONFIG))
            weights = archive.read("model.weights.h5")
        tensors: dict[str, Tensor] = {}

        def keep(name: str, value: Any) -> None:
            if isinstance(value, h5py.Dataset) and value.shape and not re.search(r"(^|/)(optimizer|seed_generator)(/|$)", name):
                tensors[name] = torch.from_numpy(np.array(value))

        with h5py.File(io.BytesIO(weights), "r") as file:
            file.visititems(keep)
        found, read, numbers = {}, set[str](), dict[str, int]()
        for layer in _layers(config):
            folder = _folder(layer["class_name"], numbers)
            if layer["class_name"] in (*_KINDS, "Bidirectional"):
                found[layer["config"]["name"]], names = _layer(layer, folder, tensors)
                read |= names
        return found, read, set(tensors)
    except (OSError, zipfile.BadZipFile, *DAMAGE) as error:
        if isinstance(error, (ArgumentError, DataError)):
            raise
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}.", expected="a file that keras_model.save('NAME.keras') wrote", received=str(path)) from error


def _layers(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The layers of a Sequential or a functional model, in order."""
    layers = config["config"].get("layers")
    if config["class_name"] not in ("Sequential", "Functional") or layers is None:
        raise ArgumentError(f"the model is a {config['class_name']}.", expected="a Sequential or functional model", fix="save the layers in one of these")
    for layer in layers:
        if layer["class_name"] in ("Sequential", "Functional"):
            raise ArgumentError(f"the model has another inside: {layer['config'].get('name')}.", expected="layers side by side", fix="save the inner model alone")
        yield layer


def _folder(kind: str, numbers: dict[str, int]) -> str:
    """Where Keras keeps a layer's weights: its class in small letters, and a number from the second on."""
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", kind))).lower()
    number = numbers[name] = numbers.get(name, -1) + 1
    return f"layers/{name}" + (f"_{number}" if number else "")


def _layer(layer: Mapping[str, Any], folder: str, tensors: Mapping[str, Tensor]) -> tuple[Recurrent, set[str]]:
    options, read = layer["config"], set[str]()
    if options.get("go_backwards") and options.get("return_sequences"):
        raise ArgumentError(f"{options['name']} goes backwards, and gives its outputs in that order; a layer of ours gives each at its own step.", fix="return_sequences=False, or Bidirectional")
    if layer["class_name"] != "Bidirectional":
        cell, gates = _direction(layer["class_name"], options, f"{folder}/cell/vars", tensors, read)
        return recurrent_of(cell, [[gates]], reverse=bool(options.get("go_backwards")), batch_first=True), read
    if options.get("merge_mode", "concat") != "concat":
        raise ArgumentError(f"{options['name']} merges its directions by {options['merge_mode']!r}.", expected="concat", fix="read its two layers from models of their own")
    sides = {"forward_layer": options["layer"], "backward_layer": options.get("backward_layer") or options["layer"]}
    made = [_direction(one["class_name"], one["config"], f"{folder}/{side}/cell/vars", tensors, read) for side, one in sides.items()]
    if made[0][0] != made[1][0]:
        raise ArgumentError(f"{options['name']} has two kinds of layer.", expected="the same cell in both directions", received=f"{made[0][0]!r} and {made[1][0]!r}")
    return recurrent_of(made[0][0], [[gates for _, gates in made]], batch_first=True), read


def _direction(kind: str, options: Mapping[str, Any], folder: str, tensors: Mapping[str, Tensor], read: set[str]) -> tuple[Cell, Gates]:
    names = [f"{folder}/{place}" for place in range(3 if options.get("use_bias", True) else 2)]
    missing = [name for name in names if name not in tensors]
    if kind not in _KINDS or missing:
        raise ArgumentError(f"{options.get('name')} is a {kind}" + (f" without {missing[0]}." if missing else "."), expected=" | ".join(_KINDS))
    read.update(names)
    activations = [_activation(options, name) for name in ("activation", "recurrent_activation") if kind != "SimpleRNN" or name == "activation"]
    kinds = {"LSTM": LSTM, "SimpleRNN": Elman, "GRU": GRU if options.get("reset_after", True) else ResetBeforeGRU}
    cell = kinds[kind](*activations)
    kernel, recurrent_kernel, *bias = (tensors[name] for name in names)
    weights = weights_from_keras(cell, kernel, recurrent_kernel, bias[0] if bias else None)
    gates = tuple(cell.widths("gates"))
    return cell, Gates(blocks(weights["weight_ih"], gates), weights["U"], {} if weights["bias"] is None else blocks(weights["bias"], gates), weights["parameters"])


def _activation(options: Mapping[str, Any], name: str) -> str:
    given = options.get(name)
    if not isinstance(given, str) or given not in ACTIVATION_NAMES:
        raise ArgumentError(f"{options.get('name')} has {name}={given!r}, which no cell of ours knows by name.", expected=" | ".join(sorted(ACTIVATION_NAMES)))
    return ACTIVATION_NAMES[given]
