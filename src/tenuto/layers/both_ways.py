"""`BothWays`: two encoders that look only backwards, one from each end, side by side: what `bidirectional` is for encoders that have no such option.

Letters: T time, B batch, I input, W width of one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError
from tenuto.layers.recurrent import Output


class BothWays(nn.Module):
    """One encoder over each sequence as it is, another over it from its last step to its first; called as they are.

    Args:
        forward, backward: encoders alike, time first.
    Attributes:
        output_width: W. directions: 2, side by side.
    Example:
        >>> from tenuto.layers import FastWeights
        >>> BothWays(FastWeights(3, 8), FastWeights(3, 8))(torch.zeros(5, 2, 3)).output.shape
        torch.Size([5, 2, 16])
    """

    directions, bidirectional = 2, True

    def __init__(self, forward: nn.Module, backward: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = forward, backward
        one: Any = forward
        self.input_size, self.hidden_size, self.output_width = one.input_size, one.hidden_size, one.output_width * one.directions

    def forward(self, x: Tensor, state: Any = None, *, lengths: Any = None) -> Output:
        """Output [T, B, 2 W], zero beyond lengths [B], and None, since there is no state to go on from.

        Raises:
            ArgumentError: a state is given. As the encoders.
        """
        if state is not None:
            raise ArgumentError("BothWays: each step sees later ones, so there is no state to go on from.", expected="state=None", fix="one encoder alone")
        steps, rows = x.shape[:2]
        ends = torch.full((rows,), steps, device=x.device) if lengths is None else torch.as_tensor(lengths, device=x.device)
        here = torch.arange(steps, device=x.device)[:, None]
        turned = torch.where(here < ends, ends - 1 - here, here)  # [T, B]; padding stays where it is
        back = self.back(_at(x, turned), lengths=lengths).output
        return Output(torch.cat([self.ahead(x, lengths=lengths).output, _at(back, turned)], -1), None)

    def stream(self, batch_size: int = 1, state: Any = None) -> Any:
        """There is none.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError("BothWays.stream: each step sees later ones, and a live stream has none yet.", fix="one encoder alone")

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> Any:
        """That of the first."""
        return self.ahead.engine_report(x, lengths=lengths)  # type: ignore[operator]


def _at(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(0, places[..., None].expand_as(x))
