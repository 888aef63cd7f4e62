"""`LearningOn`: a fit that goes on from a model's weights, as its task trains; what is taken away or rounded meanwhile, a class of its own adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from tenuto.tasks.estimator import Estimator
from tenuto.train.course import Learning


class LearningOn(ABC):
    """What takes part in the fit (`tenuto.train.course.Teaching`): data are read as the model reads them, and their answers are right ones.

    Args:
        model: fitted; it stays as it is.
    """

    def __init__(self, model: Estimator) -> None:
        self.model = model

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Whose weights these were, and what becomes of them."""

    @property
    def kept(self) -> Mapping[str, Any]:
        """How the model reads data, and what it can answer."""
        return self.model.prepared

    def answered(self, data: Any, part: str) -> Any:
        """The set as it is."""
        return data

    def guessed(self, part: str) -> bool:
        """No answer is guessed."""
        return False

    def begin(self, network: nn.Module) -> None:
        """The model's weights."""
        network.load_state_dict(self.model.network_.state_dict())

    def finish(self, student: Estimator) -> None:
        """After the fit: each weight is one parameter again, whatever stood around it in training, and one that two places of the model share is one."""
        network, changed = student.network_, False
        for part in list(network.modules()):
            for name in list(getattr(part, "parametrizations", ())):
                parametrize.remove_parametrizations(part, name, leave_parametrized=True)
                changed = True
        if not changed:
            return
        first: dict[int, nn.Parameter | None] = {}
        for path, part in self.model.network_.named_modules():
            own = network.get_submodule(path)._parameters
            kept = {name: own[name] if weight is None else first.setdefault(id(weight), own[name]) for name, weight in part._parameters.items()}
            own.clear()
            own.update(kept)  # in the model's order, which those that were taken out and put back had lost
        student.evaluation_ = {**student.evaluation_, "model": self.model.evaluation_["model"]}  # names and sizes, without what stood around

    def lead(self, learning: Learning, training: Any) -> Learning:
        """As the task trains."""
        return learning

    def measured(self, held_out: Any) -> Mapping[str, Any]:
        """Nothing but what is measured anyway."""
        return {}
