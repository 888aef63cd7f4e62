"""How to train, as one object that compares, prints and saves as data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from tenuto.choices import require
from tenuto.errors import ArgumentError
from tenuto.measures import measure
from tenuto.scalars import number, whole
from tenuto.tongues import argument

SCHEDULES = ("cosine", "constant", "plateau", "nt-asgd")
CHOICES = {
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": SCHEDULES,
    "average": ("auto", None, "ema"),
    "precision": ("float32", "bfloat16", "float16"),
    "non_finite": ("stop", "skip"),
}
_WHOLE = ("epochs", "max_steps", "validate_every", "warmup_steps", "plateau_patience", "trigger_patience", "accumulate", "patience")
_ZERO_TOO = ("weight_decay", "momentum", "warmup_steps", "final_factor")
_MAY_BE_NONE = ("clip_norm", "patience")  # those of which the usual value is not None
_BELOW_ONE = ("momentum", "plateau_factor", "ema_decay")


@dataclass(frozen=True)
class TrainingOptions:
    """The choices of one training run.

    Attributes:
        epochs: the most passes over the data.
        max_steps: the most optimiser steps; None for as many as the epochs have. The cosine schedule ends with the last of them.
        validate_every: steps from one validation to the next; None to validate at the end of each epoch.
        learning_rate: the highest rate that the schedule reaches.
        optimizer: "adamw", "adam" or "sgd".
        betas: for "adamw" and "adam". momentum: for "sgd".
        weight_decay: acts on every weight with two axes or more; biases and per-channel parameters do not decay. None: 0.01 for "adamw", and
            zero for the others, where a decay is a part of the gradient. "adam" divides by the gradient's size, and a recurrent network's
            gradient is small: 0.01 outweighs it, and the network learns little.
        clip_norm: gradients are scaled down to this norm; None for never. The norm before clipping is logged either way.
        clip_value: each component of a gradient is cut to -clip_value..clip_value, before clip_norm acts; None for never.
        clip_each: the gradient of each weight alone is scaled down to this norm, after clip_value and before clip_norm; None for never.
        clip_ratio: each row of a gradient is scaled down to this share of the norm of its row of weights, before clip_norm (adaptive clipping, Brock et al. 2021: 0.01); None for never.
        spectral_bound: after each step, recurrent matrices whose largest singular value is above this are scaled down to it (`tenuto.layers.bound_spectrum`); None for never.
        accumulate: how many batches make one step. Their gradients are added up, weighted by their counts; a carried state goes from one
            batch to the next.
        precision: "float32"; or "bfloat16" or "float16" for matrix products under torch's autocast, on CPUs and GPUs alike. Weights stay
            float32; recurrent layers compute in float32 and return 16-bit outputs. With float16 the loss is scaled by a power of two that is
            halved when gradients overflow (such a step is left out and counted).
        schedule: "cosine" (falls to `final_factor` times the learning rate at the last step), "constant", "plateau" (multiplied by
            `plateau_factor` after `plateau_patience` validations without a lower loss) or "nt-asgd" (constant; see `trigger_patience`).
        warmup_steps: steps over which the learning rate rises from zero.
        trigger_patience: "nt-asgd" starts to average the weights when a validation loss is above the lowest of all earlier ones, not
            counting the last `trigger_patience`; from then on the average is validated and kept (Merity et al. 2018, algorithm 1).
        average: "ema": an exponential moving average of the weights, with decay `ema_decay`, is validated and kept. None: the weights themselves.
            "auto" becomes "ema", or None with the schedule "nt-asgd".
        select_by: the number of the validation that decides which is best. The weights of the best validation are kept, of equal ones the last; patience counts from the first.
        patience: stop after this many validations without a better one; None for never.
        non_finite: what happens when a loss or gradient is NaN or infinite. "stop": a TrainingError. "skip": the step is left out and
            counted, the observers are told, and the next batch starts without carried state.
        time_limit_s: stop after the first validation that ends when this many seconds have passed, including those before a resumption; None
            for never.
    Raises:
        ArgumentError: a value out of range, or a `select_by` that is not a measure.
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
    clip_each: float | None = None
    clip_ratio: float | None = None
    spectral_bound: float | None = None
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
        """The weight decay in use: the one given, or the optimiser's default."""
        if self.weight_decay is not None:
            return self.weight_decay
        return 0.01 if self.optimizer == "adamw" else 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if name in CHOICES:
                require(name, value, CHOICES[name])
            elif name == "select_by":
                measure(value)
            elif name == "betas":
                object.__setattr__(self, name, _betas(value))
            elif value is not None:
                object.__setattr__(self, name, _settled(name, value))
            elif field.default is not None and name not in _MAY_BE_NONE:
                raise ArgumentError(f"{argument(name, value)} is out of range.", expected=_expected(name))
        if self.average == "auto":
            object.__setattr__(self, "average", None if self.schedule == "nt-asgd" else "ema")
        if self.average and self.schedule == "nt-asgd":
            raise ArgumentError(
                f"{argument('average')} and the schedule nt-asgd, which averages the weights itself, exclude each other.", fix=argument("average", None)
            )


def _betas(given: Any) -> tuple[float, float]:
    values = [number(value) for value in given] if hasattr(given, "__iter__") and not isinstance(given, str) else []
    if len(values) != 2 or any(value is None or not 0 <= value < 1 for value in values):
        raise ArgumentError(f"{argument('betas', given)} is out of range.", expected="two numbers, each from 0 to below 1")
    return values[0], values[1]  # type: ignore[return-value]  # none of them is None


def _settled(name: str, value: Any) -> float:
    """The value as a number of Python's."""
    found = (whole if name in _WHOLE else number)(value)
    if found is None or found < 0 or (found == 0 and name not in _ZERO_TOO) or (found >= 1 and name in _BELOW_ONE):
        raise ArgumentError(f"{argument(name, value)} is out of range.", expected=_expected(name))
    return found


def _expected(name: str) -> str:
    kind = "a whole number" if name in _WHOLE else "a number"
    said = f"{kind}, zero or more" if name in _ZERO_TOO else f"{kind} above zero"
    return f"{said} and below 1" if name in _BELOW_ONE else said
