"""The module behind `SequenceClassifier`: a recurrent layer, its outputs pooled over time, one linear head.

Shapes: B batch, T time, C channels, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.layers import Recurrent
from tenuto.networks.pooling import POOLING, check_pooling, pool


class ClassifierNetwork(nn.Module):
    """From `x [T, B, C]` and lengths to logits `[B, K]`.

    Args:
        pooling: any of "mean", "max" and "last" (the last valid step forward, the first step backward), side by side.
        dropout: on the pooled features, and between layers.
        input_noise: deviation of the Gaussian noise that is added to the input in training.
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
        self.pooling, self.dropout, self.input_noise, self.bidirectional = check_pooling(pooling), dropout, input_noise, bidirectional
        self.recurrent = Recurrent(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
            engine=engine,
        )
        self.head = nn.Linear(len(pooling) * self.recurrent.output_width * self.recurrent.directions, classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, K]."""
        return self.head(nn.functional.dropout(self.pool(self.states(x, lengths), lengths), self.dropout, self.training))

    def states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's outputs [T, B, W]; zero beyond each length."""
        if self.training and self.input_noise:
            x = x + self.input_noise * torch.randn_like(x)
        return self.recurrent(x, lengths=lengths).output

    def pool(self, output: Tensor, lengths: Tensor) -> Tensor:
        """Outputs [T, B, W] over time: [B, len(pooling) * W]. Padding has no influence."""
        return pool(output, lengths, self.pooling, bidirectional=self.bidirectional)
