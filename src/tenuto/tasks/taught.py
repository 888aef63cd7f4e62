"""`Taught`: what distillation and diagnosis ask of an estimator beside its doors: what the network is given in training, its loss, and how far two networks' answers are apart.

Each method has an answer here that fits a task whose network takes a batch; a task says what its choices are. One without choices has nothing to teach.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError
from tenuto.networks.anatomy import Network
from tenuto.scores.divergence import divergence
from tenuto.tasks.weighing import counting
from tenuto.train.course import Learning
from tenuto.train.launch import Launch, OneProcess


class Choices(NamedTuple):
    """What a network chose between, at S places of each of B rows.

    Attributes:
        logits: [S, B, K], or log-probabilities.
        live: [S, B] bool, where there is a choice; None where there is one everywhere.
    """

    logits: Tensor
    live: Tensor | None = None


class Apart(NamedTuple):
    """How far two networks' answers to a batch are apart. nats: [B], summed over the places of each row. places: [B], how many there are."""

    nats: Tensor
    places: Tensor


class Taught:
    """The half of an estimator that distillation asks."""

    by_place: ClassVar[bool] = False  # whether the loss of training is a mean over places, such as tokens, not over rows
    answer_unit: ClassVar[str] = "sequence"  # what each answer of `chosen` is for
    choice_unit: ClassVar[str] = "sequence"  # what each of `choices` is for

    network_: Network

    @abstractmethod
    def _asked(self, x: Any) -> Any:
        """The data to predict for."""

    @abstractmethod
    def _read_through(self, data: Any) -> Iterator[tuple[np.ndarray, Any]]:
        """Every item once, in batches."""

    @abstractmethod
    def _answers(self, data: Any) -> list[Any]:
        """The answer for every item."""

    @abstractmethod
    def _given(self, data: Any) -> Any:
        """A set that was given as one, or as a tuple (x, y)."""

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        """What was learnt before training, as plain data."""

    @abstractmethod
    def _learning(self, training: Any, held_out: Any, launch: Launch) -> Learning:
        """How the network is trained: its batches, loss and validation."""

    def _ready(self, training: Any, held_out: Any) -> None:
        """Set what training needs besides, once all is there that is learnt before it, and refuse sets that do not fit that."""

    def as_set(self, data: Any) -> Any:
        """Data as the task's kind of set, from one or from a tuple (x, y); answers may be missing."""
        return self._given(data)

    @abstractmethod
    def _measure(self, data: Any, name: str) -> Any:
        """How good the answers for this set are."""

    @abstractmethod
    def _test(self, data: Any) -> dict[str, Any]:
        """Measure how good the answers for this set are, and keep it as `evaluate` does."""

    def result(self, data: Any, part: str, *, kept: bool = False) -> dict[str, Any]:
        """How good the answers for a set are: the RESULT of evaluation.json; `part` is "validation" or "test". With `kept` it is measured once and kept besides, as `evaluate` keeps it."""
        found: dict[str, Any] = self._test(data) if kept else self._measure(data, part).result
        return found

    def lost(self, data: Any) -> Learning:
        """The batches of this set and their loss, as training has them, for the fitted network: for who looks at gradients. Where the set has no right answers, this model's own stand for them.

        Args:
            data: a set, or (x, y), as for `fit`.
        Raises:
            As `fit`.
        """
        twin = copy.copy(self)
        given = counting(self.answered(self._given(data)))
        twin._ready(given, given)
        return twin._learning(given, given, OneProcess())

    @property
    def prepared(self) -> dict[str, Any]:
        """What was learnt before training: how data are read, and what can be answered."""
        return self._kept()

    def lessons(self, data: Any) -> Iterator[tuple[Any, ...]]:
        """What the network is given in training for each batch of a set, in an order that follows from the set; first the batch."""
        return ((batch,) for _, batch in self._read_through(self._asked(data)))

    def heard(self, network: nn.Module, given: tuple[Any, ...], state: Any = None) -> tuple[Any, Any]:
        """The network's output for what it is given in training, and the state to carry on, where a task carries one.

        Args:
            given: of `lessons`, or what the loss of training calls a network with. state: in place of the one that is given.
        """
        return network(*given), None

    def choices(self, given: tuple[Any, ...], output: Any) -> Choices:
        """What the network chose between, from its output.

        Raises:
            ArgumentError: its answers are no choices.
        """
        raise ArgumentError(
            f"{type(self).__name__} has no probabilities, so nobody can learn from them.", expected="a model that chooses between classes, tags or symbols", fix="train the smaller model on the data"
        )

    def apart(self, given: tuple[Any, ...], teachers: Any, students: Any, temperature: float) -> Apart:
        """The divergence from one output to another, for the same batch: KL(teacher || student) at a temperature."""
        known, guessed = self.choices(given, teachers), self.choices(given, students)
        nats = divergence(known.logits, guessed.logits, temperature)
        live = torch.ones_like(nats, dtype=torch.bool) if known.live is None else known.live
        return Apart(torch.where(live, nats, 0).sum(0), live.sum(0))

    def answered(self, data: Any) -> Any:
        """The set with this model's answers as right answers, where it has none; the set itself where it has some."""
        return data

    def answers_to(self, words: Sequence[Sequence[str | None]]) -> list[Any]:
        """The one answer to each sequence of tokens, named as `step_names` names them; None is a token that is not known. A sequence may be empty.

        Raises:
            ArgumentError: it does not read tokens, or has not one answer for all of them.
        """
        raise ArgumentError(
            f"{type(self).__name__} is no model that reads tokens and gives one answer.", expected="a classifier of texts, or a language model", fix="distill it into a simpler network"
        )

    @abstractmethod
    def step_names(self, x: Any) -> list[list[str]] | None:
        """The text of each step of each item."""

    def letters(self, x: Any) -> list[list[str]] | None:
        """The tokens of each item, as `answers_to` takes them; None where there are none."""
        return self.step_names(x)

    def chosen(self, data: Any) -> list[Sequence[Any]]:
        """What is answered at each place of each item."""
        return [[one] for one in self._answers(self._asked(data))]
