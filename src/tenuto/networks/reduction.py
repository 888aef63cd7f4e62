"""Long series made shorter before a recurrent layer reads them: convolutions that put neighbouring steps together.

Shapes: T time, B batch, F features, C channels of a convolution, W width of the recurrent layer's output.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.layers import Recurrent
from tenuto.layers.recurrent import Output

LONG = 256  # steps that a recurrent layer reads well as they are
SHORT = 64  # what is left of longer series: once they are read by convolutions, fewer steps tell more


def usual_halvings(steps: float) -> int:
    """How many halvings: none up to `LONG` steps, else as many as leave `SHORT` or fewer.

    Example:
        >>> [usual_halvings(steps) for steps in (15, 256, 427, 1460)]
        [0, 0, 3, 5]
    """
    return math.ceil(math.log2(steps / SHORT)) if steps > LONG else 0


class Halving(nn.Module):
    """Convolution over seven steps, batch normalisation over valid steps, ReLU, and the larger of each two neighbouring steps: [B, C, T] to [B, C, ceil(T / 2)]."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv1d(features, channels, kernel_size=7, padding=3), nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The shorter series, and their lengths [B]. Padding, which is zero in x, has no influence; it is zero in the result, too."""
        valid = torch.arange(x.shape[2], device=x.device) < lengths[:, None]  # [B, T]
        answers = self.convolution(x)
        if self.training:  # the moments are those of valid steps alone
            answers = answers.transpose(1, 2)
            kept = torch.zeros_like(answers)
            kept[valid] = torch.relu(self.norm(answers[valid]))
            kept = kept.transpose(1, 2)
        else:
            kept = torch.where(valid[:, None], torch.relu(self.norm(answers)), 0.0)
        larger = nn.functional.max_pool2d(kept[:, :, None], (1, 2), ceil_mode=True)[:, :, 0]  # in two dimensions: max_pool1d fixes T where torch makes a graph
        return larger, (lengths + 1) // 2


class ReducedRecurrent(nn.Module):
    """An encoder for long series: halvings, one after the other, and a recurrent layer over what is left of the steps.

    It is called as the layer is. An output step stands for the steps that it was made from, so that output [T, B, W] has as many as the input.

    Args:
        input_size: F.
        channels: C.
        halvings: how many; 2 ** halvings steps become one.
        recurrent: the layer; its input is C wide.
        shortcut: put what the last halving gives beside the layer's output, in each direction, so that whoever reads it reads the convolutions too.
    Attributes:
        output_width: of one direction. directions: 1 or 2, side by side in W.
    """

    steps_alone = False  # an output needs steps that come later

    def __init__(self, input_size: int, channels: int, halvings: int, recurrent: Recurrent, *, shortcut: bool = False) -> None:
        super().__init__()
        self.shortcut, self.directions, self.output_width = shortcut, recurrent.directions, recurrent.output_width + channels * shortcut
        self.halvings = nn.ModuleList(Halving(channels if number else input_size, channels) for number in range(halvings))
        self.recurrent = recurrent

    @property
    def together(self) -> int:
        """How many steps become one."""
        return 2 ** len(self.halvings)

    def forward(self, x: Tensor, state: Any = None, *, lengths: Tensor | None = None) -> Output:
        """Output [T, B, W], zero beyond lengths [B], and the recurrent layer's state."""
        steps, rows = x.shape[:2]
        ends = torch.full((rows,), steps, device=x.device) if lengths is None else lengths.to(x.device)
        given = torch.arange(steps, device=x.device)[:, None] < ends  # [T, B]
        shorter, fewer = (x * given[:, :, None]).permute(1, 2, 0), ends
        for halving in self.halvings:
            shorter, fewer = halving(shorter, fewer)
        read = shorter.permute(2, 0, 1).contiguous()
        output, state = self.recurrent(read, state, lengths=fewer)
        if self.shortcut:
            output = torch.cat([part for own in output.chunk(self.directions, dim=-1) for part in (own, read)], dim=-1)
        output = output.index_select(0, torch.arange(steps, device=x.device) // self.together)
        return Output(output.masked_fill(~given[:, :, None], 0.0), state)
