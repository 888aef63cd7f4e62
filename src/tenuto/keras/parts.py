"""Which cells of ours compute the same as a Keras cell, and the tensors that a Keras cell holds for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import torch
from torch import Tensor

from tenuto.adapters.keras import ACTIVATION_NAMES
from tenuto.keras.cell_layer import CellLayer
from tenuto.keras.time_loop import Loop, Options, Ran, loop, loop_in_graph, tell_dynamo

# Keras's activation functions (and those of torch and of keras.ops that compute the same) by our names. keras.ops.leaky_relu and
# keras.ops.gelu have other defaults than the activations of these names.
_ACTIVATIONS: dict[Any, str] = {
    function: ours
    for name, ours in ACTIVATION_NAMES.items()
    for function in (getattr(keras.activations, name), getattr(keras.ops, name, None) if name not in ("leaky_relu", "gelu") else None)
    if function is not None
} | {
    torch.tanh: "tanh",
    torch.sigmoid: "sigmoid",
    torch.relu: "relu",
    torch.nn.functional.relu: "relu",
    keras.ops.exp: "exponential",
    keras.ops.gelu: "gelu_tanh",
}


class Part(NamedTuple):
    """A Keras cell and the key of the cell of ours that computes the same."""

    keras_cell: Any
    key: str


def parts_of(keras_cell: Any) -> list[Part] | str:
    """The cells of ours that compute the same as a Keras cell, one for each cell of a stack; or the reason why there are none."""
    if type(keras_cell) is keras.layers.StackedRNNCells:
        found: list[Part] = []
        for inner in keras_cell.cells:
            parts = parts_of(inner)
            if isinstance(parts, str):
                return parts
            found += parts
        return found
    if type(keras_cell) is CellLayer:
        return [Part(keras_cell, keras_cell.key)]
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
    reset_after = bool(getattr(keras_cell, "reset_after", False))
    return [Part(keras_cell, " ".join([type(keras_cell).__name__, str(reset_after), *names]))]


def tensors_of(keras_cell: Any, x: Tensor, training: bool, fused: bool) -> dict[str, Any]:
    """A Keras cell's weights, and the dropout masks that its layer has made for this call (None where nothing is dropped).

    Args:
        x: [B, I], what the masks are shaped like.
        fused: whether Keras itself would run its layer in one piece. Its cells drop nothing at a rate of 1; its layers in one piece
            drop all of the input, and so do all of its simple RNNs.
    """
    if isinstance(keras_cell, CellLayer):
        return keras_cell.tenuto_weights()
    tensor = keras.ops.convert_to_tensor
    simple = isinstance(keras_cell, keras.layers.SimpleRNNCell)
    drops = training and (0.0 < keras_cell.dropout < 1.0 or (keras_cell.dropout > 0.0 and (simple or fused)))
    drops_state = training and (0.0 < keras_cell.recurrent_dropout < 1.0 or (keras_cell.recurrent_dropout > 0.0 and simple))
    return {
        "kernel": tensor(keras_cell.kernel),
        "recurrent_kernel": tensor(keras_cell.recurrent_kernel),
        "bias": None if keras_cell.bias is None else tensor(keras_cell.bias),
        "input_masks": keras_cell.get_dropout_mask(x) if drops else None,
        "recurrent_masks": keras_cell.get_recurrent_dropout_mask(x.new_ones(x.shape[0], keras_cell.units)) if drops_state else None,
    }


def run(parts: list[Part], x: Tensor, mask: Tensor | None, states: list[Tensor], options: Options, fused: bool) -> Ran:
    """The loop of a layer (see `tenuto.keras.time_loop.loop`); in torch.compile it is one call in the graph, and there are no problems to report."""
    tensors = [tensors_of(part.keras_cell, x[:, 0], options.training, fused) for part in parts]
    keys = tuple([part.key for part in parts])
    units = tuple([part.keras_cell.units for part in parts])
    dtypes = tuple([part.keras_cell.compute_dtype for part in parts])
    if torch.compiler.is_dynamo_compiling():
        tell_dynamo()
        last, outputs, finals = loop_in_graph(keys, units, dtypes, tuple(options), x, mask, states, tensors)
        return Ran(last, outputs, finals)
    return loop(Loop(keys, units, dtypes, options), x, mask, states, tensors)
