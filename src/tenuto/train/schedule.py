"""The learning rate as a function of the step: no state, so a run can be taken up at any step."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "constant")


def learning_rate_factor(schedule: str, step: int, *, steps: int, warmup_steps: int) -> float:
    """What the learning rate is multiplied by at optimiser step `step` (0, 1, ...) of `steps`.

    It rises linearly over the warm-up; then "constant" stays at 1, and "cosine" falls from 1 towards 0 at the end.

    Source:     Loshchilov & Hutter 2017, eq. 5, without restarts.
    Example:
        >>> [round(learning_rate_factor("cosine", step, steps=8, warmup_steps=4), 2) for step in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))
