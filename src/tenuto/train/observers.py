"""What observes a training run: progress bars, log files. The loop calls observers and ignores what they return; one that raises ends the run."""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tenuto.files import NotWritten, plain


class Observer:
    """Observes a run. Every method does nothing here; override those that you need.

    Example:
        >>> class Dots(Observer):
        ...     def epoch_ended(self, metrics):
        ...         print(metrics["epoch"], end=" ")
    """

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        """Training begins. `epochs` is the most that is planned; training may stop earlier."""

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Called after `started` if the run goes on from a checkpoint: `step` steps are done, and `metrics` are the lines of metrics.jsonl so far."""

    def step_ended(self, *, epoch: int, step: int, loss: float, gradient_norm: float, learning_rate: float) -> None:
        """One optimiser step was made. `step` counts from 1 over the whole run; the norm is the one before clipping."""

    def step_skipped(self, *, epoch: int, step: int, reason: str) -> None:
        """A step was left out because its loss or gradient was not finite; `reason` names the step and the batch."""

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        """A validation is done, after an epoch or after the steps of `validate_every`; `metrics` is its line of metrics.jsonl."""

    def ended(self, *, stopped: str) -> None:
        """Training is over. `stopped` is the reason: "all epochs", "all steps", "early stopping", "time limit", "interrupted" or "error"."""


class MetricsFile(Observer):
    """Writes metrics.jsonl while training runs: one JSON object per line, each written after its validation.

    A line goes to the file in one write, so there is never half a line in the middle of the file, even if the run is killed. When the disk is
    full there is one warning, and training goes on; the lines are written as soon as there is room.

    Args:
        path: the file; an older one is replaced when training starts.
    Raises:
        NotWritten: when training starts, the file cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: Any = None
        self._waiting, self._warned = b"", False

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        try:
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise NotWritten(f"{self.path} could not be written: {error.strerror or error}.", fix="choose another place for it") from error
        self._waiting, self._warned = b"", False

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        for line in metrics:
            self.epoch_ended(line)

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        self._waiting += (json.dumps(plain(metrics), allow_nan=False) + "\n").encode()
        whole = self._file.tell()
        try:
            if self._file.write(self._waiting) < len(self._waiting):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a part of it fitted
            self._waiting = b""
        except OSError as error:
            self._file.seek(whole)
            self._file.truncate()
            if not self._warned:
                warnings.warn(f"{self.path} could not be written: {error.strerror or error}. Training goes on, and the lines wait until there is room.", UserWarning, stacklevel=2)
            self._warned = True

    def ended(self, *, stopped: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended(stopped="error" if kind else "all epochs")
