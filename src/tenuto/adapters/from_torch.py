"""torch.nn's recurrent layers, as modules or as a state dict, as layers of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.adapters.gates import Gates, blocks, recurrent_of
from tenuto.cell import Cell
from tenuto.cells import GRU, LSTM, Elman, ProjectionLSTM
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.layers.biases import one_bias

GATES = {4: ("i", "f", "g", "o"), 3: ("r", "z", "n"), 1: ("h",)}  # torch.nn's order, by our names
_FIRST = "weight_ih_l0"


def from_module(module: nn.Module) -> tuple[dict[str, Recurrent], set[str]]:
    """The layers by path, and the names of the tensors that they are made of."""
    found, read = {}, set[str]()
    for path, part in module.named_modules():
        if isinstance(part, nn.RNNBase):
            state = {name: value.detach() for name, value in part.state_dict().items()}
            found[path], names = _layer(state, "", getattr(part, "nonlinearity", "tanh"), path, batch_first=part.batch_first)
            read |= {f"{path}.{name}" if path else name for name in names}
    return found, read


def from_state_dict(state: Mapping[str, Tensor], nonlinearity: str | None) -> tuple[dict[str, Recurrent], set[str]]:
    """As `from_module`, from tensors by name alone.

    Args:
        nonlinearity: of layers with one gate, which a state dict does not tell.
    """
    found, read = {}, set[str]()
    for name in state:
        if name.endswith(_FIRST):
            prefix = name[: -len(_FIRST)]
            found[prefix.rstrip(".")], names = _layer(state, prefix, nonlinearity, prefix.rstrip("."))
            read |= names
    return found, read


def _layer(state: Mapping[str, Tensor], prefix: str, nonlinearity: str | None, path: str, *, batch_first: bool = False) -> tuple[Recurrent, set[str]]:
    hidden_out = state[prefix + "weight_hh_l0"].shape[1]
    count = state[prefix + _FIRST].shape[0]
    projected = prefix + "weight_hr_l0" in state
    hidden = state[prefix + "weight_hr_l0"].shape[1] if projected else hidden_out
    if count % hidden or count // hidden not in GATES:
        raise ArgumentError(f"{path or 'the state dict'} has weights of no layer of torch.nn.", expected="weight_ih_l0 with 1, 3 or 4 times as many rows as weight_hh_l0 has columns", received=f"{count} rows, {hidden} columns")
    cell = _cell(count // hidden, hidden_out if projected else None, nonlinearity, path)
    layers: list[list[Gates]] = []
    read = set[str]()
    while f"{prefix}weight_ih_l{len(layers)}" in state:
        here: list[Gates] = []
        for suffix in (f"_l{len(layers)}", f"_l{len(layers)}_reverse"):
            if f"{prefix}weight_ih{suffix}" in state:
                here.append(_direction(state, prefix, suffix, cell, read))
        layers.append(here)
    return recurrent_of(cell, layers, batch_first=batch_first), read


def _direction(state: Mapping[str, Tensor], prefix: str, suffix: str, cell: Cell, read: set[str]) -> Gates:
    gates = tuple(cell.widths("gates"))

    def take(name: str) -> Tensor | None:
        full = f"{prefix}{name}{suffix}"
        if full in state:
            read.add(full)
        return state.get(full)

    weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = map(take, ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"))
    if weight_ih is None or weight_hh is None or (bias_ih is None) != (bias_hh is None):
        raise ArgumentError(f"{prefix}weight_hh{suffix} or a bias beside it is missing.", expected="weight_ih, weight_hh, and both biases or none")
    bias, parameters = (None, {}) if bias_ih is None or bias_hh is None else one_bias(bias_ih, bias_hh, isinstance(cell, GRU))
    return Gates(
        blocks(weight_ih, gates), {**blocks(weight_hh, gates), **({} if weight_hr is None else {"r": weight_hr})}, {} if bias is None else blocks(bias, gates), parameters
    )


def _cell(gates: int, projection: int | None, nonlinearity: str | None, path: str) -> Cell:
    if gates == 1:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"{path or 'the state dict'} has one gate, and does not say its activation.", expected="nonlinearity='tanh' or 'relu'", received=repr(nonlinearity))
        return Elman(nonlinearity)
    if gates == 3:
        return GRU()
    return LSTM() if projection is None else ProjectionLSTM(projection)


def tensors_of(module: nn.Module) -> set[str]:
    """The names of all of a module's tensors."""
    return set(module.state_dict())


def as_state_dict(source: Any) -> Mapping[str, Tensor] | None:
    """The source, if it is tensors by name."""
    good = isinstance(source, Mapping) and source and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in source.items())
    return source if good else None
