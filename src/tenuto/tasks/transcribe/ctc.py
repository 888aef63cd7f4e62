"""The loss of connectionist temporal classification (CTC): at each step a symbol, or the blank.

Shapes: T time, B batch, V symbols, 0 the blank.
Source: Graves, Fernández, Gomez & Schmidhuber 2006.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ctc_losses(logits: Tensor, lengths: Tensor, numbers: list[list[int]]) -> Tensor:
    """[B] nats: minus the logarithm of the probability of each text, over all ways to write it; 0, without a gradient, where there is none.

    Args:
        logits: [T, B, V]. lengths: [B] int. numbers: of each text; an empty one is learnt as blanks.
    """
    wanted = torch.tensor([number for row in numbers for number in row], dtype=torch.int64)
    sizes = torch.tensor([len(row) for row in numbers])
    return nn.functional.ctc_loss(logits.float().log_softmax(-1), wanted.to(logits.device), lengths, sizes, reduction="none", zero_infinity=True)
