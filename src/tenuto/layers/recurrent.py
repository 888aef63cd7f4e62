"""`Recurrent`: the layer for any cell, in one story: what the options are, which weights follow from them, and the call that heeds all of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto import engines
from tenuto.cell import Cell, start_parameter, state_type
from tenuto.engines import EngineReport, Form, Problem
from tenuto.engines.problem import output_width, size_of
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers import again, recording
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.checks import check_streams, streams_of
from tenuto.layers.functional import bind, layer_weights, released
from tenuto.layers.initialise import Init
from tenuto.layers.masks import Regularisation, check_kind, check_rate, check_size, dropped
from tenuto.layers.normalisation import LayerNorm
from tenuto.layers.packed import Packed
from tenuto.layers.segments import check_every
from tenuto.layers.stack import Direction, as_time_first, pose, run_stack, run_stack_again, steps_of, weight_of
from tenuto.layers.states import listed
from tenuto.layers.stream import Stream, Streaming
from tenuto.layers.with_cell import WithCell
from tenuto.program import handle_of, trace, traced_of


class Output(NamedTuple):
    """What a recurrent layer gives: output [T, B, D * W] (or batch first, or packed), and the state after the last step."""

    output: Any
    state: Any


class Recurrent(WithCell, Streaming, recording.Recordable):
    """A recurrent layer, or a stack of them, of any cell.

    Args:
        cell: the maths of one step, for example `tenuto.cells.LSTM()`.
        input_size: I, the features of x.
        hidden_size: H, the channels of a gate.
        num_layers: layers on top of each other.
        bias: whether the input projection has a bias.
        batch_first: x and the output are [B, T, ...] and resets [B, T]; states stay [L * D, B, W].
        bidirectional: a second direction in each layer; outputs are joined, forward before reverse.
        reverse: the only direction runs from the end to the beginning.
        dropout, dropout_kind: rate at which the outputs of each layer but the last are dropped, with one mask per step ("step") or
            per sequence ("variational").
        residual: adds its input to each layer's output where they are equally wide.
        layer_norm: normalises what each layer but the first reads (before the residual branch).
        recurrent_dropout, recurrent_dropout_kind: rate at which the state is dropped on its way into the recurrent
            products, with one mask per sequence ("variational", Gal & Ghahramani 2016) or per step ("step").
        zoneout: rate, or rates by state, at which states keep their old value (Krueger et al. 2017).
        weight_dropout: rate at which recurrent weights are dropped, one mask per call (DropConnect: Merity et al. 2018).
        learned_state: the initial state is a parameter; it is also what resets return to.
        checkpoint_every: of how many steps the segments are that training runs again on the way back: less memory for half as much time again. Only the states at their
            borders are kept, least in all near the root of the steps; twice as many take less time. More than the sequences have is an error. None keeps what every step computed.
            Inside torch.compile and torch.export the layer is one operation of the graph, which keeps what every step computed: same numbers, no memory saved; leave the layer outside of the graph.
        init: an `Init`; None for the usual one (Glorot, orthogonal, forget bias 1).
        engine: "auto" or an engine's name; `engine_report` says which runs.
        device, dtype: of the parameters, as in torch.nn.
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
        dropout_kind: str = "step",
        residual: bool = False,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        recurrent_dropout_kind: str = "variational",
        zoneout: float | Mapping[str, float] = 0.0,
        weight_dropout: float = 0.0,
        learned_state: bool = False,
        checkpoint_every: int | None = None,
        init: Init | None = None,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            hint = f"{cell.__name__}()" if isinstance(cell, type) and issubclass(cell, Cell) else "tenuto.cells.LSTM()"
            raise ArgumentError(f"Recurrent: cell is {cell!r}.", expected="a tenuto Cell", fix=f"Recurrent({hint}, ...)")
        input_size, hidden_size = check_size("input_size", input_size), check_size("hidden_size", hidden_size)
        num_layers = check_size("num_layers", num_layers)
        if hidden_size % cell.heads:
            raise ArgumentError(f"Recurrent: hidden_size {hidden_size} is not a multiple of the cell's {cell.heads} heads.")
        if bidirectional and reverse:
            raise ArgumentError("Recurrent: bidirectional and reverse exclude each other.", fix="drop reverse")
        if not isinstance(init, (Init, type(None))):
            raise ArgumentError(f"Recurrent: init is {init!r}.", expected="an Init or None", fix="init=tenuto.Init(weight_hh=...)")
        dropout, weight_dropout = check_rate("dropout", dropout), check_rate("weight_dropout", weight_dropout)
        engines.wanted(engine)
        self.dropout_kind = check_kind("dropout_kind", dropout_kind)
        self.cell, self.input_size, self.hidden_size, self.num_layers = cell, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.reverse = bias, batch_first, bidirectional, reverse
        self.dropout, self.residual, self.layer_norm, self.weight_dropout = dropout, residual, layer_norm, weight_dropout
        self.learned_state, self.init, self.engine, self.checkpoint_every = learned_state, init or Init(), engine, check_every(checkpoint_every)
        self.regularisation = Regularisation.of(cell, recurrent_dropout, recurrent_dropout_kind, zoneout)
        form = Form(cell, bias)
        self._gates, self._states = tuple(cell.widths("gates")), tuple(cell.widths("state"))
        self._state_sizes = tuple(size_of(width, hidden_size) for width in cell.widths("state").values())
        self._cell_parameters = tuple(cell.widths("parameters"))
        self._streams = tuple(cell.widths("streams"))
        self._remake()
        self.output_width = size_of(output_width(form), hidden_size)
        options = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.output_width * self.directions
            for suffix in self.suffixes(layer):
                self._add_parameters(suffix, width, form, options)
            if layer_norm and layer > 0:
                self.register_module(f"norm_l{layer}", LayerNorm(width, **options))
        self.reset_parameters()

    checkpoint_every: int | None = None  # of layers that were pickled before there was the option
    _remade = ("_handle", "_checked", "_running", "_product_shapes", "_places", "_state_type")  # the last one's class is in no module, so it cannot be pickled

    def _remake(self) -> None:
        super()._remake()
        self._checked: set[Hashable] = set()  # see `_again`
        self._state_type = state_type(self._states)
        stacks = trace(self.cell).stacks
        self._product_shapes = {
            name: (size_of(width, self.hidden_size), size_of(stack.width_in, self.hidden_size) // stack.heads)
            for stack in stacks
            for name, width in zip(stack.products, stack.widths, strict=True)
        }
        self._places = {stack.products: self._place(stack.products) for stack in stacks}
        # by training or not: the cell that runs (its handle), and the names of its stacks (a modifier changes the operands, not the order)
        self._running = {
            training: (handle_of(modified), tuple(stack.name for stack in trace(modified).stacks))
            for training in (True, False)
            for modified in [self.regularisation.modified(self.cell, training)]
        }

    @property
    def directions(self) -> int:
        """D, 1 or 2."""
        return 2 if self.bidirectional else 1

    def suffixes(self, layer: int) -> list[str]:
        """With what the names of a layer's parameters end, for each direction."""
        if self.bidirectional:
            return [f"_l{layer}", f"_l{layer}_reverse"]
        return [f"_l{layer}"]

    def _add_parameters(self, suffix: str, input_size: int, form: Form, options: dict[str, Any]) -> None:
        cell, gates, products = self.cell, self._gates, self._product_shapes

        def add(name: str, *shape: int) -> None:
            self.register_parameter(name + suffix, nn.Parameter(torch.empty(*shape, **options)))

        add("weight_ih", len(gates) * self.hidden_size, input_size)
        stacked = [name for name in gates if name in products]
        if stacked:
            if len({products[name] for name in stacked}) > 1:
                raise ArgumentError("Recurrent: the gates' recurrent matrices differ in width.", fix="declare products instead of gates for those that differ")
            rows, columns = products[stacked[0]]
            add("weight_hh", rows * len(stacked), columns)
        for name, shape in products.items():
            if name not in gates:
                add(f"weight_{name}", *shape)
        if self.bias:
            add("bias", len(gates) * self.hidden_size)
        for name, width in cell.widths("parameters").items():
            add(name, size_of(width, self.hidden_size))
        if self.learned_state:
            for name, size in zip(self._states, self._state_sizes, strict=True):
                add(f"initial_{name}", size)

    def reset_parameters(self) -> None:
        """Draws all weights again, as `init` says."""
        cell = self.cell
        with torch.no_grad():
            for layer in range(self.num_layers):
                for suffix in self.suffixes(layer):
                    self.init.start_input(weight_of(self, "weight_ih" + suffix), len(self._gates))
                    for weight in self.matrices(suffix).values():
                        self.init.start_product(weight, 1 if cell.rank is not None else cell.heads, self.hidden_size)
                    if self.bias:
                        self.init.start_bias(weight_of(self, "bias" + suffix), cell)
                    for name in self._cell_parameters:
                        start_parameter(cell, name, weight_of(self, name + suffix))
                    if self.learned_state:
                        for name in self._states:
                            weight_of(self, f"initial_{name}{suffix}").zero_()

    def matrices(self, suffix: str) -> dict[str, Tensor]:
        """The recurrent matrices by gate or product name: views into the parameters."""
        products = self._product_shapes
        stacked = [name for name in self._gates if name in products]
        found = {}
        if stacked:
            found = dict(zip(stacked, weight_of(self, "weight_hh" + suffix).chunk(len(stacked)), strict=True))
        return {name: found[name] if name in found else weight_of(self, f"weight_{name}{suffix}") for name in products}

    def _place(self, products: tuple[str, ...]) -> tuple[str, int, int] | None:
        """Where a stack stands: (parameter, first product, products in it); None where it is put together from several."""
        stacked = [name for name in self._gates if name in self._product_shapes]
        if len(products) == 1 and products[0] not in stacked:
            return f"weight_{products[0]}", 0, 1
        first = stacked.index(products[0]) if products[0] in stacked else 0
        return ("weight_hh", first, len(products)) if tuple(stacked[first : first + len(products)]) == products else None

    def _stacks(self, suffix: str) -> list[Tensor]:
        """The recurrent matrices as the engines take them, one for each stack of products."""
        found = []
        for products, place in self._places.items():
            if place is None:
                matrices = self.matrices(suffix)
                found.append(torch.cat([matrices[name] for name in products]))
                continue
            name, first, count = place
            weight, rows = weight_of(self, name + suffix), self._product_shapes[products[0]][0]
            found.append(weight if weight.shape[0] == rows * count else weight.narrow(0, first * rows, rows * count))
        if self.weight_dropout > 0 and self.training:
            found = [nn.functional.dropout(weight, self.weight_dropout) for weight in found]
        return found

    def _direction(self, layer: int, suffix: str, x: Tensor, batch_size: int, streams: Mapping[str, Tensor]) -> Direction:
        handle, stacks = self._running[self.training]
        masks = self.regularisation.draw(self._states, self._state_sizes, x, batch_size, self.training)
        reset: list[Tensor] = []
        if self.learned_state:
            reset = [weight_of(self, f"initial_{name}{suffix}").expand(batch_size, -1) for name in self._states]
        weights = layer_weights(
            weight_of(self, "weight_ih" + suffix),
            weight_of(self, "bias" + suffix) if self.bias else None,
            dict(zip(stacks, self._stacks(suffix), strict=True)),
            {name: weight_of(self, name + suffix) for name in self._cell_parameters},
            {**streams_of(self._streams, streams, suffix.endswith("_reverse")), **masks},
        )
        return Direction(handle, weights, self.reverse or suffix.endswith("_reverse"), reset)

    def _layers(self, x: Tensor, batch_size: int, streams: Mapping[str, Tensor]) -> list[list[Direction]]:
        return [[self._direction(layer, suffix, x, batch_size, streams) for suffix in self.suffixes(layer)] for layer in range(self.num_layers)]

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
        streams: Mapping[str, Tensor] | None = None,
    ) -> Output:
        """Runs the layer over whole sequences.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first), or packed, or one sequence [T, I].
            state: as an earlier call returned it: a named tuple (or a tuple in the cell's order) of [L * D, B, W].
            lengths: [B] int, in steps; a tensor, array or list. Steps beyond are never read; there the output is zero and the state stays.
            resets: [T, B] bool, or 0 and 1 ([B, T] if batch_first); a tensor, array or lists: the state returns to its initial value before that step.
            streams: the cell's streams by name, [T, B, W] ([B, T, W] if batch_first); every layer is given the same. With two directions, the one that runs
                backward is given NAME_reverse, where there is one.
        Returns:
            Output(output, state).
        Raises:
            ShapeError: a tensor does not fit, in shape, dtype or device.
            ArgumentError: a stream that the cell does not declare; lengths together with a packed sequence.
            EngineError: the engine asked for by name cannot run this.
        Note:
            With a packed sequence, state, resets and streams stand in the order of the batch before packing.
        """
        if not recording.is_input(x):
            return recording.node(self, x, state, lengths=lengths, resets=resets, streams=streams)  # type: ignore[no-any-return]
        plain = resets is None and self.checkpoint_every is None and not (streams or self.learned_state or self.layer_norm or self.residual or (self.dropout and self.training))
        key = again.layer_key(x, state, lengths is None, self.batch_first) if plain else None
        try:
            return again.call(self._checked, key, lambda: self._again(x, state, lengths), lambda: self._run(x, state, lengths, resets, streams or {}))
        except TenutoError as error:
            raise error.called(f"Recurrent({type(self.cell).__name__})") from None

    def _again(self, x: Any, state: Any, lengths: Any) -> Output | None:
        """A call whose checks were passed by one before, where its loops are like those of one before, too; else None."""
        found = run_stack_again(lambda read: self._layers(read, read.shape[1], {}), x, state, lengths, self.batch_first, self.engine)
        return None if found is None else Output(found[0], self._state_type(*found[1]))

    def _listed(self, state: Any) -> list[Tensor]:
        return listed(state, self._states)

    @property
    def state_class(self) -> Any:
        """The named tuple of this layer's states."""
        return self._state_type

    def open_directions(self, x: Tensor) -> list[Direction]:
        """Each layer and direction, ready for one step of rows like x [B, ...]."""
        streams = {name: value.clone() for name, value in self.no_streams(x).items()}
        return [self._direction(n, suffix, x[None], x.shape[0], streams) for n in range(self.num_layers) for suffix in self.suffixes(n)]

    def _open(self, x: Tensor, state: list[Tensor] | None) -> Stream:
        before, after = (self._before, self._after) if self.layer_norm or self.residual else (None, None)
        return Stream(self.open_directions(x), x, self._initial(state, x.shape[0]), self._state_type, before, after, self.engine, self.no_streams(x))

    def _run(self, x: Any, state: Any, lengths: Any, resets: Any, streams: Mapping[str, Tensor]) -> Output:
        backward = [f"{name}_reverse" for name in self._streams] if self.bidirectional else []
        check_streams(streams, dict.fromkeys([*self._streams, *backward]))
        if not isinstance(x, PackedSequence) and x.dim() not in (2, 3):
            raise ShapeError("x has the wrong number of axes.", expected="x [T, B, I]", received=f"x {describe(x)}")
        packed, single = None, False
        values = None if state is None else self._listed(state)
        if resets is not None:
            resets = check_resets(resets, steps_of(x, self.batch_first), (x.data if isinstance(x, PackedSequence) else x).device)
        steps = [*streams.values()] if resets is None else [*streams.values(), resets]
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ArgumentError("a packed sequence has its own lengths.", fix="pass x padded, with lengths=, or packed")
            packed = Packed.of(x)
            steps = [as_time_first(value, self.batch_first) for value in steps]
        elif x.dim() == 2:
            x, single, steps = x[:, None], True, [value[:, None] for value in steps]
            values = None if values is None else [value[:, None] for value in values]
        else:
            x, steps = as_time_first(x, self.batch_first), [as_time_first(value, self.batch_first) for value in steps]
        if lengths is not None:
            lengths = check_lengths(lengths, x.shape[1], x.shape[0], x.device)
            packed = Packed.of_padded(x, lengths, self.num_layers * self.directions == 1)
            if packed is None and (self.residual or self.layer_norm):  # these read x outside the engines, and only the engines skip padding
                live = torch.arange(x.shape[0], device=x.device)[:, None] < lengths
                x = torch.where(live[..., None], x, 0)
        batch_size = x.shape[1] if packed is None else packed.batch_size
        if packed is not None:
            names = [*(f"the stream {name!r}" for name in streams), "resets"]
            x, lengths, steps = packed.data, None, [packed.rows(name, value) for name, value in zip(names, steps)]
        resets, streams = None if resets is None else steps[-1], dict(zip(streams, steps))
        initial = self._initial(values, batch_size)
        if packed is not None:
            initial = self._zeros(packed) if initial is None else initial if values is None else [packed.sort(value) for value in initial]
        output, final = run_stack(
            self._layers(x, batch_size, streams), x, initial, lengths=lengths, resets=resets, batch_sizes=None if packed is None else packed.batch_sizes,
            before=self._before, after=self._after if packed is None else partial(self._after, packed=packed), engine=self.engine, every=self.checkpoint_every,
        )  # fmt: skip
        if packed is not None:
            output, final = packed.like_the_input(output, self.batch_first and not single), [packed.unsort(value) for value in final]
            if not single:
                return Output(output, self._state_type(*final))
        if single:
            return Output(released(output[:, 0]), self._state_type(*(value[:, 0] for value in final)))
        return Output(released(as_time_first(output, self.batch_first)), self._state_type(*final))

    def no_streams(self, like: Tensor, batch_size: int | None = None) -> dict[str, Tensor]:
        """Zeros for each of the cell's streams, [1, B, W]."""
        rows = len(like) if batch_size is None else batch_size
        return {name: like.new_zeros(1, rows, size_of(width, self.hidden_size)) for name, width in self.cell.widths("streams").items()}

    def _zeros(self, packed: Packed) -> list[Tensor]:
        """The state of packed sequences before the first step."""
        return packed.zeros(self.num_layers * self.directions, self._state_sizes)

    def _initial(self, values: list[Tensor] | None, batch_size: int) -> list[Tensor] | None:
        if values is None:
            if not self.learned_state:
                return None
            suffixes = [suffix for layer in range(self.num_layers) for suffix in self.suffixes(layer)]
            return [
                torch.stack([weight_of(self, f"initial_{name}{suffix}") for suffix in suffixes])[:, None].expand(-1, batch_size, -1)
                for name in self._states
            ]
        layers = self.num_layers * self.directions
        for number, (name, size) in enumerate(zip(self._states, self._state_sizes, strict=True)):
            expected = (layers, batch_size, size)
            if tuple(values[number].shape) != expected:
                received = ", ".join(describe(value) for value in values)
                raise ShapeError(f"the state {name} does not fit.", expected=f"{name} {list(expected)}", received=received)
        return values

    def _before(self, layer: int, x: Tensor) -> Tensor:
        return getattr(self, f"norm_l{layer}")(x) if self.layer_norm and layer > 0 else x  # type: ignore[no-any-return]

    def _after(self, layer: int, x: Tensor, output: Tensor, packed: Packed | None = None) -> Tensor:
        if self.residual and x.shape[-1] == output.shape[-1]:
            output = output + x
        last = layer == self.num_layers - 1
        return output if last or not self.training else dropped(output, self.dropout, self.dropout_kind, packed)

    def engine_report(self, x: Tensor | PackedSequence, *, lengths: Any = None, resets: Tensor | None = None) -> EngineReport:
        """Which engine runs the first layer on an input like x (see `forward`), and why each faster one does not."""
        packed = Packed.of(x) if isinstance(x, PackedSequence) else None
        start = [] if packed is None else [value[0] for value in self._zeros(packed)]
        posed = pose(x, packed, self.batch_first, lengths is not None, resets is not None)
        x, batch_size = posed[0], posed[0].shape[1] if packed is None else packed.batch_size
        direction = self._direction(0, self.suffixes(0)[0], x, batch_size, self.no_streams(x, batch_size))
        form, inputs, result = bind(traced_of(direction.handle), direction.tensors(*posed), start, [], direction.reverse)
        return engines.report(Problem.of(form, inputs, engines.needs_gradients(inputs), result), self.engine)

    def extra_repr(self) -> str:
        words = [repr(self.cell), str(self.input_size), str(self.hidden_size)]
        words += [f"num_layers={self.num_layers}"] * (self.num_layers > 1) + ["bias=False"] * (not self.bias)
        shown = ("batch_first", "bidirectional", "reverse", "dropout", "residual", "layer_norm", "weight_dropout", "learned_state", "checkpoint_every")
        words += [f"{name}={getattr(self, name)}" for name in shown if getattr(self, name)]
        words += [f"dropout_kind={self.dropout_kind!r}"] * (self.dropout > 0 and self.dropout_kind != "step")
        words += [str(self.regularisation)] * bool(str(self.regularisation))
        words += [f"init={self.init!r}"] * (self.init != Init()) + [f"engine={self.engine!r}"] * (self.engine != "auto")
        return ", ".join(words)
