"""torch.nn's recurrent layers as our time loop has them: how their functions are called, and how they run on it while a tape follows. Nothing on the module changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tenuto import cells
from tenuto.cell import Cell
from tenuto.engines import Form
from tenuto.engines.packed import lengths_of, steps_and_sequences
from tenuto.engines.problem import Buffers
from tenuto.explain.tape import refusal
from tenuto.layers.biases import one_bias
from tenuto.layers.functional import bind, layer_tensors, layer_weights, run_layer
from tenuto.program import handle_of, traced_of

STACKS: dict[str, Cell] = {"lstm": cells.LSTM(), "gru": cells.GRU(), "rnn_tanh": cells.Elman(), "rnn_relu": cells.Elman(activation="relu")}
ONE_STEP = frozenset(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"))


class TorchLayers(TorchFunctionMode):
    """Takes the calls of torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu, and of one step of each; lets all others pass."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in STACKS and len(args) == 9 and not kwargs:
            return _layers(name, *args)
        if name == "_pad_packed_sequence" and not kwargs:
            return _padded(*args)
        if name in ONE_STEP and not kwargs:
            return _one_step(name.removesuffix("_cell"), *args)
        return func(*args, **(kwargs or {}))


def _padded(rows: Tensor, batch_sizes: Tensor, batch_first: bool, padding: float, total: int) -> tuple[Tensor, Tensor]:
    """Packed rows as a padded batch, which torch writes in place; and the lengths."""
    steps, sequences = steps_and_sequences(batch_sizes, len(rows))
    batch_size = int(batch_sizes[0])
    padded = rows.new_full((max(total, len(batch_sizes)), batch_size, *rows.shape[1:]), padding)
    padded = padded.index_put((steps.to(rows.device), sequences.to(rows.device)), rows)
    return padded.transpose(0, 1) if batch_first else padded, lengths_of(batch_sizes, batch_size)


class TorchCall(NamedTuple):
    """What one of torch's functions for a stack was given: x [T, B, I], or packed rows [N, I] with batch_sizes; states [L * D, B, W]; weights by layer and direction."""

    x: Tensor
    batch_sizes: Tensor | None
    start: list[Tensor]
    weights: list[Sequence[Tensor]]
    bias: bool
    layers: int
    dropout: float
    both: bool
    batch_first: bool

    @property
    def directions(self) -> int:
        """D, 1 or 2."""
        return 2 if self.both else 1


def call_of(args: Sequence[Any]) -> TorchCall:
    """The nine arguments: (input, hx, weights, bias, layers, dropout, train, both, batch first), or packed (data, sizes, hx, weights, bias, ...)."""
    packed = isinstance(args[3], (list, tuple))
    hx, weights, bias, count, dropout, train, both = args[2:9] if packed else args[1:8]
    batch_first = bool(not packed and args[8])
    places = count * (2 if both else 1)
    each = len(weights) // places
    own = [weights[place * each : (place + 1) * each] for place in range(places)]
    x = args[0].transpose(0, 1) if batch_first else args[0]
    start = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    return TorchCall(x, args[1] if packed else None, start, own, bias, count, dropout if train else 0.0, both, batch_first)


def _layers(name: str, *args: Any) -> tuple[Tensor, ...]:
    """The stack, in both directions."""
    call = call_of(args)
    if call.dropout:
        raise refusal("a recurrent layer of torch drops channels between its layers", "model.eval()")
    x, ends = call.x, list[list[Tensor]]()
    for layer in range(call.layers):
        outputs = []
        for direction in range(call.directions):
            place = layer * call.directions + direction
            output, *final = run_layer(*_direction(name, x, call.weights[place], call.bias, [state[place] for state in call.start], direction == 1, call.batch_sizes), "auto")
            outputs.append(output)
            ends.append(final)
        x = outputs[0] if call.directions == 1 else torch.cat(outputs, -1)
    return x.transpose(0, 1) if call.batch_first else x, *(torch.stack(values) for values in zip(*ends, strict=True))


def problem_of(name: str, x: Tensor, weights: Sequence[Tensor], bias: bool, start: list[Tensor], reverse: bool, batch_sizes: Tensor | None = None) -> tuple[Form, Buffers]:
    """One of torch's layers in one direction as an engine is asked for it."""
    handle, tensors, start, back, reverse = _direction(name, x, weights, bias, start, reverse, batch_sizes)
    return bind(traced_of(handle), tensors, start, back, reverse)[:2]


def _direction(
    name: str, x: Tensor, weights: Sequence[Tensor], bias: bool, start: list[Tensor], reverse: bool, batch_sizes: Tensor | None
) -> tuple[str, dict[str, Tensor], list[Tensor], list[Tensor], bool]:
    """What `run_layer` takes for it: handle, tensors, states, and none to reset to."""
    cell, (weight_ih, weight_hh, *rest) = STACKS[name], weights
    products = {"h": weight_hh}
    added, parameters = one_bias(rest[0], rest[1], name == "gru") if bias else (None, {})
    if name == "gru" and not bias:
        parameters = {"recurrent_bias": weight_ih.new_zeros(len(weight_ih) // 3)}
    if len(rest) > (2 if bias else 0):
        cell, products["of_r"] = cells.ProjectionLSTM(projection=rest[-1].shape[0]), rest[-1]
    tensors = layer_tensors(layer_weights(weight_ih, added, products, parameters, {}), x, None, None, batch_sizes)
    return handle_of(cell), tensors, start, [], reverse


def _one_step(name: str, x: Tensor, hx: Any, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None = None, bias_hh: Tensor | None = None) -> Any:
    start = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    weights = [weight_ih, weight_hh] if bias_ih is None or bias_hh is None else [weight_ih, weight_hh, bias_ih, bias_hh]
    _, *final = run_layer(*_direction(name, x[None], weights, len(weights) > 2, start, False, None), "auto")
    return tuple(final) if name == "lstm" else final[0]
