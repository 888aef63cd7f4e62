"""Densities of the next value of a series: what a network's numbers mean, how likely a value is, draws, and how far out a value lies.

A network gives K numbers of any size. `of` makes parameters of them, in the units of the series, by its base and scale there (`data/series/features.py`), in float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from tenuto.choices import require
from tenuto.networks.beta import log_beta_share

LEAST = 1e-3  # of a deviation, in scales: a constant series has no density of its own
FARTHEST = 20.0  # of a mean from the base, in scales
LEAST_DISPERSION = 1e-6
MOST_COUNT = 1e12  # of a draw; below it every whole number is a float64
MOST_SIZE = 1e100  # of a draw that is no count


class Density(ABC):
    """A family of distributions.

    Attributes:
        parameters: the names of its K parameters. counts: whether it is one of whole numbers, 0 or more.
    """

    parameters: ClassVar[tuple[str, ...]]
    counts: ClassVar[bool] = False

    @abstractmethod
    def of(self, raw: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """Parameters [..., K] float64 from the network's numbers [..., K], with base [...] and scale [...]."""

    @abstractmethod
    def nats(self, parameters: Tensor, values: Tensor) -> Tensor:
        """Minus the logarithm of the density, or of the probability of a count, at these values [...]; they must be possible ones."""

    @abstractmethod
    def draw(self, parameters: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """One value for each of these parameters [S, K], [S] float64."""

    @abstractmethod
    def tail(self, parameters: Sequence[float], value: float) -> float:
        """The logarithm of the probability of a value at least as far out, on either side: twice the smaller tail, 0 at most."""

    @abstractmethod
    def start(self, left: np.ndarray) -> list[float]:
        """The network's numbers before it has learnt anything, from what the base leaves over in training, [n] in scales."""

    def mean(self, parameters: np.ndarray) -> np.ndarray:
        """The mean, [...], of parameters [..., K]."""
        return parameters[..., 0]

    def loss(self, raw: Tensor, base: Tensor, scale: Tensor, targets: Tensor) -> Tensor:
        """The nats of each target [...]; 0 where it is missing (NaN). A possible value stands there before any logarithm is taken, so that no gradient is NaN either."""
        there = ~torch.isnan(targets)
        possible = torch.where(there, targets, torch.ones_like(targets) if self.counts else base)
        return torch.where(there, self.nats(self.of(raw, base, scale), self._limited(possible, base, scale)), 0.0)

    def _limited(self, values: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """The targets of training: one that lies very far out counts as one at 100 scales, so that it does not decide alone."""
        return values if self.counts else torch.minimum(torch.maximum(values, base - 100 * scale), base + 100 * scale)


class Gaussian(Density):
    """The normal distribution."""

    parameters = ("mean", "deviation")

    def of(self, raw: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """Mean and deviation."""
        return torch.stack(_placed(raw.double(), base, scale), dim=-1)

    def nats(self, parameters: Tensor, values: Tensor) -> Tensor:
        """log s + log(2 pi) / 2 + ((y - m) / s)^2 / 2."""
        mean, deviation = parameters.unbind(-1)
        return deviation.log() + 0.5 * math.log(2 * math.pi) + 0.5 * ((values - mean) / deviation) ** 2

    def draw(self, parameters: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Normal draws."""
        return np.clip(parameters[:, 0] + parameters[:, 1] * draw.standard_normal(len(parameters)), -MOST_SIZE, MOST_SIZE)

    def tail(self, parameters: Sequence[float], value: float) -> float:
        """log erfc(|z| / sqrt 2); its asymptotic series far out, where erfc is 0 in float64."""
        far = abs(value - parameters[0]) / parameters[1] / math.sqrt(2)
        if far < 20:
            return math.log(math.erfc(far))
        return -far * far - math.log(far * math.sqrt(math.pi)) + math.log1p(-0.5 / far**2 + 0.75 / far**4)

    def start(self, left: np.ndarray) -> list[float]:
        """The median, and half of the middle 68 %."""
        low, middle, high = np.quantile(left, [0.16, 0.5, 0.84])
        return [float(middle), unsoftplus(max((high - low) / 2, 2 * LEAST) - LEAST)]


class StudentT(Density):
    """Student's t, with more than two degrees of freedom."""

    parameters = ("mean", "width", "freedom")

    def of(self, raw: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """Mean, width and degrees of freedom."""
        raw = raw.double()
        return torch.stack([*_placed(raw, base, scale), 2 + softplus(raw[..., 2])], dim=-1)

    def nats(self, parameters: Tensor, values: Tensor) -> Tensor:
        """log s + log(v pi) / 2 + lgamma(v / 2) - lgamma((v + 1) / 2) + (v + 1) / 2 * log(1 + z^2 / v)."""
        mean, width, freedom = parameters.unbind(-1)
        z = (values - mean) / width
        return width.log() + 0.5 * (freedom * math.pi).log() + (freedom / 2).lgamma() - ((freedom + 1) / 2).lgamma() + (freedom + 1) / 2 * torch.log1p(z * z / freedom)

    def draw(self, parameters: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Draws of Student's t."""
        return np.clip(parameters[:, 0] + parameters[:, 1] * draw.standard_t(parameters[:, 2]), -MOST_SIZE, MOST_SIZE)

    def tail(self, parameters: Sequence[float], value: float) -> float:
        """Both tails of t are I_x(v / 2, 1 / 2) with x = v / (v + z^2)."""
        mean, width, freedom = parameters
        square = ((value - mean) / width) ** 2
        return log_beta_share(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))

    def start(self, left: np.ndarray) -> list[float]:
        """As the normal distribution, with about five degrees of freedom."""
        return [*Gaussian().start(left), unsoftplus(3.0)]


class _Counts(Density):
    """What the two distributions of counts share. The mean is scale * softplus(base / scale + number): about the base plus a number of scales where that is far above 0, and never below it."""

    counts = True

    def draw(self, parameters: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """A Poisson draw with a rate that is a gamma draw."""
        dispersion = parameters[:, 1]
        rate = draw.standard_gamma(1 / dispersion) * dispersion * parameters[:, 0]
        return np.minimum(draw.poisson(np.minimum(rate, MOST_COUNT)), MOST_COUNT).astype(np.float64)

    @staticmethod
    def _counted(raw: Tensor, base: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        mean = scale * softplus(base / scale + _near(raw[..., 0])) + LEAST * scale
        return mean, softplus(raw[..., 1]) + LEAST_DISPERSION

    @staticmethod
    def _nats(mean: Tensor, dispersion: Tensor, values: Tensor) -> Tensor:
        number = 1 / dispersion
        most = torch.log1p(dispersion * mean)  # log((r + m) / r)
        return number.lgamma() + (values + 1).lgamma() - (values + number).lgamma() + number * most + values * (most - (dispersion * mean).log())

    @staticmethod
    def _tails(mean: float, dispersion: float, value: float) -> tuple[float, float]:
        """log P(Y <= value) and log P(Y >= value)."""
        number, most = 1 / dispersion, 1 + dispersion * mean
        low = log_beta_share(number, value + 1, 1 / most, dispersion * mean / most)
        return low, log_beta_share(value, number, dispersion * mean / most, 1 / most) if value > 0 else 0.0


class NegativeBinomial(_Counts):
    """The negative binomial distribution: variance = mean + dispersion * mean^2."""

    parameters = ("mean", "dispersion")

    def of(self, raw: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """Mean and dispersion."""
        return torch.stack(self._counted(raw.double(), base, scale), dim=-1)

    def nats(self, parameters: Tensor, values: Tensor) -> Tensor:
        """With r = 1 / dispersion: minus log(gamma(y + r) / (gamma(r) y!) (r / (r + m))^r (m / (r + m))^y)."""
        return self._nats(parameters[..., 0], parameters[..., 1], values)

    def tail(self, parameters: Sequence[float], value: float) -> float:
        """Twice the smaller of P(Y <= y) and P(Y >= y)."""
        return min(0.0, math.log(2) + min(self._tails(parameters[0], parameters[1], value)))

    def start(self, left: np.ndarray) -> list[float]:
        """The median, and a dispersion of 0.3."""
        return [float(np.median(left)), unsoftplus(0.3)]


class ZeroInflatedNegativeBinomial(_Counts):
    """Zero with the probability `zero`, else the negative binomial distribution."""

    parameters = ("mean", "dispersion", "zero")

    def of(self, raw: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        """Mean and dispersion of what is not forced to be zero, and the logit of `zero`."""
        raw = raw.double()
        return torch.stack([*self._counted(raw, base, scale), raw[..., 2]], dim=-1)

    def nats(self, parameters: Tensor, values: Tensor) -> Tensor:
        """Minus log(zero + (1 - zero) P(0)) at 0, minus log((1 - zero) P(y)) above."""
        mean, dispersion, logit = parameters.unbind(-1)
        other = logsigmoid(-logit) - self._nats(mean, dispersion, values)
        return -torch.where(values > 0, other, torch.logaddexp(logsigmoid(logit), other))

    def draw(self, parameters: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """A draw of counts, and whether it is zero all the same."""
        found = super().draw(parameters, draw)
        return np.where(draw.random(len(parameters)) < _share(parameters[:, 2]), 0.0, found)

    def tail(self, parameters: Sequence[float], value: float) -> float:
        """The same of both parts."""
        mean, dispersion, logit = parameters
        zero = float(_share(np.array(logit)))
        low, high = self._tails(mean, dispersion, value)
        below = math.log(zero + (1 - zero) * math.exp(low))
        above = high + math.log1p(-zero) if value > 0 else 0.0
        return min(0.0, math.log(2) + min(below, above))

    def start(self, left: np.ndarray) -> list[float]:
        """As without inflation, and a tenth of zeros."""
        return [float(np.median(left)), unsoftplus(0.3), math.log(0.1 / 0.9)]

    def mean(self, parameters: np.ndarray) -> np.ndarray:
        """(1 - zero) * mean."""
        return parameters[..., 0] * (1 - _share(parameters[..., 2]))


DENSITIES: dict[str, Density] = {"gaussian": Gaussian(), "student-t": StudentT(), "negative-binomial": NegativeBinomial(), "zero-inflated-negative-binomial": ZeroInflatedNegativeBinomial()}


def density_of(name: str) -> Density:
    """The family of that name.

    Raises:
        ArgumentError: there is none; `distribution` is the option that is named.
    """
    require("distribution", name, tuple(DENSITIES))
    return DENSITIES[name]


def unsoftplus(value: float) -> float:
    """What softplus makes this of.

    Example:
        >>> round(float(softplus(torch.tensor(unsoftplus(0.3)))), 6)
        0.3
    """
    return value if value > 20 else math.log(math.expm1(max(value, 1e-6)))


def _near(number: Tensor) -> Tensor:
    return FARTHEST * torch.tanh(number / FARTHEST)


def _placed(raw: Tensor, base: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """A place and a width, from the first two numbers."""
    return base + scale * _near(raw[..., 0]), scale * (softplus(raw[..., 1]) + LEAST)


def _share(logit: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))
