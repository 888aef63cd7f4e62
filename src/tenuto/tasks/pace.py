"""`Pace`: for how long a task trains, and in batches of which size, where the user leaves that to the data.

A network learns by steps, not by passes over the data: 36 series in batches of 32 would make two steps a pass. So a run is planned in
steps, small sets get small batches, and large sets are still read several times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = 16  # a set is cut into about so many batches, within the bounds of `rows`


@dataclass(frozen=True)
class Pace:
    """The usual length of a task's training.

    Attributes:
        steps: of the optimiser in a run, at least.
        epochs: passes over the training data, at least.
        rows: the smallest batch and the largest.
    Example:
        >>> pace = Pace(steps=1000, epochs=20, rows=(8, 32))
        >>> [(pace.batch_size(items), pace.passes(items, pace.batch_size(items))) for items in (24, 300, 100_000)]
        [(8, 334), (16, 53), (32, 20)]
    """

    steps: int
    epochs: int
    rows: tuple[int, int]

    def batch_size(self, items: int) -> int:
        """The power of two nearest to a sixteenth of the items, within `rows`."""
        least, most = self.rows
        return min(max(2 ** round(math.log2(max(items / PARTS, 1))), least), most)

    def passes(self, items: int, batch_size: int) -> int:
        """How often the items are read."""
        return max(self.epochs, -(-self.steps // -(-items // batch_size)))

    def settle(self, items: int, options: Mapping[str, Any]) -> dict[str, int]:
        """Those of `batch_size` and `epochs` that the options leave open, for this many items."""
        rows = options["batch_size"] or self.batch_size(items)
        chosen = {"batch_size": rows, "epochs": self.passes(items, rows * options["accumulate"])}
        return {name: value for name, value in chosen.items() if options[name] is None}
