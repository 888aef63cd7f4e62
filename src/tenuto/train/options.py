"""How to train, as one object that compares, prints and saves as data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from tenuto.errors import ArgumentError
from tenuto.train.schedule import SCHEDULES


@dataclass(frozen=True)
class TrainingOptions:
    """The choices of one training run.

    Attributes:
        epochs: at most.
        learning_rate: the highest that the schedule reaches.
        weight_decay: AdamW's, on every weight with two axes or more; biases and per-channel parameters do not decay.
        clip_norm: gradients are scaled down to this norm; None for never. The norm before is logged either way.
        schedule: "cosine" (down to zero at the last epoch) or "constant".
        warmup_steps: over which the learning rate rises from zero.
        patience: stop after this many epochs without a lower validation loss; None for never.
        non_finite: what a loss or gradient that is NaN or infinite does. "stop": TrainingError. "skip": the step is left out and counted.
        time_limit_s: stop after the epoch in which this many seconds have passed; None for never.
    Raises:
        ArgumentError: a value out of range.
    """

    epochs: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    clip_norm: float | None = 1.0
    schedule: str = "cosine"
    warmup_steps: int = 20
    patience: int | None = 40
    non_finite: str = "stop"
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        positive = ("epochs", "learning_rate", "clip_norm", "patience", "time_limit_s")
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, str) or value is None:
                continue
            if not math.isfinite(value) or value < 0 or (name in positive and value == 0):
                raise ArgumentError(
                    f"{name}={value!r} is out of range.", expected="a positive number" if name in positive else "zero or a positive number"
                )
        if self.schedule not in SCHEDULES:
            raise ArgumentError(f"schedule={self.schedule!r} is not known.", expected=" | ".join(SCHEDULES))
        if self.non_finite not in ("stop", "skip"):
            raise ArgumentError(f"non_finite={self.non_finite!r} is not known.", expected="stop | skip")
