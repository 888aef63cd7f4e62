"""`Sequences`: a data set of multivariate sequences of unequal length, checked once when it is made.

Values stay as they were given: one array `[T_i, C]` for each sequence, which may be a view into one large array, never a padded copy.
NaN stands for a missing value and is allowed here; `Standardiser` has the rules for what becomes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.counts import as_ids, require_one_each
from tenuto.data.decode import telling
from tenuto.data.frame import columns_of, is_frame
from tenuto.data.labels import as_labels, label_counts
from tenuto.data.parts import members, named_by_file
from tenuto.data.sequences.channels import numbers, order_of, refuse_row_numbers
from tenuto.data.sequences.targets import as_targets
from tenuto.data.sequences.times import as_times
from tenuto.data.source import GIVEN, Source, Sourced
from tenuto.data.weights import as_weights, taken
from tenuto.errors import DataError, ShapeError
from tenuto.process import kept_property
from tenuto.scalars import whole

LAYOUTS = ("case-time-channel", "case-channel-time")  # of the axes of an array of three
_LARGEST = float(np.finfo(np.float32).max)


class Sequences(Sourced):
    """A set of sequences, each with a label or with numbers to predict.

    Args:
        values: one array `[T_i, C]` or data frame for each sequence, T_i >= 1. Data frames are put in the order of columns of the first; masked
            places are missing values. Kept as float32 if they are given in so few bits, else as float64 (`Standardiser` makes float32 of them).
        labels: one for each sequence: text, integers, floats or booleans. Default: none.
        targets: the numbers that a regression predicts, [N] or [N, K], or a data frame of K columns. Default: none. target_names: K names.
        ids: one text for each sequence, to name it in messages. Default: "0", "1", ...
        channels: C names. Default: those of data frames, else "channel 0", ...; of data frames they choose the columns.
        weights: how much each sequence counts in the loss and in what is measured: N numbers, 0 or more. Default: all alike.
        times: when each step was, one array [T_i] of numbers for each sequence, each later than the one before. Default: not known; then steps are one unit apart.
        came_from: what to call the set, and where it came from.
    Attributes:
        named: whether the channels have names that were given. Then data is matched by name, else by position.
        sparse: whether a channel that is not there was only never measured, as in a table of triplets; `arranged` adds it, all missing.
    Raises:
        ShapeError: an array is not `[T, C]`, or C differs between sequences.
        DataError: no sequence at all, an empty sequence, an infinite value, something that is not a number, data frames with other columns than
            the first or with one that only numbers the rows, labels, ids, weights or channel names whose number does not fit, weights as in `data.weights`,
            or times as in `data.sequences.times`.
    Example:
        >>> data = Sequences([np.zeros((3, 2)), np.ones((5, 2))], labels=["a", "b"])
        >>> data
        Sequences(2 sequences, 3 to 5 steps, 2 channels, 2 classes)
        >>> data.lengths.tolist()
        [3, 5]
    """

    def __init__(
        self,
        values: Iterable[Any],
        labels: Iterable[Any] | None = None,
        *,
        ids: Iterable[Any] | None = None,
        channels: Iterable[Any] | None = None,
        weights: Any = None,
        targets: Any = None,
        target_names: Iterable[Any] | None = None,
        times: Iterable[Any] | None = None,
        came_from: Source = GIVEN,
    ) -> None:
        self.came_from, self.sparse = came_from, False
        _refuse_one_table(values)
        arrays = list(values)
        if not arrays:
            raise DataError("there are no sequences.", expected="one or more sequences", received="none", fix="check the data")
        self.ids = as_ids(ids, arrays, "sequences")
        if any(is_frame(array) for array in arrays):
            arrays, channels = _frames(arrays, self.ids, channels)
        self.values: list[np.ndarray] = [_as_steps(array, identity) for array, identity in zip(arrays, self.ids)]
        width = self.values[0].shape[1]
        self.named = channels is not None
        self.channels: tuple[str, ...] = usual_names(width) if channels is None else tuple(str(channel) for channel in channels)
        require_one_each("channel names", self.channels, range(width), "channels")
        for array, identity in zip(self.values, self.ids):
            if array.shape[1] != width:
                raise ShapeError(
                    f"sequence {identity!r} has {array.shape[1]} channels, but sequence {self.ids[0]!r} has {width}.",
                    expected=f"[T, {width}]",
                    received=f"[{array.shape[0]}, {array.shape[1]}]",
                    fix="give every sequence the same channels; a value that was not measured is NaN",
                )
            infinite = np.abs(array) > _LARGEST
            if infinite.any():
                step, channel = np.argwhere(infinite)[0]
                raise DataError(
                    f"sequence {identity!r} has an infinite value at step {step}, {self.channels[channel]}.",
                    expected="finite values of float32, |x| < 3.4e38",
                    received=str(array[step, channel]),
                    fix="correct the value, or mark it as missing (NaN)",
                )
        self.labels: np.ndarray | None = None if labels is None else as_labels(labels)
        if self.labels is not None:
            require_one_each("labels", self.labels, arrays, "sequences")
        self.targets: np.ndarray | None = None  # [N, K] float64
        self.target_names: tuple[str, ...] = ()
        self.single_target = False  # whether there is one for each sequence, given as [N]
        if targets is not None:
            self.targets, self.target_names, self.single_target = as_targets(targets, target_names, self.ids)
        self.weights = as_weights(weights, self.ids, "sequences")
        self.times: list[np.ndarray] | None = None if times is None else as_times(times, self.values, self.ids)

    def labelled(self, labels: Iterable[Any]) -> Sequences:
        """The same sequences with these labels, one for each; the digest is then of the content, not of the file."""
        part = self._taken(range(len(self)), self.came_from.part())
        part.labels = as_labels(labels)
        require_one_each("labels", part.labels, self.ids, "sequences")
        return part

    @classmethod
    def from_arrays(cls, values: Any, labels: Any = None, *, lengths: Any = None, weights: Any = None, targets: Any = None, layout: str = LAYOUTS[0]) -> Sequences:
        """Sequences from a list of `[T_i, C]` arrays or tensors, a padded `[N, T, C]` array or tensor, or Sequences.

        Args:
            values: see above. A padded array is cut at `lengths`; what comes after is never read.
            labels: [N]. Default: those of `values`, if it is Sequences.
            lengths: [N] int, in steps, 1..T; only for a padded array. Default: all T.
            weights: [N] numbers, 0 or more. Default: those of `values`, if it is Sequences.
            targets: [N] or [N, K] numbers. Default: those of `values`, if it is Sequences.
            layout: what the axes of a padded array are, "case-time-channel" or "case-channel-time"; of the arrays in a list, without the first axis.
        Raises:
            ArgumentError: `layout` is not known.
            ShapeError, DataError: as for the class; or lengths that are out of range, not one for each sequence, or given without a padded array.
        """
        require("layout", layout, LAYOUTS)
        if isinstance(values, Sequences):
            if lengths is not None:
                raise DataError("lengths are for a padded array; Sequences know their own.", fix="leave lengths out")
            return values.given(labels, weights, targets)
        if hasattr(values, "detach"):
            values = values.detach().cpu().numpy()
        _refuse_one_table(values)
        padded = isinstance(values, np.ndarray) and values.dtype != object
        if layout != LAYOUTS[0]:
            values = values.swapaxes(1, 2) if padded and values.ndim == 3 else values if padded else [_turned(array) for array in values]
        if padded:
            if values.ndim != 3:
                raise ShapeError(
                    f"x has {values.ndim} axes.",
                    expected="a list of [T, C] arrays, or one padded array [N, T, C]",
                    received=f"{list(values.shape)} {values.dtype}",
                    fix="for sequences of one channel add an axis: x[:, :, None]; one sequence alone is x[None]",
                )
            values = _unpad(values, lengths)
        elif lengths is not None:
            raise DataError("lengths are for a padded array; a list of arrays knows its own.", fix="leave lengths out")
        return cls(values, labels, weights=weights, targets=targets)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> np.ndarray:
        """The values [T, C] of one sequence."""
        return self.values[index]

    def __repr__(self) -> str:
        low, high = self.lengths.min(), self.lengths.max()
        targets = None if self.targets is None else "1 target" if self.targets.shape[1] == 1 else f"{self.targets.shape[1]} targets"
        classes = targets or ("no labels" if self.labels is None else f"{len(self.class_counts)} classes")
        return f"Sequences({len(self)} sequences, {low} to {high} steps, {len(self.channels)} channels, {classes})"

    @kept_property
    def lengths(self) -> np.ndarray:
        """[N] int64, in steps."""
        return np.array([len(array) for array in self.values], dtype=np.int64)

    @kept_property
    def class_counts(self) -> dict[Any, int]:
        """How many sequences each label has, in the order of the labels; empty without labels."""
        return label_counts(self.labels)

    @kept_property
    def missing_values(self) -> int:
        """How many values are NaN."""
        return sum(int(np.isnan(array).sum()) for array in self.values)

    def _content_sha256(self) -> str:
        """The digest of the channels' names, the labels, lengths, values, and weights where there are any."""
        digest = hashlib.sha256(repr((self.channels, None if self.labels is None else self.labels.tolist())).encode())
        digest.update(self.lengths.tobytes())
        for array in self.values:
            digest.update(array.tobytes())
        digest.update(b"" if self.weights is None else self.weights.tobytes())
        digest.update(b"" if self.targets is None else repr(self.target_names).encode() + self.targets.tobytes())
        for times in self.times or ():
            digest.update(times.tobytes())
        return digest.hexdigest()

    def first_missing(self) -> tuple[int, int, int] | None:
        """(sequence, step, channel) of the first NaN, or None."""
        for index, array in enumerate(self.values):
            missing = np.isnan(array)
            if missing.any():
                step, channel = np.argwhere(missing)[0]
                return index, int(step), int(channel)
        return None

    def select(self, indices: Sequence[int] | np.ndarray, *, origin: str | None = None) -> Sequences:
        """The sequences at these positions; values are shared, not copied."""
        return self._taken(indices, self.came_from.part(origin))

    def parts(self, split: Any) -> dict[str, Sequences]:
        """The parts that the file itself names, given the name of each sequence's part, `split [N]`. Their digest stays that of the file.

        Raises:
            DataError: a word that means no part, or more or fewer words than sequences.
        """
        found = members(np.asarray(split).tolist(), len(self))
        return {part: self._taken(indices, replace(self.came_from, origin=named_by_file(part))) for part, indices in found.items()}

    def given(self, labels: Any = None, weights: Any = None, targets: Any = None) -> Sequences:
        """The same sequences with these labels, weights and targets; None leaves those that they have."""
        data = self if labels is None else self.labelled(labels)
        if weights is None and targets is None:
            return data
        part = data._taken(range(len(data)), data.came_from.part())
        if weights is not None:
            part.weights = as_weights(weights, data.ids, "sequences")
        if targets is not None:
            part.targets, part.target_names, part.single_target = as_targets(targets, None, data.ids)
        return part

    def arranged(self, channels: Sequence[str], whose: str) -> Sequences:
        """The same sequences with their channels in this order, by name; the set itself where they stand so already, or have no names.

        Args:
            whose: where the order comes from, for messages: "the model was trained on".
        Raises:
            DataError: a name is missing, foreign, or there twice.
        """
        if not self.named or self.channels == tuple(channels):
            return self
        unseen = [name for name in channels if name not in self.channels] if self.sparse else []
        order = order_of([*self.channels, *unseen], channels, whose)
        part = self._taken(range(len(self)), self.came_from)
        part.channels = tuple(channels)
        part.values = [np.pad(array, ((0, 0), (0, len(unseen))), constant_values=np.nan)[:, order] for array in self.values]
        return part

    def _taken(self, indices: Sequence[int] | np.ndarray, came_from: Source) -> Sequences:
        """The sequences at these positions, without the checks that their values have already passed."""
        chosen = [int(index) for index in indices]
        part = object.__new__(Sequences)
        part.came_from, part.channels, part.named = came_from, self.channels, self.named
        part.values = [self.values[index] for index in chosen]
        part.labels = None if self.labels is None else self.labels[chosen]
        part.targets, part.target_names, part.single_target = taken(self.targets, chosen), self.target_names, self.single_target
        part.ids = tuple(self.ids[index] for index in chosen)
        part.weights = taken(self.weights, chosen)
        part.times, part.sparse = None if self.times is None else [self.times[index] for index in chosen], self.sparse
        return part


def usual_names(width: int) -> tuple[str, ...]:
    """The names of channels that were given none."""
    return tuple(f"channel {index}" for index in range(width))


def _turned(array: Any) -> Any:
    """[C, T] as [T, C]; whatever has no two axes as it is. A data frame has a column for each channel, whatever the layout."""
    return array.swapaxes(0, 1) if getattr(array, "ndim", 0) == 2 and not is_frame(array) else array


def _refuse_one_table(values: Any) -> None:
    if is_frame(values):
        raise DataError(
            "x is one table, not a set of sequences.",
            expected="a list of [T, C] arrays or data frames, one for each sequence",
            received=f"{type(values).__name__} with the columns {', '.join(list(columns_of(values))[:8])}",
            fix="read a table that holds many sequences with tenuto.data.sequences_from_columns(table, Columns(id=...)); one sequence alone is [x]",
        )


def _frames(arrays: Sequence[Any], ids: Sequence[str], channels: Iterable[Any] | None) -> tuple[list[Any], list[str]]:
    """Data frames as arrays [T, C], all in the order of the first, or with the channels asked for; and the names of the channels."""
    tables = []
    for array, identity in zip(arrays, ids):
        if not is_frame(array):
            raise DataError(
                f"sequence {identity!r} is not a data frame, but others are.", expected="all sequences as data frames, or all as arrays", received=type(array).__name__
            )
        tables.append(columns_of(array))
    names = list(tables[0]) if channels is None else [str(channel) for channel in channels]
    made = []
    for table, identity in zip(tables, ids):
        if channels is not None:
            table = {name: column for name, column in table.items() if name in names}
        order_of(list(table), names, f"sequence {ids[0]!r} has" if channels is None else "channels= asks for")
        with telling(f"sequence {identity!r}"):
            made.append({name: numbers(table[name], name, lambda row: f"step {row}") for name in names})
    if channels is None:
        refuse_row_numbers({name: np.concatenate([columns[name] for columns in made]) for name in names})
    return [np.stack(list(columns.values()), axis=1) if columns else np.empty((0, 0)) for columns in made], names


def _as_steps(array: Any, identity: str) -> np.ndarray:
    """One sequence as `[T, C]`, float32 or float64, NaN where it is masked; it is not copied if it has that form already."""
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    try:
        array = array if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
        if array.dtype.kind in "Mmc":
            raise TypeError(f"it holds {'complex numbers' if array.dtype.kind == 'c' else 'dates or durations'}")
        precise = np.float32 if array.dtype.kind in "biuf" and (array.dtype.itemsize < 4 or array.dtype == np.float32) else np.float64
        array = array.astype(precise, copy=False)
        if isinstance(array, np.ma.MaskedArray):
            array = array.filled(np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"sequence {identity!r} is not made of numbers: {error}.", expected="an array [T, C] of numbers") from error
    if array.ndim != 2:
        raise ShapeError(
            f"sequence {identity!r} has {array.ndim} axes.",
            expected="[T, C]: steps, channels",
            received=str(list(array.shape)),
            fix="for one channel add an axis: x[:, None]",
        )
    if not array.shape[0] or not array.shape[1]:
        raise DataError(
            f"sequence {identity!r} is empty.",
            expected="at least one step and one channel",
            received=str(list(array.shape)),
            fix="leave the sequence out",
        )
    return array


def _unpad(padded: np.ndarray, lengths: Any) -> list[np.ndarray]:
    """A padded array `[N, T, C]` as N views `[T_i, C]`."""
    count, steps, _ = padded.shape
    settled = [whole(length) for length in lengths] if isinstance(lengths, (list, tuple)) else [None]  # numpy makes floats of some mixed lists
    cuts = np.full(count, steps) if lengths is None else np.asarray(lengths if None in settled else settled)
    if cuts.shape != (count,) or not np.issubdtype(cuts.dtype, np.integer) or np.ma.is_masked(lengths):
        raise ShapeError(
            "lengths do not fit x.",
            expected=f"lengths [{count}] of integers",
            received=f"{list(cuts.shape)} {cuts.dtype}" + (", some of them masked" if np.ma.is_masked(lengths) else ""),
            fix="give each sequence one length, in steps",
        )
    wrong = np.flatnonzero((cuts < 1) | (cuts > steps))
    if wrong.size:
        raise DataError(
            f"the sequence at position {wrong[0]} has length {cuts[wrong[0]]}, but x has {steps} steps.",
            expected=f"1 <= length <= {steps}",
            received=str(cuts[wrong[0]]),
            fix="leave empty sequences out; pad x to the longest sequence",
        )
    return [padded[index, : int(cut)] for index, cut in enumerate(cuts)]
