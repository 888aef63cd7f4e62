"""The learning rate: a function of the step, and how validations change it."""

from __future__ import annotations

import math
from typing import Any

from tenuto.train.options import TrainingOptions


def learning_rate_factor(schedule: str, step: int, *, steps: int, warmup_steps: int, final_factor: float = 0.0) -> float:
    """What the learning rate is multiplied by at optimiser step `step` (0, 1, ...) of `steps`, not counting what validations change.

    It rises linearly during the warm-up; then "cosine" falls from 1 to `final_factor` at the end, and the other schedules stay at 1.

    Source:     Loshchilov & Hutter 2017, eq. 5, without restarts.
    Example:
        >>> [round(learning_rate_factor("cosine", step, steps=8, warmup_steps=4), 2) for step in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule != "cosine":
        return 1.0
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return final_factor + (1 - final_factor) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)))


class Schedule:
    """The learning rate of a run, and when averaging begins.

    Args:
        options: `schedule` and the numbers that belong to it.
        steps: how many are planned for the whole run.
    Attributes:
        triggered: whether "nt-asgd" has begun to average.
    Example:
        >>> from tenuto.train import TrainingOptions
        >>> schedule = Schedule(TrainingOptions(schedule="plateau", learning_rate=1.0, warmup_steps=0, plateau_patience=2), steps=100)
        >>> rates = []
        >>> for loss in (3.0, 2.0, 2.5, 2.1, 1.0):
        ...     schedule.validated(loss)
        ...     rates.append(schedule.rate(1))
        >>> rates
        [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(self, options: TrainingOptions, steps: int) -> None:
        self.options, self.steps = options, steps
        self.factor, self.waited, self.losses, self.triggered = 1.0, 0, [], False

    def rate(self, step: int) -> float:
        """The learning rate of optimiser step `step` (0, 1, ...)."""
        o = self.options
        return o.learning_rate * self.factor * learning_rate_factor(
            o.schedule, step, steps=self.steps, warmup_steps=o.warmup_steps, final_factor=o.final_factor
        )

    def validated(self, loss: float) -> None:
        """Take note of a validation loss; a loss that is not finite counts as no improvement.

        Source:     "nt-asgd": Merity et al. 2018, algorithm 1: averaging begins when the loss is above the lowest of the earlier losses, not
                    counting the last `trigger_patience` of them.
        """
        best = min(self.losses, default=math.inf)
        loss = loss if math.isfinite(loss) else math.inf
        self.waited = 0 if loss < best else self.waited + 1
        if self.options.schedule == "plateau" and self.waited >= self.options.plateau_patience:
            self.factor, self.waited = self.factor * self.options.plateau_factor, 0
        old = self.losses[: -self.options.trigger_patience]
        if self.options.schedule == "nt-asgd" and old and loss > min(old):
            self.triggered = True
        self.losses.append(loss)

    def state(self) -> dict[str, Any]:
        """What `restore` takes: plain numbers."""
        return {"factor": self.factor, "waited": self.waited, "losses": list(self.losses), "triggered": self.triggered}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.factor, self.waited, self.triggered = state["factor"], state["waited"], state["triggered"]
        self.losses = list(state["losses"])
