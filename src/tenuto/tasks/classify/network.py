"""The module behind `SequenceClassifier`: noise on the channels, a recurrent layer, its outputs pooled over time and one linear map.

Shapes: B batch, T time, C channels, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data import Batch
from tenuto.layers import Recurrent
from tenuto.networks.anatomy import Network
from tenuto.networks.pooling import POOLING, PooledHead


class Channels(nn.Module):
    """The standardised channels of a batch, [T, B, C]; in training, with Gaussian noise of standard deviation `noise`."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, C]."""
        return batch.x + self.noise * torch.randn_like(batch.x) if self.training and self.noise else batch.x


class ClassifierNetwork(Network):
    """From a batch of sequences to logits `[B, K]`.

    Args:
        pooling: any of "mean", "max" and "last" (the last valid step forward, the first step backward), side by side.
        dropout: on the pooled features, and between layers.
        input_noise: standard deviation of the Gaussian noise that is added to the input in training.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        classes: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = POOLING,
        dropout: float = 0.0,
        input_noise: float = 0.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.front = Channels(input_noise)
        self.encoder = encoder = Recurrent(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
            engine=engine,
        )
        self.head = PooledHead(encoder.output_width * encoder.directions, classes, pooling=pooling, bidirectional=bidirectional, dropout=dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B, K]."""
        return self.head(self.encode(batch).output, batch.lengths)  # type: ignore[no-any-return]
