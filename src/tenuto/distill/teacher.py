"""`Teacher`: a fitted estimator in the fit of another one: for each batch of training it says what it would answer, and the student learns to answer alike."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.weights import even
from tenuto.distill.fidelity import compared
from tenuto.distill.likeness import listening, unlike
from tenuto.distill.student import STARTS, copy_weights
from tenuto.errors import ArgumentError
from tenuto.scalars import number
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.taught import Apart
from tenuto.tongues import argument, either
from tenuto.train import Loss
from tenuto.train.course import Learning

TRUTH = 0.5  # the share of right answers in the loss, where the data have any


class Teacher:
    """What takes part in a student's fit (`tenuto.train.course.Teaching`). Nothing is changed on the model: a copy of its network answers.

    Equations:  loss = truth * loss of the task + (1 - truth) * t² KL(teacher || student), both networks' logits divided by t
                       + states * how differently the two encoders see which steps are alike (`unlike`)
    Args:
        model: the teacher. student: not fitted yet.
        temperature: t. truth: the share of right answers in the loss; None for a half where the data have some.
        states: what the hidden states count in the loss, 0 for nothing. start: see `copy_weights`.
    Attributes:
        labelled: for each part of the data that was given, whether it has right answers.
    Raises:
        ArgumentError: an option out of range.
    Source:     Hinton, Vinyals, Dean 2015, section 2: the factor t² keeps the size of the gradients.
    """

    def __init__(self, model: Estimator, student: Estimator, *, temperature: float, truth: float | None, states: float, start: str) -> None:
        heat, share = number(temperature), number(0.0 if truth is None else truth)
        if heat is None or not 0 < heat < float("inf"):
            raise ArgumentError(f"{argument('temperature', temperature)} is out of range.", expected="a number above zero")
        if share is None or not 0 <= share < 1:
            raise ArgumentError(f"{argument('truth', truth)} is out of range.", expected="a number, 0 or more and below 1: the share of right answers in the loss")
        told = number(states)
        if told is None or not 0 <= told < float("inf"):
            raise ArgumentError(f"{argument('states', states)} is out of range.", expected="a number, 0 or more: what the hidden states count in the loss")
        require("start", start, STARTS)
        self.states = told
        self.model, self.student, self.temperature, self.start = model, student, heat, start
        self.asked = truth if truth is None else share
        self.labelled: dict[str, bool] = {}
        self.network = copy.deepcopy(model.network_).to(student.device).eval().requires_grad_(False)
        self.encoders: tuple[nn.Module, ...] = ()  # those whose states teach and learn

    @property
    def truth(self) -> float:
        """The share of right answers in the loss."""
        return self.asked if self.asked is not None else TRUTH if self.labelled.get("train", True) else 0.0

    @property
    def kept(self) -> Mapping[str, Any]:
        """How the teacher reads data, and what it can answer."""
        return self.model.prepared

    @property
    def identity(self) -> Mapping[str, Any]:
        """Who teaches, and how."""
        return {"teacher": {"weights": digest_of(self.network), "temperature": self.temperature, "truth": self.truth, "states": self.states, "start": self.start}}

    def answered(self, data: Any, part: str) -> Any:
        """The set, with the teacher's answers where it has none.

        Raises:
            ArgumentError: a share of right answers was asked for, and the training data have none.
        """
        found = self.model.answered(data)
        self.labelled[part] = found is data
        if part == "train" and self.asked and found is not data:
            raise ArgumentError(
                f"the data have no right answers, so these cannot be a part of the loss: {argument('truth', self.asked)}.",
                expected=either("data with answers, as for fit", "DATA with answers"), fix=f"{argument('truth', 0)}: only the teacher's answers teach",
            )  # fmt: skip
        return found

    def guessed(self, part: str) -> bool:
        """Whether the answers of this part are the teacher's."""
        return not self.labelled[part]

    def begin(self, network: nn.Module) -> None:
        """Copy what the two networks have in common, and know their encoders, where the states teach."""
        if self.states:
            self.encoders = (network.encoder, self.network.encoder)  # type: ignore[assignment]  # every task's network has one
        copy_weights(self.network, network, self.start)

    def lead(self, learning: Learning, training: Any) -> Learning:
        """The same batches and validations, with the teacher's answers in the loss."""
        weights = even(getattr(training, "weights", None))
        heat, truth = self.temperature, self.truth

        def loss(network: nn.Module, batch: Any, carried: Any) -> Loss:
            own, theirs = (None, None) if carried is None else carried
            student = _Heard(self.student, network, own)
            with listening(*self.encoders) as states:
                hard = learning.loss(student, batch, own)  # type: ignore[arg-type]  # called like the network
                with torch.no_grad():
                    said, theirs = self.model.heard(self.network, student.given, theirs)
            apart = self.student.apart(student.given, said, student.output, heat)
            soft = (1 - truth) * heat**2 * self._mean(apart, student.given, weights)
            if self.encoders:
                soft = soft + self.states * unlike(*states)
            reported = hard.mean.detach() if hard.reported is None else hard.reported
            after = None if hard.carried is None else (hard.carried, theirs)
            mean = truth * hard.mean + soft if truth else soft
            return Loss(mean, hard.count, after, truth * reported + soft.detach() if truth else soft.detach())

        return learning._replace(loss=loss)

    def measured(self, held_out: Any) -> Mapping[str, Any]:
        """What is lost on the held-out part."""
        return self.compared(held_out, "validation", self.labelled.get("validation", self.labelled["train"]))

    def compared(self, data: Any, part: str, labelled: bool) -> dict[str, Any]:
        """What is lost on a set: `distillation` of evaluation.json.

        Args:
            data: of the task's kind, with answers. labelled: whether these are right, and not the teacher's own.
        """
        found = compared(self.model, self.student, data, part=part, labelled=labelled)
        how = {"temperature": self.temperature, "truth": self.truth, "states": self.states, "start": self.start}
        return {"distillation": {**found.to_data(), **how}}

    def _mean(self, apart: Apart, given: tuple[Any, ...], weights: np.ndarray | None) -> Tensor:
        """The mean divergence, of what the task's own loss is a mean over; by weight, where rows have weights."""
        if self.student.by_place:
            return apart.nats.sum() / apart.places.sum().clamp(min=1)
        if weights is None:
            return apart.nats.mean()
        mine = torch.from_numpy(weights[given[0].indices].astype(np.float32)).to(apart.nats.device)
        return (apart.nats * mine).mean()


class _Heard:
    """Stands for the student's network in the loss of its task, which calls it once: what it was given, and what it said, are kept.

    A second call of the network would draw other dropout, and with several processes a network is called once in a step.
    """

    def __init__(self, model: Estimator, network: nn.Module, state: Any) -> None:
        self.model, self.network, self.state = model, network, state
        self.given: tuple[Any, ...] = ()
        self.output: Any = None

    def __call__(self, *given: Any) -> Any:
        assert not self.given, "the loss of a task calls its network once"
        self.given = given
        self.output, _ = self.model.heard(self.network, given, self.state)
        return self.output


def digest_of(network: nn.Module) -> str:
    """The digest of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
