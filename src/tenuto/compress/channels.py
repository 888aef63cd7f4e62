"""Which channels belong together: numbers for channels, joined where one cannot be there without the other.

A channel is one place on an axis of a weight, or one unit of a recurrent layer. What belongs to a unit is found by joining: the rows that make it, the columns that read it.
Number 0 is no channel, and `GIVEN` stands for all channels of what a network is given: these stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

GIVEN = 1
OF_THE_INPUT = "they stand for, or are put together channel by channel with, something that the network is given, whose channels stay"


class Channels:
    """Channels by number, in classes (a union-find). A class may be fixed, with the reason: then nothing of it can be taken away."""

    def __init__(self) -> None:
        self._parents = [0, GIVEN]
        self._fixed: dict[int, str] = {}

    def new(self, count: int) -> Tensor:
        """Numbers [count] of new channels, each in a class of its own."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def join(self, ones: Tensor, others: Tensor) -> None:
        """Put the classes of each two channels together, which stand at the same place in two tensors of one shape. What is put together with something given, is fixed."""
        pairs = torch.stack([ones.reshape(-1), others.reshape(-1)])
        pairs = pairs[:, (pairs != 0).all(0)]
        given = (pairs == GIVEN).any(0)
        self.fix(pairs[:, given], OF_THE_INPUT)
        pairs = pairs[:, ~given]
        for one, other in torch.unique(pairs, dim=1).T.tolist() if pairs.numel() else ():
            self._join(one, other)

    def fix(self, numbers: Tensor, why: str) -> None:
        """Say that these channels cannot be taken away, and why. The first reason counts."""
        for number in torch.unique(numbers).tolist():
            if number > GIVEN:
                self._fixed.setdefault(self.root(number), why)

    def root(self, number: int) -> int:
        """The number that stands for a channel's class."""
        top = number
        while self._parents[top] != top:
            top = self._parents[top]
        while self._parents[number] != top:
            self._parents[number], number = top, self._parents[number]
        return top

    def roots(self, numbers: Tensor) -> Tensor:
        """`root` of each, in a tensor of the same shape."""
        different, places = torch.unique(numbers, return_inverse=True)
        return torch.tensor([self.root(number) for number in different.tolist()], dtype=torch.int64)[places]

    def why_fixed(self, number: int) -> str | None:
        """Why a channel cannot be taken away; None where it can be."""
        return self._fixed.get(self.root(number))

    def _join(self, one: int, other: int) -> None:
        kept, gone = sorted((self.root(one), self.root(other)))
        if kept == gone:
            return
        self._parents[gone] = kept
        if gone in self._fixed:
            self._fixed.setdefault(kept, self._fixed.pop(gone))
