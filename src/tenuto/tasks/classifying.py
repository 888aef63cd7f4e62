"""`Classifying`: what every classifier of whole items has: its classes, one class for an item, probabilities that are calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.data.labels import Labels
from tenuto.data.weights import require_some
from tenuto.errors import DataError
from tenuto.scores.temperature import temperature_of
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.taught import Choices
from tenuto.tongues import either


class Classifying(Estimator):
    """An estimator whose network gives logits [B, K] of K classes, by a `PooledHead`.

    Attributes (after fit):
        classes_: [K], sorted.
    """

    classes_: np.ndarray
    calibrated: bool
    _estimator_type = "classifier"

    def answer(self, tensors: Tensor) -> np.ndarray:
        """The class with the largest logit of each row of logits [B, K]: [B]."""
        return self.classes_[tensors.argmax(1).cpu().numpy()]  # type: ignore[no-any-return]

    def output_names(self) -> list[Any]:
        """The classes."""
        return self.classes_.tolist()

    def choices(self, given: tuple[Any, ...], output: Tensor) -> Choices:
        """One choice for each item: its class."""
        return Choices(output[None])

    @property
    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_.tolist()]

    def _prepare(self, training: Any, held_out: Any) -> None:
        self._require_classes(training)
        self.classes_ = Labels.learn(training.labels).classes
        super()._prepare(training, held_out)  # type: ignore[safe-super]  # of the class beside this one

    def _require_scorable(self, data: Any) -> None:
        self._targets(data)
        super()._require_scorable(data)

    def _calibrate(self, held_out: Any) -> None:
        if self.calibrated:
            head: Any = self.network_.head
            head.cool(temperature_of(self._logits(held_out), self._targets(held_out), self._weights(held_out)))

    def _logits(self, data: Any) -> np.ndarray:
        """[N, K] float32, in the order of the data."""
        logits = np.empty((len(data), len(self.classes_)), dtype=np.float32)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                logits[indices] = self.forward(batch).cpu().numpy()
        return logits

    def _weights(self, data: Any) -> np.ndarray | None:
        """How much each item counts; None: all alike."""
        return data.weights  # type: ignore[no-any-return]

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "classes": self.classes_.tolist(), "class_kind": type(self.classes_.tolist()[0]).__name__}  # type: ignore[safe-super]

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)  # type: ignore[safe-super]
        self.classes_ = np.array(kept["classes"])

    def _require_classes(self, data: Any) -> None:
        item = self.choice_unit
        if data.labels is None:
            raise DataError(
                f"the {item}s have no labels.", expected=f"a label for each {item}",
                fix=either(f"give y, or {type(data).__name__} with labels", "say which column has them: --label-column NAME"),
            )  # fmt: skip
        if len(data.class_counts) < 2:
            raise DataError(f"all {item}s have the same label.", expected="two classes or more", received=repr(next(iter(data.class_counts))))

    def _targets(self, data: Any) -> np.ndarray:
        """[N] int64 positions of the labels in `classes_`; a label that is not there is an error, and so are weights that are all 0."""
        require_some(self._weights(data), f"{self.choice_unit}s")
        known = Labels(self.classes_)
        return known.positions(known.alike(data.labels), ids=data.ids, noun=self.choice_unit)
