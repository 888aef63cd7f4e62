"""A Keras layer's time loop on tenuto's engines: which cell of ours computes the same as a Keras cell, and the run itself.

Letters: B batch, T time, I input, H hidden.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import keras
import torch
from torch import Tensor

from tenuto.activations import Activation
from tenuto.adapters.keras import ACTIVATION_NAMES, KERAS_GATES, GateDropout, Steps, drop_inputs, weights_from_keras
from tenuto.cell import Cell, state_type
from tenuto.cells import GRU, LSTM, Elman, RecurrentDropout, ResetBeforeGRU
from tenuto.engines import Form, Problem
from tenuto.keras.cell_layer import CellLayer
from tenuto.layers.functional import layer_tensors, layer_weights, recurrent, released, run_layer
from tenuto.program import handle_of, trace

# Keras's activation functions (and those of torch and of keras.ops that compute the same) by our names.
_ACTIVATIONS: dict[Any, str] = {
    function: ours
    for name, ours in ACTIVATION_NAMES.items()
    for function in (getattr(keras.activations, name), getattr(keras.ops, name, None) if name != "leaky_relu" else None)
    if function is not None
} | {torch.tanh: "tanh", torch.sigmoid: "sigmoid", torch.relu: "relu", torch.nn.functional.relu: "relu", keras.ops.exp: "exponential"}


class Part(NamedTuple):
    """A Keras cell and the cell of ours that computes the same."""

    keras_cell: Any
    cell: Cell


def parts_of(keras_cell: Any) -> list[Part] | str:
    """The cells of ours that compute the same as a Keras cell, one for each cell of a stack; or the reason why there are none."""
    if type(keras_cell) is keras.layers.StackedRNNCells:
        found = [parts_of(inner) for inner in keras_cell.cells]
        reason = next((parts for parts in found if isinstance(parts, str)), None)
        return reason if reason is not None else [part for parts in found for part in parts]  # type: ignore[misc]
    if type(keras_cell) is CellLayer:
        return [Part(keras_cell, keras_cell.cell)]
    if type(keras_cell) not in (keras.layers.SimpleRNNCell, keras.layers.LSTMCell, keras.layers.GRUCell):
        return f"{type(keras_cell).__name__} is a Keras cell that tenuto does not know (write it as a tenuto.Cell)"
    names = []
    for option in ("activation", "recurrent_activation"):
        if not hasattr(keras_cell, option):
            continue
        function = getattr(keras_cell, option)
        try:
            name = _ACTIVATIONS.get(function)
        except TypeError:  # an unhashable callable
            name = None
        if name is None:
            shown = getattr(function, "__name__", type(function).__name__)
            return f"{option}={shown} is not one of the activations that tenuto knows by name"
        names.append(name)
    reset_after = getattr(keras_cell, "reset_after", False)
    return [Part(keras_cell, _cell(type(keras_cell).__name__, reset_after, *names))]


_CELLS: dict[tuple[str, bool], Any] = {
    ("SimpleRNNCell", False): Elman,
    ("LSTMCell", False): LSTM,
    ("GRUCell", True): GRU,
    ("GRUCell", False): ResetBeforeGRU,
}


@lru_cache(maxsize=None)
def _cell(kind: str, reset_after: bool, *activations: str) -> Cell:
    """Our cell for a Keras cell's class, with its activation and, if it has gates, theirs."""
    return _CELLS[kind, reset_after](**dict(zip(("activation", "recurrent_activation"), map(Activation, activations))))


class Options(NamedTuple):
    """The layer's options that its loop needs."""

    training: bool
    go_backwards: bool
    return_sequences: bool
    zero_output_for_mask: bool
    engine: str


class Ran(NamedTuple):
    """What a loop gives: last output [B, H], outputs [B, T, H], the cells' final states in order, what the engines were asked to run."""

    last: Tensor
    outputs: Tensor
    finals: list[Tensor]
    problems: tuple[Problem, ...]


def run(parts: list[Part], x: Tensor, states: list[Tensor], steps: Steps | None, options: Options) -> Ran:
    """The loop of a layer: the cells one after the other, each over all steps.

    Args:
        parts: the cells, the lowest first.
        x: [B, T, I], already in the order of processing unless `options.go_backwards` is set.
        states: [B, W] each, in the order of the cells.
        steps: which steps count, in the order of x; None for all.
        options: with `go_backwards` the steps run from the last kept one to the first.
    Returns:
        The outputs in the order of processing; without `return_sequences` only the last one, [B, 1, H].
    """
    sequence = (x if steps is None else steps.gather(x)).transpose(0, 1)  # [T, B, I]
    lengths = None if steps is None else steps.lengths
    waiting, finals, problems = list(states), [], []
    for part in parts:
        dtype = getattr(torch, part.keras_cell.compute_dtype)
        cell, weights, streams, taken = _with_dropout(part, sequence.to(dtype), options.training)
        initial = [waiting.pop(0).to(dtype) for _ in cell.widths("state")]
        sequence, final = _run_cell(cell, taken, weights, initial, lengths, streams, options)
        form = Form(cell, weights["bias"] is not None, lengths is not None, False, options.go_backwards)
        time_steps, batch_size, input_size = taken.shape
        sizes = (time_steps, batch_size, input_size, part.keras_cell.units)
        problems.append(Problem(form, *sizes, _computed(dtype), taken.device, sequence.requires_grad))
        finals += final
    last = cell.bind(weights["parameters"]).output(final)  # [B, H]
    if steps is not None:
        counts = steps.kept[:, -1] if options.zero_output_for_mask and not options.go_backwards else steps.lengths > 0
        last = torch.where(counts.unsqueeze(1), last, 0)
    outputs = sequence.transpose(0, 1)  # [B, T, H]
    if not options.return_sequences:
        outputs = last.unsqueeze(1)
    elif options.go_backwards:
        outputs = outputs.flip(1)
    elif steps is not None:
        outputs = steps.scatter(outputs, options.zero_output_for_mask)
    else:
        outputs = released(outputs)
    return Ran(last, outputs, finals, tuple(problems))


def _run_cell(
    cell: Cell,
    x: Tensor,
    weights: dict[str, Any],
    initial: list[Tensor],
    lengths: Tensor | None,
    streams: dict[str, Tensor] | None,
    options: Options,
) -> tuple[Tensor, Any]:
    """One cell over x [T, B, I]: its output [T, B, W] and final state.

    Keras's stacked recurrent kernel goes to the engine as it is where its order is the engine's (LSTM, SimpleRNN): cutting it into
    gates and joining them again took 0.4 of 8.2 ms of a training step (B 32, T 20, I and H 128; one thread of a Xeon with AMX).
    """
    final_type = state_type(tuple(cell.widths("state")))
    stacks = trace(cell).stacks
    if "stacked" not in weights or len(stacks) != 1 or stacks[0].products != KERAS_GATES.get(type(cell)):
        return recurrent(
            cell, x, weights, final_type(*initial), lengths=lengths, streams=streams, reverse=options.go_backwards, engine=options.engine
        )
    products = {stacks[0].name: weights["stacked"]}
    own = layer_weights(weights["weight_ih"], weights["bias"], products, weights["parameters"], streams or {})
    tensors = layer_tensors(own, x, lengths, None)
    output, *final = run_layer(handle_of(cell), tensors, initial, [], options.go_backwards, options.engine)
    return output, final_type(*final)


def _computed(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which the engines compute."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _with_dropout(part: Part, sequence: Tensor, training: bool) -> tuple[Cell, dict[str, Any], dict[str, Tensor] | None, Tensor]:
    """A cell, its weights, its streams and its input [T, B, I], with Keras's dropout masks applied while training."""
    cell, keras_cell = part.cell, part.keras_cell
    if isinstance(keras_cell, CellLayer):
        return cell, keras_cell.tenuto_weights(), None, sequence
    tensor = keras.ops.convert_to_tensor
    weights = weights_from_keras(
        cell,
        tensor(keras_cell.kernel),
        tensor(keras_cell.recurrent_kernel),
        None if keras_cell.bias is None else tensor(keras_cell.bias),
    )
    weights["stacked"] = tensor(keras_cell.recurrent_kernel).t()  # [G*H, H], in Keras's order
    if not training or not (keras_cell.dropout or keras_cell.recurrent_dropout):
        return cell, weights, None, sequence
    streams = None
    modify: Any = RecurrentDropout
    gates = list(cell.widths("gates"))
    if keras_cell.dropout:
        masks = keras_cell.get_dropout_mask(sequence[0])
        masks = masks if isinstance(masks, Tensor) else _by_gate(cell, masks, gates)
        x, weights["weight_ih"] = drop_inputs(sequence.transpose(0, 1), weights["weight_ih"], masks)
        sequence = x.transpose(0, 1)
    if keras_cell.recurrent_dropout:
        masks = keras_cell.get_recurrent_dropout_mask(sequence.new_ones(sequence.shape[1], keras_cell.units))
        if isinstance(masks, Tensor):
            streams = {"dropout_mask": masks.unsqueeze(0)}
        else:
            streams = {f"mask_{gate}": mask.unsqueeze(0) for gate, mask in zip(gates, _by_gate(cell, masks, gates))}
            modify = GateDropout
        cell = modify(cell)
    return cell, weights, streams, sequence


def _by_gate(cell: Cell, masks: list[Tensor], gates: list[str]) -> list[Tensor]:
    """Keras's masks, which come in Keras's order of the gates, in the order of the cell's."""
    by_name = dict(zip(KERAS_GATES[type(cell)], masks))
    return [by_name[gate] for gate in gates]
