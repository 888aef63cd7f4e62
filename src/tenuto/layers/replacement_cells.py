"""`LSTMCell`, `GRUCell` and `RNNCell` as torch.nn has them: one step, the same weights, any number of derivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto import cells
from tenuto.cell import Cell
from tenuto.errors import ShapeError, TenutoError, describe
from tenuto.layers import one_step, recording
from tenuto.layers.biases import one_bias
from tenuto.layers.functional import layer_tensors, layer_weights, run_layer
from tenuto.layers.states import listed
from tenuto.layers.with_cell import WithCell
from tenuto.program import handle_of
from tenuto.scalars import plain


class _ReplacementCell(WithCell, recording.Recordable, nn.RNNCellBase):
    """What the three cells share."""

    engine = "auto"  # set on an instance to choose one by name
    cell: Cell
    _stack = "h"  # what all three call the one stack of products
    _mode: str  # as torch's layers call it

    def _remake(self) -> None:
        self._handle = "" if self._unknown else handle_of(self.cell)

    @property
    def _unknown(self) -> bool:
        """Whether this is an RNNCell with a nonlinearity that does not exist; torch complains at the first call."""
        return getattr(self, "nonlinearity", "tanh") not in ("tanh", "relu")

    def _for_torch(self, input: Tensor, *hx: Any) -> tuple[Tensor, ...]:
        """The weights for torch's own cell, where it makes this step on [B, I], as it does if nothing else is asked for; else none."""
        own = self._parameters
        try:
            weights = own["weight_ih"], own["weight_hh"], own["bias_ih"], own["bias_hh"]
        except KeyError:  # one is parametrized
            return ()
        if not one_step.possible(self.engine, (input, *hx, *(weights if self.bias else weights[:2]))):
            return ()
        for tensor in (input, *hx):
            if tensor.dim() != 2:
                return ()
        return weights  # type: ignore[return-value]

    def _listed(self, hx: Any) -> tuple[Tensor, ...]:
        """The tensors of a state as torch.nn has it: (h, c) of an LSTMCell, h of the others."""
        lstm = isinstance(self, nn.LSTMCell)
        try:
            return tuple(listed(hx, ("h", "c") if lstm else ("h",), bare=not lstm, call="cell(x, {})"))
        except TenutoError as error:
            raise error.called(type(self).__name__) from None

    def _forward(self, input: Tensor, hx: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for number, value in enumerate(hx or ()):
            if value.dim() not in (1, 2):
                which = f"hx[{number}]" if isinstance(self, nn.LSTMCell) else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {value.dim()}D instead")
            if value.dim() != input.dim():
                raise ShapeError(
                    f"{name}: {'hc'[number]} has {value.dim()} axes, but x has {input.dim()}.", expected="both for a batch, [B, ...], or both for one sequence",
                    received=f"x {describe(input)}, {'hc'[number]} {describe(value)}", fix=f"{'hc'[number]}.expand(len(x), -1)" if input.dim() == 2 else f"{'hc'[number]}[0]",
                )  # fmt: skip
        batched = input.dim() == 2
        x = input if batched else input[None]
        states = 2 if isinstance(self, nn.LSTMCell) else 1
        start = [x.new_zeros(x.shape[0], self.hidden_size)] * states if hx is None else list(hx)
        if not batched and hx is not None:
            start = [value[None] for value in start]
        self._check(x, start)
        by_torch = self._for_torch(x, *start)
        if by_torch:
            final = one_step.run(self._mode, x, start, by_torch)
            return tuple(final) if batched else tuple(value[0] for value in final)
        bias, parameters = self._biases()
        weights = layer_weights(self.weight_ih, bias, {self._stack: self.weight_hh}, parameters, {})
        try:
            _, *final = run_layer(self._handle, layer_tensors(weights, x[None], None, None), start, [], False, self.engine)
        except TenutoError as error:
            raise error.called(name) from None
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
    _mode = "LSTM"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(plain(input_size), plain(hidden_size), bias, device, dtype)
        self._remake()

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]:
        weights = self._for_torch(input, *hx) if type(hx) is tuple and len(hx) == 2 else ()
        if weights:
            return torch.lstm_cell(input, hx, *weights)
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        h, c = self._forward(input, None if hx is None else self._listed(hx))
        return h, c


class GRUCell(_ReplacementCell, nn.GRUCell):
    """`torch.nn.GRUCell` on tenuto's engines: input [B, I] or [I], hx [B, H] or [H]; returns h."""

    cell = cells.GRU()
    _mode = "GRU"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(plain(input_size), plain(hidden_size), bias, device, dtype)
        self._remake()

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        weights = self._for_torch(input, hx)
        if weights and hx is not None:
            return torch.gru_cell(input, hx, *weights)
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        return self._forward(input, None if hx is None else self._listed(hx))[0]


class RNNCell(_ReplacementCell, nn.RNNCell):
    """`torch.nn.RNNCell` on tenuto's engines: input [B, I] or [I], hx [B, H] or [H]; returns h."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(plain(input_size), plain(hidden_size), bias, nonlinearity, device, dtype)
        self._remake()

    @property
    def _mode(self) -> str:  # type: ignore[override]
        return f"RNN_{self.nonlinearity.upper()}"

    @property
    def cell(self) -> Cell:  # type: ignore[override]
        """The maths of one step."""
        return cells.Elman(activation=self.nonlinearity)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        weights = self._for_torch(input, hx)
        if weights and hx is not None and not self._unknown:
            return one_step.run(self._mode, input, (hx,), weights)[0]
        if not recording.is_input(input):
            return recording.node(self, input, hx)  # type: ignore[no-any-return]
        if self._unknown:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._forward(input, None if hx is None else self._listed(hx))[0]
