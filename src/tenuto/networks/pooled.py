"""The network of tasks with one answer for a sequence of channels: noise on the channels, a recurrent layer, its outputs pooled over time and one linear map.

Shapes: B batch, T time, C channels, W width of the layer's output (both directions), K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data import Batch
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_of
from tenuto.networks.observing import Observing
from tenuto.networks.pooling import USUAL, PooledHead
from tenuto.networks.reduction import ReducedRecurrent


class Channels(nn.Module):
    """The standardised channels of a batch; in training, with Gaussian noise of standard deviation `noise` at each step, and of `level` on each channel of a whole sequence.

    Args:
        streams: for each stream of the cell, the place of its channel. These channels are no inputs.
        beside: the places of what stands beside the channels, such as masks; no noise is added to it.
    """

    def __init__(self, noise: float, input_size: int, streams: Mapping[str, int], beside: Sequence[int] = (), level: float = 0.0) -> None:
        super().__init__()
        self.level, self.noise, self.streams, self.beside = level, noise, dict(streams), list(beside)
        taken = set(streams.values())
        self.inputs = [place for place in range(input_size + len(taken)) if place not in taken]

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F], the channels that are inputs, and what stands beside them."""
        x = batch.x[..., self.inputs] if self.streams or self.beside else batch.x
        x = x + self.noise * torch.randn_like(x) if self.training and self.noise else x
        x = x + self.level * torch.randn_like(x[:1]) if self.training and self.level else x
        return torch.cat([x, batch.x[..., self.beside]], dim=-1) if self.beside else x


class PooledNetwork(Network):
    """From a batch of sequences to K numbers for each, `[B, K]`: logits of classes, for example.

    Args:
        pooling: any of "mean", "max", "last" and "parts", side by side (`networks/pooling.py`).
        dropout: on the pooled features, and between layers.
        halvings: convolutions before the recurrent layer, each of which makes a series half as long (`networks/reduction.py`).
        shortcut: whether the head reads what these give, too.
        input_noise: standard deviation of the Gaussian noise that is added to the input in training.
        level_noise: that of noise which is the same at all steps of a sequence.
        streams: for each stream of the cell, the place of its channel in a batch, beside `input_size` others.
        beside: the places in a batch of what the front puts beside the channels.
        encoder: its name, see `networks/encoders.py`.
        reads, made: of what the front gives, the places that the layer reads, and those of each stream of the cell that is made of it (`networks/observing.py`).
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        outputs: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = USUAL,
        dropout: float = 0.0,
        halvings: int = 0,
        shortcut: bool = True,
        input_noise: float = 0.0,
        level_noise: float = 0.0,
        streams: Mapping[str, int] = {},
        beside: Sequence[int] = (),
        reads: Sequence[int] | None = None,
        made: Mapping[str, Sequence[int]] = {},
        engine: str = "auto",
        encoder: str = "recurrent",
    ) -> None:
        super().__init__()
        self.front = Channels(input_noise, input_size, streams, beside, level_noise)
        input_size = input_size + len(beside) if reads is None or not made else len(reads)
        recurrent = encoder_of(encoder, cell, hidden_size if halvings else input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout, engine=engine)
        self.encoder = ReducedRecurrent(input_size, hidden_size, halvings, recurrent, shortcut=shortcut) if halvings else Observing(recurrent, reads or (), made) if made else recurrent
        self.head = PooledHead(self.encoder.output_width * recurrent.directions, outputs, pooling=pooling, bidirectional=recurrent.directions == 2, dropout=dropout)

    def streams(self, batch: Batch) -> dict[str, Tensor]:
        """The channels that the cell takes as its streams, [T, B, 1] each, as they were given."""
        return {name: batch.x[..., place, None] for name, place in self.front.streams.items()}  # type: ignore[union-attr, operator]

    def forward(self, batch: Batch) -> Tensor:
        """[B, K]."""
        return self.head(self.encode(batch).output, batch.lengths)  # type: ignore[no-any-return]
