"""Encoders on other scales of time: `Dilated` (a state goes on D steps later), `Slowed` and `TimeReduced` (an encoder that runs every K steps), `Clockwork` (several paces, one above the other).

Each is around another encoder, is called as it is, and keeps in its state how many steps each row has read, so that T steps at once, in chunks and as a stream are the same.
Letters: T time, B batch, I input, W width, D dilation, K steps from tick to tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers.arrays import check_lengths
from tenuto.layers.carried import Carrying, as_state
from tenuto.layers.masks import check_size
from tenuto.layers.recurrent import Output, Recurrent


class DilatedState(NamedTuple):
    """inner: the encoder's state, of D * B rows. steps: [B] int64, how many steps each row has read."""

    inner: Any
    steps: Tensor


class SlowedState(NamedTuple):
    """inner: the encoder's state. held: [B, W], what it put out last. before: [B, K - 1, I], the steps before the next ones; [B, 0, I] where none is joined. steps: [B] int64, read so far."""

    inner: Any
    held: Tensor
    before: Tensor
    steps: Tensor


class _Paced(Carrying, nn.Module):
    """What these share: an encoder inside, time first, that looks only backwards; and what is checked."""

    directions, bidirectional, batch_first = 1, False, False
    input_size: int

    def _around(self, encoder: Any, every: int, name: str) -> None:
        if getattr(encoder, "bidirectional", False) or getattr(encoder, "batch_first", False) or getattr(encoder, "directions", 1) != 1:
            raise ArgumentError(f"{type(self).__name__}: the encoder does not fit.", expected="an encoder that reads forward only, time first", received=repr(encoder).partition("\n")[0])
        self.encoder, self.every = encoder, check_size(name, every)
        self.output_width = encoder.output_width
        self.hidden_size = encoder.hidden_size

    def begin(self, batch_size: int) -> None:
        """The state before the first step: None."""

    def forward(self, x: Tensor, state: Any = None, *, lengths: Any = None) -> Output:
        """Runs over whole sequences, or the next part of them.

        Args:
            x: [T, B, I] float. state: as an earlier call returned it; None for the beginning.
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
        Returns:
            Output(output [T, B, W], state).
        Raises:
            ShapeError: a tensor does not fit. ArgumentError: the state is that of another encoder.
        """
        try:
            if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[-1] != self.input_size:
                raise ShapeError("x does not fit.", expected=f"x [T, B, {self.input_size}], padded, with lengths=", received=f"x {describe(x)}" if isinstance(x, Tensor) else type(x).__name__)
            steps, rows = x.shape[:2]
            ends = torch.full((rows,), steps, device=x.device) if lengths is None else check_lengths(lengths, rows, steps, x.device)
            here = torch.arange(steps, device=x.device)[:, None]
            live = (here < ends)[..., None]
            output, after = self._run(torch.where(live, x, 0), state, ends, here)
            return Output(torch.where(live, output, 0), after)
        except TenutoError as error:
            raise error.within(type(self).__name__) from None

    def _run(self, x: Tensor, state: Any, ends: Tensor, here: Tensor) -> tuple[Tensor, Any]:
        raise NotImplementedError

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> Any:
        """That of the encoder inside."""
        return self.encoder.engine_report(x.new_zeros(*x.shape[:2], self.encoder.input_size), lengths=lengths)


class Dilated(_Paced):
    """An encoder whose state goes on D steps later: step t goes on from step t - D, so that a memory of n steps reaches back n D steps, and a gradient has D times fewer steps to survive.

    Args:
        encoder: any that reads forward only. dilation: D; 1 is the encoder alone.
    Raises:
        ArgumentError: D is below 1, or the encoder does not fit.
    Source:     Chang et al. 2017, "Dilated recurrent neural networks", eq. 1: recurrent skip connections. Their stack is `Stacked(I, W, [Dilated(Recurrent(cell, W, W), 2**i) for i in range(L)])`.
    Example:
        >>> from tenuto.cells import GRU
        >>> Dilated(Recurrent(GRU(), 3, 4), 2)(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 4])
    """

    def __init__(self, encoder: Any, dilation: int) -> None:
        super().__init__()
        self._around(encoder, dilation, "dilation")
        self.input_size = encoder.input_size

    def _run(self, x: Tensor, state: Any, ends: Tensor, here: Tensor) -> tuple[Tensor, Any]:
        (steps, rows), every = x.shape[:2], self.every
        inner, count = (None, torch.zeros_like(ends)) if state is None else as_state(state, DilatedState)
        phase = torch.arange(every, device=x.device)[:, None]  # [D, 1]
        first = (phase - count) % every  # [D, B]: the first step of each phase, of each row
        most = -(-steps // every)
        places = first + every * torch.arange(most, device=x.device)[:, None, None]  # [T / D, D, B]
        read = x.gather(0, places.clamp(max=max(steps - 1, 0)).flatten(0, 1)[..., None].expand(-1, -1, x.shape[2])) if steps else x
        read = read.view(most, every * rows, x.shape[2])
        found = self.encoder(read, inner, lengths=((ends - first + every - 1).clamp(min=0) // every).flatten())
        wide = found.output.reshape(most * every, rows, self.output_width)
        at = (here // every) * every + (count + here) % every  # [T, B]
        return wide.gather(0, at[..., None].expand(-1, -1, self.output_width)), DilatedState(found.state, count + ends)


class Slowed(_Paced):
    """An encoder that runs every K steps, on that step alone, and whose output stands until it runs again. The first step is one of them.

    Args:
        encoder: any that reads forward only. every: K.
    Raises:
        ArgumentError: K is below 1, or the encoder does not fit.
    Source:     the modules of Koutník et al. 2014, "A clockwork RNN", section 3; see `Clockwork`.
    Example:
        >>> from tenuto.cells import GRU
        >>> Slowed(Recurrent(GRU(), 3, 4), 3)(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 4])
    """

    joined = False

    def __init__(self, encoder: Any, every: int) -> None:
        super().__init__()
        self._around(encoder, every, "every")
        if self.joined and encoder.input_size % self.every:
            raise ArgumentError(f"{type(self).__name__}: {self.every} steps do not make {encoder.input_size} inputs.", expected=f"an encoder whose input_size is a multiple of {self.every}")
        self.input_size = encoder.input_size // self.every if self.joined else encoder.input_size

    def _run(self, x: Tensor, state: Any, ends: Tensor, here: Tensor) -> tuple[Tensor, Any]:
        (steps, rows), every, kept = x.shape[:2], self.every, (self.every - 1) * self.joined
        if state is None:
            state = SlowedState(None, x.new_zeros(rows, self.output_width), x.new_zeros(rows, kept, self.input_size), torch.zeros_like(ends))
        inner, held, before, count = as_state(state, SlowedState)
        tick = every - 1 if self.joined else 0  # at which of K steps it runs
        first = (tick - count) % every  # [B]: of this call
        most = -(-steps // every)
        longer = torch.cat([before.transpose(0, 1), x])  # from `kept` steps before the first
        places = first + every * torch.arange(most, device=x.device)[:, None]  # [T / K, B]
        back = torch.arange(kept + 1, device=x.device)[:, None]  # the steps that are read at a tick
        read = longer.gather(0, (places[:, None] + back).clamp(max=max(len(longer) - 1, 0)).flatten(0, 1)[..., None].expand(-1, -1, self.input_size)) if steps else x
        read = read.view(most, kept + 1, rows, self.input_size).transpose(1, 2).flatten(2) if steps else x.new_zeros(0, rows, self.encoder.input_size)
        found = self.encoder(read, inner, lengths=(ends - first + every - 1).clamp(min=0) // every)
        known = torch.cat([held[None], found.output])
        at = torch.where(here >= first, (here - first) // every + 1, 0)  # [T, B]
        output = known.gather(0, at[..., None].expand(-1, -1, self.output_width))
        ticks = (ends - first + every - 1).clamp(min=0) // every
        last = known.gather(0, ticks[None, :, None].expand(1, -1, self.output_width))[0]
        newest = longer.gather(0, (ends + torch.arange(kept, device=x.device)[:, None])[..., None].expand(-1, -1, self.input_size)).transpose(0, 1) if kept else before
        return output, SlowedState(found.state, last, newest, count + ends)


class TimeReduced(Slowed):
    """An encoder that reads each K steps as one, side by side, when the last of them is there; its output stands until the next. Before the first K steps it is zero.

    Args:
        encoder: any that reads forward only; its input_size is K times that of a step. every: K.
    Raises:
        ArgumentError: K is below 1, or the encoder does not fit.
    Source:     Chan et al. 2016, "Listen, attend and spell", eq. 4 (there two steps, and both directions). Differs: the output has all T steps.
    Example:
        >>> from tenuto.cells import GRU
        >>> TimeReduced(Recurrent(GRU(), 6, 4), 2)(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 4])
    """

    joined = True


class Clockwork(Carrying, nn.Module):
    """Recurrent layers of several paces: a slow one runs every K steps, and each faster one reads x and what all slower ones put out last. The output is all of them side by side.

    Args:
        cell: any without streams. input_size: I. hidden_size: W, divided among the layers. periods: K of each, the slowest first.
        engine, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: W.
    Raises:
        ArgumentError: periods do not fall, or do not divide W.
    Source:     Koutník et al. 2014, "A clockwork RNN", section 3. Differs: each pace is a layer of its own, of any cell, and reads the slower ones of the same step.
    Example:
        >>> from tenuto.cells import Elman
        >>> Clockwork(Elman(), 3, 8, periods=(4, 1))(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 8])
    """

    directions, bidirectional, batch_first = 1, False, False

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, *, periods: Sequence[int] = (8, 4, 2, 1), engine: str = "auto", device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.periods = tuple(check_size("periods", one) for one in periods)
        self.input_size, self.hidden_size = check_size("input_size", input_size), check_size("hidden_size", hidden_size)
        if not self.periods or list(self.periods) != sorted(set(self.periods), reverse=True):
            raise ArgumentError(f"Clockwork: periods are {tuple(periods)}.", expected="falling whole numbers, the slowest first", fix="periods=(8, 4, 2, 1)")
        each = self.hidden_size // len(self.periods)
        if each * len(self.periods) != self.hidden_size:
            raise ArgumentError(f"Clockwork: {len(self.periods)} periods do not divide {self.hidden_size} units.", expected="a multiple of the number of periods", fix=f"hidden_size={max(1, each) * len(self.periods)}")
        self.layers = nn.ModuleList(
            Slowed(Recurrent(cell, self.input_size + place * each, each, engine=engine, device=device, dtype=dtype), period) for place, period in enumerate(self.periods)
        )
        self.output_width = self.hidden_size

    def begin(self, batch_size: int) -> None:
        """The state before the first step: None."""

    def forward(self, x: Tensor, state: Any = None, *, lengths: Any = None) -> Output:
        """As of the layers inside: x [T, B, I] to the output [T, B, W], and a tuple of their states.

        Raises:
            ShapeError: a tensor does not fit.
        """
        if state is not None and (not isinstance(state, tuple) or len(state) != len(self.layers)):
            raise ArgumentError("Clockwork: the state is that of another encoder.", expected=f"a tuple of {len(self.layers)}, as this model returned it", received=type(state).__name__)
        read, outputs, after = x, [], []
        layers: list[Any] = list(self.layers)
        for layer, before in zip(layers, state or (None,) * len(layers)):
            found = layer(read, before, lengths=lengths)
            outputs.append(found.output)
            after.append(found.state)
            read = torch.cat([read, found.output], -1)
        return Output(torch.cat(outputs, -1), tuple(after))

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> Any:
        """That of the slowest layer."""
        return self.layers[0].engine_report(x, lengths=lengths)  # type: ignore[operator]
