"""The module behind `SequenceClassifier`: a recurrent layer, its outputs pooled over time, one linear head.

Shapes: B batch, T time, C channels, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent

POOLING = ("mean", "max", "last")


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
        if not pooling or not set(pooling) <= set(POOLING) or len(set(pooling)) < len(pooling):
            raise ArgumentError(
                f"pooling={pooling!r} is not known.", expected="one or more of " + ", ".join(POOLING), fix='for example ("mean", "last")'
            )
        self.pooling, self.dropout, self.input_noise, self.bidirectional = tuple(pooling), dropout, input_noise, bidirectional
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
        steps, rows = torch.arange(len(output), device=output.device), torch.arange(output.shape[1], device=output.device)
        lengths = lengths.to(output.device)
        valid = (steps[:, None] < lengths)[:, :, None]  # [T, B, 1]
        features = []
        for kind in self.pooling:
            if kind == "mean":
                features.append(output.sum(0) / lengths[:, None])
            elif kind == "max":
                features.append(output.masked_fill(~valid, float("-inf")).amax(0))
            elif self.bidirectional:
                forward, backward = output.chunk(2, dim=-1)
                features += [forward[lengths - 1, rows], backward[0]]
            else:
                features.append(output[lengths - 1, rows])
        return torch.cat(features, dim=-1)
