"""Fine-tuning: a model learns once more with its weights rounded as they will be stored, so that what rounding takes away is learnt again.

In training each matrix is rounded at every use, and its gradient is passed on as if it were not (straight through): what learns are the floats behind it.
Source: Bengio, Léonard, Courville 2013; Jacob et al. 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tenuto.compress.learning_on import LearningOn
from tenuto.compress.quantise import matrices, smaller
from tenuto.compress.rounds import Rounds
from tenuto.distill.student import student_of
from tenuto.distill.teacher import digest_of
from tenuto.layers.stored import StoredWeight
from tenuto.tasks.estimator import Estimator

E = TypeVar("E", bound=Estimator)
EPOCHS, SLOWER = 3, 10.0  # of the fine-tuning; by which the learning rate is divided


class Rounded(nn.Module):
    """A weight as it will be stored, with the gradient of the floats."""

    def __init__(self, form: type[StoredWeight]) -> None:
        super().__init__()
        self.form = form
        self._last: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """[N, ...], rounded. Outside of training, where one weight is read many times, it is rounded once."""
        if torch.is_grad_enabled():
            self._last = None
            with torch.no_grad():
                apart = self.form.of(weight).whole() - weight
            return weight + apart
        version = weight.data_ptr(), weight._version  # a change in place counts the version up
        if self._last is None or self._last[0] != version:
            self._last = version, weight + (self.form.of(weight).whole() - weight)
        return self._last[1]


class Finetuning(LearningOn):
    """What takes part in the fit (`tenuto.train.course.Teaching`): the weights to begin from, and the rounding."""

    def __init__(self, model: Estimator, form: type[StoredWeight]) -> None:
        super().__init__(model)
        self.form = form

    @property
    def identity(self) -> Mapping[str, Any]:
        """What is fine-tuned, and for which form."""
        return {"finetuning": {"weights": digest_of(self.model.network_), "form": self.form.form}}

    def begin(self, network: nn.Module) -> None:
        """Take over the model's weights, and round them from now on."""
        super().begin(network)
        for part, name in list(matrices(network)):
            weight = getattr(part, name).detach()
            if not smaller(self.form.empty(weight, {}), weight):
                continue
            parametrize.register_parametrization(part, name, Rounded(self.form), unsafe=True)


def finetuned(model: E, form: type[StoredWeight], data: Any, rounds: Rounds) -> E:
    """The model after some epochs with rounded weights, on data as for `fit`. Its weights are floats that the form holds exactly.

    Args:
        rounds: how it learns on; all in one round.
    """
    student = student_of(model, None, {"epochs": EPOCHS, "learning_rate": model.options_["learning_rate"] / SLOWER, **rounds.changes})
    how: dict[str, Any] = {"validation": rounds.validation, "test": rounds.test, "observers": rounds.observers, "checkpoint": rounds.folder, "launch": rounds.launch}
    teaching = Finetuning(model, form)
    student.learn_from(teaching, data, **how)
    teaching.finish(student)
    return student
