"""How alike the steps of a sequence are to a network: what a student may learn of its teacher's hidden states, whatever the sizes of the two."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

STEPS = 128  # of a longer sequence so many are compared, at even distances


class Heard(NamedTuple):
    """What an encoder gave: output [T, B, W], and the lengths [B] that it was called with, or None."""

    output: Tensor
    lengths: Tensor | None


@contextlib.contextmanager
def listening(*encoders: nn.Module) -> Iterator[list[Heard]]:
    """Inside the block the list gets what each of these encoders gives, call by call."""
    heard: list[Heard] = []
    hooks = [one.register_forward_hook(lambda _, given, named, result: heard.append(Heard(result[0], named.get("lengths"))), with_kwargs=True) for one in encoders]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def unlike(one: Heard, other: Heard) -> Tensor:
    """How differently two encoders see which steps of each sequence are alike: the mean of the squared differences of the cosines, over all pairs of steps within their lengths.

    Equations:  c_st = <o_s, o_t> / (|o_s| |o_t|);  mean over s, t and sequences of (c_st of the one - c_st of the other)²
    Source:     Tung & Mori 2019, "Similarity-preserving knowledge distillation", eq. 2 to 4, between the steps of a sequence where they have the examples of a batch.
    """
    apart = _cosines(one.output) - _cosines(other.output)
    if one.lengths is None:
        return apart.square().mean()
    inside = _places(one.output)[:, None] < one.lengths.to(apart.device)  # [S, B]
    pairs = (inside[:, None] & inside[None]).permute(2, 0, 1)  # [B, S, S]
    return torch.where(pairs, apart, 0).square().sum() / pairs.sum().clamp(min=1)


def _cosines(output: Tensor) -> Tensor:
    """[B, S, S] for [T, B, W], in float32 at least."""
    wide = output.to(torch.promote_types(output.dtype, torch.float32))
    rows = normalize(wide[_places(output)].transpose(0, 1), dim=-1)
    return rows @ rows.transpose(1, 2)


def _places(output: Tensor) -> Tensor:
    steps = len(output)
    return torch.linspace(0, steps - 1, min(steps, STEPS), device=output.device).round().long()
