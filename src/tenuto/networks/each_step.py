"""The network of tasks over sound that answer at each step: steps of features, a recurrent layer over them, and a head, which is one linear map or what a task brings.

Shapes: T time, B batch, F features of a step, W width of the layer's output (both directions), V answers, J numbers that a decoder reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sequences.batches import Batch
from tenuto.layers.recurrent import Output
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_of
from tenuto.networks.exact import exactly, log_probabilities

SEEN = 512  # steps that a Transformer sees that writes a stream: some ten seconds


class Steps(nn.Module):
    """The steps of a batch as they are."""

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F]."""
        return batch.x


class StepHead(nn.Module, ABC):
    """What answers at each step. A decoder reads `decodable` of `read`: the same bits whatever rows and steps come together."""

    @abstractmethod
    def read(self, output: Tensor) -> Tensor:
        """What a decoder reads, [T, B, J], from what the encoder put out, [T, B, W], without gradients."""

    @abstractmethod
    def decodable(self, rows: Tensor) -> np.ndarray:
        """The same of one recording, [T, J], as a decoder takes it."""


class LinearHead(StepHead):
    """A linear map at each step, which gives a step the same bits whatever it is computed with, if no gradients are asked for. A decoder reads log-probabilities."""

    def __init__(self, width: int, answers: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, answers), nn.Dropout(dropout)

    def forward(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits [T, B, V]."""
        if self.training or torch.is_grad_enabled():
            return self.linear(self.dropout(output))  # type: ignore[no-any-return]
        return exactly(self.linear, output)

    @torch.no_grad()
    def read(self, output: Tensor) -> Tensor:
        """Logits [T, B, V]."""
        return exactly(self.linear, output)

    def decodable(self, rows: Tensor) -> np.ndarray:
        """Log-probabilities [T, V] float64 from logits."""
        return log_probabilities(rows.detach().cpu().numpy())


class EachStepNetwork(Network):
    """From steps of features to an answer at each step.

    Args:
        input_size: F. head: a function from W to the head. dropout: between layers. encoder: its name, see `networks/encoders.py`.
    """

    front: Steps
    head: StepHead

    def __init__(
        self, cell: Cell, input_size: int, hidden_size: int, head: Callable[[int], StepHead], *, num_layers: int, bidirectional: bool, dropout: float, engine: str, encoder: str = "recurrent"
    ) -> None:
        super().__init__()
        self.front = Steps()
        read = encoder_of(encoder, cell, input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout, window=SEEN, engine=engine)
        self.encoder = read
        self.head = head(read.output_width * read.directions)

    def forward(self, batch: Batch, *given: Any) -> Any:
        """What the head makes of a batch: logits [T, B, V] of a linear one. given: what else the head takes."""
        return self.head(self.encode(batch).output, batch.lengths, *given)

    def read(self, batch: Batch, state: Any = None) -> Output:
        """What a decoder reads of a batch, [T, B, J], and the state after it."""
        output, state = self.encode(batch, state)
        return Output(self.head.read(output), state)

    def further(self, x: Tensor, state: Any = None) -> Output:
        """As `read`, of the next steps [T, B, F] of a stream, as many of each row."""
        output, after, *_ = self.encoder(x, state)
        return Output(self.head.read(output), after)
