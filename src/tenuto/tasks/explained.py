"""`Explained`: what an explanation asks of an estimator beside its doors: names for what it reads and answers, and what stands for "nothing to read".

Each method has an answer here that fits a task over numbers with one answer for a sequence; other tasks give their own.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from tenuto.networks.anatomy import Network


class Explained:
    """The half of an estimator that explanations ask."""

    network_: Network

    @abstractmethod
    def forward(self, batch: Any) -> Any:
        """The network's raw output for a batch of `inputs`."""

    def held(self, batch: Any) -> Any:
        """The batch with whatever the model feeds back to itself held as it is now, so that an explanation asks for one answer while the input changes."""
        return batch

    def raw(self, batch: Any) -> Any:
        """The numbers that are explained, for a batch that is `held`: a tensor [B, K] or, for an answer at every step, [S, B, K]; or a tuple that begins with it."""
        return self.forward(batch)

    def answer_lengths(self, batch: Any) -> Tensor | None:
        """[B] how many steps each row's answer has, where there is one at every step; None where all have the same number."""
        return batch.lengths  # type: ignore[no-any-return]

    def held_answers(self, batch: Any) -> Tensor | None:
        """[S, B] the output that a batch holds as the answer at each step, where a search found the answer; None where the largest output is the answer."""
        return None

    def nothing(self, batch: Any) -> Tensor:
        """What the network reads, [T, B, F], where there is nothing to be read: the usual reference of an explanation. Zeros: the means of standardised channels."""
        return torch.zeros_like(self.network_.front(batch))

    def output_names(self) -> list[Any]:
        """What the K outputs stand for, in order; empty where they have no names."""
        return []

    def input_names(self) -> list[str]:
        """The names of the F numbers that the network reads at a step; empty where they have none of their own, as in a vector of a word."""
        return []

    def step_names(self, x: Any) -> list[list[str]] | None:
        """The text of each step of each item, where steps are words or characters; `x` as for `predict`."""
        return None
