"""The module behind `Transcriber`: steps of features, a recurrent layer over them, and a map to symbols at each step (CTC), or a transducer.

Shapes: T time, B batch, F features of a step, W width of the layer's output (both directions), V symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sequences.batches import Batch
from tenuto.layers import Recurrent
from tenuto.layers.recurrent import Output
from tenuto.networks.anatomy import Network
from tenuto.tasks.transcribe.ctc import SymbolHead
from tenuto.tasks.transcribe.transducer import Read, TransducerHead


class Steps(nn.Module):
    """The steps of a batch as they are."""

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F]."""
        return batch.x


class TranscriberNetwork(Network):
    """From steps of features to logits of a symbol at each step.

    Args:
        input_size: F. head: a function from the width of what the encoder puts out to the head. dropout: between layers.
    """

    front: Steps
    encoder: Recurrent
    head: SymbolHead | TransducerHead

    def __init__(
        self, cell: Cell, input_size: int, hidden_size: int, head: Callable[[int], SymbolHead | TransducerHead], *, num_layers: int, bidirectional: bool, dropout: float, engine: str
    ) -> None:
        super().__init__()
        self.front = Steps()
        self.encoder = Recurrent(cell, input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout if num_layers > 1 else 0.0, engine=engine)
        self.head = head(self.encoder.output_width * self.encoder.directions)

    def forward(self, batch: Batch, *texts: list[list[int]]) -> Tensor | Read:
        """Logits [T, B, V]; of a transducer those of what comes first in each step, or the losses of these texts, [B]."""
        return self.head(self.encode(batch).output, batch.lengths, *texts)  # type: ignore[no-any-return]

    def read(self, batch: Batch, state: Any = None) -> Output:
        """What a decoder reads of a batch, [T, B, V or J], and the state after it."""
        output, state = self.encode(batch, state)
        return Output(self.head.read(output), state)
