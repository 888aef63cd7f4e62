"""Batches of pairs: symbols as numbers, padded at the end, as an encoder and a decoder read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from tenuto.data.pairs.symbols import BEGINNING, END, PADDING


class NumberedPairs(NamedTuple):
    """Pairs as numbers: one array [n] int64 for each side, without the marks for beginning and end; `target` is empty where there are only sources."""

    source: list[np.ndarray]
    target: list[np.ndarray]

    @property
    def source_lengths(self) -> np.ndarray:
        """[N] int64, in symbols."""
        return np.array([len(side) for side in self.source], dtype=np.int64)

    @property
    def order(self) -> np.ndarray:
        """[N] int64 keys to sort by: first by the source's length, then by the target's. Pairs with near keys need little padding in a batch."""
        targets = np.array([len(side) for side in self.target] or [0] * len(self.source), dtype=np.int64)
        return self.source_lengths * (int(targets.max()) + 1) + targets


class PairBatch(NamedTuple):
    """Some pairs, padded to the longest of them.

    Attributes:
        source: [S, B] int64. lengths: [B] int64, of the sources.
        read: [T, B] int64, what a decoder reads: the beginning mark, then the target.
        wanted: [T, B] int64, what it should answer: the target, then the end mark.
        symbols: how many symbols of `wanted` are not padding.
    """

    source: torch.Tensor
    lengths: torch.Tensor
    read: torch.Tensor
    wanted: torch.Tensor
    symbols: int

    def to(self, device: torch.device) -> PairBatch:
        """The same batch on another device; lengths stay where they are."""
        return PairBatch(self.source.to(device), self.lengths, self.read.to(device), self.wanted.to(device), self.symbols)

    def select(self, rows: torch.Tensor) -> PairBatch:
        """The batch of these rows, [N] int64, which may repeat."""
        wanted = self.wanted[:, rows]
        return PairBatch(self.source[:, rows], self.lengths[rows.cpu()], self.read[:, rows], wanted, int((wanted != PADDING).sum()))


def collate_pairs(pairs: NumberedPairs, indices: Sequence[int] | np.ndarray) -> PairBatch:
    """The pairs at `indices` as one batch; where there are only sources, each target is empty.

    Example:
        >>> pairs = NumberedPairs([np.array([4, 5]), np.array([6])], [np.array([7]), np.array([8, 9])])
        >>> collate_pairs(pairs, [0, 1]).wanted.T.tolist()
        [[7, 2, 0], [8, 9, 2]]
    """
    sources = [pairs.source[index] for index in indices]
    targets = [pairs.target[index] for index in indices] if pairs.target else [np.empty(0, dtype=np.int64)] * len(sources)
    lengths = np.array([len(side) for side in sources], dtype=np.int64)
    longest = max(len(side) for side in targets) + 1
    source = np.full((int(lengths.max()), len(sources)), PADDING, dtype=np.int64)  # [S, B]
    read, wanted = np.full((2, longest, len(sources)), PADDING, dtype=np.int64)  # [T, B] each
    read[0] = BEGINNING
    for row, (given, answer) in enumerate(zip(sources, targets)):
        source[: len(given), row] = given
        read[1 : len(answer) + 1, row] = wanted[: len(answer), row] = answer
        wanted[len(answer), row] = END
    symbols = sum(len(side) for side in targets) + len(targets)
    tensors = [torch.from_numpy(part) for part in (source, lengths, read, wanted)]
    return PairBatch(tensors[0], tensors[1], tensors[2], tensors[3], symbols)
