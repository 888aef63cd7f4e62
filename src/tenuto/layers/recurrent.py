"""`Recurrent`: the layer for any cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto import engines
from tenuto.cell import Cell, Width, state_type
from tenuto.engines import EngineReport, Form, Problem
from tenuto.engines.problem import output_width, size_of
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers.functional import bind, check_lengths
from tenuto.layers.initialise import Init
from tenuto.layers.masks import Regularisation, check_rate
from tenuto.layers.stack import Direction, Unpacked, as_time_first, run_stack


class Output(NamedTuple):
    """What a recurrent layer gives: output [T, B, D * W] (or batch first, or packed), and the state after the last step."""

    output: Any
    state: Any


class Recurrent(nn.Module):
    """A recurrent layer, or a stack of them, of any cell.

    Args:
        cell: the maths of one step, for example `tenuto.cells.LSTM()`.
        input_size: I, the features of x.
        hidden_size: H, the channels of a gate.
        num_layers: layers on top of each other.
        bias: whether the input projection has one.
        batch_first: x and the output are [B, T, ...] and resets [B, T]; states stay [L * D, B, W].
        bidirectional: a second direction in each layer; outputs are joined, forward before reverse.
        reverse: the only direction runs from the end to the beginning.
        dropout: rate on the output of each layer but the last.
        residual: adds its input to each layer's output where they are equally wide.
        layer_norm: normalises what each layer but the first reads (before the residual branch).
        recurrent_dropout, recurrent_dropout_kind: rate at which the state is dropped on its way into the recurrent
            products, with one mask a sequence ("variational", Gal & Ghahramani 2016) or a step ("step").
        zoneout: rate, or rates by state, at which states keep their old value (Krueger et al. 2017).
        weight_dropout: rate at which recurrent weights are dropped, one mask a call (DropConnect: Merity et al. 2018).
        learned_state: the initial state is a parameter; it is also what resets return to.
        init: an `Init`; None for the field's habits (Glorot, orthogonal, forget bias 1).
        engine: "auto" or an engine's name; `engine_report` says which runs.
    Raises:
        ArgumentError, CellError, TraceError: at construction, where an option or the cell is wrong.
    Parameters:
        weight_ih_l0 [G * H, I], weight_hh_l0 [rows, in] (the gates' recurrent matrices, stacked in the cell's order), bias_l0
        [G * H], weight_NAME_l0 (products that are no gate's), NAME_l0 [H] (the cell's parameters), initial_NAME_l0 [W];
        with "_reverse" for the other direction.
    Example:
        >>> from tenuto.cells import Elman
        >>> Recurrent(Elman(), 3, 4)(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 4])
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        bidirectional: bool = False,
        reverse: bool = False,
        dropout: float = 0.0,
        residual: bool = False,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        recurrent_dropout_kind: str = "variational",
        zoneout: float | Mapping[str, float] = 0.0,
        weight_dropout: float = 0.0,
        learned_state: bool = False,
        init: Init | None = None,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            hint = f"{cell.__name__}()" if isinstance(cell, type) else "tenuto.cells.LSTM()"
            raise ArgumentError(f"Recurrent: cell is {cell!r}", expected="a tenuto Cell", fix=f"Recurrent({hint}, ...)")
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ArgumentError(f"Recurrent: {name} is {size!r}", expected="a positive integer")
        if hidden_size % cell.heads:
            raise ArgumentError(f"Recurrent: hidden_size {hidden_size} is not a multiple of the cell's {cell.heads} heads")
        if bidirectional and reverse:
            raise ArgumentError("Recurrent: bidirectional and reverse exclude each other", fix="drop reverse")
        for name, rate in {"dropout": dropout, "weight_dropout": weight_dropout}.items():
            check_rate(name, rate)
        engines.wanted(engine)
        self.cell, self.input_size, self.hidden_size, self.num_layers = cell, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.reverse = bias, batch_first, bidirectional, reverse
        self.dropout, self.residual, self.layer_norm, self.weight_dropout = dropout, residual, layer_norm, weight_dropout
        self.learned_state, self.init, self.engine = learned_state, init or Init(), engine
        self.regularisation = Regularisation.of(cell, recurrent_dropout, recurrent_dropout_kind, zoneout)
        form = Form(cell, bias)
        self.output_width = size_of(output_width(form), hidden_size)
        options = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.output_width * self.directions
            for suffix in self._suffixes(layer):
                self._add_parameters(suffix, width, form, options)
            if layer_norm and layer > 0:
                self.register_module(f"norm_l{layer}", nn.LayerNorm(width, **options))
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """D, 1 or 2."""
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        if self.bidirectional:
            return [f"_l{layer}", f"_l{layer}_reverse"]
        return [f"_l{layer}"]

    def _size(self, width: Width) -> int:
        return size_of(width, self.hidden_size)

    def _products(self) -> dict[str, tuple[int, int]]:
        """The recurrent matrices that the cell's step uses, by name: rows and columns, in the order of the stacks."""
        return {
            name: (self._size(width), self._size(stack.width_in) // stack.heads)
            for stack in Form(self.cell).traced.stacks
            for name, width in zip(stack.products, stack.widths, strict=True)
        }

    def _add_parameters(self, suffix: str, input_size: int, form: Form, options: dict[str, Any]) -> None:
        cell, gates = self.cell, tuple(self.cell.widths("gates"))

        def add(name: str, *shape: int) -> None:
            self.register_parameter(name + suffix, nn.Parameter(torch.empty(*shape, **options)))

        add("weight_ih", len(gates) * self.hidden_size, input_size)
        products = self._products()
        stacked = [name for name in gates if name in products]
        if stacked:
            if len({products[name] for name in stacked}) > 1:
                raise ArgumentError("Recurrent: the gates' recurrent matrices differ in width", fix="declare products for the odd ones")
            rows, columns = products[stacked[0]]
            add("weight_hh", rows * len(stacked), columns)
        for name, shape in products.items():
            if name not in gates:
                add(f"weight_{name}", *shape)
        if self.bias:
            add("bias", len(gates) * self.hidden_size)
        for name, width in cell.widths("parameters").items():
            add(name, self._size(width))
        if self.learned_state:
            for name, width in cell.widths("state").items():
                add(f"initial_{name}", self._size(width))

    def reset_parameters(self) -> None:
        """Draws all weights anew, by `init`."""
        gates, cell = tuple(self.cell.widths("gates")), self.cell
        with torch.no_grad():
            for layer in range(self.num_layers):
                for suffix in self._suffixes(layer):
                    self.init.start_input(self._own("weight_ih" + suffix), len(gates))
                    for name, weight in self._matrices(suffix).items():
                        heads = 1 if cell.rank is not None else cell.heads
                        self.init.start_product(weight, heads, self.hidden_size)
                        del name
                    if self.bias:
                        self.init.start_bias(self._own("bias" + suffix), cell)
                    for name in cell.widths("parameters"):
                        cell.initial_parameter(name, self._own(name + suffix))
                    if self.learned_state:
                        for name in cell.widths("state"):
                            self._own(f"initial_{name}{suffix}").zero_()

    def _own(self, name: str) -> Tensor:
        return getattr(self, name)  # type: ignore[no-any-return]

    def _matrices(self, suffix: str) -> dict[str, Tensor]:
        """The recurrent matrices by gate or product name: views into the parameters."""
        products, gates = self._products(), tuple(self.cell.widths("gates"))
        stacked = [name for name in gates if name in products]
        found = {}
        if stacked:
            found = dict(zip(stacked, self._own("weight_hh" + suffix).chunk(len(stacked)), strict=True))
        return {name: found[name] if name in found else self._own(f"weight_{name}{suffix}") for name in products}

    def _stacks(self, suffix: str) -> dict[str, Tensor]:
        """The recurrent matrices as the engines take them, one for each stack of products."""
        matrices, stacks = self._matrices(suffix), Form(self.cell).traced.stacks
        gates = tuple(name for name in self.cell.widths("gates") if name in matrices)
        found = {}
        for stack in stacks:
            parts = [matrices[name] for name in stack.products]
            whole = stack.products == gates
            found[stack.name] = self._own("weight_hh" + suffix) if whole else parts[0] if len(parts) == 1 else torch.cat(parts)
        if self.weight_dropout > 0 and self.training:
            found = {name: nn.functional.dropout(weight, self.weight_dropout) for name, weight in found.items()}
        return found

    def _direction(self, layer: int, suffix: str, x: Tensor, streams: Mapping[str, Tensor]) -> Direction:
        base, rules = self.cell, self.regularisation
        cell = rules.modified(base, self.training)
        masks = rules.draw(base, x, self.hidden_size, self.training)
        products = self._stacks(suffix)
        # a modifier changes the operands, so its stacks have other names than the cell's; their order is the same
        names = [stack.name for stack in Form(cell).traced.stacks]
        reset = None
        if self.learned_state:
            reset = [self._own(f"initial_{name}{suffix}").expand(x.shape[1], -1) for name in base.widths("state")]
        return Direction(
            cell=cell,
            weight_ih=self._own("weight_ih" + suffix),
            bias=self._own("bias" + suffix) if self.bias else None,
            products=dict(zip(names, products.values(), strict=True)),
            parameters={name: self._own(name + suffix) for name in base.widths("parameters")},
            reverse=self.reverse or suffix.endswith("_reverse"),
            reset_state=reset,
            streams={**streams, **masks},
        )

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: Any = None,
        *,
        lengths: Any = None,
        resets: Tensor | None = None,
        streams: Mapping[str, Tensor] | None = None,
    ) -> Output:
        """Runs the layer over whole sequences.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first), or packed, or one sequence [T, I].
            state: as an earlier call returned it: a named tuple (or a tuple in the cell's order) of [L * D, B, W].
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
            resets: [T, B] bool ([B, T] if batch_first): the state returns to its initial value before that step.
            streams: the cell's streams by name, [T, B, W] ([B, T, W] if batch_first); every layer is given the same.
        Returns:
            Output(output, state).
        Raises:
            ShapeError: a tensor does not fit.
        """
        try:
            return self._run(x, state, lengths, resets, streams or {})
        except TenutoError as error:
            raise error.within(f"Recurrent({type(self.cell).__name__})") from None

    def _run(self, x: Any, state: Any, lengths: Any, resets: Any, streams: Mapping[str, Tensor]) -> Output:
        unpacked = None
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ArgumentError("a packed sequence has its own lengths", fix="pass x padded, with lengths=, or packed")
            unpacked = Unpacked.of(x)
            x, lengths = unpacked.padded, unpacked.lengths
        single = x.dim() == 2
        if single:
            x = x[:, None]
            state = None if state is None else [value[:, None] for value in state]
            resets, streams = None if resets is None else resets[:, None], {n: s[:, None] for n, s in streams.items()}
        elif unpacked is None:
            x, streams = as_time_first(x, self.batch_first), {n: as_time_first(s, self.batch_first) for n, s in streams.items()}
            resets = None if resets is None else as_time_first(resets, self.batch_first)
        if x.dim() != 3:
            raise ShapeError("x has the wrong number of axes", expected="x [T, B, I]", received=f"x {describe(x)}")
        if lengths is not None:
            lengths = check_lengths(lengths, x.shape[1], x.shape[0], x.device)
        initial = self._initial(state, x, unpacked)
        layers = [
            [self._direction(layer, suffix, x, streams) for suffix in self._suffixes(layer)]
            for layer in range(self.num_layers)
        ]
        output, final = run_stack(
            layers, x, initial, lengths=lengths, resets=resets, before=self._before, after=self._after, engine=self.engine
        )
        if unpacked is not None:
            final = [unpacked.unsort(value) for value in final]
            output = unpacked.pack(output)
        elif single:
            output, final = output[:, 0], [value[:, 0] for value in final]
        else:
            output = as_time_first(output, self.batch_first)
        return Output(output, state_type(tuple(self.cell.widths("state")))(*final))

    def _initial(self, state: Any, x: Tensor, unpacked: Unpacked | None) -> list[Tensor] | None:
        names = tuple(self.cell.widths("state"))
        if state is None:
            if not self.learned_state:
                return None
            suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
            return [
                torch.stack([self._own(f"initial_{name}{suffix}") for suffix in suffixes])[:, None].expand(-1, x.shape[1], -1)
                for name in names
            ]
        values = [state] if isinstance(state, Tensor) else list(state)
        layers = self.num_layers * self.directions
        for number, (name, width) in enumerate(self.cell.widths("state").items()):
            expected = (layers, x.shape[1], self._size(width))
            if len(values) != len(names) or tuple(values[number].shape) != expected:
                received = ", ".join(describe(value) for value in values)
                raise ShapeError(f"the state {name} does not fit", expected=f"{name} {list(expected)}", received=received)
        return [unpacked.sort(value) for value in values] if unpacked is not None else values

    def _before(self, layer: int, x: Tensor) -> Tensor:
        return getattr(self, f"norm_l{layer}")(x) if self.layer_norm and layer > 0 else x  # type: ignore[no-any-return]

    def _after(self, layer: int, x: Tensor, output: Tensor) -> Tensor:
        if self.residual and x.shape[-1] == output.shape[-1]:
            output = output + x
        last = layer == self.num_layers - 1
        return output if last or not self.dropout else nn.functional.dropout(output, self.dropout, self.training)

    def engine_report(self, x: Tensor, *, lengths: Any = None, resets: Tensor | None = None) -> EngineReport:
        """Which engine runs the first layer on an input like x (see `forward`), and why each faster one does not."""
        x = as_time_first(x, self.batch_first and x.dim() == 3)
        direction = self._direction(0, self._suffixes(0)[0], x, {})
        given = torch.zeros(x.shape[1], dtype=torch.int64) if lengths is not None else None
        flags = torch.zeros(x.shape[:2], dtype=torch.bool) if resets is not None else None
        missing = {
            name: x.new_zeros(1, x.shape[1], self._size(width))
            for name, width in direction.cell.widths("streams").items() if name not in direction.streams
        }  # fmt: skip
        form, inputs, _ = bind(
            direction.cell, x, direction.weight_ih, direction.bias, direction.products, direction.parameters, None,
            given, flags, None, {**missing, **direction.streams}, direction.reverse,
        )  # fmt: skip
        return engines.report(Problem.of(form, inputs, engines.needs_gradients(inputs)), self.engine)

    def extra_repr(self) -> str:
        words = [repr(self.cell), str(self.input_size), str(self.hidden_size)]
        words += [f"num_layers={self.num_layers}"] * (self.num_layers > 1)
        shown = ("batch_first", "bidirectional", "reverse", "dropout", "residual", "layer_norm", "weight_dropout", "learned_state")
        words += [f"{name}={getattr(self, name)}" for name in shown if getattr(self, name)]
        words += ["bias=False"] * (not self.bias)
        return ", ".join(words)
