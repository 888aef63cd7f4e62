"""What is explained: a model and a batch, as something that can be run again on another x.

Shapes: B rows of the batch, N rows that are run (each is a row of the batch with another x), T time, F what the model reads at a step, K outputs, S steps of the answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.layers.recurrent import Recurrent

Resume = Callable[..., Any]  # a forward of the encoder that begins in the middle; see `past.py`


class Posed(ABC):
    """One batch, as it is explained.

    Attributes:
        x: [T, B, F], what the network reads, without a gradient. lengths: [B], in steps.
        state: the state that is carried into the batch by name, each [..., B, W]; empty where none is.
        answer_lengths: [B], how many steps each row's answer has, or None.
        answers: [S, B], the output that the model answers at each step, where that is not simply the largest; else None.
        choices: whether the outputs are scores of choices, one of which is the answer; not where each is a number of its own, as in a regression.
        words: the text of each step of each row, or None. names: of the rows.
        tokens: whether the numbers of a step are the vector of a token.
    """

    x: Tensor
    lengths: list[int]
    state: dict[str, Tensor]
    answer_lengths: list[int] | None
    answers: Tensor | None = None
    choices: bool = True
    words: list[list[str]] | None
    names: list[str]
    tokens: bool

    @abstractmethod
    def run(self, x: Tensor, rows: Tensor, state: Mapping[str, Tensor] | None = None, resume: Resume | None = None) -> Any:
        """The model's raw answer to x [T, N, F], whose row n stands for row `rows[n]` of the batch.

        Args:
            state: carried into these rows, where it differs from that of the batch. resume: what the encoder is to do instead of its own forward.
        """

    @abstractmethod
    def nothing(self) -> Tensor | None:
        """[T, B, F], what stands for "nothing to read"; None where only the user can know."""

    @abstractmethod
    def encoder(self) -> nn.Module | None:
        """The module that `resume` takes the place of, which reads x itself; None where there is none."""

    def scores(self, raw: Any) -> Tensor:
        """The tensor of a raw answer that is explained, [N, K] or [S, N, K]."""
        return scores_of(raw)


class Subject(Protocol):
    """A model with data.

    Attributes:
        inputs: names of the F inputs. outputs: of the K outputs. Both may be empty.
        widest: the numbers that a step of a row takes in the model, about; memory is planned by it.
        labels: whether outputs are asked for by their names (a class as `predict` gives it), and not by their positions.
        module: all of the model's parameters.
    """

    inputs: list[str]
    outputs: list[Any]
    widest: int
    labels: bool
    module: nn.Module

    def batches(self) -> Iterator[Posed]:
        """The data, batch by batch."""

    def others(self, data: Any) -> Iterator[Posed]:
        """Other data of the same kind."""

    def copied(self, copied: Callable[[nn.Module], nn.Module]) -> Subject:
        """The same data, read by a copy of the model that this function makes. Whatever the model feeds back to itself is what the model itself gave."""


def scores_of(raw: Any) -> Tensor:
    """The first tensor of a raw answer: a tensor, or a tuple (of tuples) that begins with one; a vector [N] is one output."""
    first = raw
    while isinstance(first, (tuple, list)) and len(first):
        first = first[0]
    if not isinstance(first, Tensor) or not first.is_floating_point() or not 1 <= first.dim() <= 3:
        received = describe(first) if isinstance(first, Tensor) else type(first).__name__
        raise ShapeError(
            "the model's answer cannot be explained as it is.", expected="a tensor [B, K] or [T, B, K], or a tuple that begins with one", received=received,
            fix="target=, a function of the model's answer that gives one number for each row",
        )  # fmt: skip
    return first[:, None] if first.dim() == 1 else first


def widest_of(module: nn.Module) -> int:
    """The most numbers that a recurrent layer computes at a step: rows of its input weights."""
    weights = [value for name, value in module.named_parameters() if "weight_ih" in name]
    return max((value.shape[0] for value in weights), default=64)


def recurrent_layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The recurrent layers in a module, by path; not those inside them."""
    found: list[tuple[str, nn.Module]] = []
    for path, part in module.named_modules():
        if isinstance(part, (nn.RNNBase, Recurrent)) and not any(path.startswith(f"{outer}.") for outer, _ in found):
            found.append((path, part))
    return found


def require_steady(module: nn.Module) -> None:
    """Raise ArgumentError where a part of the model is in training mode: its dropout and normalisation would change what is explained."""
    training = [path or "the model" for path, part in module.named_modules() if part.training]
    if training:
        everywhere = training[0] == "the model"
        raise ArgumentError(
            "the model is in training mode." if everywhere else f"{training[0]} is in training mode.",
            expected="evaluation mode, in which the same input has the same answer", received=f"training=True in {training[0]}", fix="model.eval()",
        )  # fmt: skip


def require_same_answer(posed: Posed) -> None:
    """Raise ArgumentError where the model answers the same input differently from call to call, for example by dropout that is always on."""
    rows = torch.arange(posed.x.shape[1], device=posed.x.device)
    with torch.no_grad():
        first, second = (posed.scores(posed.run(posed.x, rows)) for _ in range(2))
    if first.shape != second.shape or float((first - second).abs().max()) > 1e-5 * (1.0 + float(first.abs().max())):
        raise ArgumentError(
            "the model gives the same input another answer at each call.", expected="dropout and other noise switched off",
            received="two answers that differ" + (f" by {float((first - second).abs().max()):.3g}" if first.shape == second.shape else " in shape"),
            fix="model.eval(), and no dropout called with training=True",
        )  # fmt: skip


def require_width(width: int, of_model: int, what: str) -> None:
    """Raise ShapeError where something has another number of features than the model reads."""
    if width != of_model:
        raise ShapeError(
            f"{what} has {width} features but the model reads {of_model}.", expected=f"[T, {of_model}] for each item", received=f"[T, {width}]",
            fix="a background of the same kind as the data",
        )  # fmt: skip


def as_lengths(lengths: Any, steps: int, rows: int) -> list[int]:
    """Lengths as whole numbers, all T where there are none.

    Raises:
        ShapeError: another number of them, or one that is out of range.
    """
    if lengths is None:
        return [steps] * rows
    found: Sequence[int] = [int(length) for length in lengths]
    if len(found) != rows or any(not 1 <= length <= steps for length in found):
        raise ShapeError("the lengths do not fit the batch.", expected=f"{rows} whole numbers from 1 to {steps}", received=str(list(found))[:100])
    return list(found)
