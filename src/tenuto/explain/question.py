"""A question: a batch, its targets and its background, asked in pieces that fit in memory.

Shapes: N rows that are run, T time, F features, R references.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.errors import ArgumentError
from tenuto.explain.background import Background
from tenuto.explain.explanation import Item
from tenuto.explain.subject import Posed, Resume
from tenuto.explain.target import Goals

MOST_NUMBERS = 2**22  # that the steps of the rows that run together may take in a model, 16 MiB in float32


class Slopes(NamedTuple):
    """The scores [N] of some rows, with their gradient by x [T, N, F] and by the carried state, by name."""

    scores: Tensor
    x: Tensor
    state: dict[str, Tensor]


@dataclass(frozen=True)
class Question:
    """What is asked of a model for one batch.

    Attributes:
        posed: the batch. goals: its targets. background: what stands where something is left out. inputs: names of the features.
        widest: see `Subject`.
    """

    posed: Posed
    goals: Goals
    background: Background
    inputs: list[str]
    widest: int

    @property
    def rows(self) -> range:
        """The rows of the batch."""
        return range(len(self.posed.names))

    def x(self, row: int) -> Tensor:
        """[T_i, F], what the model reads of a row."""
        return self.posed.x[: self.posed.lengths[row], row]

    def references(self, row: int) -> Tensor:
        """[R, T_i, F], what stands in its place."""
        return self.background.of(self.posed, row)

    @property
    def most(self) -> int:
        """How many numbers the steps of rows that run together may take."""
        return MOST_NUMBERS

    def together(self, steps: int) -> int:
        """How many rows of so many steps run together."""
        return max(1, self.most // (steps * (self.posed.x.shape[-1] + self.widest)))

    def pieces(self, count: int, steps: int) -> Iterator[slice]:
        """All of `count` rows of so many steps, in pieces that run together."""
        size = self.together(steps)
        return (slice(first, min(first + size, count)) for first in range(0, count, size))

    def ask(self, x: Tensor, rows: Tensor, state: Mapping[str, Tensor] | None = None, resume: Resume | None = None) -> Tensor:
        """The scores [N] for x [T, N, F], as torch's gradient mode is."""
        return self.goals(self.posed.run(x, rows, state, resume), rows)

    def padded(self, x: Tensor) -> Tensor:
        """[T_i, N, F] as the model's batch has it, [T, N, F], with zeros beyond."""
        missing = self.posed.x.shape[0] - len(x)
        return torch.cat([x, x.new_zeros(missing, *x.shape[1:])]) if missing else x

    def of_row(self, row: int, count: int, made: Callable[[slice], Tensor]) -> Tensor:
        """The scores [count] float64 of inputs that stand for one row, without gradients.

        Args:
            made: a function of a slice of 0..count that gives these inputs, [T_i, n, F].
        """
        found = []
        with torch.no_grad():
            for piece in self.pieces(count, self.posed.x.shape[0]):
                x = self.padded(made(piece))
                found.append(self.ask(x, self.repeated(row, x.shape[1])).double())
        return torch.cat(found)

    def repeated(self, row: int, count: int) -> Tensor:
        """[count], the row's number."""
        return torch.full((count,), row, device=self.posed.x.device)

    def predictions(self) -> list[float]:
        """The score of each row as it is."""
        found: list[float] = []
        every = torch.arange(len(self.posed.names), device=self.posed.x.device)
        with torch.no_grad():
            for piece in self.pieces(len(every), self.posed.x.shape[0]):
                found += self.ask(self.posed.x[:, piece], every[piece]).double().tolist()
        return found

    def slopes(self, x: Tensor, rows: Tensor, state: Mapping[str, Tensor] | None = None) -> Slopes:
        """Scores and gradients for x [T, N, F]; one piece, which the caller makes small enough."""
        with torch.enable_grad(), _plain_recurrence(x):
            x = x.detach().clone().requires_grad_()
            carried = {name: value.index_select(-2, rows) for name, value in self.posed.state.items()} if state is None else dict(state)
            carried = {name: value.detach().clone().requires_grad_() for name, value in carried.items()}
            scores = self.ask(x, rows, carried or None)
            if not scores.requires_grad:
                raise _no_gradient()
            found = torch.autograd.grad(scores.sum(), [x, *carried.values()], allow_unused=True)
        filled = [torch.zeros_like(of) if one is None else one for one, of in zip(found, [x, *carried.values()])]
        return Slopes(scores.detach(), filled[0], dict(zip(carried, filled[1:])))

    def item(self, row: int, values: np.ndarray, prediction: float, base: float | None, **more: Any) -> Item:
        """What was found of a row."""
        posed = self.posed
        words = None if posed.words is None else tuple(posed.words[row])
        x = self.x(row).double().cpu().numpy()
        return Item(posed.names[row], self.goals.said[row], prediction, base, np.asarray(values, dtype=np.float64), x, words=words, **more)


def _plain_recurrence(x: Tensor) -> Any:
    """On a GPU cuDNN's recurrent layers have no backward pass in evaluation mode: for the call, torch's own loop."""
    return torch.backends.cudnn.flags(enabled=False) if x.device.type == "cuda" else contextlib.nullcontext()


def _no_gradient() -> Exception:
    return ArgumentError(
        "the answer has no gradient by what the model reads.", expected="a model without detach(), argmax() or no_grad() on the way",
        fix='a method without gradients: method="shapley", "lime" or "occlusion"',
    )  # fmt: skip
