"""torch.nn's recurrent layers, run on our time loop while a tape follows: their functions are told apart by name, and nothing on the module changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tenuto import cells
from tenuto.cell import Cell
from tenuto.engines.packed import lengths_of, steps_and_sequences
from tenuto.explain.tape import refusal
from tenuto.layers.biases import one_bias
from tenuto.layers.functional import layer_tensors, layer_weights, run_layer
from tenuto.program import handle_of

_CELLS: dict[str, Cell] = {"lstm": cells.LSTM(), "gru": cells.GRU(), "rnn_tanh": cells.Elman(), "rnn_relu": cells.Elman(activation="relu")}
_IN_FUNCTIONS = frozenset(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"))


class TorchLayers(TorchFunctionMode):
    """Takes the calls of torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu, and of one step of each; lets all others pass."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _CELLS and len(args) == 9 and not kwargs:
            return _layers(name, *args)
        if name == "_pad_packed_sequence" and not kwargs:
            return _padded(*args)
        if name in _IN_FUNCTIONS and not kwargs:
            return _one_step(name.removesuffix("_cell"), *args)
        return func(*args, **(kwargs or {}))


def _padded(rows: Tensor, batch_sizes: Tensor, batch_first: bool, padding: float, total: int) -> tuple[Tensor, Tensor]:
    """Packed rows as a padded batch, which torch writes in place; and the lengths."""
    steps, sequences = steps_and_sequences(batch_sizes, len(rows))
    batch_size = int(batch_sizes[0])
    padded = rows.new_full((max(total, len(batch_sizes)), batch_size, *rows.shape[1:]), padding)
    padded = padded.index_put((steps.to(rows.device), sequences.to(rows.device)), rows)
    return padded.transpose(0, 1) if batch_first else padded, lengths_of(batch_sizes, batch_size)


def _layers(name: str, x: Tensor, *args: Any) -> tuple[Tensor, ...]:
    """The stack, in both directions: (input, hx, weights, bias, layers, dropout, train, both, batch first), or packed (data, sizes, hx, weights, ...)."""
    packed = isinstance(args[2], (list, tuple))
    batch_sizes = args[0] if packed else None
    hx, weights, bias, count, dropout, train, both = args[1:] if packed else args[:7]
    batch_first = not packed and args[7]
    if train and dropout:
        raise refusal("a recurrent layer of torch drops channels between its layers", "model.eval()")
    x = x.transpose(0, 1) if batch_first else x
    start = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    directions = 2 if both else 1
    each = len(weights) // (count * directions)
    ends: list[list[Tensor]] = []
    for layer in range(count):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            own = weights[place * each : (place + 1) * each]
            output, *final = _run(name, x, own, bias, [state[place] for state in start], direction == 1, batch_sizes)
            outputs.append(output)
            ends.append(final)
        x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
    return x.transpose(0, 1) if batch_first else x, *(torch.stack(values) for values in zip(*ends, strict=True))


def _run(name: str, x: Tensor, weights: Sequence[Tensor], bias: bool, start: list[Tensor], reverse: bool, batch_sizes: Tensor | None) -> list[Tensor]:
    cell, (weight_ih, weight_hh, *rest) = _CELLS[name], weights
    products = {"h": weight_hh}
    added, parameters = one_bias(rest[0], rest[1], name == "gru") if bias else (None, {})
    if name == "gru" and not bias:
        parameters = {"recurrent_bias": weight_ih.new_zeros(len(weight_ih) // 3)}
    if len(rest) > (2 if bias else 0):
        cell, products["of_r"] = cells.ProjectionLSTM(projection=rest[-1].shape[0]), rest[-1]
    tensors = layer_tensors(layer_weights(weight_ih, added, products, parameters, {}), x, None, None, batch_sizes)
    return run_layer(handle_of(cell), tensors, start, [], reverse, "auto")


def _one_step(name: str, x: Tensor, hx: Any, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None = None, bias_hh: Tensor | None = None) -> Any:
    start = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    weights = [weight_ih, weight_hh] if bias_ih is None or bias_hh is None else [weight_ih, weight_hh, bias_ih, bias_hh]
    _, *final = _run(name, x[None], weights, len(weights) > 2, start, False, None)
    return tuple(final) if name == "lstm" else final[0]
