"""The three parts of every task's network: `front`, `encoder`, `head`. Code that works on a network from outside uses only these names.

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
    """What every batch has, in addition to what the `front` of its task reads."""

    @property
    def lengths(self) -> Tensor | None:
        """[B] int, in steps; None where every row has all T steps."""

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""

    def select(self, rows: Tensor) -> Batch:
        """The batch of these rows, [N] int, which may repeat."""


class Network(nn.Module, ABC):
    """A network of three parts. In training its weights are used only inside `forward`: weights that are split over several processes are whole only there.

    Subclasses set the parts in `__init__`, in this order. An `encoder` is a `tenuto.Recurrent`, or any module that is called like one.
    """

    front: nn.Module
    encoder: nn.Module
    head: nn.Module

    def encode(self, batch: Any, state: Any = None) -> Output:
        """Run front and encoder on a batch: the output [T, B, W], and the state after each row's last step."""
        streams = self.streams(batch)
        found = self.encoder(self.front(batch), state, lengths=batch.lengths, **({"streams": streams} if streams else {}))
        return Output(found.output, found.state)

    def streams(self, batch: Any) -> dict[str, Tensor]:
        """What the encoder's cell takes besides x, by name, each [T, B, 1]; nothing for most cells and tasks."""
        return {}

    @abstractmethod
    def forward(self, batch: Any) -> Any:
        """Run the head on what `encode` gives."""
