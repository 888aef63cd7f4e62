"""Shows a run in TensorBoard while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.train.observers import Observer


class TensorBoard(Observer):
    """Writes what a run measures as TensorBoard's event files: `tensorboard --logdir FOLDER` shows it.

    The curves, all over steps: train/loss, train/gradient_norm and train/learning_rate; after each validation train/mean_loss, and every number of
    the validation, as validation/loss for "validation_loss". If a run goes on from a checkpoint, so do its curves.

    Args:
        folder: for the event files; it is made if it is not there.
        every_steps: steps between two points of the first three curves.
    Raises:
        ArgumentError: tensorboard is not installed, or every_steps is less than 1.
    """

    def __init__(self, folder: str | Path, *, every_steps: int = 10) -> None:
        if every_steps < 1:
            raise ArgumentError(f"every_steps={every_steps} is out of range.", expected="1 or more")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ArgumentError("tensorboard is not installed.", fix="pip install 'tenuto[tensorboard]'") from error
        self.folder, self.every_steps, self._maker = Path(folder), every_steps, SummaryWriter
        self._writer: Any = None

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        self._writer = None  # opened with the first point or by `resumed`, which knows where the curves go on

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        self._writer = self._maker(str(self.folder), purge_step=step + 1)

    def step_ended(self, *, epoch: int, step: int, loss: float, gradient_norm: float, learning_rate: float) -> None:
        if step == 1 or step % self.every_steps == 0:
            self._add({"train/loss": loss, "train/gradient_norm": gradient_norm, "train/learning_rate": learning_rate}, step)

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        numbers = {name.replace("validation_", "validation/", 1): value for name, value in metrics.items() if name.startswith("validation_")}
        self._add({**numbers, "train/mean_loss": metrics["train_loss"]}, metrics["steps"])
        self._writer.flush()

    def ended(self, *, stopped: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, numbers: Mapping[str, float], step: int) -> None:
        if self._writer is None:
            self._writer = self._maker(str(self.folder))
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
