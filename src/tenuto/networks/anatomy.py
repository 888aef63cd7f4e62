"""The three parts of every task's network: `front`, `encoder`, `head`. Whoever works on a network from outside uses these names and nothing else of it.

    front     what a batch holds → x [T, B, F], dense, differentiable
    encoder   x, state, lengths  → output [T, B, W] (zero beyond each length), state
    head      output, lengths    → what is predicted
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from torch import Tensor, nn

from tenuto.layers.recurrent import Output


class Batch(Protocol):
    """What `front` reads; beside what the task puts into it."""

    @property
    def lengths(self) -> Tensor | None:
        """[B] int, in steps; None where every row has all T steps."""

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""


class Network(nn.Module, ABC):
    """A network of three parts. A weight is used only inside `forward`, since it is there that a launch with several processes puts weights together.

    Subclasses set the parts in `__init__`, in this order. An `encoder` is a `tenuto.Recurrent`, or any module that is called as one.
    """

    front: nn.Module
    encoder: nn.Module
    head: nn.Module

    def encode(self, batch: Any, state: Any = None) -> Output:
        """What the encoder makes of a batch: its output, and the state after each row's last step."""
        found = self.encoder(self.front(batch), state, lengths=batch.lengths)
        return Output(found.output, found.state)

    @abstractmethod
    def forward(self, batch: Any) -> Any:
        """What the head makes of `encode`."""
