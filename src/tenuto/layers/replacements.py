"""`LSTM`, `GRU` and `RNN` as torch.nn has them: constructor, call, errors, state_dict; other engines underneath.

They are torch.nn's `RNNBase` with another time loop, so parameters, checks and checkpoints are torch's own. Each counts as an
instance of the class that it replaces (`stand_in`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto import cells, engines
from tenuto.cell import Cell
from tenuto.engines import EngineReport, Problem, Yes
from tenuto.errors import ArgumentError, TenutoError
from tenuto.layers import again, one_step, recording
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.biases import one_bias
from tenuto.layers.functional import bind, released
from tenuto.layers.packed import Packed
from tenuto.layers.segments import check_every
from tenuto.layers.stack import Direction, as_time_first, pose, run_stack, run_stack_again, same, steps_of, weight_of
from tenuto.layers.stand_in import StandIn
from tenuto.layers.states import listed
from tenuto.layers.stream import Stream, Streaming
from tenuto.layers.with_cell import WithCell
from tenuto.program import traced_of
from tenuto.scalars import plain


class _Replacement(WithCell, StandIn, Streaming, recording.Recordable, nn.RNNBase):
    """What the three layers share: everything but the cell."""

    engine = "auto"  # set on an instance to choose one by name
    checkpoint_every: int | None = None  # set on an instance: the steps of a segment that training runs again on the way back, as in `Recurrent`

    def __init__(self, mode: str, cell: Cell, *options: Any) -> None:
        super().__init__(mode, *map(plain, options))
        self.cell = cell
        self._remake()

    _remade = ("_handle", "_stacks", "_checked")

    def _remake(self) -> None:
        super()._remake()
        self._checked: set[Hashable] = set()  # see `_again`
        self._stacks = tuple(f"U.{stack.name}" for stack in traced_of(self._handle).stacks)

    def _forward(self, input: Any, hx: Any, lengths: Any, resets: Any) -> tuple[Any, tuple[Tensor, ...]]:
        """The call of torch.nn; gives the state as a tuple of one or two tensors."""
        plain = resets is None and self.checkpoint_every is None and not (self.dropout and self.training)
        key = again.layer_key(input, hx, lengths is None, self.batch_first) if plain else None
        try:
            return again.call(self._checked, key, lambda: self._again(input, hx, lengths), lambda: self._run(input, hx, lengths, resets))
        except TenutoError as error:
            raise error.called(type(self).__name__) from None

    def _again(self, input: Any, hx: Any, lengths: Any) -> tuple[Tensor, tuple[Tensor, ...]] | None:
        """A call whose checks were passed by one before, where its loops are like those of one before, too; else None."""
        if lengths is None and input.shape[1 if self.batch_first else 0] == 1:
            return None  # one step is torch's
        found = run_stack_again(lambda x: self._layers(), input, hx, lengths, self.batch_first, self.engine)
        return None if found is None else (found[0], tuple(found[1]))

    def _run(self, input: Any, hx: Any, lengths: Any, resets: Any) -> tuple[Any, tuple[Tensor, ...]]:
        name = type(self).__name__
        packed, batched = None, True
        if self.mode == "LSTM" and isinstance(hx, Tensor) and hx.dim() == 3 and len(hx) == 2 and isinstance(input, Tensor) and input.dim() == 2:
            hx = hx.unbind()  # of one sequence, torch.nn takes h and c in one tensor, too
        start = None if hx is None else self._listed(hx)
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ArgumentError("a packed sequence has its own lengths.", fix="pass it padded with lengths=, or packed")
            packed = Packed.of(input)
            x, start = packed.data, None if start is None else [packed.sort(value) for value in start]
            self._check_sizes(x, start, packed.batch_sizes)
        else:
            if input.dim() not in (2, 3):
                ending = "D tensor instead" if self.mode.startswith("RNN") else "D instead"
                raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}{ending}")
            batched = input.dim() == 3
            batch_axis = 0 if self.batch_first else 1
            x = input if batched else input.unsqueeze(batch_axis)
            if start is not None:
                self._check_state_axes(start, batched)
                start = start if batched else [value.unsqueeze(1) for value in start]
            self._check_sizes(x, start, None)
            x = as_time_first(x, self.batch_first)
        if resets is not None:
            resets = check_resets(resets, steps_of(input, self.batch_first), x.device)
            resets = as_time_first(resets, self.batch_first) if batched else resets[:, None]
        weights = self._for_one_step(x, start) if packed is None and lengths is None and resets is None else []
        if lengths is not None:
            lengths = check_lengths(lengths, x.shape[1], x.shape[0], x.device)
            packed = Packed.of_padded(x, lengths, self.num_layers == 1 and not self.bidirectional)
            start = start if packed is None or start is None else [packed.sort(value) for value in start]
        if packed is not None:
            x, lengths, resets = packed.data, None, None if resets is None else packed.rows("resets", resets)
            start = self._zeros(packed) if start is None else start
        if weights:
            output, final = self._one_step(x, start, weights)
        else:
            output, final = run_stack(
                self._layers(), x, start, lengths=lengths, resets=resets, batch_sizes=None if packed is None else packed.batch_sizes,
                before=same, after=self._after, engine=self.engine, every=check_every(self.checkpoint_every),
            )  # fmt: skip
        if packed is None:
            output = as_time_first(output, self.batch_first)
        else:
            output, final = packed.like_the_input(output, self.batch_first), [packed.unsort(value) for value in final]
        if not batched:
            output, final = output.squeeze(batch_axis), [value.squeeze(1) for value in final]
        return output if packed is not None and batched else released(output), tuple(final)

    def _for_one_step(self, x: Tensor, start: list[Tensor] | None) -> list[list[Tensor]]:
        """torch's weights of each layer and direction, where x [T, B, I] is one step that torch's own cells may make; else none."""
        if x.shape[0] != 1 or self.proj_size:
            return []
        weights = [[weight_of(self, name) for name in names] for names in self._all_weights]
        return weights if one_step.possible(self.engine, (x, *(start or ()), *chain(*weights))) else []

    def _one_step(self, x: Tensor, start: list[Tensor] | None, weights: list[list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        """The layers on x [1, B, I] by torch's own cells; as `run_stack`."""
        directions = 2 if self.bidirectional else 1
        if start is None:
            zeros = x.new_zeros(x.shape[1], self.hidden_size)
            start = [zeros.expand(len(weights), -1, -1)] * (2 if self.mode == "LSTM" else 1)
        finals: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            for number in range(layer * directions, (layer + 1) * directions):
                finals.append(one_step.run(self.mode, x[0], [state[number] for state in start], weights[number]))
            outputs = [final[0] for final in finals[-directions:]]
            x = self._after(layer, x, (outputs[0] if directions == 1 else torch.cat(outputs, -1))[None])
        return x, [torch.stack(values) for values in zip(*finals, strict=True)]

    def _zeros(self, packed: Packed) -> list[Tensor]:
        """The state of packed sequences before the first step."""
        sizes = [self.proj_size or self.hidden_size, self.hidden_size]
        return packed.zeros(self.num_layers * (2 if self.bidirectional else 1), sizes[: 2 if self.mode == "LSTM" else 1])

    def _check_sizes(self, x: Tensor, state: list[Tensor] | None, batch_sizes: Tensor | None) -> None:
        """torch.nn's errors for an input or a state of the wrong size."""
        if state is None:
            _Replacement.check_input(self, x, batch_sizes)  # not self.check_input, which Dynamo of torch 2.6 refuses in a strict export
        else:
            self.check_forward_args(x, self._as_torch(state), batch_sizes)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """torch.nn's; which looks at the dtype of weights that it keeps elsewhere, and not at those of `torch.func.functional_call`."""
        if input.dtype != weight_of(self, "weight_ih_l0").dtype:
            return nn.RNNBase.check_input(self, input, batch_sizes)
        axes = 3 if batch_sizes is None else 2
        if input.dim() != axes:
            raise RuntimeError(f"input must have {axes} dimensions, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}")

    def _listed(self, state: Any) -> list[Tensor]:
        """The tensors of a state as torch.nn has it: (h, c) of an LSTM, h of the others."""
        return listed(state, ("h", "c") if self.mode == "LSTM" else ("h",), bare=self.mode != "LSTM")

    def _check_state_axes(self, hx: list[Tensor], batched: bool) -> None:
        """torch.nn's errors for a state with the wrong number of axes."""
        axes, wanted = [value.dim() for value in hx], 3 if batched else 2
        if all(count == wanted for count in axes):
            return
        which = "batched 3-D" if batched else "unbatched 2-D"
        if len(axes) == 2:
            raise RuntimeError(
                f"For {which} input, hx and cx should also be {wanted}-D but got ({axes[0]}-D, {axes[1]}-D) tensors"
            )
        raise RuntimeError(f"For {which} input, hx should also be {wanted}-D but got {axes[0]}-D tensor")

    def _as_torch(self, state: list[Tensor]) -> Any:
        return tuple(state) if self.mode == "LSTM" else state[0]

    def _after(self, layer: int, x: Tensor, output: Tensor) -> Tensor:
        if not self.dropout or layer == self.num_layers - 1:
            return output
        return nn.functional.dropout(output, self.dropout, self.training)

    def _layers(self) -> list[list[Direction]]:
        suffixes = ("", "_reverse") if self.bidirectional else ("",)
        return [[self._direction(f"_l{layer}{suffix}") for suffix in suffixes] for layer in range(self.num_layers)]

    def _direction(self, suffix: str) -> Direction:
        """torch's weights by our names: both biases are added up, except for a GRU, whose candidate has its own inside the reset."""
        weight_ih, weight_hh = weight_of(self, f"weight_ih{suffix}"), weight_of(self, f"weight_hh{suffix}")
        weights = {"weight_ih": weight_ih, self._stacks[0]: weight_hh}
        if self.bias:
            biases = weight_of(self, f"bias_ih{suffix}"), weight_of(self, f"bias_hh{suffix}")
            weights["bias"], parameters = one_bias(*biases, self.mode == "GRU")
            weights |= {f"p.{name}": parameter for name, parameter in parameters.items()}
        elif self.mode == "GRU":
            weights["p.recurrent_bias"] = weight_ih.new_zeros(self.hidden_size)
        if self.proj_size:
            weights[self._stacks[1]] = weight_of(self, f"weight_hr{suffix}")
        return Direction(self._handle, weights, suffix.endswith("_reverse"))

    def _open(self, x: Tensor, state: list[Tensor] | None) -> Stream:
        if state is not None:
            self.check_forward_args(as_time_first(x[None], self.batch_first), self._as_torch(state), None)
        layers = [direction for directions in self._layers() for direction in directions]
        return Stream(layers, x, state, lambda *values: self._as_torch(list(values)), None, None, self.engine)

    def engine_report(self, x: Any, *, lengths: Any = None, resets: Tensor | None = None) -> EngineReport:
        """Which engine runs the first layer on an input like x (see `forward`), and why each faster one does not."""
        packed = Packed.of(x) if isinstance(x, PackedSequence) else None
        start = [] if packed is None else [value[0] for value in self._zeros(packed)]
        posed, direction = pose(x, packed, self.batch_first, lengths is not None, resets is not None), self._direction("_l0")
        form, inputs, result = bind(traced_of(direction.handle), direction.tensors(*posed), start, [], direction.reverse)
        report = engines.report(Problem.of(form, inputs, engines.needs_gradients(inputs), result), self.engine)
        if packed is None and lengths is None and resets is None and self._for_one_step(posed[0], None):
            answer = Yes(f"{one_step.name_of(self.mode)}, since this is one step")
            return replace(report, chosen="vendor", answers={**report.answers, "vendor": answer})
        return report


def _refuse_projection(proj_size: int) -> None:
    if proj_size:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class LSTM(_Replacement):
    """`torch.nn.LSTM`, faster, for every dtype, with lengths, resets and live streams: replace the name and nothing else.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype: as torch.nn.LSTM.
    Shapes: input [T, B, I] ([B, T, I] if batch_first; [T, I]; packed); h_0 [L * D, B, proj_size or H]; c_0 [L * D, B, H];
        output [T, B, D * (proj_size or H)].
    Raises:
        what torch.nn.LSTM raises, and ShapeError for lengths or resets that do not fit.
    Note:
        `isinstance(layer, torch.nn.LSTM)` holds; `type(layer) is torch.nn.LSTM` does not, by which torch.ao's quantize_dynamic looks.
    Example:
        >>> output, (h, c) = LSTM(3, 4)(torch.zeros(5, 2, 3), lengths=torch.tensor([5, 2]))
        >>> output.shape, h.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    counts_as = nn.LSTM
    get_expected_cell_size = nn.LSTM.get_expected_cell_size
    check_forward_args = nn.LSTM.check_forward_args  # type: ignore[assignment]
    permute_hidden = nn.LSTM.permute_hidden  # type: ignore[assignment]

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        cell = cells.ProjectionLSTM(projection=proj_size) if proj_size > 0 else cells.LSTM()
        super().__init__(
            "LSTM", cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        )

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None, resets: Any = None) -> tuple[Any, Any]:  # type: ignore[override]
        """As torch.nn.LSTM; `lengths` [B] int and `resets` [T, B] bool ([B, T] if batch_first) as in `Recurrent`."""
        if not recording.is_input(input):
            return recording.node(self, input, hx, lengths=lengths, resets=resets)  # type: ignore[no-any-return]
        output, final = self._forward(input, hx, lengths, resets)
        return output, final


class GRU(_Replacement):
    """`torch.nn.GRU`, faster, for every dtype, with lengths, resets and live streams: replace the name and nothing else.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as torch.nn.GRU.
    Shapes: input [T, B, I] ([B, T, I] if batch_first; [T, I]; packed); h_0 [L * D, B, H]; output [T, B, D * H].
    Raises:
        what torch.nn.GRU raises, and ShapeError for lengths or resets that do not fit.
    """

    counts_as = nn.GRU

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: Literal[0] = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        _refuse_projection(proj_size)
        super().__init__(
            "GRU", cells.GRU(), input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        )

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None, resets: Any = None) -> tuple[Any, Tensor]:  # type: ignore[override]
        """As torch.nn.GRU; `lengths` [B] int and `resets` [T, B] bool ([B, T] if batch_first) as in `Recurrent`."""
        if not recording.is_input(input):
            return recording.node(self, input, hx, lengths=lengths, resets=resets)  # type: ignore[no-any-return]
        output, final = self._forward(input, hx, lengths, resets)
        return output, final[0]


class RNN(_Replacement):
    """`torch.nn.RNN`, faster, for every dtype, with lengths, resets and live streams: replace the name and nothing else.

    Args:
        input_size, hidden_size, num_layers, nonlinearity ("tanh" or "relu"), bias, batch_first, dropout, bidirectional,
        device, dtype: as torch.nn.RNN. For any other activation: `Recurrent(cells.Elman(activation), ...)`.
    Shapes: input [T, B, I] ([B, T, I] if batch_first; [T, I]; packed); h_0 [L * D, B, H]; output [T, B, D * H].
    Raises:
        what torch.nn.RNN raises, and ShapeError for lengths or resets that do not fit.
    """

    counts_as = nn.RNN

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: Literal[0] = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        _refuse_projection(proj_size)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", cells.Elman(activation=nonlinearity),
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None, resets: Any = None) -> tuple[Any, Tensor]:  # type: ignore[override]
        """As torch.nn.RNN; `lengths` [B] int and `resets` [T, B] bool ([B, T] if batch_first) as in `Recurrent`."""
        if not recording.is_input(input):
            return recording.node(self, input, hx, lengths=lengths, resets=resets)  # type: ignore[no-any-return]
        output, final = self._forward(input, hx, lengths, resets)
        return output, final[0]
