"""What the network of a regression says of a target: a normal distribution; and the loss that teaches it.

Shapes: B rows, K targets. Targets are standardised: mean 0, deviation 1 in training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST = 1e-3  # of a standardised target, so that no density is infinite
FLATTEN = 0.5  # beta, of the loss


def normal(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation, [B, K] each, from the network's numbers [B, 2 K]."""
    mean, spread = raw.chunk(2, dim=-1)
    return mean, torch.nn.functional.softplus(spread) + LEAST


def nats(raw: Tensor, targets: Tensor) -> Tensor:
    """[B, K]: minus the logarithm of the density at the targets [B, K]."""
    mean, deviation = normal(raw)
    return 0.5 * ((targets - mean) / deviation) ** 2 + deviation.log() + 0.5 * math.log(2 * math.pi)


def losses(raw: Tensor, targets: Tensor) -> Tensor:
    """[B]: what training makes small. The nats of each target, times its variance to the power of `FLATTEN`, which has no gradient.

    Without this factor, what is predicted badly at first gets a wide distribution, after which its mean hardly learns any more.

    Source:     beta-NLL, Seitzer et al. 2022, equation 5, beta = 0.5.
    """
    _, deviation = normal(raw)
    return (nats(raw, targets) * deviation.detach() ** (2 * FLATTEN)).mean(-1)
