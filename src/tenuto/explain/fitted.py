"""A fitted estimator with data as a subject: run through its doors, with what the front gave replaced."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.explain.stand_in import with_part
from tenuto.explain.subject import Posed, Resume, as_lengths, require_steady, widest_of
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.taught import Taught


class FittedBatch(Posed):
    """A batch of `inputs`.

    Args:
        model: the estimator. batch: one of its batches, `held`. first: how many items came before it. words: of all items.
    """

    def __init__(self, model: Estimator, batch: Any, first: int, words: list[list[str]] | None) -> None:
        self._model, self._batch = model, batch
        with torch.no_grad():
            self.x = model.network_.front(self._batch).detach()
        steps, rows = self.x.shape[:2]
        self.lengths = as_lengths(self._batch.lengths, steps, rows)
        answers = model.answer_lengths(self._batch)
        self.answer_lengths = None if answers is None else [int(length) for length in answers]
        self.answers = model.held_answers(self._batch)
        self.choices = type(model).choices is not Taught.choices
        self.state: dict[str, Tensor] = {}
        self.names = [str(first + row) for row in range(rows)]
        self.words = None if words is None else words[first : first + rows]
        self.tokens = words is not None

    def run(self, x: Tensor, rows: Tensor, state: Mapping[str, Tensor] | None = None, resume: Resume | None = None) -> Any:
        network = with_part(self._model.network_, "front", lambda batch: x)
        twin = copy.copy(self._model)
        twin.network_ = network if resume is None else with_part(network, "encoder", resume)  # type: ignore[assignment]  # a copy is a Network too
        return twin.raw(self._batch.select(rows))

    def nothing(self) -> Tensor:
        with torch.no_grad():
            return self._model.nothing(self._batch).detach()

    def encoder(self) -> nn.Module:
        return self._model.network_.encoder


class Fitted:
    """A fitted estimator with data; see `Subject`.

    Args:
        model: fitted. data: as its `predict` takes it.
    """

    labels = True

    def __init__(self, model: Estimator, data: Any) -> None:
        model.require_fit("explain")
        require_steady(model.network_)
        self._model, self._data = model, data
        self._holder = model
        self.module: nn.Module = model.network_
        self.inputs, self.outputs = model.input_names(), model.output_names()
        self.widest = widest_of(model.network_)

    def batches(self) -> Iterator[Posed]:
        """Each batch of `inputs`."""
        return self._posed(self._data)

    def others(self, data: Any) -> Iterator[Posed]:
        """Other data, as `predict` takes it."""
        return self._posed(data)

    def copied(self, copied: Callable[[nn.Module], nn.Module]) -> Fitted:
        """The same data for a copy of the estimator with a copy of its network."""
        model = copy.copy(self._model)
        model.network_ = copied(self._model.network_)  # type: ignore[assignment]  # a copy is a Network too
        twin = copy.copy(self)
        twin._model, twin.module = model, model.network_
        return twin

    def _posed(self, data: Any) -> Iterator[Posed]:
        batches, words, first = self._model.inputs(data), self._model.step_names(data), 0
        for batch in batches:
            posed = FittedBatch(self._model, self._holder.held(batch), first, words)
            first += len(posed.names)
            yield posed
