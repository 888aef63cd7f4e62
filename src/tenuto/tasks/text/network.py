"""The module behind `TextClassifier`: tokens as vectors, a recurrent layer over them, its outputs pooled over time and one linear map.

Shapes: T time, B batch, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

from torch import Tensor

from tenuto.cell import Cell
from tenuto.data.sentences.batches import TokenBatch
from tenuto.layers import Recurrent
from tenuto.networks.anatomy import Network
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.pooling import POOLING, PooledHead


class TextClassifierNetwork(Network):
    """From tokens to logits [B, K].

    Args:
        front: tokens to vectors.
        pooling: any of "mean", "max" and "last" (`networks/pooling.py`), side by side.
        dropout: between layers, and on the pooled features.
        recurrent_dropout: on the state, one mask a text.
    """

    def __init__(
        self,
        front: TokenEmbedding,
        cell: Cell,
        hidden_size: int,
        *,
        classes: int,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = POOLING,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.front = front
        self.encoder = encoder = Recurrent(
            cell,
            front.width,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
            recurrent_dropout=recurrent_dropout,
            engine=engine,
        )
        self.head = PooledHead(encoder.output_width * encoder.directions, classes, pooling=pooling, bidirectional=bidirectional, dropout=dropout)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Logits [B, K]."""
        return self.head(self.encode(batch).output, batch.lengths)  # type: ignore[no-any-return]
