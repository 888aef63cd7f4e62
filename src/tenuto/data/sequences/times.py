"""When the steps of a sequence were, and how long ago each of its channels was measured.

Shapes: T steps, C channels. Every sequence has its own times, so nothing is put on a common grid, and the cost is linear in the steps that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tenuto.errors import DataError, ShapeError


def as_times(times: Iterable[Any], values: Sequence[np.ndarray], ids: Sequence[str]) -> list[np.ndarray]:
    """The times of each sequence, [T_i] float64.

    Args:
        values: [T_i, C] of each sequence. ids: of the sequences, for messages.
    Raises:
        ShapeError: not one array of times for each sequence, or not one time for each step.
        DataError: a time is no finite number, or not later than the one before.
    """
    found = [np.asarray(own, dtype=np.float64) for own in times]
    if len(found) != len(values):
        raise ShapeError("there are not as many arrays of times as sequences.", expected=f"{len(values)}, [T] each", received=str(len(found)))
    for own, array, identity in zip(found, values, ids):
        if own.shape != (len(array),):
            raise ShapeError(f"the times of sequence {identity!r} do not fit its steps.", expected=f"[{len(array)}]", received=str(list(own.shape)), fix="give each step its time")
        back = np.flatnonzero(~np.isfinite(own) | (np.diff(own, prepend=-np.inf) <= 0))
        if back.size:
            step = int(back[0])
            what = "is no number" if not np.isfinite(own[step]) else "is not later than the one before"
            raise DataError(
                f"the time of step {step} of sequence {identity!r} {what}.", expected="finite numbers, each larger than the one before",
                received=", ".join(f"{time:g}" for time in own[max(step - 1, 0) : step + 1]), fix="sort the steps by time; make one step of those at the same time",
            )  # fmt: skip
    return found


def distinct(times: list[np.ndarray]) -> list[np.ndarray] | None:
    """The times [T_i] of sorted steps, each less the first of its sequence; None where one is infinite or float64 cannot tell neighbours apart: their order is known then, not their distance."""
    return [own - own[0] for own in times] if all(np.isfinite(own).all() and (np.diff(own) > 0).all() for own in times) else None


def elapsed(times: np.ndarray) -> np.ndarray:
    """The time since the step before, [T]; 0 at the first step.

    Example:
        >>> elapsed(np.array([2.0, 3.0, 7.0])).tolist()
        [0.0, 1.0, 4.0]
    """
    return np.diff(times, prepend=times[:1])


def gaps(times: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How long ago each channel was last measured before this step, [T, C]; where it never was, the time since the first step. So it is 0 at the first step.

    What is measured at a step is not what its gap is about: the gap says how old the value is that the step before left behind.

    Args:
        times: [T], increasing. mask: [T, C] bool, whether a channel was measured.
    Source:     Che et al. 2018, section "Notations": d_t = s_t - s_{t-1} + (1 - m_{t-1}) d_{t-1}.
    Example:
        >>> gaps(np.array([0.0, 1.0, 4.0, 6.0]), np.array([[True], [False], [True], [False]])).ravel().tolist()
        [0.0, 1.0, 4.0, 2.0]
    """
    seen = np.maximum.accumulate(np.where(mask, times[:, None], times[0]), axis=0)
    before = np.concatenate([np.full_like(seen[:1], times[0]), seen[:-1]])
    return times[:, None] - before


def mean_step(times: Sequence[np.ndarray], weights: np.ndarray) -> float:
    """The mean time from a step to the next, where a sequence of weight 2 counts like two; 1 where every sequence has a single step.

    Example:
        >>> mean_step([np.array([0.0, 1.0, 4.0]), np.array([5.0])], np.ones(2))
        2.0
    """
    steps = sum(weight * (len(own) - 1) for own, weight in zip(times, weights))
    return float(sum(weight * (own[-1] - own[0]) for own, weight in zip(times, weights)) / steps) if steps else 1.0
