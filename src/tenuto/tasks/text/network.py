"""The module behind `TextClassifier`: tokens as vectors, a recurrent layer over them, its outputs pooled over time and one linear map.

Shapes: T time, B batch, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tenuto.data.sentences.batches import TokenBatch
from tenuto.networks.anatomy import Network
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.pooling import USUAL, PooledHead


class TextClassifierNetwork(Network):
    """From tokens to logits [B, K].

    Args:
        front: tokens to vectors.
        encoder: what reads them, see `tenuto.networks.encoders`.
        classes: K.
        pooling: any of "mean", "max", "last" and "parts" (`networks/pooling.py`), side by side.
        dropout: on the pooled features.
    """

    def __init__(
        self,
        front: TokenEmbedding,
        encoder: Any,
        *,
        classes: int,
        pooling: tuple[str, ...] = USUAL,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.front, self.encoder = front, encoder
        width = encoder.output_width * encoder.directions
        self.head = PooledHead(width, classes, pooling=pooling, bidirectional=encoder.directions == 2, dropout=dropout)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Logits [B, K]."""
        return self.head(self.encode(batch).output, batch.lengths)  # type: ignore[no-any-return]
