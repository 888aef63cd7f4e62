"""`Blocks`: a deep stack of recurrent layers, each with a way past it, so that twenty layers and more learn. Called as `Recurrent` is.

Letters: T time, B batch, I input, H hidden size, L blocks, D directions, W a state's width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.engines import EngineReport
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers.arrays import check_lengths
from tenuto.layers.connections import CONNECTIONS, Connection
from tenuto.layers.initialise import Init
from tenuto.layers.masks import check_rate, check_size
from tenuto.layers.normalisation import LayerNorm
from tenuto.layers.recurrent import Output, Recurrent
from tenuto.layers.segments import check_every
from tenuto.layers.stack import as_time_first
from tenuto.layers.states import listed
from tenuto.layers.stream import Stream, Streaming
from tenuto.scalars import whole


class Blocks(Streaming, nn.Module):
    """A stack of recurrent layers of any cell with a connection round each; an encoder like `Recurrent`: T steps at once, in chunks, or as a stream are the same.

    Args:
        cell: the maths of one step. input_size: I. hidden_size: H, of every layer, and the width of what goes from block to block.
        num_layers: L.
        connection: "pre-norm" (norm, recurrent layer, sum; norm, feed-forward layer, sum), "residual" (a sum), "highway" (a gate between old and new) or
            "dense" (each layer reads all before it); see `tenuto.layers.connections`.
        expansion: pre-norm: how many times as wide the feed-forward layer is; 0 for none.
        bidirectional: a second direction in each layer.
        dropout: rate at which what a layer puts out is dropped before it is joined.
        batch_first, learned_state, checkpoint_every, init, engine, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: of the output; with "dense" it is wider than H.
    Raises:
        ArgumentError, CellError, TraceError: at construction, where an option or the cell is wrong.
    Example:
        >>> from tenuto.cells import GRU
        >>> found = Blocks(GRU(), 3, 8, 24)(torch.zeros(5, 2, 3))
        >>> found.output.shape, found.state.h.shape
        (torch.Size([5, 2, 8]), torch.Size([24, 2, 8]))
    """

    directions = 1  # the output is one; those inside the layers are joined

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        connection: str = "pre-norm",
        expansion: int = 4,
        bidirectional: bool = False,
        dropout: float = 0.0,
        batch_first: bool = False,
        learned_state: bool = False,
        checkpoint_every: int | None = None,
        init: Init | None = None,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require("connection", connection, tuple(CONNECTIONS))
        wide = whole(expansion)
        if wide is None or wide < 0:
            raise ArgumentError(f"Blocks: expansion is {expansion!r}.", expected="a whole number, 0 for no feed-forward layer")
        self.input_size, self.hidden_size, self.num_layers = check_size("input_size", input_size), check_size("hidden_size", hidden_size), check_size("num_layers", num_layers)
        self.cell, self.connection, self.expansion, self.dropout = cell, connection, wide, check_rate("dropout", dropout)
        self.bidirectional, self.batch_first, self.engine = bidirectional, batch_first, engine
        options = {"device": device, "dtype": dtype}
        kind, more = CONNECTIONS[connection], {"expansion": wide} if connection == "pre-norm" else {}
        self.enter = nn.Linear(self.input_size, self.hidden_size, **options)
        self.layers, self.connections = nn.ModuleList(), nn.ModuleList()
        width = self.hidden_size
        for _ in range(self.num_layers):
            layer = Recurrent(
                cell, width, self.hidden_size, bidirectional=bidirectional, learned_state=learned_state, checkpoint_every=check_every(checkpoint_every), init=init, engine=engine, **options
            )  # fmt: skip
            around = kind(width, layer.output_width * layer.directions, self.num_layers, **more, **options)
            self.layers.append(layer)
            self.connections.append(around)
            width = around.width
        self.leave = LayerNorm(width, **options) if connection == "pre-norm" else nn.Identity()
        self.output_width = width

    @property
    def weight_ih_l0(self) -> Tensor:  # type: ignore[override]  # a stream asks it for dtype and device
        """The first layer's input weights."""
        return self.layers[0].weight_ih_l0  # type: ignore[union-attr, return-value]

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: Any = None,
        *,
        lengths: Any = None,
        resets: Any = None,
        streams: Mapping[str, Tensor] | None = None,
    ) -> Output:
        """Runs the blocks over whole sequences.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first), or packed.
            state: as an earlier call returned it: a named tuple of [L * D, B, W].
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
            resets, streams: as `Recurrent` takes them.
        Returns:
            Output(output [T, B, output_width], state).
        Raises:
            ShapeError: a tensor does not fit. ArgumentError, EngineError: as `Recurrent`.
        """
        try:
            return self._run(x, state, lengths, resets, streams or {})
        except TenutoError as error:
            raise error.within(f"Blocks({type(self.cell).__name__})") from None

    def _run(self, x: Any, state: Any, lengths: Any, resets: Any, streams: Mapping[str, Tensor]) -> Output:
        packed = x if isinstance(x, PackedSequence) else None
        data = x.data if packed is not None else x
        if data.dim() != (2 if packed is not None else 3) or data.shape[-1] != self.input_size:
            axes = ["B", "T"] if self.batch_first else ["T", "B"]
            raise ShapeError("x does not fit.", expected=f"x [{', '.join(axes)}, {self.input_size}]", received=f"x {describe(data)}")
        live = None
        if packed is None:
            data, streams = as_time_first(data, self.batch_first), {name: as_time_first(value, self.batch_first) for name, value in streams.items()}
            resets = torch.as_tensor(resets).transpose(0, 1) if resets is not None and self.batch_first else resets
            if lengths is not None:
                lengths = check_lengths(lengths, data.shape[1], data.shape[0], data.device)
                live = (torch.arange(len(data), device=data.device)[:, None] < lengths)[..., None]
                data = torch.where(live, data, 0)  # padding may hold anything
        values = self._parted(state)
        data, finals = self.enter(data), []
        for number, (layer, start) in enumerate(zip(self.layers, values)):
            around = self._around(number)
            read = around.read(data)
            given = read if packed is None else PackedSequence(read, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
            output, final = layer(given, start, lengths=lengths, resets=resets, streams=streams)
            finals.append(final)
            data = around.join(data, self._dropped(output.data if packed is not None else output))
        data = self.leave(data)
        found = type(finals[0])(*(torch.cat(parts) for parts in zip(*finals)))
        if packed is not None:
            return Output(PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices), found)
        return Output(as_time_first(data if live is None else torch.where(live, data, 0), self.batch_first), found)

    def _dropped(self, output: Tensor) -> Tensor:
        return nn.functional.dropout(output, self.dropout, self.training)

    def _parted(self, state: Any) -> list[Any]:
        """The state of each layer, from the state of all."""
        if state is None:
            return [None] * self.num_layers
        values = self._listed(state)
        each = 2 if self.bidirectional else 1
        for value in values:
            if value.dim() != 3 or len(value) != each * self.num_layers:
                raise ShapeError("the state does not fit.", expected=f"[{each * self.num_layers}, B, W] for each of {', '.join(self.cell.widths('state'))}", received=", ".join(map(describe, values)))
        return list(zip(*(value.split(each) for value in values)))

    def _listed(self, state: Any) -> list[Tensor]:
        return listed(state, tuple(self.cell.widths("state")))

    def _open(self, x: Tensor, state: list[Tensor] | None) -> Stream:
        layers: list[Recurrent] = list(self.layers)  # type: ignore[arg-type]
        return Stream([one for layer in layers for one in layer.open_directions(x)], x, state, layers[0].state_class, self._before, self._after, self.engine, layers[0].no_streams(x))

    def _around(self, number: int) -> Connection:
        return self.connections[number]  # type: ignore[return-value]

    def _before(self, number: int, x: Tensor) -> Tensor:
        return self._around(number).read(self.enter(x) if number == 0 else x)

    def _after(self, number: int, x: Tensor, output: Tensor) -> Tensor:
        x = self._around(number).join(self.enter(x) if number == 0 else x, output)
        return self.leave(x) if number == self.num_layers - 1 else x  # type: ignore[no-any-return]

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> EngineReport:
        """As `Recurrent.engine_report`, of the first layer, on an input like x."""
        first: Any = self.layers[0]
        shape = x.shape[:-1] if not self.batch_first else (x.shape[1], x.shape[0])
        report: EngineReport = first.engine_report(x.new_zeros(*shape, self.hidden_size), lengths=lengths)
        return report

    def extra_repr(self) -> str:
        words = f"{self.cell!r}, {self.input_size}, {self.hidden_size}, {self.num_layers}, connection={self.connection!r}"
        return words + f", dropout={self.dropout}" * (self.dropout > 0) + ", bidirectional=True" * self.bidirectional + ", batch_first=True" * self.batch_first
