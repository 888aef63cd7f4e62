"""The path of a layer's output in the plane in which it moves the most.

Source: principal components: the singular vectors of all outputs, of all steps of all items, without their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenuto.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where each item's steps lie on the axes along which outputs vary the most.

    Attributes:
        mean: [W], of all steps. axes: [A, W], of length 1. shares: [A], of the variance. points: [T_i, A] for each item.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray
    points: list[np.ndarray]

    def place(self, outputs: np.ndarray) -> np.ndarray:
        """[N, A]: where outputs [N, W] lie."""
        found: np.ndarray = (outputs.astype(np.float64) - self.mean) @ self.axes.T
        return found


def require_finite(name: str, values: np.ndarray) -> None:
    """Raise ArgumentError where a layer's values are no numbers any more."""
    if not np.isfinite(values).all():
        where = int((~np.isfinite(values).all(axis=1)).argmax())
        raise ArgumentError(
            f"{name}: its output is not finite, so nothing can be said of its units.", expected="finite numbers", received=f"{values[where][~np.isfinite(values[where])][0]} at step {where} of all",
            fix="data without missing values, and a model that was trained to its end",
        )  # fmt: skip


def trajectory_of(name: str, outputs: Sequence[np.ndarray], axes: int = 2) -> Trajectory:
    """Of outputs [T_i, W] for each item.

    Raises:
        ArgumentError: the layer's output does not change, or there are fewer axes than were asked for.
    """
    every = np.concatenate(outputs).astype(np.float64)
    if not 1 <= axes <= every.shape[1]:
        raise ArgumentError(f"{name}: its output has {every.shape[1]} units, and {axes} axes are asked for.", expected=f"1 to {every.shape[1]} axes")
    if len(every) < 2:
        raise ArgumentError(f"{name}: one step has no path.", expected="an item with two steps or more, or several items", received="one item with one step")
    require_finite(name, every)
    mean = every.mean(0)
    centred = every - mean
    if np.abs(centred).max() <= 1e-9 * np.abs(every).max():
        raise ArgumentError(
            f"{name}: its output does not change, so it has no path.", expected="outputs that differ from step to step or from item to item",
            received=f"the same output at all {len(every)} steps", fix="more items, or items that are not constant",
        )  # fmt: skip
    _, sizes, rows = np.linalg.svd(centred, full_matrices=axes > len(every))
    found = rows[:axes]
    found = found * np.sign(found[np.arange(axes), np.abs(found).argmax(1)])[:, None]  # an axis points to where its largest part is positive
    shares = np.zeros(axes)
    shares[: min(axes, len(sizes))] = (sizes**2 / (sizes**2).sum())[:axes]
    made = Trajectory(mean, found, shares, [])
    return Trajectory(mean, found, shares, [made.place(values) for values in outputs])
