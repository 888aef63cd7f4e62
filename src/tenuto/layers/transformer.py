"""`Transformer`: a stack of attention blocks with the interface of `Recurrent`: x, state, lengths to output, state.

Letters: T time, B batch, I input, W width, L layers, S steps that are kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.attention import SelfAttention, steps_seen
from tenuto.layers.carried import Carrying, TorchReport, as_state
from tenuto.layers.connections import PreNorm
from tenuto.layers.masks import check_rate, check_size
from tenuto.layers.normalisation import LayerNorm
from tenuto.layers.recurrent import Output
from tenuto.layers.stack import as_time_first
from tenuto.scalars import whole


class TransformerState(NamedTuple):
    """What a causal Transformer has kept of the steps that it read.

    Attributes:
        keys, values: [L, B, S, W], before positions are put in; the newest last. steps: [B] int64, how many steps each row has read since its beginning.
    """

    keys: Tensor
    values: Tensor
    steps: Tensor

    @property
    def rows_first(self) -> tuple[str, ...]:
        """The tensors whose first axis is B (`rows.py`)."""
        return ("steps",)

    def detach(self) -> TransformerState:
        """The same values without their history."""
        return TransformerState(*(part.detach() for part in self))


class Transformer(Carrying, nn.Module):
    """A causal Transformer as an encoder: T steps at once, in chunks, and as a stream are the same, across the edge of a window too.

    Args:
        input_size: I. hidden_size: W. num_layers: L.
        heads: of each layer; W is a multiple of twice as many.
        window: how many steps a step sees, itself included; None for all. With one, the state stays as large as it.
        bidirectional: each step sees later ones too; then there is no state, and no stream.
        expansion: how many times as wide the feed-forward layers are. dropout: rate on attention's weights and on what each layer puts out.
        batch_first, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: W.
    Raises:
        ArgumentError: an option is out of range, or heads do not divide W.
    Source: Vaswani et al. 2017, with norms before the layers (Xiong et al. 2020) and rotary positions (Su et al. 2021).
    Example:
        >>> found = Transformer(3, 8, 2, heads=2)(torch.zeros(5, 2, 3))
        >>> found.output.shape, found.state.keys.shape
        (torch.Size([5, 2, 8]), torch.Size([2, 2, 5, 8]))
    """

    directions = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        heads: int = 4,
        window: int | None = None,
        bidirectional: bool = False,
        expansion: int = 4,
        dropout: float = 0.0,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        wide, seen = whole(expansion), whole(window)
        if wide is None or wide < 0:
            raise ArgumentError(f"Transformer: expansion is {expansion!r}.", expected="a whole number, 0 for no feed-forward layer")
        if window is not None and (seen is None or seen < 1 or bidirectional):
            raise ArgumentError(f"Transformer: window is {window!r}.", expected="a number of steps from 1, or None" if not bidirectional else "None, where each step sees later ones too")
        self.input_size, self.hidden_size, self.num_layers = check_size("input_size", input_size), check_size("hidden_size", hidden_size), check_size("num_layers", num_layers)
        self.heads, self.window, self.bidirectional, self.batch_first = check_size("heads", heads), seen, bidirectional, batch_first
        self.dropout, self.output_width, self.expansion = check_rate("dropout", dropout), self.hidden_size, wide
        options = {"device": device, "dtype": dtype}
        width = self.hidden_size
        self.enter = nn.Linear(self.input_size, width, **options)
        try:
            self.layers = nn.ModuleList(SelfAttention(width, self.heads, window=seen, ahead=bidirectional, dropout=self.dropout, **options) for _ in range(self.num_layers))
        except TenutoError as error:
            raise error.within("Transformer") from None
        self.connections = nn.ModuleList(PreNorm(width, width, self.num_layers, wide, **options) for _ in range(self.num_layers))
        self.leave = LayerNorm(width, **options)

    def begin(self, batch_size: int) -> TransformerState:
        """The state before the first step."""
        like = self.enter.weight
        nothing = like.new_zeros(self.num_layers, batch_size, 0, self.hidden_size)
        return TransformerState(nothing, nothing, torch.zeros(batch_size, dtype=torch.int64, device=like.device))

    def forward(self, x: Tensor, state: TransformerState | None = None, *, lengths: Any = None, resets: Any = None) -> Output:
        """Runs over whole sequences, or the next part of them.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first).
            state: as an earlier call returned it; None for the beginning.
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
            resets: [T, B] bool ([B, T] if batch_first): that step sees none before it, nor do later ones across it.
        Returns:
            Output(output [T, B, W], state); the state is None where each step sees later ones.
        Raises:
            ShapeError: a tensor does not fit. ArgumentError: a state or resets where each step sees later ones; no state of a Transformer.
        """
        try:
            return self._run(x, state, lengths, resets)
        except TenutoError as error:
            raise error.within("Transformer") from None

    def _run(self, x: Tensor, state: Any, lengths: Any, resets: Any) -> Output:
        if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[-1] != self.input_size:
            axes = "B, T" if self.batch_first else "T, B"
            raise ShapeError("x does not fit.", expected=f"x [{axes}, {self.input_size}], padded, with lengths=", received=f"x {describe(x)}" if isinstance(x, Tensor) else type(x).__name__)
        resets = None if resets is None else check_resets(resets, tuple(x.shape[:2]), x.device)
        x, resets = as_time_first(x, self.batch_first), None if resets is None else as_time_first(resets, self.batch_first)
        steps, rows = x.shape[:2]
        before = self._checked(state, resets, rows)
        live = None
        if lengths is not None:
            lengths = check_lengths(lengths, rows, steps, x.device)
            live = torch.arange(steps, device=x.device)[:, None] < lengths
            x = torch.where(live[..., None], x, 0)  # padding may hold anything
        seen = steps_seen(steps, before.steps, resets if live is None or resets is None else resets & live)
        y, kept = self.enter(x), []
        layers: list[Any] = list(zip(self.layers, self.connections))
        for (layer, around), keys, values in zip(layers, before.keys, before.values):
            output, *own = layer(around.read(y), keys, values, seen, lengths)
            kept.append(own)
            y = around.join(y, nn.functional.dropout(output, self.dropout, self.training))
        y = self.leave(y)
        output = as_time_first(y if live is None else torch.where(live[..., None], y, 0), self.batch_first)
        if self.bidirectional:
            return Output(output, None)
        padded = torch.cat([before.steps[None], seen + 1])  # after no step, after one, ...
        after = padded[-1] if lengths is None else padded.gather(0, lengths[None])[0]
        keys, values = (torch.stack(parts) for parts in zip(*kept))
        return Output(output, TransformerState(keys, values, after))

    def _checked(self, state: Any, resets: Tensor | None, rows: int) -> TransformerState:
        if self.bidirectional and (state is not None or resets is not None):
            raise ArgumentError("each step sees later ones, so there is no state to go on from.", expected="state=None, resets=None", fix="bidirectional=False")
        if state is None:
            return self.begin(rows)
        state = as_state(state, TransformerState)
        keys, values, count = state
        if keys.dim() != 4 or keys.shape != values.shape or (len(keys), *keys.shape[1::2]) != (self.num_layers, rows, self.hidden_size) or count.shape != (rows,):
            raise ShapeError("the state does not fit.", expected=f"keys and values [{self.num_layers}, {rows}, S, {self.hidden_size}], steps [{rows}]", received=", ".join(map(describe, state)))
        return state

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> TorchReport:
        """Which engine runs an input like x: torch's own attention."""
        return TorchReport("attention, without a time loop", "scaled_dot_product_attention, all steps at once")

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}, {self.num_layers}, heads={self.heads}"
        return words + f", window={self.window}" * (self.window is not None) + ", bidirectional=True" * self.bidirectional + ", batch_first=True" * self.batch_first
