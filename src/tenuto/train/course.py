"""What one call of `fit` consists of: how it is observed, kept and run (`Course`), what is learnt in it (`Learning`), and who takes part in it (`Teaching`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

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
    teaching: Teaching | None = None

    @classmethod
    def of(
        cls,
        observers: Iterable[Observer],
        checkpoint: str | Path | Checkpoint | None,
        launch: Launch | None,
        *,
        device: str,
        unused_weights: bool = False,
        teaching: Teaching | None = None,
    ) -> Course:
        """The arguments as `fit` was given them. Default launch: the processes that this program was started in (`current_launch`)."""
        return cls(tuple(observers), checkpoint, launch or current_launch(device, unused_weights=unused_weights), teaching)


class Learning(NamedTuple):
    """What a task gives to `train`: the batches of an epoch, the loss of a batch, the numbers of a validation, a batch in words, and by how much validations differ that count as equal."""

    batches: Callable[[int], Sequence[Any]]
    loss: Callable[[nn.Module, Any, Any], Loss]
    validate: Callable[[nn.Module], Mapping[str, float]]
    describe_batch: Callable[[Any], str] = str
    grain: float = 0.0


class Teaching(Protocol):
    """What takes part in a fit from outside, as a teacher does whose answers are learnt (`tenuto.distill`)."""

    @property
    def kept(self) -> Mapping[str, Any]:
        """What is learnt before training: not from the training set, but this, as config.json keeps it."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a checkpoint of the fit must agree with, besides what it agrees with anyway."""

    def answered(self, data: Any, part: str) -> Any:
        """A set with right answers; `part` is "train", "validation" or "test"."""

    def guessed(self, part: str) -> bool:
        """Whether the answers of this part are no right ones."""

    def begin(self, network: nn.Module) -> None:
        """Set weights of the new network, before training."""

    def lead(self, learning: Learning, training: Any) -> Learning:
        """How the network is trained on this set, made from how its task would train it."""

    def measured(self, held_out: Any) -> Mapping[str, Any]:
        """What evaluation.json keeps of it, after training."""
