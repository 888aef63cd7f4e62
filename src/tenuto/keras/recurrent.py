"""Keras's recurrent layers, with their time loop run by tenuto's engines. Everything else (arguments, weights, saving) is Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import torch
from keras.src.api_export import register_internal_serializable
from torch import Tensor

from tenuto.cell import Cell
from tenuto.errors import ArgumentError, EngineError
from tenuto.keras.cell_layer import CellLayer
from tenuto.keras.parts import Part, parts_of, run
from tenuto.keras.report import LoopReport
from tenuto.keras.states import mask_of, states_of, tensors_in
from tenuto.keras.time_loop import Options


class TenutoLoop:
    """What tenuto's layers change in Keras's: `inner_loop`, and a report of which engine ran it. As a base class it comes before Keras's."""

    engine = "auto"  # or the name of one of tenuto's engines; not part of the configuration that is saved
    _last_run: LoopReport | None = None

    @property
    def supports_jit(self) -> bool:
        """False: with `jit_compile=True` Keras says in one warning that it runs the model without torch.compile.

        The loops are compiled already, and torch.compile takes minutes for the rest of a Keras training step (200 s for one LSTM and
        one Dense in Keras 3.15, without tenuto). `torch.compile(model)` works; a layer is one call in its graph.
        """
        return False

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        """Keras sets it in every layer."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """As Keras's: input [B, T, I] and, for a functional model, the states that it starts from."""
        layer: Any = self
        if layer.stateful and layer.states is None and isinstance(sequences, Tensor) and not sequences.is_meta:
            layer._create_state_variables(sequences.shape[0])  # it was made stateful after it was built
            layer._expected_batch_size = sequences.shape[0]
        if initial_state is not None and all(isinstance(size, int) for size in keras.tree.flatten(layer.state_size)):
            initial_state = tensors_in(layer.state_size, initial_state, self._shown())
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)  # type: ignore[misc]

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Keras's inner loop: sequences [B, T, I] to the last output [B, H], the outputs [B, T, H] and the final states."""
        parts = parts_of(self.cell)  # type: ignore[attr-defined]
        if not isinstance(parts, str) and not (isinstance(sequences, Tensor) and sequences.dim() == 3):
            parts = "the input is not one tensor [B, T, I]"
        if not isinstance(parts, str) and sequences.is_meta:
            parts = "the call was symbolic: only shapes were asked for"
        if isinstance(parts, str):
            if not torch.compiler.is_dynamo_compiling():
                self._last_run = LoopReport(self._shown(), reason=parts)
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)  # type: ignore[misc]
        return self._tenuto_loop(parts, sequences, initial_state, mask, training)

    def _tenuto_loop(self, parts: list[Part], x: Tensor, initial_state: Any, mask: Any, training: bool) -> tuple[Any, Any, Any]:
        layer: Any = self
        name = self._shown()
        rows, time_steps = x.shape[:2]
        states = states_of(layer.state_size, initial_state, rows, layer.cell.compute_dtype, name)
        if layer.stateful:  # the states are overwritten in place after the loop, while the backward pass still needs them
            states = [state.clone() for state in states]
        kept = mask_of(mask, rows, time_steps, name)
        fused = (
            isinstance(layer, keras.layers.LSTM | keras.layers.GRU)
            and layer.use_cudnn in ("auto", True)
            and not layer.recurrent_dropout
            and kept is None
            and getattr(layer.cell, "reset_after", True)
        )
        options = Options(bool(training), layer.go_backwards, layer.return_sequences, layer.zero_output_for_mask, self.engine)
        ran = run(parts, x, kept, states, options, fused)
        if ran.problems:
            self._last_run = LoopReport(name, ran.problems, self.engine, ran.steps)
        return ran.last, ran.outputs, keras.tree.pack_sequence_as(initial_state, ran.finals)

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


def _saved_as_keras(layer: Any) -> Any:
    """A class decorator: a layer in a file is found where the file is read, also where tenuto.keras is not imported.

    A file names the layer by a module of Keras, from which Keras alone takes its own class of this name. (It imports no other
    package's modules.) Where tenuto.keras is imported, the same name is that of ours. Files of earlier versions say "tenuto>LSTM".
    """
    keras.saving.get_custom_objects()[f"tenuto>{layer.__name__}"] = layer
    register_internal_serializable(f"keras.src.layers.{layer.__name__}", layer)
    return layer


@_saved_as_keras
class SimpleRNN(TenutoLoop, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` on tenuto's engines: same arguments, weights, results; `engine_report()` says which engine ran."""


@_saved_as_keras
class LSTM(TenutoLoop, keras.layers.LSTM):
    """`keras.layers.LSTM` on tenuto's engines: same arguments, weights, results; `engine_report()` says which engine ran.

    Keras's activations run on them, except glu, log_softmax, sparsemax and threshold; these and functions of your own run in Keras's
    loop. `unroll` and `use_cudnn` change nothing here.
    """


@_saved_as_keras
class GRU(TenutoLoop, keras.layers.GRU):
    """`keras.layers.GRU` on tenuto's engines, with `reset_after` either way; `engine_report()` says which engine ran."""


@_saved_as_keras
class RNN(TenutoLoop, keras.layers.RNN):
    """`keras.layers.RNN` on tenuto's engines: for Keras's SimpleRNNCell, LSTMCell, GRUCell, stacks of them, and any tenuto cell.

    Args:
        cell: a Keras cell, a tenuto cell, or a list of cells; a Keras cell of your own runs in Keras's loop.
        units: the hidden size, for tenuto cells.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: as in `keras.layers.RNN`.
        options: what else it takes (`name`, `dtype`, `trainable` ...).
    Raises:
        ArgumentError: a tenuto cell without units, or units with another cell.
    Example:
        >>> from tenuto.cells import PeepholeLSTM
        >>> RNN(PeepholeLSTM(activation="relu"), units=8, return_sequences=True).compute_output_shape((2, 5, 3))
        (2, 5, 8)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        units: int | None = None,
        **options: Any,
    ) -> None:
        cells = list(cell) if isinstance(cell, list | tuple) else [cell]
        if any(isinstance(one, Cell) for one in cells):
            if units is None:
                raise ArgumentError(f"RNN: {cell!r} has no size of its own.", expected="units", fix=f"RNN({cell!r}, units=32)")
            cells = [CellLayer(one, units, dtype=options.get("dtype")) if isinstance(one, Cell) else one for one in cells]
            cell = cells if isinstance(cell, list | tuple) else cells[0]
        elif units is not None:
            raise ArgumentError("RNN: units is for tenuto cells; a Keras cell has its own.", received=f"units={units!r}")
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, **options)
