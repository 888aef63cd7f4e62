"""`one_a_step_loss`: how unlikely a text is to a transducer that writes one symbol at most in a step, summed over all ways to place its symbols.

Shapes: T frames, B batch, U symbols of the longest text. With each frame a blank or the next symbol comes, so that all ways have T arcs and the loop goes over frames.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tenuto.networks.transducer import LEAST

NEVER = -1e30  # as a logarithm: sums of it stay finite, so that gradients do


class _Large(torch.autograd.Function):
    """The arcs as they are; on the way back, those that are hardly ever taken have no gradient (see `LEAST`)."""

    @staticmethod
    def forward(ctx: Any, arcs: Tensor) -> Tensor:
        return arcs.double()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient.masked_fill(gradient.abs() < LEAST, 0)


def one_a_step_loss(blanks: Tensor, symbols: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """The negative log-likelihood of each row's text, [B] in nats, in the dtype of the arcs; sums are float64. 0, without a gradient, for a text that has more symbols than its row has frames.

    Args:
        blanks: [T, B, U + 1] float, log-probabilities of the blank in each frame after each of the text's beginnings. symbols: [T, B, U], of the text's next symbol.
        frames: [B] int64, 1..T. labels: [B] int64, 0..U: how many symbols each row has. What stands beyond has no influence.
    Source:     Sak et al. 2017 (recurrent neural aligner); the same lattice: Tripathi et al. 2019 (monotonic transducer), section 2.
    Example:
        >>> half = torch.full((2, 1, 2), 0.5).log()  # two frames: the symbol in one of them, the blank in the other
        >>> one_a_step_loss(half, half[..., :1], torch.tensor([2]), torch.tensor([1])).exp()
        tensor([2.])
    """
    ways = torch.full(blanks.shape[1:], NEVER, dtype=torch.float64, device=blanks.device)  # [B, U + 1], of all ways to each place
    ways[:, 0] = 0
    live = torch.arange(len(blanks), device=blanks.device)[:, None, None] < frames[:, None]  # [T, B, 1]
    nothing = torch.full_like(ways[:, :1], NEVER)
    for stay, move, counts in zip(_Large.apply(blanks), _Large.apply(symbols), live):
        after = torch.logaddexp(ways + stay, torch.cat([nothing, ways[:, :-1] + move], dim=1))
        ways = torch.where(counts, after, ways)
    found = -ways.gather(1, labels[:, None])[:, 0]
    return torch.where(labels > frames, 0.0, found).to(blanks.dtype)
