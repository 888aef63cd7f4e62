"""A recurrent layer's outputs over time as one vector for each sequence, and the head that classifies it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tenuto.choices import did_you_mean
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

POOLING = ("mean", "max", "last", "parts")
USUAL = ("mean", "max", "last")
PARTS = 8  # of a sequence


def usual_pooling(steps: float) -> tuple[str, ...]:
    """The kinds of pooling for sequences of so many steps: where each part would have eight steps or more, what was where is worth its weights.

    Example:
        >>> usual_pooling(15), usual_pooling(300)
        (('mean', 'max', 'last'), ('mean', 'max', 'last', 'parts'))
    """
    return (*USUAL, "parts") if steps >= 8 * PARTS else USUAL


def check_pooling(kinds: Sequence[str]) -> tuple[str, ...]:
    """Check the kinds of pooling, and return them as a tuple.

    Raises:
        ArgumentError: none, an unknown one, or one twice.
    """
    if not kinds or not set(kinds) <= set(POOLING) or len(set(kinds)) < len(kinds):
        wrong = next((kind for kind in kinds if kind not in POOLING), None)
        example = f"for example {argument('pooling', ('mean', 'last'))}"
        raise ArgumentError(
            f"{argument('pooling', kinds)} cannot be used.",
            expected="one or more of " + ", ".join(POOLING) + ", each once",
            fix=example if wrong is None else did_you_mean(wrong, POOLING, example),
        )
    return tuple(kinds)


def pool(output: Tensor, lengths: Tensor, kinds: Sequence[str], *, bidirectional: bool) -> Tensor:
    """Outputs [T, B, W] over time: [B, pooled_width(kinds, W)], side by side. Padding has no influence.

    Args:
        output: zero beyond each length.
        lengths: [B] int, 1..T.
        kinds: any of "mean", "max", "last" (the last valid step forward, the first step backward) and "parts" (the mean over each of eight equally long
            parts of a sequence, one after the other, so that a classifier can tell where something was; a part without a step is zero).
        bidirectional: whether the second half of W ran backward.
    """
    steps, rows = torch.arange(output.shape[0], device=output.device), torch.arange(output.shape[1], device=output.device)
    lengths = lengths.to(output.device)
    valid = (steps[:, None] < lengths)[:, :, None]  # [T, B, 1]
    features = []
    for kind in kinds:
        if kind == "mean":
            features.append(output.sum(0) / lengths[:, None])
        elif kind == "max":
            features.append(output.masked_fill(~valid, float("-inf")).amax(0))
        elif kind == "parts":
            features += _means_of_parts(output, lengths, valid)
        elif bidirectional:
            forward, backward = output.chunk(2, dim=-1)
            features += [forward[lengths - 1, rows], backward[0]]
        else:
            features.append(output[lengths - 1, rows])
    return torch.cat(features, dim=-1)


def _means_of_parts(output: Tensor, lengths: Tensor, valid: Tensor) -> list[Tensor]:
    """The mean [B, W] over each part of the steps of each sequence; `valid` [T, B, 1] marks these."""
    steps = torch.arange(output.shape[0], device=output.device)[:, None]
    part = steps * PARTS // lengths  # [T, B]
    means = []
    for number in range(PARTS):
        within = valid & (part == number)[:, :, None]
        means.append(torch.where(within, output, 0.0).sum(0) / within.sum(0).clamp(min=1))
    return means


def pooled_width(kinds: Sequence[str], width: int) -> int:
    """The width of what `pool` makes of outputs that are `width` wide."""
    return (len(kinds) + (PARTS - 1) * ("parts" in kinds)) * width


class Gathered(NamedTuple):
    """What pooling keeps of the steps before, [B, W] each; zeros where there were none. `highest` counts only where `steps` [B, 1] is above zero."""

    total: Tensor
    highest: Tensor
    steps: Tensor


class PooledHead(nn.Module):
    """Pools the outputs over time, and maps them to the logits of K classes with one linear map.

    Args:
        width: W, of the outputs, both directions together.
        pooling: any of "mean", "max", "last" and "parts", side by side; see `pool`.
        bidirectional: whether the second half of W ran backward.
        dropout: on the pooled features.
    Raises:
        ArgumentError: as `check_pooling`.
    """

    def __init__(self, width: int, classes: int, *, pooling: Sequence[str] = USUAL, bidirectional: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling, self.bidirectional, self.dropout = check_pooling(pooling), bidirectional, dropout
        self.linear = nn.Linear(pooled_width(self.pooling, width), classes)

    def cool(self, temperature: float) -> None:
        """Divide all logits by this from now on: it becomes part of the weights."""
        with torch.no_grad():
            for weight in self.linear.parameters():
                weight.div_(temperature)

    def forward(self, output: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, K] from outputs [T, B, W], which are zero beyond each length."""
        pooled = pool(output, lengths, self.pooling, bidirectional=self.bidirectional)
        return self.linear(nn.functional.dropout(pooled, self.dropout, self.training))  # type: ignore[no-any-return]

    @property
    def looks_ahead(self) -> str | None:
        """Why it cannot answer step by step; None where it can."""
        if self.bidirectional:
            return "the head reads what ran backward"
        return "the head pools over the eight parts of a sequence, which needs its length before it begins" if "parts" in self.pooling else None

    def further(self, output: Tensor, lengths: Tensor, before: Gathered | None) -> tuple[Tensor, Gathered]:
        """Logits [B, K] for all steps so far, and what to give to the next call; `output` [T, B, W] and `lengths` [B], 1..T, are of the steps since the call before.

        Where `looks_ahead` is None, chunks of a sequence, one after another, give what `forward` gives for the whole.
        """
        zeros = output.new_zeros(output.shape[1:])
        total, highest, steps = Gathered(zeros, zeros, zeros[:, :1]) if before is None else before
        valid = (torch.arange(output.shape[0], device=output.device)[:, None] < lengths)[:, :, None]
        top = output.masked_fill(~valid, float("-inf")).amax(0)
        found = Gathered(total + output.sum(0), torch.where(steps > 0, torch.maximum(highest, top), top), steps + lengths[:, None])
        last = pool(output, lengths, ("last",), bidirectional=False)
        features = {"mean": found.total / found.steps, "max": found.highest, "last": last}
        return self.linear(torch.cat([features[kind] for kind in self.pooling], dim=-1)), found
