"""`AudioSteps`: what tasks over recordings share that answer at each step: what a decoder reads, with the same bits in any batch and chunk, and streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.audio.recordings import Recordings
from tenuto.errors import ArgumentError
from tenuto.networks.each_step import EachStepNetwork
from tenuto.networks.exact import unchanging
from tenuto.scalars import whole
from tenuto.tasks.audio_estimator import AudioEstimator
from tenuto.tasks.taught import Choices
from tenuto.tongues import argument, either
from tenuto.train.nested import mapped


class Logits(NamedTuple):
    """What the network gives for a batch.

    Attributes:
        logits: [T, B, V]. lengths: [B], the steps of each row.
        heard: [T, B, J], what a decoder reads where that is something else: of a transducer, whose logits are those of what comes first in a step, after what greedy search wrote before it.
    """

    logits: Tensor
    lengths: Tensor
    heard: Tensor | None = None


class AudioSteps(AudioEstimator):
    """An estimator over recordings with an `EachStepNetwork`."""

    choice_unit = "step"

    network_: EachStepNetwork

    def forward(self, batch: Any) -> Logits:
        """Logits of an answer at each step of a batch of `inputs`, with gradients where torch keeps them; else each row has the same bits in any batch."""
        return Logits(unchanging(lambda: self.network_(batch)), batch.lengths)

    def choices(self, given: tuple[Any, ...], output: Any) -> Choices:
        """One choice for each step."""
        logits = output.logits if isinstance(output, Logits) else output
        live = torch.arange(len(logits), device=logits.device)[:, None] < given[0].lengths.to(logits.device)
        return Choices(logits, live)

    def _decodable(self, read: Tensor, lengths: Tensor) -> Iterator[np.ndarray]:
        """[T_i, J] of each row of what the head gave to be read, [T, B, J]."""
        for place, length in enumerate(lengths.tolist()):
            yield self.network_.head.decodable(read[:length, place])

    def _steps_of(self, data: Recordings) -> list[np.ndarray]:
        """[T, J] of each recording: what a decoder reads at each step; of a linear head log-probabilities, float64."""
        found: list[np.ndarray] = [np.empty(0)] * len(data)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                read = unchanging(lambda batch=batch: self.network_.read(batch)).output  # type: ignore[misc]
            for index, rows in zip(indices.tolist(), self._decodable(read, batch.lengths)):
                found[index] = rows
        return found

    def _require_stream(self) -> None:
        """Raise ArgumentError where the model reads from both ends."""
        if getattr(self.network_.encoder, "bidirectional", False):
            raise ArgumentError(
                "this model reads recordings from both ends, so it cannot write a stream.", expected="a model that reads forward only", fix=f"train with {either('bidirectional=False', '--forward-only')}"
            )

    def _heard_at(self, rate: int | None) -> int:
        """The rate of a stream's samples; None for the model's."""
        found = self.hearing_.features.rate if rate is None else whole(rate)
        if found is None:
            raise ArgumentError(f"{argument('rate', rate)} is no whole number.", expected="samples a second", fix=f"{argument('rate', self.hearing_.features.rate)}")
        return found

    def _run(self, steps: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """What a decoder reads, [T, J], of the next steps [T, F] of a stream, and the state after them."""
        state = mapped(state, lambda value: value.to(self.device))
        x = torch.from_numpy(steps)[:, None].to(self.device)
        with torch.no_grad():
            read, after = unchanging(lambda: self.network_.further(x, state))
        return self.network_.head.decodable(read[:, 0]), after

    def _identity(self, rate: int, **own: Any) -> Callable[[], dict[str, Any]]:
        """What a stream of this rate must have in common with one that goes on from its snapshot, as `AudioStream` asks for it; own: what a task says besides."""
        return lambda: {"model": self.digest(), "rate": rate, **own}
