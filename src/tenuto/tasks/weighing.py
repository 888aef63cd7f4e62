"""How much each row counts in training: its own weight (`sample_weight`) times that of its class (`class_weight`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from tenuto.choices import require, unknown_name
from tenuto.data.labels import Labels
from tenuto.data.split import Divisible
from tenuto.data.weights import even, require_some
from tenuto.errors import ArgumentError
from tenuto.tongues import argument, either

S = TypeVar("S")

BALANCED = "balanced"


def counting(data: S, noun: str = "training sequences") -> S:
    """The items of a set that count at all; the set itself where that is all of them."""
    weights = getattr(data, "weights", None)  # not every kind of set has any
    if weights is None or weights.all():
        return data
    require_some(weights, noun)
    kept, whole = np.flatnonzero(weights), cast(Divisible, data)
    return cast(S, whole.select(kept, origin=f"{whole.origin}, without {len(weights) - len(kept)} of weight 0"))


def check_class_weight(given: Any) -> None:
    """Check the option `class_weight` as far as it can be checked without data.

    Raises:
        ArgumentError: it is neither None, nor "balanced", nor weights by label.
    """
    if not isinstance(given, Mapping):
        weights = either("or weights by label, for example {'yes': 2.0}", "or weights by label, LABEL=NUMBER with commas between")
        require("class_weight", given, (None, BALANCED), fix=weights)


def weights_of_classes(given: Any, classes: Labels, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
    """The weight of each class, [K]; None where `class_weight` is None.

    "balanced" divides all N rows by K times the rows of the class, as scikit-learn does; with weights it is their sums.

    Args:
        given: the option `class_weight`: None, "balanced", or {label: weight}; a class that is not named has the weight 1.
        targets: [N] int, the class of each training row. weights: [N].
    Raises:
        ArgumentError: another text, a label that training does not have, or weights that leave nothing. Their numbers are checked before (`option.Known.settled`).
    Example:
        >>> weights_of_classes("balanced", Labels(["a", "b"]), np.array([0, 0, 0, 1]), None).round(3).tolist()
        [0.667, 2.0]
        >>> weights_of_classes({"b": 3}, Labels(["a", "b"]), np.array([0, 1]), None).tolist()
        [1.0, 3.0]
    """
    if given is None:
        return None
    check_class_weight(given)
    if isinstance(given, str):
        sums = np.bincount(targets, weights, minlength=len(classes))
        return np.divide(sums.sum(), len(classes) * sums, out=np.zeros(len(classes)), where=sums > 0)
    found = np.ones(len(classes))
    for label, weight in given.items():
        found[_position(label, classes)] = float(weight)
    if not found[targets].any():
        raise ArgumentError("class_weight leaves nothing to train on.", expected="a weight above 0 for a class of the training part", received=repr(dict(given))[:100])
    return found


def row_weights(by_class: np.ndarray | None, targets: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
    """[N] float64 with mean 1 over the rows that count: a row's weight times that of its class; None where all count alike."""
    if by_class is None or targets is None:
        return even(weights)
    return even(by_class[targets] if weights is None else by_class[targets] * weights)


class Weighed:
    """The rows of a training set, and how much each counts in a mean.

    Weights have mean 1 over the set, and a batch's loss is the mean of weight times loss over its rows. So in the mean over an epoch a row of weight 2
    counts as if it was there twice, whatever batch, process or accumulated step it is in. Rows of weight 0 are in no batch.

    Attributes:
        rows: the positions of those that count. weights: [N] float32, or None where all count alike.
    """

    def __init__(self, count: int, weights: np.ndarray | None) -> None:
        single = None if weights is None else weights.astype(np.float32)
        self.weights = None if single is None else torch.from_numpy(single)
        self.rows = np.arange(count) if single is None else np.flatnonzero(single)

    def mean(self, losses: Tensor, indices: np.ndarray) -> Tensor:
        """The mean of the losses [B] of the rows at these positions."""
        return losses.mean() if self.weights is None else (losses * self.weights[indices].to(losses.device)).mean()


def _position(label: Any, classes: Labels) -> int:
    """Where the class that a weight is for stands."""
    alike = classes.alike([label])[0]
    if alike not in classes:
        raise unknown_name(f"{argument('class_weight')} names the class {label!r:.60}, which training does not have.", label, classes.classes.tolist())
    return int(classes.positions([alike])[0])
