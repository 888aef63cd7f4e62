"""A recurrent layer's outputs over time as one vector a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tenuto.errors import ArgumentError

POOLING = ("mean", "max", "last")


def check_pooling(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds as a tuple.

    Raises:
        ArgumentError: none, an unknown one, or one twice.
    """
    if not kinds or not set(kinds) <= set(POOLING) or len(set(kinds)) < len(kinds):
        raise ArgumentError(f"pooling={kinds!r} is not known.", expected="one or more of " + ", ".join(POOLING), fix='for example ("mean", "last")')
    return tuple(kinds)


def pool(output: Tensor, lengths: Tensor, kinds: Sequence[str], *, bidirectional: bool) -> Tensor:
    """Outputs [T, B, W] over time: [B, len(kinds) * W], side by side. Padding has no influence.

    Args:
        output: zero beyond each length.
        lengths: [B] int, 1..T.
        kinds: any of "mean", "max" and "last" (the last valid step forward, the first step backward).
        bidirectional: whether the second half of W ran backward.
    """
    steps, rows = torch.arange(len(output), device=output.device), torch.arange(output.shape[1], device=output.device)
    lengths = lengths.to(output.device)
    valid = (steps[:, None] < lengths)[:, :, None]  # [T, B, 1]
    features = []
    for kind in kinds:
        if kind == "mean":
            features.append(output.sum(0) / lengths[:, None])
        elif kind == "max":
            features.append(output.masked_fill(~valid, float("-inf")).amax(0))
        elif bidirectional:
            forward, backward = output.chunk(2, dim=-1)
            features += [forward[lengths - 1, rows], backward[0]]
        else:
            features.append(output[lengths - 1, rows])
    return torch.cat(features, dim=-1)
