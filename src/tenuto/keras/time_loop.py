"""A Keras layer's time loop on tenuto's engines: a function of tensors and plain values alone, so that torch's graphs can hold it.

Letters: B batch, T time, I input, H hidden, W the width of an output or a state.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from tenuto.activations import Activation
from tenuto.adapters.keras import KERAS_GATES, GateDropout, Steps, drop_inputs, steps_from_mask, weights_from_keras
from tenuto.cell import Cell, state_type
from tenuto.cells import GRU, LSTM, Elman, RecurrentDropout, ResetBeforeGRU
from tenuto.engines import Form, Problem, operation
from tenuto.layers.functional import layer_tensors, layer_weights, recurrent, released, run_layer
from tenuto.layers.recording import tracing
from tenuto.program import handle_of, trace

# Our cell for a Keras cell's class and its `reset_after`.
_CELLS: dict[tuple[str, str], Any] = {
    ("SimpleRNNCell", "False"): Elman,
    ("LSTMCell", "False"): LSTM,
    ("GRUCell", "True"): GRU,
    ("GRUCell", "False"): ResetBeforeGRU,
}
_own: WeakValueDictionary[str, Cell] = WeakValueDictionary()


class Options(NamedTuple):
    """The layer's options that its loop needs."""

    training: bool = False
    go_backwards: bool = False
    return_sequences: bool = True
    zero_output_for_mask: bool = False
    engine: str = "auto"


class Loop(NamedTuple):
    """A loop but for its tensors: the cells' keys (see `keep`), their units and their dtypes, the lowest first; the layer's options."""

    keys: tuple[str, ...]
    units: tuple[int, ...]
    dtypes: tuple[str, ...]
    options: Options


class Ran(NamedTuple):
    """What a loop gives: last output [B, H], outputs [B, T, H], the cells' final states in order, what the engines were asked to run."""

    last: Tensor
    outputs: Tensor
    finals: list[Tensor]
    problems: tuple[Problem, ...] = ()
    steps: str = "all"  # or "lengths", "gathered": see `tenuto.keras.report`


def keep(cell: Cell) -> str:
    """A key for a cell, good as long as the cell is held. (A Keras cell's key is its class and options: see `tenuto.keras.parts`.)"""
    key = f"tenuto {id(cell)}"
    _own[key] = cell
    return key


@lru_cache(maxsize=None)
def _known(key: str) -> Cell:
    kind, reset_after, *activations = key.split(" ")
    return _CELLS[kind, reset_after](**dict(zip(("activation", "recurrent_activation"), map(Activation, activations))))  # type: ignore[no-any-return]


def cell_of(key: str) -> Cell:
    """The cell of ours for a key."""
    return _own[key] if key.startswith("tenuto ") else _known(key)


def loop(what: Loop, x: Tensor, mask: Tensor | None, states: list[Tensor], tensors: list[dict[str, Any]]) -> Ran:
    """The loop of a layer: the cells one after the other, each over all steps.

    Args:
        what: the cells and the options; with `go_backwards` the steps run from the last kept one to the first.
        x: [B, T, I].
        mask: [B, T] bool, True where a step counts; None for all.
        states: [B, W] each, in the order of the cells.
        tensors: each cell's weights and dropout masks, as `tenuto.keras.parts.tensors_of` gives them.
    Returns:
        The outputs in the order of processing; without `return_sequences` only the last one, [B, 1, H].
    """
    x, steps, reverse = _in_order(x, mask, what.options.go_backwards)
    options = what.options._replace(go_backwards=reverse)
    sequence = (x if steps is None else steps.gather(x)).transpose(0, 1)  # [T, B, I]
    lengths = None if steps is None else steps.lengths
    waiting, finals, problems = list(states), [], []
    for key, units, dtype_name, own in zip(what.keys, what.units, what.dtypes, tensors):
        dtype = getattr(torch, dtype_name)
        cell, weights, streams, taken = _with_dropout(cell_of(key), own, sequence.to(dtype))
        initial = [waiting.pop(0).to(dtype) for _ in cell.widths("state")]
        sequence, final = _run_cell(cell, taken, weights, initial, lengths, streams, options)
        form = Form(cell, weights["bias"] is not None, lengths is not None, False, reverse)
        time_steps, batch_size, input_size = taken.shape
        sizes = (time_steps, batch_size, input_size, units)
        computed = _computed(dtype)
        problems.append(Problem(form, *sizes, computed, taken.device, sequence.requires_grad, narrow=None if dtype == computed else dtype))
        finals += final
    last = cell.bind(weights["parameters"]).output(final)  # [B, H]
    if steps is not None:
        counts = steps.kept[:, -1] if options.zero_output_for_mask and not reverse else steps.lengths > 0
        last = torch.where(counts.unsqueeze(1), last, 0)
    outputs = sequence.transpose(0, 1)  # [B, T, H]
    if not options.return_sequences:
        outputs = last.unsqueeze(1)
    elif reverse:
        outputs = outputs.flip(1)
    elif steps is not None:
        outputs = steps.scatter(outputs, options.zero_output_for_mask)
    else:
        outputs = released(outputs)
    taken_as = "all" if steps is None else "lengths" if steps.order is None else "gathered"
    return Ran(last, outputs, finals, tuple(problems), taken_as)


def loop_in_graph(
    keys: tuple[str, ...],
    units: tuple[int, ...],
    dtypes: tuple[str, ...],
    options: tuple[Any, ...],
    x: Tensor,
    mask: Tensor | None,
    states: list[Tensor],
    tensors: list[dict[str, Any]],
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """As `loop`, with plain values and tensors alone: what Dynamo puts into its graph without looking inside."""
    return loop(Loop(keys, units, dtypes, Options(*options)), x, mask, states, tensors)[:3]


def tell_dynamo() -> bool:
    """Keeps Dynamo from looking into `loop_in_graph`. Dynamo calls this itself: telling it at import would load it (1.7 s)."""
    torch._dynamo.allow_in_graph(loop_in_graph)
    return True


tell_dynamo._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as torch.compiler.assume_constant_result does, which loads Dynamo


def _in_order(x: Tensor, mask: Tensor | None, go_backwards: bool) -> tuple[Tensor, Steps | None, bool]:
    """Input and steps in an order that the engines can run, and whether they are to run it in reverse.

    With padding at the end, `reverse` with lengths already runs backwards; with any other mask, input and mask are flipped here.
    Where a graph is made, a mask has no values yet, and is any mask.
    """
    if mask is None:
        return x, None, go_backwards
    look = not tracing() and not operation.listened([mask])
    steps = steps_from_mask(mask, look=look)
    if not go_backwards or steps is None or steps.order is None:
        return x, steps, go_backwards
    return x.flip(1), steps_from_mask(mask.flip(1), look=look), False


def run_keras_cell(cell: Cell, x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, options: Options) -> tuple[Tensor, Tensor]:
    """A Keras cell of ours over x [T, B, I] from zeros, its weights as Keras has them: the outputs [T, B, H] and the last one [B, H]."""
    if _in_kerass_order(cell):
        weights: dict[str, Any] = {"weight_ih": kernel.t(), "bias": bias, "parameters": {}}
    else:
        weights = weights_from_keras(cell, kernel, recurrent_kernel, bias)
    output, final = _run_cell(cell, x, weights | {"stacked": recurrent_kernel.t()}, [], None, None, options)
    return output, final[0]


def _run_cell(
    cell: Cell,
    x: Tensor,
    weights: dict[str, Any],
    initial: list[Tensor],
    lengths: Tensor | None,
    streams: dict[str, Tensor] | None,
    options: Options,
) -> tuple[Tensor, Any]:
    """One cell over x [T, B, I]: its output [T, B, W] and final state. No initial states are zeros.

    Keras's stacked recurrent kernel goes to the engine as it is where its order is the engine's (LSTM, SimpleRNN): cutting it into
    gates and joining them again took 0.4 of 8.2 ms of a training step (B 32, T 20, I and H 128; one thread of a Xeon with AMX).
    """
    final_type = state_type(tuple(cell.widths("state")))
    if "stacked" not in weights or not _in_kerass_order(cell):
        return recurrent(
            cell, x, weights, final_type(*initial) if initial else None, lengths=lengths, streams=streams, reverse=options.go_backwards, engine=options.engine
        )
    products = {trace(cell).stacks[0].name: weights["stacked"]}
    own = layer_weights(weights["weight_ih"], weights["bias"], products, weights["parameters"], streams or {})
    tensors = layer_tensors(own, x, lengths, None)
    output, *final = run_layer(handle_of(cell), tensors, initial, [], options.go_backwards, options.engine)
    return output, final_type(*final)


def _in_kerass_order(cell: Cell) -> bool:
    """Whether the engine takes the recurrent products of a cell in one stack, in the order in which Keras stacks them."""
    stacks = trace(cell).stacks
    return len(stacks) == 1 and stacks[0].products == KERAS_GATES.get(type(cell))


def _computed(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which the engines compute."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _with_dropout(cell: Cell, tensors: dict[str, Any], sequence: Tensor) -> tuple[Cell, dict[str, Any], dict[str, Tensor] | None, Tensor]:
    """A cell, its weights, its streams and its input [T, B, I], with Keras's dropout masks applied."""
    if type(cell) not in KERAS_GATES:
        return cell, tensors, None, sequence
    kernel = tensors["recurrent_kernel"]
    weights = weights_from_keras(cell, tensors["kernel"], kernel, tensors["bias"])
    weights["stacked"] = kernel.t()  # [G*H, H], in Keras's order
    streams: dict[str, Tensor] | None = None
    gates = list(cell.widths("gates"))
    masks = tensors["input_masks"]
    if masks is not None:
        masks = (
            masks.to(sequence.dtype) if isinstance(masks, Tensor) else [mask.to(sequence.dtype) for mask in _by_gate(cell, masks, gates)]
        )
        x, weights["weight_ih"] = drop_inputs(sequence.transpose(0, 1), weights["weight_ih"], masks)
        sequence = x.transpose(0, 1)
    masks = tensors["recurrent_masks"]
    if masks is None:
        return cell, weights, streams, sequence
    rows = sequence.shape[1]
    if isinstance(masks, Tensor):
        return RecurrentDropout(cell), weights, {"dropout_mask": _stream(masks, rows, sequence)}, sequence
    streams = {f"mask_{gate}": _stream(mask, rows, sequence) for gate, mask in zip(gates, _by_gate(cell, masks, gates))}
    return GateDropout(cell), weights, streams, sequence


def _stream(mask: Tensor, rows: int, sequence: Tensor) -> Tensor:
    """A mask as a stream [1, B, H]. Keras shapes masks like the first state, which may be one row for all."""
    return mask.to(sequence.dtype).expand(rows, mask.shape[-1]).unsqueeze(0)


def _by_gate(cell: Cell, masks: list[Tensor], gates: list[str]) -> list[Tensor]:
    """Keras's masks, which come in Keras's order of the gates, in the order of the cell's."""
    by_name = dict(zip(KERAS_GATES[type(cell)], masks))
    return [by_name[gate] for gate in gates]
