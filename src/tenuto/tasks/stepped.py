"""`Stepped`: an estimator as a machine that reads one step at a time: what exports to small devices ask for.

Only plain arrays and numbers stand here, and the recurrent layers themselves: what reads a step, what carries the state, what answers after it.
A task whose model looks ahead, or chooses its answers together, says so and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.layers.stored import Matrix


@dataclass(frozen=True)
class Channels:
    """Reads C numbers a step: `(x - shift) / scale` in each channel.

    Attributes:
        names: [C]. shift, scale: [C] float64. missing: what NaN becomes: "error", it is refused; "forward", the last value; "mean", `usual`.
        usual: [C] float32, standardised: what stands where there was no value yet.
        inputs: the places of the channels that the first layer reads. streams: the place of the channel of each stream of the cell.
    """

    names: tuple[str, ...]
    shift: np.ndarray
    scale: np.ndarray
    missing: str
    usual: np.ndarray
    inputs: tuple[int, ...]
    streams: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Symbols:
    """Reads the number of a symbol a step, and takes its row of `vectors` [V, E], as they are stored. `names`: [V] the text of each, for people."""

    names: tuple[str, ...]
    vectors: Matrix


@dataclass(frozen=True)
class Numbers:
    """Reads x [width] as it is."""

    width: int


@dataclass(frozen=True)
class Linear:
    """`weight` [K, W], as it is stored, times what it reads; and `bias` [K], where there is one."""

    weight: Matrix
    bias: np.ndarray | None

    @staticmethod
    def of(module: nn.Linear) -> Linear:
        """The numbers of torch's module."""
        return Linear(Matrix.of(module), None if module.bias is None else array(module.bias))


@dataclass(frozen=True)
class PooledClasses:
    """After each step, the probability of each class of the sequence so far: outputs pooled over time, side by side, and a linear map."""

    names: tuple[str, ...]
    pooling: tuple[str, ...]
    linear: Linear


@dataclass(frozen=True)
class EachStep:
    """After each step, a probability for each name, or its logarithm (`logarithms`); `before`: a linear map that comes first."""

    names: tuple[str, ...]
    linear: Linear
    logarithms: bool
    before: Linear | None = None


@dataclass(frozen=True)
class Outputs:
    """After each step, the output of the last layer as it is."""

    width: int


Front = Channels | Symbols | Numbers
Head = PooledClasses | EachStep | Outputs


@dataclass(frozen=True)
class StepModel:
    """A model that reads one step at a time.

    Attributes:
        front, head: before and after the layers.
        layers: each recurrent layer, with the normalisation of what it reads, or None.
        draw: (generator, steps) to what may be read, [steps, C] float32 or [steps] int64.
        answers: what may be read, to what the model itself answers after each step, [steps, K].
        about: what people and other programs need beside, for a file of metadata.
    """

    front: Front
    layers: tuple[tuple[Recurrent, nn.LayerNorm | None], ...]
    head: Head
    draw: Callable[[np.random.Generator, int], np.ndarray]
    answers: Callable[[np.ndarray], np.ndarray]
    about: dict[str, Any] = field(default_factory=dict)


class Ahead(NamedTuple):
    """Why a model cannot answer step by step, and what could."""

    reason: str
    fix: str


class Stepped:
    """The half of an estimator that is asked for a model of steps."""

    def looks_ahead(self) -> Ahead | None:
        """Why an answer needs more than the steps so far; None where it does not."""
        return None

    def steps(self) -> StepModel:
        """The fitted model, one step at a time.

        Raises:
            ArgumentError: it looks ahead, or a model of steps cannot hold what it does; says why, and what could.
        """
        ahead = self.looks_ahead()
        if ahead is not None:
            raise no_steps(*ahead)
        return self._steps()

    def _steps(self) -> StepModel:
        """As `steps`, of a model that does not look ahead."""
        raise no_steps("its answers need more than the steps so far", "a classifier of sequences, a language model, or a tagger without a CRF")


def no_steps(reason: str, fix: str) -> ArgumentError:
    """The error that a model cannot be run one step at a time."""
    return ArgumentError("this model cannot answer step by step.", expected="a model that reads each step once and needs nothing of what comes later", received=reason, fix=fix)


def array(tensor: Any) -> np.ndarray:
    """A tensor as float32 of numpy."""
    return tensor.detach().cpu().float().numpy()  # type: ignore[no-any-return]
