"""What a task and the loop pass to each other: a batch's loss, how far a run has come, its result, and its error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from tenuto.errors import TenutoError


class TrainingError(TenutoError, RuntimeError):
    """Training cannot go on: a loss or a gradient is not finite, or another process is gone."""


class Loss(NamedTuple):
    """What a task's loss function returns for one batch.

    Attributes:
        mean: a scalar, what is minimised, including regularisers.
        count: how many items (sequences, tokens) it is a mean over.
        carried: state for the next batch of this epoch: nested tuples, named tuples, lists and dictionaries of tensors, or None.
            The loop detaches it, so that gradients end there: truncated backpropagation through time.
        reported: the loss to log, if that is not `mean`: the loss without regularisers.
    """

    mean: Tensor
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks of a loss
    carried: Any = None
    reported: float | Tensor | None = None


@dataclass
class Outcome:
    """The result of a run, including what was done before it was resumed.

    Attributes:
        metrics: one entry for each validation, as in metrics.jsonl.
        best_epoch: the "epoch" of the entry that is best by `select_by`, by default the one with the lowest validation loss; counts from 1.
        stopped: why it ended: "all epochs", "all steps", "early stopping", "time limit" or "interrupted"; "" while it runs.
        seconds: how long it took. steps: optimiser steps, including the skipped ones.
        skipped_steps: how many steps were left out because a loss or gradient was not finite.
        skipped: what was wrong with the first 100 of them, one sentence each.
    """

    metrics: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: float = 0
    stopped: str = ""
    seconds: float = 0.0
    steps: int = 0
    skipped_steps: int = 0
    skipped: list[str] = field(default_factory=list)


@dataclass
class Position:
    """How far a run has come: `batch` batches of `epoch` are done. Also the best validation so far, and sums since the last validation."""

    epoch: int = 1
    batch: int = 0
    best_value: float = math.inf
    waited: int = 0
    loss: float = 0.0
    count: int = 0
    norms: float = 0.0
    norm_max: float = 0.0
    steps: int = 0
    clipped: int = 0
    skipped: int = 0
    rate: float = 0.0

    def begin_measuring(self) -> None:
        """Set the sums to zero."""
        self.loss, self.count, self.norms, self.norm_max, self.steps, self.clipped, self.skipped = 0.0, 0, 0.0, 0.0, 0, 0, 0


def lost_process(number: int, processes: int, where: str) -> TrainingError:
    """The error of a process whose partner in the run has gone; `where` names step and checkpoint."""
    return TrainingError(
        f"another process of this run is gone, {where}.",
        expected=f"{processes} processes, of which this is number {number}",
        fix="see what the other process printed; start the same command again, and training goes on from the checkpoint, if there is one",
    )
