"""Splitting a set in two, by whole sequences: at random, or in proportion within each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from tenuto.errors import ArgumentError, DataError
from tenuto.scalars import drawn_from
from tenuto.tongues import either


class Divisible(Protocol):
    """What can be split: a set of any family whose items do not depend on each other."""

    def __len__(self) -> int: ...

    @property
    def origin(self) -> str:
        """How it was made, in words."""

    def select(self: S, indices: Sequence[int] | np.ndarray, *, origin: str | None = None) -> S:
        """The items at these positions."""


class Labelled(Divisible, Protocol):
    """What can be split by class."""

    labels: np.ndarray | None

    @property
    def class_counts(self) -> dict[Any, int]:
        """How many items each label has."""


_OWN = either("a validation set of your own", "a validation set of your own (--validation)")
S = TypeVar("S", bound=Divisible)
L = TypeVar("L", bound=Labelled)


def random_split(data: S, fraction: float, *, seed: Any) -> tuple[S, S]:
    """Splits N sequences at random. The second part has `round(fraction * N)` of them, the first has the rest; neither is empty.

    The same data, fraction and seed give the same split; both parts keep the order of the data.

    Args:
        fraction: how much of the data goes into the second part; between 0 and 1.
        seed: a whole number, or a random generator of numpy's.
    Raises:
        DataError: there is only one sequence. ArgumentError: fraction is not between 0 and 1.
    """
    check_fraction(fraction)
    seed = drawn_from(seed)
    if len(data) < 2:
        raise DataError("one sequence cannot be split in two.", expected="two or more", fix=f"give {_OWN}")
    held_out = np.zeros(len(data), dtype=bool)
    held_out[draw(np.arange(len(data)), fraction, np.random.default_rng(seed))] = True
    return divide(data, held_out, f"{fraction:.0%} of the training sequences, at random, seed {seed}")


def stratified_split(data: L, fraction: float, *, seed: Any) -> tuple[L, L]:
    """Splits each class in the same proportion. The second part has about `fraction` of each class, the first has the rest; every class is in both.

    Of the n sequences of a class, `round(fraction * n)` go into the second part, but at least one and at most n - 1.
    The same data, fraction and seed give the same split; both parts keep the order of the data.

    Args:
        fraction: how much of each class goes into the second part; between 0 and 1.
        seed: a whole number, or a random generator of numpy's.
    Raises:
        DataError: a class has only one member, which cannot be in both parts; or there are no labels.
        ArgumentError: fraction is not between 0 and 1.
    Example:
        >>> from tenuto.data import Sequences
        >>> data = Sequences([np.zeros((2, 1))] * 10, labels=["a"] * 4 + ["b"] * 6)
        >>> [part.class_counts for part in stratified_split(data, 0.25, seed=0)]
        [{'a': 3, 'b': 4}, {'a': 1, 'b': 2}]
    """
    check_fraction(fraction)
    seed = drawn_from(seed)
    if data.labels is None:
        raise DataError("a split by class needs labels, and the data has none.", fix=either("give labels", "say which column has them: --label-column NAME"))
    alone = [label for label, count in data.class_counts.items() if count == 1]
    if alone:
        raise DataError(
            f"class {str(alone[0])!r} has only one member, which cannot be in both the training part and the validation part.",
            expected="two or more sequences of each class",
            received=", ".join(f"{str(label)!r}: {data.class_counts[label]}" for label in alone[:5]),
            fix=f"add sequences of that class, leave it out, or give {_OWN}",
        )
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(data), dtype=bool)
    for label in data.class_counts:
        held_out[draw(np.flatnonzero(data.labels == label), fraction, generator)] = True
    return divide(data, held_out, f"{fraction:.0%} of the training sequences, by class, seed {seed}")


def draw(items: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """About `fraction` of two or more items, drawn at random: at least one, and at most all but one."""
    count = min(max(round(fraction * len(items)), 1), len(items) - 1)
    return generator.permutation(items)[:count]


def divide(data: S, held_out: np.ndarray, origin: str) -> tuple[S, S]:
    """The set without the items that `held_out [N] bool` marks, and the part with them; `origin` says in words which items these are."""
    return (
        data.select(np.flatnonzero(~held_out), origin=f"{data.origin}, without {origin}"),
        data.select(np.flatnonzero(held_out), origin=origin),
    )


def check_fraction(fraction: float) -> None:
    """Raise ArgumentError unless `fraction` is between 0 and 1, both excluded."""
    if not 0 < fraction < 1:
        raise ArgumentError(
            "the fraction of the data to hold out is out of range.", expected="a number between 0 and 1", received=str(fraction)
        )
