"""What one call of `fit` consists of: how it is observed, kept and run (`Course`), and what is learnt in it (`Learning`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from tenuto.train.checkpoint import Checkpoint
from tenuto.train.launch import Launch, current_launch
from tenuto.train.observers import Observer
from tenuto.train.outcome import Loss


class Course(NamedTuple):
    """The arguments of a `fit` that are not data."""

    observers: tuple[Observer, ...]
    checkpoint: str | Path | Checkpoint | None
    launch: Launch

    @classmethod
    def of(
        cls,
        observers: Iterable[Observer],
        checkpoint: str | Path | Checkpoint | None,
        launch: Launch | None,
        *,
        device: str,
        unused_weights: bool = False,
    ) -> Course:
        """The arguments as `fit` was given them. Default launch: the processes that this program was started in (`current_launch`)."""
        return cls(tuple(observers), checkpoint, launch or current_launch(device, unused_weights=unused_weights))


class Learning(NamedTuple):
    """What a task gives to `train`: the batches of an epoch, the loss of a batch, the numbers of a validation, and a batch in words."""

    batches: Callable[[int], Sequence[Any]]
    loss: Callable[[nn.Module, Any, Any], Loss]
    validate: Callable[[nn.Module], Mapping[str, float]]
    describe_batch: Callable[[Any], str] = str
