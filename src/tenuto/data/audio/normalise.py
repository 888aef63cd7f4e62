"""Features brought to mean 0 and deviation 1: by the training set, by what was heard so far, or by the whole recording, which no stream can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.plain import array_of, plain_array

STREAMING = ("training", "causal")  # those that need nothing of what comes later
RULES = (*STREAMING, "recording", "mean", "both")
LEAST = 1e-3  # a deviation is never taken to be smaller: silence is constant
FRAMES_BEFORE = 100.0  # causal: the training set counts as so many frames before the first


@dataclass(frozen=True)
class Normaliser:
    """Mean and deviation of each feature.

    Args:
        rule: "training": those of the training set. "causal": those of the frames so far, of which the training set counts as the first hundred.
            "recording": those of the recording itself. "mean": the mean of the recording, the deviation of the training set.
            "both": as "training", and beside it as "mean": each frame has 2 F numbers.
        mean, deviation: [F] float64, of the training set.
    Raises:
        ArgumentError: another rule.
    Example:
        >>> known = Normaliser.learn([np.array([[1.0], [3.0]], dtype=np.float32)], "training")
        >>> known(np.array([[2.0], [4.0]], dtype=np.float32)).ravel().tolist()
        [0.0, 2.0]
    """

    rule: str
    mean: np.ndarray
    deviation: np.ndarray

    def __post_init__(self) -> None:
        require("normalise", self.rule, RULES)

    @classmethod
    def learn(cls, features: Iterable[np.ndarray], rule: str) -> Normaliser:
        """From features [T, F] of each recording of a training set, each frame alike."""
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for one in features:
            wide = one.astype(np.float64)
            count, total, squares = count + len(wide), total + wide.sum(0), squares + np.square(wide).sum(0)
        mean = total / max(count, 1)
        return cls(rule, mean, np.sqrt(np.maximum(squares / max(count, 1) - mean**2, LEAST**2)))

    @property
    def streams(self) -> bool:
        """Whether it needs nothing of what comes later."""
        return self.rule in STREAMING

    @property
    def views(self) -> int:
        """How often each feature of a frame is given."""
        return 2 if self.rule == "both" else 1

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[T, F] float32 from [T, F]; with "both" [T, 2 F]."""
        if self.streams:
            return self.stream().accept(features)
        if not len(features):
            return np.empty((0, self.views * features.shape[1]), dtype=np.float32)
        wide = features.astype(np.float64)
        if self.rule == "both":
            known = (wide - self.mean) / self.deviation
            return np.concatenate([known, known - known.mean(0)], axis=1).astype(np.float32)
        deviation = np.maximum(wide.std(0), LEAST) if self.rule == "recording" else self.deviation
        return ((wide - wide.mean(0)) / deviation).astype(np.float32)

    def stream(self) -> NormaliserStream:
        """The same for frames that come in chunks."""
        assert self.streams
        return NormaliserStream(self)

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"rule": self.rule, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Normaliser:
        """From what `to_data` gave."""
        return cls(data["rule"], np.array(data["mean"], dtype=np.float64), np.array(data["deviation"], dtype=np.float64))


class NormaliserStream:
    """Frames in chunks: sums go on one frame after the other, in float64, so that chunks of any sizes give the same bits."""

    def __init__(self, normaliser: Normaliser) -> None:
        self.normaliser = normaliser
        self.count = FRAMES_BEFORE
        self.total = FRAMES_BEFORE * normaliser.mean
        self.squares = FRAMES_BEFORE * (normaliser.deviation**2 + normaliser.mean**2)

    def accept(self, features: np.ndarray) -> np.ndarray:
        """[T, F] float32 from the next frames [T, F]."""
        known, wide = self.normaliser, features.astype(np.float64)
        if known.rule == "training" or not len(features):
            return ((wide - known.mean) / known.deviation).astype(np.float32)
        counts = self.count + np.arange(1, len(wide) + 1)[:, None]
        totals = np.cumsum(np.concatenate([self.total[None], wide]), axis=0)[1:]
        squares = np.cumsum(np.concatenate([self.squares[None], np.square(wide)]), axis=0)[1:]
        self.count, self.total, self.squares = float(counts[-1, 0]), totals[-1], squares[-1]
        mean = totals / counts
        deviation = np.sqrt(np.maximum(squares / counts - mean**2, LEAST**2))
        return ((wide - mean) / deviation).astype(np.float32)

    def kept(self) -> dict[str, Any]:
        """All that it keeps, as plain data."""
        return {"count": self.count, "total": plain_array(self.total), "squares": plain_array(self.squares)}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` gave."""
        self.count, self.total, self.squares = kept["count"], array_of(kept["total"]), array_of(kept["squares"])
