"""Splitting a set in two by whole sequences: at random, or each class in proportion."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sequences.sequences import Sequences
from tenuto.errors import ArgumentError, DataError

S = TypeVar("S", Sequences, Sentences)


def random_split(data: S, fraction: float, *, seed: int) -> tuple[S, S]:
    """The set without, and the part with, `round(fraction * N)` of its N sequences drawn at random; one at least in both.

    The same data, fraction and seed give the same split; both parts keep the order of the data.

    Raises:
        DataError: there is one sequence. ArgumentError: fraction is not between 0 and 1.
    """
    _check_fraction(fraction)
    if len(data) < 2:
        raise DataError("one sequence cannot be split in two.", expected="two or more", fix="give a validation set of your own")
    held_out = np.zeros(len(data), dtype=bool)
    count = min(max(round(fraction * len(data)), 1), len(data) - 1)
    held_out[np.random.default_rng(seed).permutation(len(data))[:count]] = True
    return _parts(data, held_out, f"{fraction:.0%} of the training sequences, at random, seed {seed}")


def stratified_split(data: S, fraction: float, *, seed: int) -> tuple[S, S]:
    """The set without, and the part with, about `fraction` of each class; every class is in both.

    Of n sequences of a class `round(fraction * n)` go to the second part, but one at least and n - 1 at most.
    The same data, fraction and seed give the same split; both parts keep the order of the data.

    Args:
        fraction: of each class, in the second part; between 0 and 1.
    Raises:
        DataError: a class has one member, which cannot be in both parts; or there are no labels.
        ArgumentError: fraction is not between 0 and 1.
    Example:
        >>> data = Sequences([np.zeros((2, 1))] * 10, labels=["a"] * 4 + ["b"] * 6)
        >>> [part.class_counts for part in stratified_split(data, 0.25, seed=0)]
        [{'a': 3, 'b': 4}, {'a': 1, 'b': 2}]
    """
    _check_fraction(fraction)
    if data.labels is None:
        raise DataError("a split by class needs labels, and the data has none.", fix="give labels")
    alone = [label for label, count in data.class_counts.items() if count == 1]
    if alone:
        raise DataError(
            f"class {str(alone[0])!r} has one member, which cannot be in the training and in the validation part.",
            expected="two sequences or more of each class",
            received=", ".join(f"{str(label)!r}: {data.class_counts[label]}" for label in alone[:5]),
            fix="add sequences of that class, leave it out, or give a validation set of your own",
        )
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(data), dtype=bool)
    for label in data.class_counts:
        members = np.flatnonzero(data.labels == label)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out[generator.permutation(members)[:count]] = True
    return _parts(data, held_out, f"{fraction:.0%} of the training sequences, by class, seed {seed}")


def _parts(data: S, held_out: np.ndarray, origin: str) -> tuple[S, S]:
    return (
        data.select(np.flatnonzero(~held_out), origin=f"{data.origin}, without {origin}"),
        data.select(np.flatnonzero(held_out), origin=origin),
    )


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise ArgumentError(
            "the part of the data to hold out is out of range.", expected="a number between 0 and 1", received=str(fraction)
        )
