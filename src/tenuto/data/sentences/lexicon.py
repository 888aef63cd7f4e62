"""`Lexicon`: which words or characters a model knows, and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.process import kept_property

PADDING, UNKNOWN, RESERVED = 0, 1, 2


@dataclass(frozen=True)
class Lexicon:
    """Words or characters, numbered from 2 on; 0 is padding, 1 is whatever is not known.

    Attributes:
        entries: the words or characters, in the order of their numbers.
        counts: how often each of them occurred in the training set.
    """

    entries: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def learn(cls, things: Iterable[str], *, min_count: int = 1, more: Iterable[str] = ()) -> Lexicon:
        """Keeps what occurs at least `min_count` times, the most frequent first (then by text); what only `more` has comes after.

        Example:
            >>> Lexicon.learn(["b", "a", "b"], more=["c", "a"])
            Lexicon(entries=('b', 'a', 'c'), counts=(2, 1, 0))
        """
        counts = Counter(things)
        kept = sorted((item for item in counts if counts[item] >= min_count), key=lambda item: (-counts[item], item))
        known = set(kept)
        extra = [item for item in dict.fromkeys(more) if item not in known]
        return cls((*kept, *extra), (*(counts[item] for item in kept), *(counts[item] for item in extra)))

    def __len__(self) -> int:
        """How many numbers there are, including those for padding and for unknown entries."""
        return len(self.entries) + RESERVED

    @kept_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each entry."""
        return {entry: index + RESERVED for index, entry in enumerate(self.entries)}

    def encode(self, things: Iterable[str]) -> np.ndarray:
        """The numbers of these things, [n] int64; what is not known becomes 1."""
        get = self.numbers.get
        return np.array([get(thing, UNKNOWN) for thing in things], dtype=np.int64)

    def to_data(self) -> dict[str, Any]:
        """As plain data, for config.json."""
        return {"entries": list(self.entries), "counts": list(self.counts)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Lexicon:
        """The lexicon that `to_data` described."""
        return cls(tuple(data["entries"]), tuple(data["counts"]))
