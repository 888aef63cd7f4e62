"""What watches a training run: progress bars, log files. The loop calls; nothing that an observer does changes the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tenuto.files import plain


class Observer:
    """Watches a run; override what you need. All of it does nothing here.

    Example:
        >>> class Dots(Observer):
        ...     def epoch_ended(self, metrics):
        ...         print(metrics["epoch"], end=" ")
    """

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        """Training begins; both numbers are what is planned at most."""

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        """After `started`, where the run goes on from a checkpoint: `step` steps are done, and these lines were measured."""

    def step_ended(self, *, epoch: int, step: int, loss: float, gradient_norm: float, learning_rate: float) -> None:
        """One optimiser step was made; `step` counts from 1 over the whole run, the norm is that before clipping."""

    def step_skipped(self, *, epoch: int, step: int, reason: str) -> None:
        """A step was left out because its loss or gradient was not finite; the reason names step and batch."""

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        """An epoch, or the steps between two validations, and the validation are done; `metrics` is the line of metrics.jsonl."""

    def ended(self, *, stopped: str) -> None:
        """Training is over, for this reason: "all epochs", "all steps", "early stopping", "time limit", "interrupted" or "error"."""


class MetricsFile(Observer):
    """Writes metrics.jsonl while training runs: one JSON object a line, each line whole and on the disk when its epoch ends.

    A line goes to the file in one write, so a reader, or a run killed at any moment, never leaves half a line in the middle.

    Args:
        path: the file; an older one is replaced when training starts.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: Any = None

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        self._file = self.path.open("wb", buffering=0)

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        for line in metrics:
            self.epoch_ended(line)

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        self._file.write((json.dumps(plain(metrics), allow_nan=False) + "\n").encode())

    def ended(self, *, stopped: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended(stopped="error" if kind else "all epochs")
