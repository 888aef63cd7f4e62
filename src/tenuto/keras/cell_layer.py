"""Any tenuto cell as a Keras cell: it can stand in `RNN(...)` and `StackedRNNCells`, be trained, saved and loaded."""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import Tensor

from tenuto.cell import HIDDEN, Cell, cell_from_data, cell_to_data
from tenuto.engines import Form
from tenuto.engines.problem import output_width
from tenuto.errors import ArgumentError
from tenuto.keras.states import states_of
from tenuto.keras.time_loop import Loop, Options, keep, loop, loop_in_graph, tell_dynamo
from tenuto.program import trace
from tenuto.program.identity import require
from tenuto.scalars import whole


@keras.saving.register_keras_serializable(package="tenuto")
class CellLayer(keras.layers.Layer):
    """A tenuto cell with a number of units, as a Keras cell.

    `RNN(PeepholeLSTM(), units=32)` makes one by itself. The cell is saved as data: its class by name, its fields by value.

    Args:
        cell: the cell.
        units: the hidden size.
        use_bias: whether the input projection has a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: as in Keras's cells; per-channel parameters start as the cell says.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint: as in Keras's cells.
    Raises:
        ArgumentError: `cell` is not a tenuto cell or needs per-step streams, or `units` is not a positive integer.
    Example:
        >>> from tenuto.cells import IndRNN
        >>> CellLayer(IndRNN(), 8).state_size
        [8]
    """

    def __init__(
        self,
        cell: Cell | dict[str, Any],
        units: int,
        *,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        cell = cell_from_data(cell) if isinstance(cell, dict) else cell
        if not isinstance(cell, Cell):
            raise ArgumentError(
                "CellLayer: this is not a tenuto cell.", expected="for example tenuto.cells.PeepholeLSTM()", received=repr(cell)
            )
        if cell.widths("streams"):
            raise ArgumentError(
                f"CellLayer: {cell!r} needs per-step streams, which Keras has no argument for.",
                received=", ".join(cell.widths("streams")),
                fix="use tenuto.Recurrent(cell, ...), which takes streams=",
            )
        settled = whole(units)
        if settled is None or settled < 1:
            raise ArgumentError("CellLayer: units must be a positive integer.", received=repr(units))
        units = settled
        self.cell, self.units, self.use_bias = cell, units, use_bias
        self.key = keep(cell)
        self.initializers = _get(keras.initializers, kernel_initializer, recurrent_initializer, bias_initializer)
        self.regularizers = _get(keras.regularizers, kernel_regularizer, recurrent_regularizer, bias_regularizer)
        self.constraints = _get(keras.constraints, kernel_constraint, recurrent_constraint, bias_constraint)
        self.state_size = [self._size(width) for width in cell.widths("state").values()]

    def _size(self, width: int | str) -> int:
        return self.units if width == HIDDEN else int(width)

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return self._size(output_width(Form(self.cell)))

    def build(self, input_shape: Any) -> None:
        """Makes the weights: kernel [I, G*H], bias [G*H], one recurrent kernel [in, out] for each product, the cell's parameters [H]."""
        kernel, recurrent_, bias = (
            {"initializer": i, "regularizer": r, "constraint": c} for i, r, c in zip(self.initializers, self.regularizers, self.constraints)
        )
        total = sum(self._size(width) for width in self.cell.widths("gates").values())
        self.kernel = self.add_weight(shape=(input_shape[-1], total), name="kernel", **kernel)
        self.recurrent_kernels = {
            name: self.add_weight(shape=(self._size(stack.width_in), self._size(width)), name=f"recurrent_kernel_{name}", **recurrent_)
            for stack in trace(self.cell).stacks
            for name, width in zip(stack.products, stack.widths)
        }
        self.bias = self.add_weight(shape=(total,), name="bias", **bias) if self.use_bias else None
        self.cell_parameters = {
            name: self.add_weight(shape=(self._size(width),), name=name, initializer=_starting(self.cell, name))
            for name, width in self.cell.widths("parameters").items()
        }

    def tenuto_weights(self) -> dict[str, Any]:
        """The weights as `tenuto.layers.functional.recurrent` takes them."""
        tensor = keras.ops.convert_to_tensor
        return {
            "weight_ih": tensor(self.kernel).t(),
            "bias": None if self.bias is None else tensor(self.bias),
            "U": {name: tensor(weight).t() for name, weight in self.recurrent_kernels.items()},
            "parameters": {name: tensor(weight) for name, weight in self.cell_parameters.items()},
        }

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, list[Tensor]]:
        """One step: inputs [B, I] and states [B, W] to the output [B, H] and the new states."""
        x = inputs.unsqueeze(1)  # [B, 1, I]
        given = states_of(self.state_size, states, inputs.shape[0], self.compute_dtype, self.name)
        what = ((self.key,), (self.units,), (self.compute_dtype,))
        if torch.compiler.is_dynamo_compiling():
            tell_dynamo()
            output, _, final = loop_in_graph(*what, tuple(Options()), x, None, given, [self.tenuto_weights()])
        else:
            output, _, final = loop(Loop(*what, Options()), x, None, given, [self.tenuto_weights()])[:3]
        return output, final

    def get_config(self) -> dict[str, Any]:
        """Everything from which the same layer can be made again."""
        names = ("kernel", "recurrent", "bias")
        groups = (
            ("initializer", keras.initializers, self.initializers),
            ("regularizer", keras.regularizers, self.regularizers),
            ("constraint", keras.constraints, self.constraints),
        )
        options = {f"{name}_{what}": module.serialize(value) for what, module, values in groups for name, value in zip(names, values)}
        own = {"cell": cell_to_data(self.cell), "maths": trace(self.cell).maths, "units": self.units, "use_bias": self.use_bias}
        return {**super().get_config(), **own, **options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CellLayer:
        """The layer that `get_config` described.

        Raises:
            CellError: the cell's class is not known here, or has another step than when the model was saved.
        """
        own = dict(config)
        kept = own.pop("maths", None)  # models from before have none
        layer = cls(**own)
        name = type(layer.cell).__name__
        require(kept, trace(layer.cell).maths, name, "the model was saved", f"load it with {name} as it was then, or train the model again")
        return layer


def _get(module: Any, *values: Any) -> list[Any]:
    return [module.get(value) for value in values]


def _starting(cell: Cell, name: str) -> Any:
    """How a per-channel parameter starts, as a Keras initialiser."""
    return lambda shape, dtype=None: cell.initial_parameter(name, keras.ops.zeros(shape, dtype=dtype))
