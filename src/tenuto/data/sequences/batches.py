"""Batches: sequences of similar length together, padded at the end, in an order that follows from a seed and an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from tenuto.data.sequences.sequences import Sequences
from tenuto.errors import ArgumentError


class Batch(NamedTuple):
    """Some sequences of a set, padded to the longest of them.

    Attributes:
        x: [T, B, C] float32; zeros beyond each length.
        lengths: [B] int64, in steps.
        targets: [B] int64, or None.
        indices: [B] int64, the sequences' positions in the set.
    """

    x: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor | None
    indices: np.ndarray

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device; lengths stay where they are."""
        return Batch(
            self.x.to(device), self.lengths, None if self.targets is None else self.targets.to(device), self.indices
        )

    def select(self, rows: torch.Tensor) -> Batch:
        """The batch of these rows, [N] int64, which may repeat."""
        places = rows.cpu()
        return Batch(self.x[:, rows], self.lengths[places], None if self.targets is None else self.targets[rows], self.indices[places.numpy()])


def bucketed_batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int, bucket: int = 8) -> list[np.ndarray]:
    """Every position once, in shuffled batches of similar lengths.

    Positions are shuffled and cut into buckets of `bucket` batches. Each bucket is sorted by length and cut into batches, and the order of all
    batches is shuffled. So the lengths in a batch are similar, and a batch has other sequences in every epoch. The same arguments give the same batches.

    Args:
        lengths: [N], in steps.
        bucket: the size of a bucket, in batches; more means less padding and less mixing.
    Returns:
        Arrays of positions, each `batch_size` long but for one, which may be shorter.
    Raises:
        ArgumentError: batch_size is less than 1.
    Example:
        >>> [batch.tolist() for batch in bucketed_batches(np.array([5, 1, 4, 2]), 2, seed=0, epoch=1)]
        [[2, 0], [1, 3]]
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}.", expected="1 or more")
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch_size * bucket):
        near = order[start : start + batch_size * bucket]
        near = near[np.argsort(lengths[near], kind="stable")]
        batches += [near[first : first + batch_size] for first in range(0, len(near), batch_size)]
    return [batches[position] for position in generator.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, batch_size: int, padded: int | None = None) -> list[np.ndarray]:
    """Every position once, in batches, the shortest sequences first: for prediction, where order does not matter and padding costs time. Arguments as `pieces`."""
    return list(pieces(np.argsort(lengths, kind="stable"), lengths, batch_size, padded))


def pieces(order: np.ndarray, lengths: np.ndarray, batch_size: int, padded: int | None = None) -> Iterator[np.ndarray]:
    """`order`, cut into pieces of at most `batch_size` positions; with `padded`, also of at most so many steps, padding included. One long sequence is a piece by itself.

    Example:
        >>> [piece.tolist() for piece in pieces(np.arange(5), np.array([1, 2, 2, 9, 1]), 3, padded=5)]
        [[0, 1], [2], [3], [4]]
    """
    first, longest = 0, 0
    for place, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if place - first == batch_size or (padded is not None and place > first and (place - first + 1) * longest > padded):
            yield order[first:place]
            first, longest = place, length
    if len(order):
        yield order[first:]


def collate(
    data: Sequences,
    indices: Sequence[int] | np.ndarray,
    *,
    prepare: Callable[[np.ndarray, np.ndarray | None], np.ndarray] | None = None,
    targets: np.ndarray | None = None,
) -> Batch:
    """The sequences at `indices` as one padded batch.

    Args:
        prepare: what to do with each sequence `[T_i, C]`, and its times `[T_i]` or None, before it is padded, for example `Standardiser.apply`. The padding is zeros.
        targets: [N] int, for the whole set.
    Returns:
        x [T, B, C] float32, with B the number of indices and T the longest of their lengths; C is what `prepare` makes of it.
    """
    indices = np.asarray(indices, dtype=np.int64)
    lengths = data.lengths[indices]
    rows = [data.values[index] if prepare is None else prepare(data.values[index], None if data.times is None else data.times[index]) for index in indices]
    x = np.zeros((int(lengths.max()), len(indices), rows[0].shape[1]), dtype=np.float32)  # [T, B, C]
    for row, values in enumerate(rows):
        x[: len(values), row] = values
    return Batch(
        torch.from_numpy(x),
        torch.from_numpy(lengths),
        None if targets is None else torch.from_numpy(np.asarray(targets, dtype=np.int64)[indices]),
        indices,
    )
