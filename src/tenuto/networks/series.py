"""The network of tasks over series: recurrent layers over the past, a head that is asked at some of the steps, and the head that gives the density of the next value.

Shapes: B batch, T time, F features, W width of the layer's output, O origins, h steps ahead, P features of a step ahead, K numbers of a density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from tenuto.cell import Cell
from tenuto.data.series.windows import Batch
from tenuto.engines.autograd import ordinary
from tenuto.layers.rows import copied
from tenuto.networks import rows
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_of
from tenuto.networks.exact import unchanging
from tenuto.networks.members import Averaged, Members


class Features(nn.Module):
    """The features of a batch as they are."""

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F]."""
        return batch.x


class DensityHead(nn.Module):
    """From the encoder's output at a step, and what is known of the step after it, to the numbers of a density (`densities.py`).

    Args:
        width: W. ahead: P. start: [K], the numbers before anything is learnt.
    """

    def __init__(self, width: int, ahead: int, start: Sequence[float], *, units: int, dropout: float) -> None:
        super().__init__()
        self.past = nn.Linear(width, units)
        self.ahead = nn.Linear(ahead + 1, units, bias=False)  # and the base itself
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(units, len(start), bias=False)
        nn.init.zeros_(self.out.weight)
        self.bias = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def forward(self, output: Tensor, ahead: Tensor) -> Tensor:
        """[..., 1, K] from the output [..., W] and what is known [..., 1, P + 1]."""
        hidden = silu(self.past(output)[..., None, :] + self.ahead(ahead))
        return self.out(self.dropout(hidden)) + self.bias  # type: ignore[no-any-return]

    def by_rows(self, output: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """The same in use, [N, 1, K] from [N, W] and [N, 1, P + 1]: each row has the bits that it has alone."""
        hidden = rows.silu(rows.linear(output[:, None], self.past) + rows.linear(ahead, self.ahead))
        return rows.linear(hidden, self.out) + rows.array(self.bias)


class SeriesNetwork(Network):
    """From windows to what a head makes of each origin.

    Args:
        head: makes the head, from the width of the encoder's output.
        members: how many encoders and heads; what they say is averaged.
        encoder: its name, see `networks/encoders.py`. window: the steps that a Transformer sees.
    """

    def __init__(
        self, cell: Cell, features: int, hidden_size: int, head: Callable[[int], nn.Module], *, num_layers: int = 1, dropout: float = 0.0, engine: str = "auto", members: int = 1,
        encoder: str = "recurrent", window: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.front = Features()
        layers = [encoder_of(encoder, cell, features, hidden_size, num_layers, bidirectional=False, dropout=dropout, window=window, engine=engine) for _ in range(members)]
        heads = [head(layer.output_width) for layer in layers]
        self.encoder, self.head = (layers[0], heads[0]) if members == 1 else (Members(layers), Averaged(heads))

    def forward(self, batch: Batch) -> Tensor:
        """What the head gives, [O, B, h, ...] float32; of several members, in training, [M, O, B, h, ...]."""
        output = self.encode(batch).output
        columns = torch.arange(output.shape[1], device=output.device)
        return self.at(output[batch.places, columns], batch)

    def at(self, output: Tensor, batch: Any) -> Tensor:
        """The same, from the encoder's output at the origins, [O, B, W]. Where no gradients are asked for, each series and origin has the bits that it has alone."""
        ahead = ahead_of(batch)
        if self.training or torch.is_grad_enabled() or not ordinary((output,)):  # what follows operation by operation sees none of numpy's
            return self.head(output, ahead)  # type: ignore[no-any-return]
        known, read = rows.array(ahead.flatten(0, 1)), rows.array(output.flatten(0, 1))
        parts = [self.head.by_rows(read[first : first + rows.AT_ONCE], known[first : first + rows.AT_ONCE]) for first in range(0, len(read), rows.AT_ONCE)]  # type: ignore[operator]
        return torch.from_numpy(np.concatenate(parts)).to(output.device).unflatten(0, output.shape[:2])


def ahead_of(batch: Any) -> Tensor:
    """What the head reads of the steps ahead, [O, B, h, P + 1]: what is known of them, and the base, from its first step on, in scales."""
    with torch.no_grad():
        near = ((batch.base - batch.base[..., :1]) / batch.scale[..., None]).clamp(-20, 20).float()
    return torch.cat([batch.ahead, near[..., None]], dim=-1)


def beginning(network: Network, rows: int, features: int) -> Any:
    """The state of the encoder before the first step of so many series."""
    with torch.no_grad():
        return copied(network.encoder(torch.zeros(1, rows, features), None, lengths=torch.zeros(rows, dtype=torch.int64)).state)


def encoded(network: Network, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Any:
    """The encoder's output and state, with the same bits in any batch and in any pieces, where an engine of this machine promises that; else as near as the usual engine is."""
    with torch.no_grad():
        return unchanging(lambda: network.encoder(x, state, lengths=lengths))
