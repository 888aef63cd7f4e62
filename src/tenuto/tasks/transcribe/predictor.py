"""Predictors: what a transducer remembers of what it wrote, as a vector that its joint network reads.

Shapes: B batch, U symbols of a text, J width of the vector, V symbols there are, 0 the blank, which also stands before a text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.plain import array_of, plain_array
from tenuto.layers import Recurrent
from tenuto.networks.exact import exactly, unchanging
from tenuto.tasks.transcribe.alphabet import BLANK

CONTEXT = 2  # symbols that a stateless predictor looks back
START_DEVIATION = 0.2  # of vectors before training: larger ones drown what is heard, and the network first learns its texts by heart


class Memory(NamedTuple):
    """After some symbols: what must be known to go on, as numbers and arrays; and the vector [J] float32."""

    state: tuple[Any, ...]
    vector: np.ndarray

    def kept(self) -> list[Any]:
        """Its state as plain data."""
        return [plain_array(one) if isinstance(one, np.ndarray) else one for one in self.state]


def state_of(kept: list[Any]) -> tuple[Any, ...]:
    """The state that `Memory.kept` made plain."""
    return tuple(array_of(one) if isinstance(one, dict) else one for one in kept)


class Stateless(nn.Module):
    """The vectors of the last two symbols, added up.

    Args:
        symbols: V. width: J.
    Source:     Ghodsi et al. 2020.
    """

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(symbols, width) for _ in range(CONTEXT))
        for table in self.tables:
            nn.init.normal_(table.weight, std=START_DEVIATION)  # type: ignore[arg-type]

    def forward(self, known: Tensor) -> Tensor:
        """[B, U + 1, J]: before the first symbol of texts [B, U], and after each."""
        contexts = nn.functional.pad(known, (CONTEXT, 0), value=BLANK).unfold(1, CONTEXT, 1)  # [B, U + 1, 2]
        first, second = (table(contexts[..., place]) for place, table in enumerate(self.tables))
        return first + second  # type: ignore[no-any-return]

    def begin(self) -> Memory:
        """Before the first symbol."""
        return self.resumed((BLANK,) * CONTEXT)

    def after(self, memory: Memory, symbol: int) -> Memory:
        """After one more symbol."""
        return self.resumed((*memory.state[1:], symbol))

    def resumed(self, state: tuple[Any, ...]) -> Memory:
        """The memory of which this is the state."""
        first, second = (table.weight[symbol].detach().cpu().numpy() for table, symbol in zip(self.tables, state))  # type: ignore[union-attr, index]
        return Memory(state, first + second)


class Remembering(nn.Module):
    """A recurrent layer over all that was written. One symbol is read at a time in a search, so that its bits are the same in any batch and chunk.

    Args:
        cell: of the layer. symbols: V. width: J, also of the layer.
    Source:     Graves 2012.
    """

    def __init__(self, cell: Cell, symbols: int, width: int, engine: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        nn.init.normal_(self.embedding.weight, std=START_DEVIATION)
        self.recurrent = Recurrent(cell, width, width, engine=engine)
        self.linear = nn.Linear(self.recurrent.output_width, width)

    def forward(self, known: Tensor) -> Tensor:
        """[B, U + 1, J]: before the first symbol of texts [B, U], and after each."""
        before = nn.functional.pad(known, (1, 0), value=BLANK)
        return self.linear(self.recurrent(self.embedding(before).transpose(0, 1)).output).transpose(0, 1)  # type: ignore[no-any-return]

    def begin(self) -> Memory:
        """Before the first symbol."""
        return self._read(BLANK, None)

    def after(self, memory: Memory, symbol: int) -> Memory:
        """After one more symbol."""
        return self._read(symbol, tuple(torch.from_numpy(value).to(self.linear.weight.device) for value in memory.state[:-1]))

    def resumed(self, state: tuple[Any, ...]) -> Memory:
        """The memory of which this is the state: the layer's states, and its vector."""
        return Memory(state, state[-1])

    @torch.no_grad()
    def _read(self, symbol: int, state: tuple[Tensor, ...] | None) -> Memory:
        x = self.embedding.weight[symbol].view(1, 1, -1)
        output, after = unchanging(lambda: self.recurrent(x, state))
        vector = exactly(self.linear, output)[0, 0].cpu().numpy()
        return Memory((*(value.cpu().numpy() for value in after), vector), vector)
