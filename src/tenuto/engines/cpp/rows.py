"""Which rows each step has: all of them, or with lengths only those of sequences that are still running, packed one step after another.

Sorted by length, longest first, the running sequences of a step are the first rows, so the kernels need no mask and no step is wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy
import torch
from torch import Tensor

from tenuto.process import kept_property

CHUNK_ROWS = 256  # rows between two visits to the weight gradients; measured on a Xeon with 2 MB of second-level cache


@dataclass(frozen=True)
class Packing:
    """How a batch is packed: `order` [B] sorts it by length, longest first, `lengths` [B] int64 are in that order."""

    order: numpy.ndarray
    lengths: numpy.ndarray

    @property
    def places(self) -> Tensor:
        """`order` as a tensor."""
        return torch.from_numpy(self.order)


@dataclass(frozen=True)
class Rows:
    """The rows of each step: how many (`counts`), where they start in arrays over time (`starts`), and each chunk's first step."""

    counts: numpy.ndarray
    starts: numpy.ndarray
    chunks: numpy.ndarray
    total: int
    time_steps: int
    reverse: bool
    packing: Packing | None = None

    @kept_property
    def addresses(self) -> tuple[int | None, ...]:
        """Where counts, starts, chunks, and the packing's order and lengths are."""
        arrays = [self.counts, self.starts, self.chunks]
        arrays += [] if self.packing is None else [self.packing.order, self.packing.lengths]
        return tuple(array.ctypes.data for array in arrays) + (None, None)[len(arrays) - 3 :]

    def index(self) -> Tensor | None:
        """[rows]: where each packed row stands in a padded [T * B] array; None where nothing is packed."""
        if self.packing is None:
            return None
        order, lengths = self.packing.order, self.packing.lengths
        step, row = numpy.nonzero(numpy.arange(len(self.counts))[:, None] < lengths[None, :])
        return torch.from_numpy((lengths[row] - 1 - step if self.reverse else step) * len(order) + order[row])


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
        numpy.array(counts, dtype=numpy.int64), starts[::-1].copy() if reverse else starts, chunks, time_steps * batch_size,
        time_steps, reverse,
    )  # fmt: skip


def packed(lengths: Tensor, time_steps: int, reverse: bool) -> Rows:
    """Sequences of their own lengths [B] int64; in reverse each runs from its own last step."""
    return _packed(lengths.numpy().tobytes(), time_steps, reverse)


@lru_cache(maxsize=64)
def _packed(lengths: bytes, time_steps: int, reverse: bool) -> Rows:
    given = numpy.clip(numpy.frombuffer(lengths, dtype=numpy.int64), 0, time_steps)
    order = numpy.argsort(-given, kind="stable")
    longest_first = given[order]
    steps = numpy.arange(longest_first[0] if len(given) else 0)
    counts = len(given) - numpy.searchsorted(longest_first[::-1], steps, side="right")
    starts = numpy.cumsum(counts) - counts
    chunks = _chunks(counts.tolist(), chunk_capacity(len(given)))
    return Rows(counts, starts, chunks, int(longest_first.sum()), time_steps, reverse, Packing(order, longest_first))
