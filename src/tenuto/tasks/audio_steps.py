"""`AudioSteps`: what tasks over recordings share that answer at each step: logits with the same bits in any batch and chunk, and streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.audio.recordings import Recordings
from tenuto.data.sequences.batches import Batch
from tenuto.engines import invariant
from tenuto.errors import ArgumentError, EngineError
from tenuto.layers.recurrent import Output
from tenuto.tasks.audio_estimator import AudioEstimator
from tenuto.tasks.taught import Choices
from tenuto.tongues import either


class Logits(NamedTuple):
    """What the network gives for a batch: logits [T, B, V], and the steps of each row, lengths [B]."""

    logits: Tensor
    lengths: Tensor

    def rows(self) -> Iterator[np.ndarray]:
        """[T_i, V] float64 of each row: log-probabilities of an answer at each step."""
        logits = self.logits.detach().cpu().numpy()
        for place, length in enumerate(self.lengths.tolist()):
            yield log_probabilities(logits[:length, place])


class AudioSteps(AudioEstimator):
    """An estimator over recordings with an `EachStepNetwork`."""

    choice_unit = "step"

    def forward(self, batch: Any) -> Logits:
        """Logits of an answer at each step of a batch of `inputs`, with gradients where torch keeps them; else each row has the same bits in any batch."""
        try:
            with invariant():
                return Logits(self.network_(batch), batch.lengths)
        except EngineError:  # no compiled kernels, or another engine was named
            return Logits(self.network_(batch), batch.lengths)

    def choices(self, given: tuple[Any, ...], output: Any) -> Choices:
        """One choice for each step."""
        logits = output.logits if isinstance(output, Logits) else output
        live = torch.arange(len(logits), device=logits.device)[:, None] < given[0].lengths.to(logits.device)
        return Choices(logits, live)

    def _steps_of(self, data: Recordings) -> list[np.ndarray]:
        """[T, V] float64 of each recording: log-probabilities of an answer at each step."""
        found: list[np.ndarray] = [np.empty(0)] * len(data)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                for index, rows in zip(indices.tolist(), self.forward(batch).rows()):
                    found[index] = rows
        return found

    def _require_stream(self) -> None:
        """Raise ArgumentError where the model reads from both ends."""
        if getattr(self.network_.encoder, "bidirectional", False):
            raise ArgumentError(
                "this model reads recordings from both ends, so it cannot write a stream.", expected="a model that reads forward only", fix=f"train with {either('bidirectional=False', '--forward-only')}"
            )

    def _run(self, steps: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Logits [T, V] of the next steps [T, F] of a stream, and the state after them."""
        state = None if state is None else tuple(value.to(self.device) for value in state)
        batch = Batch(torch.from_numpy(steps)[:, None].to(self.device), torch.tensor([len(steps)]), None, np.zeros(1, dtype=np.int64))

        def encoded() -> Output:
            return self.network_.encode(batch, state)

        with torch.no_grad():
            try:
                with invariant():
                    output = encoded()
            except EngineError:
                output = encoded()
            return self.network_.head(output.output)[:, 0].cpu().numpy(), output.state


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """[T, V] float64 from logits [T, V]: sums go symbol by symbol, so that a step has the same bits in any chunk."""
    wide = np.ascontiguousarray(logits, dtype=np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    powers = np.exp(wide)
    total = powers[:, 0].copy()
    for column in powers.T[1:]:
        total = total + column
    return wide - np.log(total)[:, None]
