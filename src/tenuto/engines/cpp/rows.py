"""Which rows each step has: all of them, or with lengths only those of sequences that are still running, packed one step after another.

Sorted by length, longest first, the running sequences of a step are the first rows, so the kernels need no mask and no step is wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy
import torch
from torch import Tensor

CHUNK_ROWS = 256  # rows between two visits to the weight gradients; measured on a Xeon with 2 MB of second-level cache


@dataclass(frozen=True)
class Rows:
    """The rows of each step: how many (`counts`), where they start in arrays over time (`starts`), and each chunk's first step.

    `order` sorts the batch by length and `index` [rows] says where each packed row stands in a padded [T * B] array; None
    where nothing is packed. `last` [B] is the packed row of each sequence's last step, in the order of `order`.
    """

    counts: numpy.ndarray
    starts: numpy.ndarray
    chunks: numpy.ndarray
    total: int
    order: Tensor | None = None
    index: Tensor | None = None
    last: Tensor | None = None
    lengths: Tensor | None = None

    def split(self, threads: int) -> numpy.ndarray | None:
        """The first row of each thread, so that all have about as many steps to run; None where rows are equally long."""
        if self.lengths is None or threads == 1:
            return None
        done = numpy.concatenate([[0], numpy.cumsum(self.lengths.numpy())])
        return numpy.searchsorted(done, done[-1] * numpy.arange(threads + 1) / threads).astype(numpy.int64)


def chunk_capacity(batch_size: int) -> int:
    """The most rows that a chunk has."""
    return max(batch_size, CHUNK_ROWS)


def _chunks(counts: list[int], capacity: int) -> numpy.ndarray:
    firsts, filled = [0], 0
    for step, count in enumerate(counts):
        if filled and filled + count > capacity:
            firsts.append(step)
            filled = 0
        filled += count
    return numpy.array([*firsts, len(counts)] if counts else [0], dtype=numpy.int64)


@lru_cache(maxsize=256)
def whole(time_steps: int, batch_size: int, reverse: bool) -> Rows:
    """Every sequence as long as the array; in reverse the steps run down in memory."""
    starts = numpy.arange(time_steps, dtype=numpy.int64) * batch_size
    counts = [batch_size] * time_steps
    chunks = _chunks(counts, chunk_capacity(batch_size))
    return Rows(
        numpy.array(counts, dtype=numpy.int64), starts[::-1].copy() if reverse else starts, chunks, time_steps * batch_size
    )


def packed(lengths: Tensor, time_steps: int, batch_size: int, reverse: bool) -> Rows:
    """Sequences of their own lengths [B] int64; in reverse each runs from its own last step."""
    lengths = lengths.clamp(0, time_steps)
    sorted_lengths, order = torch.sort(lengths, descending=True, stable=True)
    steps = torch.arange(time_steps)
    running = steps[:, None] < sorted_lengths[None, :]  # [T, B]
    counts = running.sum(1)
    counts = counts[counts > 0]
    starts = torch.cumsum(counts, 0) - counts
    time, row = running.nonzero(as_tuple=True)
    if reverse:
        time = sorted_lengths[row] - 1 - time
    index = time * batch_size + order[row]
    last = starts[(sorted_lengths - 1).clamp(min=0)] + torch.arange(batch_size) if len(counts) else torch.zeros_like(order)
    as_list = counts.tolist()
    return Rows(
        counts.numpy(), starts.numpy(), _chunks(as_list, chunk_capacity(batch_size)), int(sum(as_list)), order, index, last, sorted_lengths
    )
