"""`LSTMCell`, `GRUCell` and `RNNCell` as torch.nn has them: one step, the same weights, any number of derivatives."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tenuto import cells
from tenuto.cell import Cell
from tenuto.errors import TenutoError
from tenuto.layers import one_step, recording
from tenuto.layers.biases import one_bias
from tenuto.layers.functional import layer_tensors, layer_weights, run_layer
from tenuto.layers.states import listed
from tenuto.layers.with_cell import WithCell
from tenuto.program import handle_of


class _ReplacementCell(WithCell, recording.Recordable, nn.RNNCellBase):
    """What the three cells share."""

    engine = "auto"  # set on an instance to choose one by name
    cell: Cell
    _stack = "h"  # what all three call the one stack of products

    def _remake(self) -> None:
        self._handle = "" if self._unknown else handle_of(self.cell)

    @property
    def _unknown(self) -> bool:
        """Whether this is an RNNCell with a nonlinearity that does not exist; torch complains at the first call."""
        return getattr(self, "nonlinearity", "tanh") not in ("tanh", "relu")

    def _by_torch(self, input: Tensor, hx: tuple[Tensor, ...] | None) -> bool:
        """Whether torch's own cell makes this step, as it does where nothing else is asked for: it is as fast as a step can be."""
        own = [weight for weight in self._parameters.values() if weight is not None]
        complete = len(own) == (4 if self.bias else 2)  # not so where one is parametrized
        return complete and isinstance(input, Tensor) and one_step.possible(self.engine, (input, *(hx or ()), *own))

    def _listed(self, hx: Any) -> tuple[Tensor, ...]:
        """The tensors of a state as torch.nn has it: (h, c) of an LSTMCell, h of the others."""
        lstm = isinstance(self, nn.LSTMCell)
        try:
            return tuple(listed(hx, ("h", "c") if lstm else ("h",), bare=not lstm, call="cell(x, {})"))
        except TenutoError as error:
            raise error.within(type(self).__name__) from None

    def _forward(self, input: Tensor, hx: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for number, value in enumerate(hx or ()):
            if value.dim() not in (1, 2):
                which = f"hx[{number}]" if isinstance(self, nn.LSTMCell) else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {value.dim()}D instead")
        batched = input.dim() == 2
        x = input if batched else input[None]
        states = 2 if isinstance(self, nn.LSTMCell) else 1
        start = [x.new_zeros(x.shape[0], self.hidden_size)] * states if hx is None else list(hx)
        if not batched and hx is not None:
            start = [value[None] for value in start]
        self._check(x, start)
        bias, parameters = self._biases()
        weights = layer_weights(self.weight_ih, bias, {self._stack: self.weight_hh}, parameters, {})
        try:
            _, *final = run_layer(self._handle, layer_tensors(weights, x[None], None, None), start, [], False, self.engine)
        except TenutoError as error:
            raise error.within(name) from None
        return tuple(final) if batched else tuple(value[0] for value in final)

    def _check(self, x: Tensor, start: list[Tensor]) -> None:
        """The errors of torch's own cells."""
        if x.shape[1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}")
        for number, value in enumerate(start):
            if value.shape[0] != x.shape[0]:
                raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden{number} batch size {value.shape[0]}")
            if value.shape[1] != self.hidden_size:
                raise RuntimeError(f"hidden{number} has inconsistent hidden_size: got {value.shape[1]}, expected {self.hidden_size}")

    def _biases(self) -> tuple[Tensor | None, dict[str, Tensor]]:
        gated = isinstance(self, nn.GRUCell)
        if not self.bias:
            return None, {"recurrent_bias": self.weight_ih.new_zeros(self.hidden_size)} if gated else {}
        return one_bias(self.bias_ih, self.bias_hh, gated)


class LSTMCell(_ReplacementCell, nn.LSTMCell):
    """`torch.nn.LSTMCell` on tenuto's engines: input [B, I] or [I], hx (h, c) of [B, H] or [H]; returns (h, c)."""

    cell = cells.LSTM()

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self._remake()

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]:
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        if hx is not None:
            hx = self._listed(hx)
        if self._by_torch(input, hx):
            return nn.LSTMCell.forward(self, input, hx)
        h, c = self._forward(input, hx)
        return h, c


class GRUCell(_ReplacementCell, nn.GRUCell):
    """`torch.nn.GRUCell` on tenuto's engines: input [B, I] or [I], hx [B, H] or [H]; returns h."""

    cell = cells.GRU()

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self._remake()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        state = None if hx is None else self._listed(hx)
        if self._by_torch(input, state):
            return nn.GRUCell.forward(self, input, hx)
        return self._forward(input, state)[0]


class RNNCell(_ReplacementCell, nn.RNNCell):
    """`torch.nn.RNNCell` on tenuto's engines: input [B, I] or [I], hx [B, H] or [H]; returns h."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, nonlinearity, device, dtype)
        self._remake()

    @property
    def cell(self) -> Cell:  # type: ignore[override]
        """The maths of one step."""
        return cells.Elman(activation=self.nonlinearity)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        if self._unknown:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        state = None if hx is None else self._listed(hx)
        if self._by_torch(input, state):
            h = nn.RNNCell.forward(self, input, hx)
            return h.clone() if h.requires_grad else h  # backward reads the result of a tanh, and the user may write into it
        return self._forward(input, state)[0]
