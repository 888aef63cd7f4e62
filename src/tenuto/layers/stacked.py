"""`Stacked`: encoders of any kind, one above the other, each with its norms and a way past it. `Hybrid` is one: recurrent layers and local attention.

Letters: T time, B batch, I input, W width, L encoders, S steps that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from tenuto.cell import Cell
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.attention import SelfAttention, steps_seen
from tenuto.layers.carried import Carrying, TorchReport, as_state
from tenuto.layers.connections import PreNorm
from tenuto.layers.initialise import Init
from tenuto.layers.masks import check_rate, check_size
from tenuto.layers.normalisation import LayerNorm
from tenuto.layers.recurrent import Output, Recurrent
from tenuto.layers.segments import check_every
from tenuto.layers.stack import as_time_first
from tenuto.layers.transformer import TransformerState
from tenuto.scalars import whole


class StackedState(NamedTuple):
    """layers: the state of each encoder, the lowest first, as it gives it."""

    layers: tuple[Any, ...]

    def detach(self) -> StackedState:
        """The same values without their history."""
        return tree_map(lambda part: part.detach() if isinstance(part, Tensor) else part, self)  # type: ignore[no-any-return]


class Attending(nn.Module):
    """One layer of attention as an encoder: x [T, B, W] to [T, B, W]. Its state is that of a Transformer of one layer.

    Args:
        width: W. heads, window, ahead, dropout: as in `SelfAttention`.
    """

    directions = 1

    def __init__(self, width: int, heads: int, *, window: int | None, ahead: bool, dropout: float, **options: Any) -> None:
        super().__init__()
        self.input_size = self.output_width = width
        self.bidirectional = ahead
        self.attention = SelfAttention(width, heads, window=window, ahead=ahead, dropout=dropout, **options)

    def forward(self, x: Tensor, state: Any = None, *, lengths: Tensor | None = None, resets: Tensor | None = None) -> Output:
        """As `Transformer.forward`; padding in x is finite already."""
        steps, rows, width = x.shape
        if state is None:
            nothing = x.new_zeros(1, rows, 0, width)
            state = TransformerState(nothing, nothing, torch.zeros(rows, dtype=torch.int64, device=x.device))
        keys, values, count = as_state(state, TransformerState)
        if keys.shape != values.shape or (len(keys), *keys.shape[1::2]) != (1, rows, width) or count.shape != (rows,):
            raise ShapeError("the state does not fit.", expected=f"keys and values [1, {rows}, S, {width}], steps [{rows}]", received=", ".join(map(describe, (keys, values, count))))
        seen = steps_seen(steps, count, resets)
        output, keys, values = self.attention(x, keys[0], values[0], seen, lengths)
        if self.bidirectional:
            return Output(output, None)
        padded = torch.cat([count[None], seen + 1])
        return Output(output, TransformerState(keys[None], values[None], padded[-1] if lengths is None else padded.gather(0, lengths[None])[0]))


class Stacked(Carrying, nn.Module):
    """A deep stack of encoders, each between a norm and a sum, with a feed-forward layer behind it: T steps at once, in chunks, and as a stream are the same.

    Args:
        input_size: I. hidden_size: W, of what goes from block to block.
        encoders: the L of them, from x [T, B, W] to an output of any width: `Recurrent`, `FastWeights`, `NTM`, ...; time first.
        expansion: how many times as wide the feed-forward layers are; 0 for none.
        dropout: rate at which what an encoder puts out is dropped before it is joined.
        batch_first, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: W.
    Raises:
        ArgumentError: an option is out of range, no encoder, or one that reads another width.
    Example:
        >>> from tenuto.layers import FastWeights
        >>> Stacked(3, 8, [FastWeights(8, 8), FastWeights(8, 8)])(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 8])
    """

    directions = 1

    def __init__(
        self, input_size: int, hidden_size: int, encoders: Sequence[nn.Module], *, expansion: int = 4, dropout: float = 0.0, batch_first: bool = False, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        name, wide = type(self).__name__, whole(expansion)
        if wide is None or wide < 0:
            raise ArgumentError(f"{name}: expansion is {expansion!r}.", expected="a whole number, 0 for no feed-forward layer")
        self.input_size, self.hidden_size, self.num_layers = check_size("input_size", input_size), check_size("hidden_size", hidden_size), len(encoders)
        self.expansion, self.dropout, self.batch_first, self.output_width = wide, check_rate("dropout", dropout), batch_first, self.hidden_size
        parts: list[Any] = list(encoders)
        wrong = next((one for one in parts if getattr(one, "input_size", None) != self.hidden_size or getattr(one, "batch_first", False)), None)
        if wrong is not None or not parts:
            received = "none" if wrong is None else f"{type(wrong).__name__} of input_size {getattr(wrong, 'input_size', None)}" + ", batch first" * bool(getattr(wrong, "batch_first", False))
            raise ArgumentError(f"{name}: an encoder does not fit.", expected=f"one or more encoders of input_size {self.hidden_size}, time first", received=received)
        self.bidirectional = any(bool(getattr(one, "bidirectional", False)) for one in parts)
        options = {"device": device, "dtype": dtype}
        self.enter = nn.Linear(self.input_size, self.hidden_size, **options)
        self.layers = nn.ModuleList(parts)
        self.connections = nn.ModuleList(PreNorm(self.hidden_size, one.output_width * one.directions, len(parts), wide, **options) for one in parts)
        self.leave = LayerNorm(self.hidden_size, **options)

    def begin(self, batch_size: int) -> None:
        """The state before the first step: None, as each encoder begins by itself."""

    def forward(self, x: Tensor, state: StackedState | None = None, *, lengths: Any = None, resets: Any = None) -> Output:
        """Runs over whole sequences, or the next part of them.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first).
            state: as an earlier call returned it; None for the beginning.
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
            resets: [T, B] bool ([B, T] if batch_first): every encoder returns to its beginning before that step.
        Returns:
            Output(output [T, B, W], state); the state is None where each step sees later ones.
        Raises:
            ShapeError: a tensor does not fit. ArgumentError: the state is that of another encoder, or there is none where each step sees later ones.
        """
        try:
            return self._run(x, state, lengths, resets)
        except TenutoError as error:
            raise error.within(type(self).__name__) from None

    def _run(self, x: Tensor, state: Any, lengths: Any, resets: Any) -> Output:
        if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[-1] != self.input_size:
            axes = "B, T" if self.batch_first else "T, B"
            raise ShapeError("x does not fit.", expected=f"x [{axes}, {self.input_size}], padded, with lengths=", received=f"x {describe(x)}" if isinstance(x, Tensor) else type(x).__name__)
        if self.bidirectional and (state is not None or resets is not None):
            raise ArgumentError("each step sees later ones, so there is no state to go on from.", expected="state=None, resets=None", fix="bidirectional=False")
        resets = None if resets is None else as_time_first(check_resets(resets, tuple(x.shape[:2]), x.device), self.batch_first)
        x = as_time_first(x, self.batch_first)
        states = (None,) * self.num_layers if state is None else as_state(state, StackedState).layers
        if len(states) != self.num_layers:
            raise ShapeError("the state does not fit.", expected=f"the states of {self.num_layers} encoders", received=f"{len(states)}")
        live = None
        if lengths is not None:
            lengths = check_lengths(lengths, x.shape[1], x.shape[0], x.device)
            live = (torch.arange(len(x), device=x.device)[:, None] < lengths)[..., None]
            x = torch.where(live, x, 0)  # padding may hold anything
            resets = None if resets is None else resets & live[..., 0]
        y, after = self.enter(x), []
        layers: list[Any] = list(zip(self.layers, self.connections, states))
        for layer, around, before in layers:
            found = layer(around.read(y), before, lengths=lengths, **({} if resets is None else {"resets": resets}))
            after.append(found.state)
            y = around.join(y, nn.functional.dropout(found.output, self.dropout, self.training))
        y = self.leave(y)
        output = as_time_first(y if live is None else torch.where(live, y, 0), self.batch_first)
        return Output(output, None if self.bidirectional else StackedState(tuple(after)))

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> Any:
        """As `Recurrent.engine_report`, of the first recurrent layer, on an input like x; torch's, where there is none."""
        rows = x.shape[:2] if not self.batch_first else (x.shape[1], x.shape[0])
        layers: list[Any] = list(self.layers)
        for layer in layers:
            if hasattr(layer, "engine_report"):
                return layer.engine_report(x.new_zeros(*rows, self.hidden_size), lengths=lengths)
        return TorchReport("attention, without a time loop", "scaled_dot_product_attention, all steps at once")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + f", dropout={self.dropout}" * (self.dropout > 0) + ", batch_first=True" * self.batch_first


class Hybrid(Stacked):
    """Recurrent layers with local attention between them, as an encoder: two recurrent layers, then one of attention, and so on; the last is one of attention.

    The recurrent layers carry what is old, and attention looks up what is near. With `window=None` each layer of attention looks over all recurrent states so far.

    Args:
        cell: of the recurrent layers, any without streams. input_size: I. hidden_size: W.
        num_layers: recurrent layers; behind each two of them, and behind the last, comes one of attention.
        heads: of attention; W is a multiple of twice as many.
        window: how many steps a step attends to, itself included; None for all.
        bidirectional: recurrent layers read from both ends, and attention sees all steps, whatever the window; then there is no state, and no stream.
        expansion: how many times as wide the feed-forward layers are. dropout: rate on what each layer puts out.
        checkpoint_every, init, engine: of the recurrent layers. batch_first, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: W.
    Raises:
        ArgumentError, CellError, TraceError: at construction, where an option or the cell is wrong.
    Source:     De et al. 2024, "Griffin: mixing gated linear recurrences with local attention for efficient language models", section 2. Differs: any cell, attention with several heads of
        keys and values, and a feed-forward layer without a gate.
    Example:
        >>> from tenuto.cells import GRU
        >>> found = Hybrid(GRU(), 3, 8, 2)(torch.zeros(5, 2, 3))
        >>> found.output.shape, len(found.state.layers)
        (torch.Size([5, 2, 8]), 3)
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 2,
        *,
        heads: int = 4,
        window: int | None = 128,
        bidirectional: bool = False,
        expansion: int = 4,
        dropout: float = 0.0,
        batch_first: bool = False,
        checkpoint_every: int | None = None,
        init: Init | None = None,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(cell, Cell) and cell.widths("streams"):
            raise ArgumentError(f"Hybrid: the cell takes the stream {next(iter(cell.widths('streams')))!r}, which it is not given here.", fix="a cell without streams")
        seen, width, recurrent = whole(window), check_size("hidden_size", hidden_size), check_size("num_layers", num_layers)
        if window is not None and (seen is None or seen < 1):
            raise ArgumentError(f"Hybrid: window is {window!r}.", expected="a number of steps from 1, or None")
        options, layers = {"device": device, "dtype": dtype}, list[nn.Module]()
        try:
            for number in range(1, recurrent + 1):
                layers.append(Recurrent(cell, width, width, bidirectional=bidirectional, checkpoint_every=check_every(checkpoint_every), init=init, engine=engine, **options))
                if number % 2 == 0 or number == recurrent:
                    layers.append(Attending(width, check_size("heads", heads), window=None if bidirectional else seen, ahead=bidirectional, dropout=check_rate("dropout", dropout), **options))
        except TenutoError as error:
            raise error.within("Hybrid") from None
        super().__init__(input_size, width, layers, expansion=expansion, dropout=dropout, batch_first=batch_first, **options)
        self.cell, self.window = cell, seen
