"""The network of tasks over sound that answer at each step: steps of features, a recurrent layer over them, and one linear map, the same for every step.

Shapes: T time, B batch, F features of a step, W width of the layer's output (both directions), V answers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sequences.batches import Batch
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_of

SEEN = 512  # steps that a Transformer sees that writes a stream: some ten seconds


class Steps(nn.Module):
    """The steps of a batch as they are."""

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F]."""
        return batch.x


class StepHead(nn.Module):
    """A linear map at each step, which gives a step the same bits whatever it is computed with, if no gradients are asked for."""

    def __init__(self, width: int, answers: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, answers), nn.Dropout(dropout)

    def forward(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits [T, B, V]."""
        if self.training or torch.is_grad_enabled():
            return self.linear(self.dropout(output))  # type: ignore[no-any-return]
        # A product of matrices adds up in an order that depends on their sizes. Here terms are added one after the other, each product and sum rounded once: the same bits in any chunk and batch.
        logits = self.linear.bias.expand(*output.shape[:2], -1)
        for column, weight in zip(output.unbind(-1), self.linear.weight.unbind(1)):
            logits = logits + column[..., None] * weight
        return logits


class EachStepNetwork(Network):
    """From steps of features to logits [T, B, V] of an answer at each step.

    Args:
        input_size: F. answers: V. dropout: between layers, and before the last map. encoder: its name, see `networks/encoders.py`.
    """

    front: Steps
    head: StepHead

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, answers: int, *, num_layers: int, bidirectional: bool, dropout: float, engine: str, encoder: str = "recurrent") -> None:
        super().__init__()
        self.front = Steps()
        read = encoder_of(encoder, cell, input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout, window=SEEN, engine=engine)
        self.encoder = read
        self.head = StepHead(read.output_width * read.directions, answers, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [T, B, V]."""
        return self.head(self.encode(batch).output, batch.lengths)  # type: ignore[no-any-return]
