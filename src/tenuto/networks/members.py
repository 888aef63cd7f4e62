"""Several networks as one: encoders that read the same, side by side, and heads that each read their own; what they say is averaged.

Each learns as if it were alone, from weights and dropout of its own: the loss of training is the mean of their losses, not the loss of their mean. It is one network, so whatever takes one takes it.
Shapes: M members, T time, B batch, F features, W width of a member's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.layers.recurrent import Output


class Members(nn.Module):
    """An encoder made of M that look only backwards. It is called as a layer is.

    Attributes:
        output_width: M * W. directions: 1.
    """

    directions, bidirectional = 1, False

    def __init__(self, members: Sequence[Any]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.output_width = sum(one.output_width for one in members)

    def forward(self, x: Tensor, state: Any = None, *, lengths: Tensor | None = None) -> Output:
        """Output [T, B, M * W], and a tuple of the members' states."""
        found = [member(x, None if state is None else state[place], lengths=lengths) for place, member in enumerate(self.members)]
        return Output(torch.cat([one.output for one in found], dim=-1), tuple(one.state for one in found))


class Averaged(nn.Module):
    """M heads. Each reads its own member's part of the output; the mean of what they give, or in training what each gives, [M, ...]."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, output: Tensor, *given: Any) -> Tensor:
        """From the output [..., M * W], and what the heads take besides."""
        parts = output.chunk(len(self.members), dim=-1)
        found = torch.stack([member(part, *given) for member, part in zip(self.members, parts)])
        return found if self.training else found.mean(0)

    def by_rows(self, output: np.ndarray, *given: np.ndarray) -> np.ndarray:
        """The mean in use, for each row of the output [N, M * W] by itself."""
        parts = np.split(output, len(self.members), axis=-1)
        return np.mean([member.by_rows(part, *given) for member, part in zip(self.members, parts)], axis=0)  # type: ignore[operator]
