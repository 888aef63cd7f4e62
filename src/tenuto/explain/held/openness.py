"""How open a gate stands.

Source: Karpathy, Johnson, Fei-Fei 2016, "Visualizing and understanding recurrent networks", section 4.3: a gate's unit is left saturated where it is below 0.1, and
right saturated where it is above 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHUT, OPEN = 0.1, 0.9


@dataclass(frozen=True, eq=False)
class Openness:
    """How open one gate stood over all steps of all items.

    Attributes:
        shut: [H], the share of steps at which each unit was below 0.1 (left saturated). open: [H], above 0.9 (right saturated). mean: [H].
    """

    shut: np.ndarray
    open: np.ndarray
    mean: np.ndarray

    @staticmethod
    def of(values: Sequence[np.ndarray]) -> Openness:
        """Of a gate's values, [T_i, H] for each item."""
        every = np.concatenate(values).astype(np.float64)
        return Openness((every < SHUT).mean(0), (every > OPEN).mean(0), every.mean(0))
