"""A recurrent layer whose cell takes parts of its input as streams: what was measured, whether it was, and how long ago.

Shapes: T time, B batch, F features, W width of the layer's output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tenuto.layers import Recurrent
from tenuto.layers.recurrent import Output


class Observing(nn.Module):
    """An encoder over x [T, B, F], of which the layer reads some features, and its cell others, as streams. It is called as the layer is.

    Args:
        recurrent: the layer; its input is as wide as `reads`.
        reads: the places in F of what the layer reads. streams: those of each stream; NAME_reverse for the direction that runs backward.
    Attributes:
        output_width: of one direction. directions: 1 or 2. bidirectional: whether there are two.
    """

    def __init__(self, recurrent: Recurrent, reads: Sequence[int], streams: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self.recurrent, self.reads, self.streams = recurrent, list(reads), {name: list(places) for name, places in streams.items()}
        self.output_width, self.directions, self.bidirectional = recurrent.output_width, recurrent.directions, recurrent.bidirectional

    def forward(self, x: Tensor, state: Any = None, *, lengths: Tensor | None = None, streams: Mapping[str, Tensor] | None = None) -> Output:
        """Output [T, B, W], zero beyond lengths [B], and the layer's state; `streams`: those that are no part of x."""
        own = {name: x[..., places].contiguous() for name, places in self.streams.items()}
        found = self.recurrent(x[..., self.reads].contiguous(), state, lengths=lengths, streams={**own, **(streams or {})})
        return Output(found.output, found.state)
