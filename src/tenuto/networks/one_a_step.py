"""`one_a_step_loss`: how unlikely a text is to a transducer that writes one symbol at most in a step, summed over all ways to place its symbols.

Shapes: T frames, B batch, U symbols of the longest text. With each frame a blank, the next symbol or the last one again comes, so that all ways have T arcs and the loop goes over frames.
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


def one_a_step_loss(blanks: Tensor, symbols: Tensor, again: Tensor, repeated: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """The negative log-likelihood of each row's text, [B] in nats, in the dtype of the arcs; sums are float64. 0, without a gradient, for a text that needs more frames than its row has.

    As with CTC, a symbol in the frame after its own is the same one, going on; between two that are equal there is a blank. With arcs that do not depend on the text this is the loss of CTC.

    Args:
        blanks: [T, B, U + 1] float, log-probabilities of the blank in each frame after each of the text's beginnings. symbols: [T, B, U], of the text's next symbol. again: [T, B, U], of the last symbol of each beginning but the empty one.
        repeated: [B, U] bool, whether a symbol is that before it. frames: [B] int64, 1..T. labels: [B] int64, 0..U: how many symbols each row has. What stands beyond has no influence.
    Source:     One symbol in a frame: Sak et al. 2017 (recurrent neural aligner). The ways of CTC for a transducer: Moritz, Hori, Watanabe & Le Roux 2022 (sequence transduction with graph-based supervision).
    Example:
        >>> half = torch.full((2, 1, 2), 0.5).log()  # two frames: the symbol in one of them and the blank in the other, or the symbol in both
        >>> one_a_step_loss(half, half[..., :1], half[..., :1], torch.tensor([[False]]), torch.tensor([2]), torch.tensor([1])).exp()
        tensor([1.3333])
    """
    stayed = torch.full(blanks.shape[1:], NEVER, dtype=torch.float64, device=blanks.device)  # [B, U + 1], of all ways to each place whose last frame is a blank, and a symbol
    written = stayed.clone()
    stayed[:, 0] = 0
    live = torch.arange(len(blanks), device=blanks.device)[:, None, None] < frames[:, None]  # [T, B, 1]
    nothing = torch.full_like(stayed[:, :1], NEVER)
    for stay, move, on, counts in zip(_Large.apply(blanks), _Large.apply(symbols), _Large.apply(again), live):
        both = torch.logaddexp(stayed, written)
        new = torch.where(repeated, stayed[:, :-1], both[:, :-1]) + move
        stayed = torch.where(counts, both + stay, stayed)
        written = torch.where(counts, torch.cat([nothing, torch.logaddexp(written[:, 1:] + on, new)], dim=1), written)
    found = -torch.logaddexp(stayed, written).gather(1, labels[:, None])[:, 0]
    inside = torch.arange(repeated.shape[1], device=labels.device) < labels[:, None]
    return torch.where(labels + (repeated & inside).sum(1) > frames, 0.0, found).to(blanks.dtype)
