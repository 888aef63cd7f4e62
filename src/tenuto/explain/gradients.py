"""Explanations from gradients: gradient times input, SmoothGrad, integrated gradients, expected gradients.

Shapes: T time, B rows of the batch, F features, R references, D draws, n nodes of a path.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, entered, is_count, require
from tenuto.explain.question import Question


@entered
@dataclass(frozen=True)
class Gradient(Method):
    """Gradient times input: how much the answer changes with each cell, times the cell. Exact for a linear model, and nothing is promised for others.

    Args:
        times_input: False for the gradient alone.
    """

    name: ClassVar[str] = "gradient"
    compares: ClassVar[bool] = False
    times_input: bool = True

    @property
    def ranked_by(self) -> str | None:
        """The gradient alone says how much a cell matters, not what it adds."""
        return "value" if self.times_input else "size"

    def explain(self, question: Question) -> list[Item]:
        """One backward pass for the whole batch, if it fits in memory."""
        items, posed = [], question.posed
        for piece in question.pieces(len(question.rows), len(posed.x)):
            rows = torch.arange(piece.start, piece.stop, device=posed.x.device)
            slopes = question.slopes(posed.x[:, piece], rows)
            for place, row in enumerate(rows.tolist()):
                x = question.x(row).double()
                slope = slopes.x[: len(x), place].double()
                terms = _terms(question, row, {name: value.select(-2, place).double() for name, value in slopes.state.items()})
                items.append(_item(question, row, slope * x if self.times_input else slope, float(slopes.scores[place]), None, state=terms))
        return items


@entered
@dataclass(frozen=True)
class SmoothGrad(Method):
    """The mean of the gradients near an item, times the item: noise of the gradient averaged away (Smilkov et al. 2017).

    Args:
        draws: noisy copies. noise: their standard deviation, as a share of the item's largest value minus its smallest.
        times_input: False for the gradient alone. seed: of the noise, which is the same for every item.
    """

    name: ClassVar[str] = "smoothgrad"
    compares: ClassVar[bool] = False
    draws: int = 32
    noise: float = 0.15
    times_input: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require("draws", self.draws, is_count(self.draws, 2), "2 or more")
        require("noise", self.noise, self.noise >= 0, "0 or more")

    @property
    def ranked_by(self) -> str | None:
        """The gradient alone says how much a cell matters, not what it adds."""
        return "value" if self.times_input else "size"

    def explain(self, question: Question) -> list[Item]:
        """`draws` backward passes for each row."""
        items = []
        for row, x in ((row, question.x(row)) for row in question.rows):
            generator = torch.Generator().manual_seed(self.seed)
            deviation = self.noise * (x.max() - x.min())

            def noisy(piece: slice) -> Tensor:
                drawn = torch.randn(piece.stop - piece.start, *x.shape, generator=generator, dtype=x.dtype)  # noqa: B023  # called in this iteration
                return (x[None] + deviation * drawn.to(x.device)).transpose(0, 1)  # noqa: B023

            total, square, state = _moments(question, row, noisy, self.draws)
            by = x.double() if self.times_input else torch.ones_like(x, dtype=torch.float64)
            mean = total / self.draws
            error = _standard_error(total, square, self.draws) * by.abs()
            prediction = float(question.of_row(row, 1, lambda _: x[:, None])[0])  # noqa: B023
            terms = _terms(question, row, {name: value / self.draws for name, value in state.items()})
            items.append(_item(question, row, mean * by, prediction, None, error=error, state=terms))
        return items


@entered
@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Gradients along the straight path from the background to the item (Sundararajan et al. 2017). The values add up to the prediction minus the base.

    The steps of the path (Gauss-Legendre) are doubled until what is left unexplained is below the tolerance. Of several references the values are the
    mean, with its standard error.

    Args:
        tolerance: of the gap, as a share of |prediction - base|, or of a tenth of all |values| together, where these cancel.
        steps: to begin with. most_steps: where doubling ends; then a warning says how much is left, and so does the item.
    """

    name: ClassVar[str] = "integrated-gradients"
    tolerance: float = 1e-3
    steps: int = 16
    most_steps: int = 1024

    def __post_init__(self) -> None:
        require("tolerance", self.tolerance, self.tolerance > 0, "above 0")
        require("steps", self.steps, is_count(self.steps), "1 or more")
        require("most_steps", self.most_steps, is_count(self.most_steps, self.steps), f"{self.steps} or more, which is steps=")

    def for_order(self) -> IntegratedGradients:
        """With the steps it begins with: the order of the values needs no small gap."""
        return replace(self, tolerance=float("inf"))

    def explain(self, question: Question) -> list[Item]:
        """16 backward passes or more for each row and reference."""
        return [self._of_row(question, row) for row in question.rows]

    def _of_row(self, question: Question, row: int) -> Item:
        x, references = question.x(row), question.references(row)
        prediction, *bases = _ends(question, row, x, references)
        found, carried, most = [], [], 0
        for reference, base in zip(references, bases):
            steps = self.steps
            while True:
                values, state = _along(question, row, x, reference, steps)
                gap = prediction - base - float(values.sum()) - sum(state.values())
                if abs(gap) <= self._allowed(prediction, base, values) or 2 * steps > self.most_steps:
                    break
                steps *= 2
            found.append(values)
            carried.append(state)
            most = max(most, steps)
        each = torch.stack(found)
        error = each.std(0) / len(each) ** 0.5 if len(each) > 1 else None
        state = {name: float(np.mean([one[name] for one in carried])) for name in carried[0]}
        item = _item(question, row, each.mean(0), prediction, float(np.mean(bases)), error=error, state=state, measured={"steps": most})
        allowed = self._allowed(prediction, float(np.mean(bases)), each.mean(0))
        if item.gap is not None and abs(item.gap) > allowed:
            warnings.warn(
                f"integrated gradients of item {item.name} leave {abs(item.gap):.3g} unexplained after {most} steps, more than the {allowed:.3g} asked for. "
                f"Mend: most_steps={2 * most}, a larger tolerance, or a model in float64.", stacklevel=2,
            )  # fmt: skip
        return item

    def _allowed(self, prediction: float, base: float, values: torch.Tensor) -> float:
        """The largest gap that is left. Where the values cancel, their rounding is large beside their sum."""
        return self.tolerance * max(abs(prediction - base), 0.1 * float(values.abs().sum()), 1e-3 * max(abs(prediction), abs(base)), 1e-12)


@entered
@dataclass(frozen=True)
class ExpectedGradients(Method):
    """Gradients at random places between the item and random items of the background (Erion et al. 2021), with their standard error.

    Args:
        draws: how many. seed: of the places, which are the same for every item.
    """

    name: ClassVar[str] = "expected-gradients"
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require("draws", self.draws, is_count(self.draws, 2), "2 or more")

    def explain(self, question: Question) -> list[Item]:
        """`draws` backward passes for each row."""
        items = []
        for row, x in ((row, question.x(row)) for row in question.rows):
            references = question.references(row)
            prediction, *bases = _ends(question, row, x, references)
            generator = np.random.default_rng(self.seed)
            places = torch.from_numpy((generator.permutation(self.draws) + generator.random(self.draws)) / self.draws).to(x)
            chosen = torch.from_numpy(generator.permutation(np.arange(self.draws) % len(references))).to(x.device)

            def between(piece: slice) -> Tensor:
                alpha, start = places[piece, None, None], references[chosen[piece]]  # noqa: B023  # called in this iteration
                return (start + alpha * (x - start)).transpose(0, 1)  # noqa: B023

            def differences(piece: slice) -> Tensor:
                return (x - references[chosen[piece]]).transpose(0, 1)  # noqa: B023

            total, square, state = _moments(question, row, between, self.draws, by=differences, alphas=places)
            error = _standard_error(total, square, self.draws)
            terms = _terms(question, row, {name: value / self.draws for name, value in state.items()})
            items.append(_item(question, row, total / self.draws, prediction, float(np.mean(bases)), error=error, state=terms))
        return items


# --- inside ---------------------------------------------------------------------------------------------------------------


def _along(question: Question, row: int, x: Tensor, reference: Tensor, steps: int) -> tuple[Tensor, dict[str, float]]:
    """The values [T_i, F] of one path, and what the carried state adds."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    alphas, parts = torch.from_numpy((places + 1) / 2).to(x), torch.from_numpy(weights / 2).to(x.device)

    def inputs(piece: slice) -> Tensor:
        return (reference + alphas[piece, None, None] * (x - reference)).transpose(0, 1)

    mean, state = _sums(question, row, inputs, steps, parts, alphas)
    return mean * (x - reference).double(), _terms(question, row, state)


def _sums(
    question: Question, row: int, made: Callable[[slice], Tensor], count: int, weights: Tensor, alphas: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sums of the gradients [T_i, F] and of those by the state, in float64."""
    x = question.x(row)
    total = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    state: dict[str, Tensor] = {}
    for piece in question.pieces(count, len(question.posed.x)):
        inputs = question.padded(made(piece))
        slopes = question.slopes(inputs, question.repeated(row, inputs.shape[1]), _carried(question, row, piece, alphas))
        parts = weights[piece]
        total += torch.einsum("tnf,n->tf", slopes.x[: len(x)].double(), parts)
        for name, slope in slopes.state.items():
            state[name] = state.get(name, 0) + (slope.double() * parts[:, None]).sum(-2)
    return total, state


def _moments(
    question: Question, row: int, made: Callable[[slice], Tensor], count: int, by: Callable[[slice], Tensor] | None = None, alphas: Tensor | None = None
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The sums of the gradients (times `by`) and of their squares, [T_i, F] float64; and of those by the state."""
    x = question.x(row)
    total, square = torch.zeros(2, *x.shape, dtype=torch.float64, device=x.device)
    state: dict[str, Tensor] = {}
    for piece in question.pieces(count, len(question.posed.x)):
        inputs = question.padded(made(piece))
        slopes = question.slopes(inputs, question.repeated(row, inputs.shape[1]), _carried(question, row, piece, alphas))
        each = slopes.x[: len(x)].double() * (1.0 if by is None else by(piece).double())
        total += each.sum(1)
        square += each.square().sum(1)
        for name, slope in slopes.state.items():
            state[name] = state.get(name, 0) + slope.double().sum(-2)
    return total, square, state


def _standard_error(total: Tensor, square: Tensor, count: int) -> Tensor:
    return ((square - total.square() / count).clamp(min=0) / (count - 1) / count).sqrt()


def _carried(question: Question, row: int, piece: slice, alphas: Tensor | None) -> dict[str, Tensor] | None:
    """The carried state of the rows of a piece; on a path, from zeros to it."""
    if not question.posed.state:
        return None
    rows = question.repeated(row, piece.stop - piece.start)
    found = {name: value.index_select(-2, rows) for name, value in question.posed.state.items()}
    return found if alphas is None else {name: value * alphas[piece, None] for name, value in found.items()}


def _terms(question: Question, row: int, slopes: dict[str, Tensor]) -> dict[str, float]:
    """What the carried state adds, by name: its gradients times itself."""
    return {name: float((slope * question.posed.state[name].select(-2, row).double()).sum()) for name, slope in slopes.items()}


def _ends(question: Question, row: int, x: Tensor, references: Tensor) -> list[float]:
    """The prediction, and the score of each reference, from an empty state where one is carried."""
    every = torch.cat([x[None], references])
    if not question.posed.state:
        return question.of_row(row, len(every), lambda piece: every[piece].transpose(0, 1)).tolist()  # type: ignore[no-any-return]
    found: list[float] = []
    with torch.no_grad():
        for number, one in enumerate(every):
            rows = question.repeated(row, 1)
            state = {name: value.index_select(-2, rows) * (number == 0) for name, value in question.posed.state.items()}
            found.append(float(question.ask(question.padded(one[:, None]), rows, state)[0]))
    return found


def _item(question: Question, row: int, values: Tensor, prediction: float, base: float | None, *, error: Tensor | None = None, **more: Any) -> Item:
    return question.item(row, values.cpu().numpy(), prediction, base, error=None if error is None else error.cpu().numpy(), **more)
