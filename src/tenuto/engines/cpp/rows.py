"""Which rows each step has: all of them, or with lengths only those of sequences that are still running, packed one step after another.

Sorted by length, longest first, the running sequences of a step are the first rows, so the kernels need no mask and no step is wasted.
That is how torch's packed sequences lie too, so the loop reads these where they are, unless it runs in reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy
import torch
from torch import Tensor

from tenuto.engines.packed import check, lengths_of
from tenuto.engines.problem import Buffers, Form, extent
from tenuto.process import kept_property

CHUNK_ROWS = 256  # rows between two visits to the weight gradients; measured on a Xeon with 2 MB of second-level cache


@dataclass(frozen=True)
class Packing:
    """How a batch is packed: `order` [B] sorts it by length, longest first, `lengths` [B] int64 are in that order.

    `padded`: the caller's arrays are; otherwise they are packed in the same order.
    """

    order: numpy.ndarray
    lengths: numpy.ndarray
    padded: bool

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
        """[rows]: where each row of the loop stands in the caller's arrays; None where nothing is packed."""
        if self.packing is None:
            return None
        order, lengths = self.packing.order, self.packing.lengths
        step = numpy.repeat(numpy.arange(len(self.counts)), self.counts)
        row = numpy.arange(self.total) - self.starts[step]
        time = lengths[row] - 1 - step if self.reverse else step
        return torch.from_numpy(time * len(order) + order[row] if self.packing.padded else self.starts[time] + row)

    def sequences(self) -> Tensor:
        """[rows]: of which sequence, as the caller counts them, each row of the loop is a step; where rows are packed."""
        assert self.packing is not None
        return torch.from_numpy(self.packing.order[numpy.arange(self.total) - numpy.repeat(self.starts, self.counts)])

    def before(self) -> Tensor:
        """[rows of all steps but the first]: the row of the same sequence one step before, where rows are packed."""
        return torch.from_numpy(numpy.arange(self.counts[0], self.total) - numpy.repeat(self.counts[:-1], self.counts[1:]))


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


def gathered(form: Form) -> bool:
    """Whether the rows of a step lie apart in the caller's arrays, so that the loop fetches them and puts its results back."""
    return form.lengths and not (form.packed and not form.reverse)


def rows_of(form: Form, inputs: Buffers) -> Rows:
    """The rows of a call.

    Raises:
        ShapeError: the batch sizes are not those of the packed rows.
    """
    time_steps, batch_size = extent(form, inputs)
    if form.packed:
        return _packed(inputs["batch_sizes"].numpy().tobytes(), inputs["x"].shape[0], batch_size, form.reverse)
    if form.lengths:
        return _sorted(inputs["lengths"].numpy().tobytes(), time_steps, form.reverse)
    return whole(time_steps, batch_size, form.reverse)


@lru_cache(maxsize=64)
def _packed(batch_sizes: bytes, rows: int, batch_size: int, reverse: bool) -> Rows:
    """Packed sequences; in reverse each runs from its own last step."""
    counts = numpy.frombuffer(batch_sizes, dtype=numpy.int64).copy()
    check(torch.from_numpy(counts), rows, batch_size)
    chunks = _chunks(counts.tolist(), chunk_capacity(batch_size))
    packing = Packing(numpy.arange(batch_size), lengths_of(torch.from_numpy(counts), batch_size).numpy(), False)
    return Rows(counts, numpy.cumsum(counts) - counts, chunks, rows, len(counts), reverse, packing)


@lru_cache(maxsize=64)
def _sorted(lengths: bytes, time_steps: int, reverse: bool) -> Rows:
    """Padded sequences of their own lengths [B] int64; in reverse each runs from its own last step."""
    given = numpy.clip(numpy.frombuffer(lengths, dtype=numpy.int64), 0, time_steps)
    order = numpy.argsort(-given, kind="stable")
    longest_first = given[order]
    steps = numpy.arange(longest_first[0] if len(given) else 0)
    counts = len(given) - numpy.searchsorted(longest_first[::-1], steps, side="right")
    starts = numpy.cumsum(counts) - counts
    chunks = _chunks(counts.tolist(), chunk_capacity(len(given)))
    return Rows(counts, starts, chunks, int(longest_first.sum()), time_steps, reverse, Packing(order, longest_first, True))
