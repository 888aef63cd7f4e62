"""Models and methods whose explanations are known: a linear model, a method that ignores the model, one that says noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from tenuto.explain.methods import Method


class Linear(nn.Module):
    """A weight for each cell [T, F] and a bias."""

    def __init__(self, weights: np.ndarray, bias: float = 0.5) -> None:
        super().__init__()
        self.read = nn.Linear(weights.size, 1).double()
        with torch.no_grad():
            self.read.weight.copy_(torch.from_numpy(weights).flatten())
            self.read.bias.fill_(bias)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(x.transpose(0, 1).flatten(1))


class Formula(nn.Module):
    """A function of x [T, B, F] that gives [B]; it has no weights."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@dataclass(frozen=True)
class InputSize(Method):
    """|x|: pictures of the input, which look like explanations and never ask the model."""

    name: ClassVar[str] = "input-size"
    compares: ClassVar[bool] = False

    def explain(self, question):
        predictions = question.predictions()
        return [question.item(row, question.x(row).abs().double().numpy(), predictions[row], None) for row in question.rows]


@dataclass(frozen=True)
class Noise(Method):
    """Numbers that have to do with nothing; other ones for each call."""

    name: ClassVar[str] = "noise"
    compares: ClassVar[bool] = False
    random: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def explain(self, question):
        predictions = question.predictions()
        return [question.item(row, self.random.normal(size=question.x(row).shape), predictions[row], None) for row in question.rows]
