"""The parts of an item that are taken away together: its players; where steps are tokens, its steps (the numbers of a token's vector are no parts); else its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenuto.explain.explanation import Item
from tenuto.explain.players import Players


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of an item. Attributes: places [T, F], the part of each cell; count; values [P], what the explanation says of each."""

    places: np.ndarray
    count: int
    values: np.ndarray

    @classmethod
    def of(cls, item: Item, *, steps_whole: bool) -> Parts:
        """The parts of an item that was explained.

        Args:
            steps_whole: whether a step is one part where there are no players.
        """
        if item.players is not None and item.player_values is not None:
            return cls(item.players.places, len(item.players.names), np.asarray(item.player_values))
        steps, width = item.values.shape
        if steps_whole:
            return cls(np.repeat(np.arange(steps)[:, None], width, axis=1), steps, item.values.sum(1))
        return cls(np.arange(steps * width).reshape(steps, width), steps * width, item.values.ravel())

    def players(self) -> Players:
        """As players without names."""
        return Players(("",) * self.count, self.places)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """[P]: other values [T, F] of the same cells, summed in each part."""
        return np.bincount(self.places.ravel(), values.ravel(), minlength=self.count)
