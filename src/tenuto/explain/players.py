"""Players: which cells of an item are present or absent together.

    "features"   each feature over the whole item          "tokens"   each step with all its features
    "segments"   each segment of time with all features    "words"    runs of characters between white space; where steps are words, each step
    "cells"      each feature in each segment              [T, F]     whole numbers: the player of each cell

Shapes: T steps, F features, P players.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError, ShapeError

KINDS = ("features", "segments", "cells", "tokens", "words")
CUTS = ("equal", "change points")


@dataclass(frozen=True, eq=False)
class Players:
    """The players of an item.

    Attributes:
        names: of the P players. places: [T, F] int64, the player of each cell.
    """

    names: tuple[str, ...]
    places: np.ndarray

    def spread(self, values: np.ndarray) -> np.ndarray:
        """[T, F]: each player's value, divided evenly among its cells."""
        counts = np.bincount(self.places.ravel(), minlength=len(self.names))
        return (values / np.maximum(counts, 1))[self.places]

    def pruned(self, cut: int) -> Players:
        """The first `cut` steps as one player, and of the others those that have cells after these."""
        later = self.places[cut:]
        kept, places = np.unique(later, return_inverse=True)
        past = np.zeros((cut, self.places.shape[1]), dtype=np.int64)
        names = (f"the first {cut} steps" if cut > 1 else "the first step", *(self.names[number] for number in kept))
        return Players(names, np.concatenate([past, places.reshape(later.shape) + 1]))


def check_players(players: Any, segments: Any, cut: Any) -> None:
    """Raise ArgumentError unless these settings of a method can be used."""
    if not isinstance(players, np.ndarray) and players is not None and players not in KINDS:
        raise unknown_name(f"players={players!r} is not known.", players, KINDS, fix="give an array [T, F] of whole numbers")
    if not isinstance(segments, int) or isinstance(segments, bool) or segments < 1:
        raise ArgumentError(f"segments={segments!r} cannot be used.", expected="1 or more")
    if cut not in CUTS:
        raise unknown_name(f"cut={cut!r} is not known.", cut, CUTS)


def players_of(players: Any, x: np.ndarray, inputs: Sequence[str], words: Sequence[str] | None, *, segments: int = 8, cut: str = "equal") -> Players:
    """The players of an item x [T, F].

    Args:
        players: see the top of the file; None for "tokens" where steps have texts, else "cells". inputs, words: names of features and steps.
        segments: how many, at most T. cut: "equal", in equal lengths; "change points", where the values change most (ruptures).
    Raises:
        ArgumentError: words for an item whose steps have no texts, or ruptures is not installed. ShapeError: an array of another shape.
    """
    steps, width = x.shape
    if isinstance(players, np.ndarray):
        return _given(players, steps, width)
    kind = players or ("cells" if words is None else "tokens")
    features = [inputs[number] if number < len(inputs) else f"input {number}" for number in range(width)]
    if kind == "features":
        return Players(tuple(features), np.broadcast_to(np.arange(width), (steps, width)).copy())
    if kind == "tokens":
        return _runs(np.arange(steps), [f"step {step}" for step in range(steps)] if words is None else list(words), width)
    if kind == "words":
        return _words(words, width)
    places = _segments(x, segments, cut)
    ends = [0, *np.searchsorted(places, np.arange(places[-1] + 1), side="right").tolist()]
    names = [f"steps {first} to {end - 1}" if end - first > 1 else f"step {first}" for first, end in zip(ends, ends[1:])]
    if kind == "segments":
        return _runs(places, names, width)
    cells = places[:, None] * width + np.arange(width)
    return Players(tuple(f"{feature}, {name}" for name in names for feature in features), cells)


def _given(places: np.ndarray, steps: int, width: int) -> Players:
    if places.shape != (steps, width) or places.dtype.kind not in "iu" or places.min() < 0:
        raise ShapeError("the array of players does not fit the item.", expected=f"[{steps}, {width}] of whole numbers, 0 or more", received=f"{list(places.shape)} {places.dtype}")
    known, ranks = np.unique(places, return_inverse=True)
    return Players(tuple(f"player {number}" for number in known), ranks.reshape(places.shape).astype(np.int64))


def _runs(places: np.ndarray, names: list[str], width: int) -> Players:
    return Players(tuple(names), np.repeat(places[:, None], width, axis=1).astype(np.int64))


def _words(words: Sequence[str] | None, width: int) -> Players:
    """Single characters are put together into words; the white space after a word belongs to it."""
    if words is None:
        raise ArgumentError("the steps of this item have no texts, so there are no words.", expected="a model of words or characters", fix='players="tokens"')
    places, number = [0], 0
    for before, now in zip(words, words[1:]):
        letters = len(before) == 1 and len(now) == 1 and not (before.isspace() and not now.isspace())
        number += not letters
        places.append(number)
    names = ["".join(text for text, place in zip(words, places) if place == number) for number in range(number + 1)]
    return _runs(np.array(places), names, width)


def _segments(x: np.ndarray, segments: int, cut: str) -> np.ndarray:
    """[T] the segment of each step, 0, 1, ..."""
    steps, count = len(x), min(segments, len(x))
    if cut == "equal" or count == 1 or count == steps or np.ptp(x, axis=0).max() == 0:
        return np.arange(steps) * count // steps
    try:
        import ruptures
    except ImportError as error:
        raise ArgumentError("ruptures, which finds change points, is not installed.", fix='pip install "tenuto[explain]", or cut="equal"') from error
    deviation = x.std(0)
    ends = ruptures.KernelCPD(kernel="linear", min_size=1).fit(x / np.where(deviation > 0, deviation, 1.0)).predict(n_bkps=count - 1)
    return np.searchsorted(np.array(ends), np.arange(steps), side="right")
