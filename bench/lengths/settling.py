"""Training that settles: until a network is nearly right, or the time is over; then some steps more, which become smaller and smaller."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn, optim

Batch = Callable[[], tuple[Tensor, Tensor]]  # the logits that the network says to the next batch, and the bits told


def settle(model: nn.Module, optimiser: optim.Optimizer, batch: Batch, *, seconds: float, nearly: float, settling: int, every: int) -> dict[str, Any]:
    """Trains on batch after batch; the rate is the optimiser's.

    Args:
        seconds: of a processor, at most, until it is nearly right. nearly: bits wrong, as a mean over so many batches (`every`), from which on the rate falls to zero.
        settling: steps until it is zero.
    Returns:
        "curve": [step, bits wrong] over so many batches each; "nearly": the step from which on the rate fell, or None; "steps"; "seconds" of a processor.
    """
    (group,) = optimiser.param_groups
    rate, reached, curve = group["lr"], None, list[list[float]]()
    begin, step, window = time.process_time(), 0, list[float]()
    while time.process_time() - begin < seconds if reached is None else step < reached + settling:
        group["lr"] = rate if reached is None else rate * (1 - (step - reached) / settling)
        said, told = batch()
        loss = nn.functional.binary_cross_entropy_with_logits(said, told)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        window.append(float(((said > 0) != told.bool()).float().mean()))
        if step % every == 0:
            mean, window = sum(window) / len(window), []
            curve.append([step, mean])
            if mean <= nearly and reached is None:
                reached = step
    return {"curve": curve, "nearly": reached, "steps": step, "seconds": round(time.process_time() - begin, 1)}
