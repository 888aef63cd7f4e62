"""Streams: a long text cut into windows for truncated backpropagation through time, in B rows that go on from window to window.

Row b of window k + 1 begins where row b of window k ended, so a state carried from one window to the next has read everything before it in its row.
Nothing is copied until a window is asked for, and a window depends only on its number, so training can resume at any window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import argument

IGNORED = -100  # a target that is not a token; torch's cross_entropy leaves it out by default


class Window(NamedTuple):
    """Some steps of every row.

    Attributes:
        inputs: [T, B] int64 tokens.
        targets: [T, B] int64, the token after each input; IGNORED where there is none, or where an earlier window has counted it.
        resets: [T, B] bool: a document begins at that input, so the state returns to its initial value first. None without documents.
    """

    inputs: Tensor
    targets: Tensor
    resets: Tensor | None

    @property
    def lengths(self) -> None:
        """None: every row has all T steps."""

    @property
    def counted(self) -> int:
        """How many targets are tokens."""
        return int((self.targets != IGNORED).sum())

    def to(self, device: torch.device | str) -> Window:
        """The same window on another device."""
        return Window(self.inputs.to(device), self.targets.to(device), None if self.resets is None else self.resets.to(device))

    def select(self, rows: Tensor) -> Window:
        """The window of these rows, [N] int64, which may repeat."""
        return Window(self.inputs[:, rows], self.targets[:, rows], None if self.resets is None else self.resets[:, rows])


class Streams(Sequence[Window]):
    """A text as B parallel rows, in windows of T steps: a sequence of `Window`.

    The text's N - 1 pairs of token and next token are cut into B pieces of equal length, one for each row. The end is padded
    with IGNORED targets, so every token but the first is a target exactly once. With several processes, each takes B / world whole rows.

    Args:
        tokens: [N] integers.
        batch_size: B, over all processes.
        window: T, in steps; the last window is shorter.
        starts: positions in `tokens` where documents begin; gives `resets`.
        stride: steps from the beginning of one window to that of the next. Default: T, which is what a carried state needs. With less,
            windows overlap, and targets that an earlier window has counted are IGNORED. So each token is scored once, and beyond the first
            window with at least T - stride steps of context.
        rank, world: the number of this process, and how many there are.
        jitter, seed: with jitter, the windows of an epoch have random lengths as in AWD-LSTM (see `epoch`); they follow from the seed.
    Raises:
        ArgumentError: an option out of range, a batch that the processes cannot share evenly, or jitter together with a stride.
        DataError: batch_size tokens or fewer, or tokens that are not integers.
    Example:
        >>> [window.inputs.T.tolist() for window in Streams(range(9), batch_size=2, window=3)]
        [[[0, 1, 2], [4, 5, 6]], [[3], [7]]]
    """

    def __init__(
        self,
        tokens: Any,
        batch_size: int,
        window: int,
        *,
        starts: Any = None,
        stride: int | None = None,
        rank: int = 0,
        world: int = 1,
        jitter: bool = False,
        seed: int = 0,
    ) -> None:
        self.tokens = token_array(tokens)
        self.batch_size, self.window, self.stride = batch_size, window, window if stride is None else stride
        self.rank, self.world, self.jitter, self.seed = rank, world, jitter, seed
        for name, value, high in (("batch_size", batch_size, None), ("window", window, None), ("stride", self.stride, window)):
            if value < 1 or (high is not None and value > high):
                raise ArgumentError(f"{name} is {value}.", expected="1 or more" if high is None else f"1 to the window, {high}")
        check_sharing(batch_size, rank, world)
        if jitter and self.stride != window:
            raise ArgumentError("jitter and stride exclude each other.", fix="leave stride out")
        pairs = len(self.tokens) - 1
        if pairs < batch_size:
            raise DataError(
                f"{len(self.tokens)} tokens are too few for {batch_size} rows.",
                expected=f"{batch_size + 1} tokens or more",
                fix=f"a smaller {argument('batch_size')}, or a longer text",
            )
        self.row_length = -(-pairs // batch_size)  # steps of a row; only the end of the text is padded
        self._begins = None if starts is None else _marks(starts, len(self.tokens))
        self._edges = self._edges_of(None)

    def epoch(self, epoch: int) -> Streams:
        """The windows of an epoch (1, 2, ...); without jitter they are the same in every epoch.

        With jitter, a window's length is drawn from a Gaussian whose mean is T with probability 0.95, else T / 2, and whose standard deviation
        is 5; it is at least 5 steps. Lengths follow from the seed and the epoch, and are the same on every process.

        Source:     Merity et al. 2018, section 5. Differs: the learning rate is not scaled; to have the same effect, weight the loss by steps / T.
        """
        if not self.jitter:
            return self
        copy = object.__new__(Streams)
        copy.__dict__.update(self.__dict__)
        copy._edges = self._edges_of(np.random.default_rng([self.seed, epoch]))
        return copy

    def __len__(self) -> int:
        return len(self._edges)

    def __getitem__(self, index: Any) -> Any:
        """Window `index`, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        begin, end = self._edges[index]
        counted = begin if index in (0, -len(self)) else self._edges[index - 1][1]  # an earlier window has counted the steps before it
        share = self.batch_size // self.world
        rows = np.arange(self.rank * share, (self.rank + 1) * share)
        places = np.arange(begin, end)[:, None] + rows * self.row_length  # [T, B / world]
        last = len(self.tokens) - 1  # the last input is the token before it
        padding = (places >= last) | (np.arange(begin, end)[:, None] < counted)
        targets = np.where(padding, IGNORED, self.tokens[np.minimum(places + 1, last)].astype(np.int64))
        inputs = self.tokens[np.minimum(places, last)].astype(np.int64)
        resets = None if self._begins is None else torch.from_numpy(self._begins[np.minimum(places, last)])
        return Window(torch.from_numpy(inputs), torch.from_numpy(targets), resets)

    def __iter__(self) -> Iterator[Window]:
        return (self[number] for number in range(len(self)))

    def _edges_of(self, generator: np.random.Generator | None) -> list[tuple[int, int]]:
        """The first step of each window within a row, and the step after its last."""
        edges, begin = [], 0
        while True:
            length = self.window
            if generator is not None:
                middle = self.window if generator.random() < 0.95 else self.window / 2
                length = max(5, int(generator.normal(middle, 5)))
            end = min(begin + length, self.row_length)
            edges.append((begin, end))
            if end == self.row_length:
                return edges
            begin = end if generator is not None else begin + self.stride


class RandomWindows(Sequence[Window]):
    """Windows that begin at random positions, each read from the initial state: `steps` batches in an epoch, sampled as nanoGPT does.

    The seed, the epoch and the number of the batch determine where its windows begin; with several processes, each takes its rows of the same batch.

    Args:
        tokens: [N] integers. batch_size: B, over all processes. window: T, in steps.
        steps: how many batches an epoch has.
        starts: as in `Streams`.
        seed: for the positions. rank, world: the number of this process, and how many there are.
    Raises:
        ArgumentError: an option out of range, or a batch that the processes cannot share evenly.
        DataError: fewer than T + 1 tokens, or tokens that are not integers.
    Example:
        >>> windows = RandomWindows(range(100), batch_size=4, window=8, steps=10)
        >>> len(windows), windows[3].inputs.shape
        (10, torch.Size([8, 4]))
    """

    def __init__(
        self, tokens: Any, batch_size: int, window: int, steps: int, *, starts: Any = None, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.tokens = token_array(tokens)
        self.batch_size, self.window, self.steps, self.seed, self.rank, self.world = batch_size, window, steps, seed, rank, world
        for name, value in (("batch_size", batch_size), ("window", window), ("steps", steps)):
            if value < 1:
                raise ArgumentError(f"{name} is {value}.", expected="1 or more")
        check_sharing(batch_size, rank, world)
        if len(self.tokens) <= window:
            raise DataError(
                f"{len(self.tokens)} tokens are too few for a window of {window}.",
                expected=f"{window + 1} tokens or more",
                fix="a smaller window, or a longer text",
            )
        self._begins = None if starts is None else _marks(starts, len(self.tokens))
        self._epoch = 1

    def epoch(self, epoch: int) -> RandomWindows:
        """The windows of an epoch (1, 2, ...)."""
        copy = object.__new__(RandomWindows)
        copy.__dict__.update(self.__dict__)
        copy._epoch = epoch
        return copy

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: Any) -> Any:
        """Window `index`, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(self.steps)[index]
        generator = np.random.default_rng([self.seed, self._epoch, number])
        begins = generator.integers(0, len(self.tokens) - self.window, self.batch_size)
        share = self.batch_size // self.world
        places = np.arange(self.window)[:, None] + begins[self.rank * share : (self.rank + 1) * share]  # [T, B / world]
        resets = None if self._begins is None else torch.from_numpy(self._begins[places])
        inputs, targets = (torch.from_numpy(self.tokens[steps].astype(np.int64)) for steps in (places, places + 1))
        return Window(inputs, targets, resets)

    def __iter__(self) -> Iterator[Window]:
        return (self[number] for number in range(len(self)))


def token_array(tokens: Any) -> np.ndarray:
    """Tokens [N] as an array of integers, from a list, a range, an array (a memory-mapped one is not copied) or a tensor.

    Raises:
        DataError: more than one axis, or numbers that are not integers.
    """
    array = np.asarray(tokens)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            "the tokens are not a row of integers.", expected="tokens [N] int", received=f"{list(array.shape)} {array.dtype}"
        )
    return array


def check_sharing(batch_size: int, rank: int, world: int) -> None:
    """Raise ArgumentError unless `batch_size` rows can be shared evenly among `world` processes, and `rank` is the number of one of them."""
    if not 0 <= rank < world:
        raise ArgumentError(f"rank {rank} is out of range for {world} processes.", expected="0 <= rank < world")
    if batch_size % world:
        raise ArgumentError(
            f"a batch of {batch_size} rows cannot be shared evenly by {world} processes.",
            expected=f"a multiple of {world}",
            fix=argument("batch_size", -(-batch_size // world) * world),
        )


def _marks(starts: Any, length: int) -> np.ndarray:
    """[N] bool, true where a document begins."""
    positions = token_array(starts if len(starts) else np.zeros(0, dtype=np.int64))
    if len(positions) and not 0 <= positions.min() <= positions.max() < length:
        raise DataError(
            "a document begins outside the text.", expected=f"positions 0..{length - 1}", received=f"{positions.min()}..{positions.max()}"
        )
    marks = np.zeros(length, dtype=bool)
    marks[positions] = True
    return marks
