"""The head and the loss of connectionist temporal classification (CTC): at each step a symbol, or the blank.

Shapes: T time, B batch, W width of what the head reads, V symbols, 0 the blank.
Source: Graves, Fernández, Gomez & Schmidhuber 2006.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.tasks.transcribe.exact import exactly


class SymbolHead(nn.Module):
    """A linear map at each step, which gives a step the same bits whatever it is computed with, if no gradients are asked for."""

    def __init__(self, width: int, symbols: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, symbols), nn.Dropout(dropout)

    def forward(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits [T, B, V]."""
        if self.training or torch.is_grad_enabled():
            return self.linear(self.dropout(output))  # type: ignore[no-any-return]
        return exactly(self.linear, output)

    @torch.no_grad()
    def read(self, output: Tensor) -> Tensor:
        """What a decoder reads: the logits."""
        return exactly(self.linear, output)


def ctc_losses(logits: Tensor, lengths: Tensor, numbers: list[list[int]]) -> Tensor:
    """[B] nats: minus the logarithm of the probability of each text, over all ways to write it; 0, without a gradient, where there is none.

    Args:
        logits: [T, B, V]. lengths: [B] int. numbers: of each text; an empty one is learnt as blanks.
    """
    wanted = torch.tensor([number for row in numbers for number in row], dtype=torch.int64)
    sizes = torch.tensor([len(row) for row in numbers])
    return nn.functional.ctc_loss(logits.float().log_softmax(-1), wanted.to(logits.device), lengths, sizes, reduction="none", zero_infinity=True)
