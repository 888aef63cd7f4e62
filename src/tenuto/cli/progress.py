"""Shows training while it runs: a bar, below it what was measured, and at the end a line that says how it ended. In a terminal of 80 columns all of it is seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from tenuto.cli.console import live, messages
from tenuto.measures import measures
from tenuto.train import Observer

LINES_WITHOUT_TERMINAL = 10
_TIMES = len(" 0:00:00 of at most 0:00:00 ")  # the width of what stands beside the bar
# How many measures stand in a line besides the loss.
MOST_MEASURES = 2


class _TwoLines(Progress):
    """A bar, and a line of text below it."""

    said = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.said:
            yield Text(self.said, no_wrap=True, overflow="ellipsis")


class ProgressBar(Observer):
    """Shows how far training has come and how long it may still take, losses, the task's own measures and the best epoch so far.

    If standard error is a file or a pipe, it prints about ten plain lines instead of a bar.

    Args:
        title: what stands before the bar, for one training of several. With a title, the bar disappears at the end and nothing is printed then.
    """

    def __init__(self, title: str = "") -> None:
        self.console, self.title = messages(), title
        self.bar: _TwoLines | None = None
        self.epochs, self.steps_per_epoch, self.said, self.best = 0, 1, "", ""

    def started(self, *, epochs: int, steps_per_epoch: int) -> None:
        self.epochs, self.steps_per_epoch = epochs, steps_per_epoch
        if not self.console.is_terminal:
            return
        console = live()
        self.bar = _TwoLines(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=max(4, min(20, console.width - len(self._where(epochs)) - _TIMES))),
            TimeElapsedColumn(),
            TextColumn("of at most"),
            TimeRemainingColumn(),
            console=console,
            transient=bool(self.title),
        )
        self.bar.start()
        self.task = self.bar.add_task(self._where(1), total=epochs * steps_per_epoch)

    def resumed(self, *, step: int, metrics: Sequence[Mapping[str, Any]]) -> None:
        for line in metrics:
            if line.get("best"):
                self.best = f"best {_epoch(line['epoch'])}"
        if self.bar is not None:
            self.bar.update(self.task, completed=step)
        else:
            self.console.print(f"goes on     from step {step}")

    def step_ended(self, *, epoch: int, step: int, loss: float, gradient_norm: float, learning_rate: float) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=step, description=self._where(epoch))

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        epoch = metrics["epoch"]
        if metrics.get("best"):
            self.best = f"best {_epoch(epoch)}"
        said = f"{in_words(metrics)}   {self.best}"
        if self.bar is not None:
            self.bar.said = said
            self.bar.refresh()
        elif not self.title and (epoch in (1, self.epochs) or epoch % max(1, self.epochs // LINES_WITHOUT_TERMINAL) == 0):
            self.console.print(f"epoch       {_epoch(epoch)} of {self.epochs}   {said}")

    def ended(self, *, stopped: str) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        if self.title:
            return
        if stopped == "interrupted":
            self.console.print("interrupted " + ("the best weights so far are kept" if self.best else "before the first validation"))
        elif stopped != "error":
            self.console.print(f"ended       {stopped}; {self.best.replace('best', 'best epoch')}")

    def _where(self, epoch: int) -> str:
        return f"{self.title}  epoch {epoch} of {self.epochs}".strip()


def in_words(metrics: Mapping[str, Any]) -> str:
    """A line of metrics.jsonl in a few words.

    Example:
        >>> in_words({"train_loss": 1.5, "validation_loss": 1.25, "validation_span_f1": 0.912, "validation_accuracy": 0.97})
        'loss 1.5000   validation 1.2500, F1 91.2%, 97.0% right'
    """
    shown = [one.words.format(metrics[one.key]) for one in measures() if one.words and metrics.get(one.key) is not None]
    return ", ".join([f"loss {metrics['train_loss']:.4f}   validation {metrics['validation_loss']:.4f}", *shown[:MOST_MEASURES]])


def _epoch(epoch: float) -> str:
    """An epoch's number as text, with two digits of its fraction if validations come more often: 3, 0.25."""
    return f"{epoch:g}" if epoch == int(epoch) else f"{epoch:.2f}"
