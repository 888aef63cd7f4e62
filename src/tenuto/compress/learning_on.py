"""`LearningOn`: a fit that goes on from a model's weights, as its task trains; what is taken away or rounded meanwhile, a class of its own adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import nn

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

    def lead(self, learning: Learning, training: Any) -> Learning:
        """As the task trains."""
        return learning

    def measured(self, held_out: Any) -> Mapping[str, Any]:
        """Nothing but what is measured anyway."""
        return {}
