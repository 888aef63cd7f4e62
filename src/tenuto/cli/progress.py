"""Training as it happens: one line that moves, and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..train import Observer
from .console import messages

LINES_WITHOUT_TERMINAL = 10


class ProgressBar(Observer):
    """Shows epochs, losses and the best epoch so far; in a file or a pipe, about ten plain lines instead of a bar."""

    def __init__(self) -> None:
        self.console = messages()
        self.bar: Progress | None = None
        self.epochs, self.best = 0, ""

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        self.epochs = epochs
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
            console=self.console,
            transient=False,
        )
        self.bar.start()
        self.task = self.bar.add_task("epochs", total=epochs, said="")

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        epoch = metrics["epoch"]
        if metrics.get("best"):
            self.best = f"best {epoch}"
        said = f"loss {metrics['train_loss']:.4f}   validation {metrics['validation_loss']:.4f}"
        if metrics.get("validation_accuracy") is not None:
            said += f", {metrics['validation_accuracy']:.1%} right"
        if self.bar is not None:
            self.bar.update(self.task, completed=epoch, said=f"{said}   {self.best}")
        elif epoch == 1 or epoch == self.epochs or epoch % max(1, self.epochs // LINES_WITHOUT_TERMINAL) == 0:
            self.console.print(f"epoch       {epoch} of {self.epochs}   {said}   {self.best}")

    def ended(self, *, stopped: str) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        if stopped == "interrupted":
            self.console.print("interrupted the best weights so far are kept")
        elif stopped != "error":
            self.console.print(f"ended       {stopped}; {self.best.replace('best', 'best epoch')}")
