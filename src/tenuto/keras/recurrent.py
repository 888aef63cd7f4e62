"""Keras's recurrent layers, with their time loop run by tenuto's engines. Everything else (arguments, weights, saving) is Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import Tensor

from tenuto.adapters.keras import Steps, steps_from_mask
from tenuto.cell import Cell
from tenuto.errors import ArgumentError, EngineError
from tenuto.keras.cell_layer import CellLayer
from tenuto.keras.loop import Options, Part, parts_of, run
from tenuto.keras.report import LoopReport


class TenutoLoop:
    """What tenuto's layers change in Keras's: `inner_loop`, and a report of which engine ran it. As a base class it comes before Keras's."""

    engine = "auto"  # or the name of one of tenuto's engines; not part of the configuration that is saved
    _last_run: LoopReport | None = None

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Keras's inner loop: sequences [B, T, I] to the last output [B, H], the outputs [B, T, H] and the final states."""
        parts = parts_of(self.cell)  # type: ignore[attr-defined]
        if not isinstance(parts, str) and not (isinstance(sequences, Tensor) and sequences.dim() == 3):
            parts = "the input is not one tensor [B, T, I]"
        if not isinstance(parts, str) and sequences.is_meta:
            parts = "the call was symbolic: only shapes were asked for"
        if isinstance(parts, str):
            self._last_run = LoopReport(self._shown(), reason=parts)
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)  # type: ignore[misc]
        return self._tenuto_loop(parts, sequences, initial_state, mask, training)

    def _tenuto_loop(self, parts: list[Part], x: Tensor, initial_state: Any, mask: Any, training: bool) -> tuple[Any, Any, Any]:
        layer: Any = self
        stacked = any(isinstance(state, list | tuple) for state in initial_state)
        flat = keras.tree.flatten(initial_state) if stacked else initial_state
        states = [keras.ops.convert_to_tensor(state) for state in flat]
        if layer.stateful:  # the states are overwritten in place after the loop, while the backward pass still needs them
            states = [state.clone() for state in states]
        x, steps, reverse = _in_order(x, _one_mask(mask), layer.go_backwards)
        options = Options(bool(training), reverse, layer.return_sequences, layer.zero_output_for_mask, self.engine)
        ran = run(parts, x, states, steps, options)
        taken = "all" if steps is None else "lengths" if steps.order is None else "gathered"
        self._last_run = LoopReport(self._shown(), ran.problems, self.engine, taken)
        return ran.last, ran.outputs, keras.tree.pack_sequence_as(initial_state, ran.finals) if stacked else ran.finals

    def engine_report(self, x: Any = None) -> LoopReport:
        """Which engine ran the last call, and why not a faster one.

        Args:
            x: [B, T, I]; if given, the layer is called on it first (a stateful layer's states stay as they are).
        Raises:
            EngineError: the layer has not been called yet.
        """
        layer: Any = self
        if x is not None:
            kept = [keras.ops.copy(state) for state in keras.tree.flatten(layer.states or [])]
            with torch.no_grad():
                layer(x)
            for state, value in zip(keras.tree.flatten(layer.states or []), kept):
                state.assign(value)
        if self._last_run is None:
            raise EngineError(f"{self._shown()}: it has not run yet.", fix="call it first, or pass an input: engine_report(x)")
        return self._last_run

    def _shown(self) -> str:
        return f"{type(self).__name__} {self.name!r}"  # type: ignore[attr-defined]


def _one_mask(mask: Any) -> Tensor | None:
    """The step mask [B, T] bool, from whatever Keras passes on: a tensor, a list with one for each input, or nothing."""
    mask = keras.tree.flatten(mask)[0] if keras.tree.is_nested(mask) else mask
    if mask is None:
        return None
    mask = keras.ops.convert_to_tensor(mask).to(torch.bool)
    return mask.flatten(1) if mask.dim() == 3 else mask


def _in_order(x: Tensor, mask: Tensor | None, go_backwards: bool) -> tuple[Tensor, Steps | None, bool]:
    """Input and steps in an order that the engines can run, and whether they are to run it in reverse.

    With padding at the end, `reverse` with lengths already runs backwards; with any other mask, input and mask are flipped here.
    """
    steps = None if mask is None else steps_from_mask(mask)
    if not go_backwards or steps is None or steps.order is None:
        return x, steps, go_backwards
    assert mask is not None
    return x.flip(1), steps_from_mask(mask.flip(1)), False


@keras.saving.register_keras_serializable(package="tenuto")
class SimpleRNN(TenutoLoop, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` on tenuto's engines: same arguments, weights, results; `engine_report()` says which engine ran."""


@keras.saving.register_keras_serializable(package="tenuto")
class LSTM(TenutoLoop, keras.layers.LSTM):
    """`keras.layers.LSTM` on tenuto's engines: same arguments, weights, results; `engine_report()` says which engine ran.

    Keras's activations run on them, except glu, log_softmax, sparsemax and threshold; these and functions of your own run in Keras's
    loop. `unroll` and `use_cudnn` change nothing here.
    """


@keras.saving.register_keras_serializable(package="tenuto")
class GRU(TenutoLoop, keras.layers.GRU):
    """`keras.layers.GRU` on tenuto's engines, with `reset_after` either way; `engine_report()` says which engine ran."""


@keras.saving.register_keras_serializable(package="tenuto")
class RNN(TenutoLoop, keras.layers.RNN):
    """`keras.layers.RNN` on tenuto's engines: for Keras's SimpleRNNCell, LSTMCell, GRUCell, stacks of them, and any tenuto cell.

    Args:
        cell: a Keras cell, a list of them, or a tenuto cell; a Keras cell of your own runs in Keras's loop.
        units: the hidden size, for a tenuto cell.
        options: what `keras.layers.RNN` takes (`return_sequences`, `return_state`, `go_backwards`, `stateful`, `unroll`,
            `zero_output_for_mask`, `name`, `dtype` ...).
    Raises:
        ArgumentError: a tenuto cell without units, or units with another cell.
    Example:
        >>> from tenuto.cells import PeepholeLSTM
        >>> RNN(PeepholeLSTM(activation="relu"), units=8, return_sequences=True).compute_output_shape((2, 5, 3))
        (2, 5, 8)
    """

    def __init__(self, cell: Any, *, units: int | None = None, **options: Any) -> None:
        if isinstance(cell, Cell):
            if units is None:
                raise ArgumentError(f"RNN: {cell!r} has no size of its own.", expected="units", fix=f"RNN({cell!r}, units=32)")
            cell = CellLayer(cell, units, dtype=options.get("dtype"))
        elif units is not None:
            raise ArgumentError("RNN: units is for tenuto cells; a Keras cell has its own.", received=f"units={units!r}")
        super().__init__(cell, **options)
