"""How to train, as one object that compares, prints and saves as data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from tenuto.errors import ArgumentError
from tenuto.measures import measure
from tenuto.train.schedule import SCHEDULES

CHOICES = {
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": SCHEDULES,
    "average": (None, "ema"),
    "precision": ("float32", "bfloat16", "float16"),
    "non_finite": ("stop", "skip"),
}
_WHOLE = ("epochs", "max_steps", "validate_every", "warmup_steps", "plateau_patience", "trigger_patience", "accumulate", "patience")
_ZERO_TOO = ("weight_decay", "momentum", "warmup_steps", "final_factor")
_BELOW_ONE = ("momentum", "plateau_factor", "ema_decay")


@dataclass(frozen=True)
class TrainingOptions:
    """The choices of one training run.

    Attributes:
        epochs: passes over the data, at most.
        max_steps: optimiser steps, at most; None for as many as the epochs have. The cosine ends here.
        validate_every: so many steps; None for at the end of each epoch.
        learning_rate: the highest that the schedule reaches.
        optimizer: "adamw", "adam" or "sgd".
        betas: of the Adams. momentum: of "sgd".
        weight_decay: on every weight with two axes or more; biases and per-channel parameters do not decay. None: 0.01 for "adamw", and
            zero for the others, where a decay is a part of the gradient. "adam" divides by the gradient's size, and a recurrent network's
            gradient is small: 0.01 outweighs it, and the network learns little.
        clip_norm: gradients are scaled down to this norm; None for never. The norm before is logged either way.
        clip_value: each component of a gradient is cut to -clip_value..clip_value, before clip_norm; None for never.
        accumulate: batches whose gradients make one step, weighted by their counts; with carried state they follow one another.
        precision: "float32"; or "bfloat16" or "float16" for matrix products under torch's autocast, on CPUs and GPUs alike; weights stay
            float32, and recurrent layers compute in float32 and give out 16 bits. float16 scales the loss by a power of two that halves
            when gradients overflow (such a step is left out and counted).
        schedule: "cosine" (down to `final_factor` of the rate at the last step), "constant", "plateau" (times `plateau_factor` after
            `plateau_patience` validations without a lower loss) or "nt-asgd" (constant; see `trigger_patience`).
        warmup_steps: over which the learning rate rises from zero.
        trigger_patience: "nt-asgd" starts to average the weights when a validation loss is above the lowest of all but the last so
            many; from then on it is the average that is validated and kept (Merity et al. 2018, algorithm 1).
        average: "ema" validates and keeps an exponential moving average of the weights, of decay `ema_decay`; None the weights.
        select_by: which number of the validation says what is best; the weights of the best validation are kept, and patience counts from it.
        patience: stop after this many validations without a better one; None for never.
        non_finite: what a loss or gradient that is NaN or infinite does. "stop": TrainingError. "skip": the step is left out, counted,
            told to the observers, and the next batch starts without carried state.
        time_limit_s: stop after the validation by which this many seconds have passed, those before a resumption too; None for never.
    Raises:
        ArgumentError: a value out of range, or a `select_by` that is no measure.
    """

    epochs: int = 100
    max_steps: int | None = None
    validate_every: int | None = None
    learning_rate: float = 3e-3
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    weight_decay: float | None = None
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    accumulate: int = 1
    precision: str = "float32"
    schedule: str = "cosine"
    warmup_steps: int = 20
    final_factor: float = 0.0
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    trigger_patience: int = 5
    average: str | None = None
    ema_decay: float = 0.999
    select_by: str = "validation_loss"
    patience: int | None = 40
    non_finite: str = "stop"
    time_limit_s: float | None = None

    @property
    def decay(self) -> float:
        """The weight decay that holds: the one given, or that of the optimiser."""
        if self.weight_decay is not None:
            return self.weight_decay
        return 0.01 if self.optimizer == "adamw" else 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if name in CHOICES:
                if value not in CHOICES[name]:
                    raise ArgumentError(f"{name}={value!r} is not known.", expected=" | ".join(map(str, CHOICES[name])))
            elif name == "select_by":
                measure(value)
            elif name == "betas":
                if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
                    raise ArgumentError(f"betas={value!r} is out of range.", expected="two numbers, 0 <= beta < 1")
            elif value is not None:
                _check(name, value)
        if self.average and self.schedule == "nt-asgd":
            raise ArgumentError("average and the schedule nt-asgd, which averages by itself, exclude each other.", fix="average=None")


def _check(name: str, value: float) -> None:
    """Raise ArgumentError where a number is out of its range."""
    kind = "a whole number" if name in _WHOLE else "a number"
    expected = f"{kind}, zero or more" if name in _ZERO_TOO else f"{kind} above zero"
    if name in _BELOW_ONE:
        expected += " and below 1"
    try:
        fits = math.isfinite(value) and (value > 0 or (name in _ZERO_TOO and value == 0))
        fits = fits and (name not in _BELOW_ONE or value < 1) and (name not in _WHOLE or value == int(value))
    except TypeError:
        fits = False
    if not fits:
        raise ArgumentError(f"{name}={value!r} is out of range.", expected=expected)
