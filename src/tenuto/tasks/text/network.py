"""The module behind `TextClassifier`: tokens as vectors, a recurrent layer over them, its outputs pooled over time, one linear head.

Shapes: T time, B batch, W width of the layer's output (both directions), K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sentences.batches import TokenBatch
from tenuto.layers import Recurrent
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.pooling import check_pooling, pool


class TextClassifierNetwork(nn.Module):
    """From tokens to logits [B, K].

    Args:
        embedding: tokens to vectors.
        pooling: any of "mean", "max" and "last" (`networks/pooling.py`), side by side.
        dropout: on the vectors of tokens, between layers, and on the pooled features.
        recurrent_dropout: on the state, one mask a text.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        cell: Cell,
        hidden_size: int,
        *,
        classes: int,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = ("mean", "max", "last"),
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.embedding, self.dropout, self.bidirectional, self.pooling = embedding, dropout, bidirectional, check_pooling(pooling)
        self.recurrent = Recurrent(
            cell,
            embedding.width,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
            recurrent_dropout=recurrent_dropout,
            engine=engine,
        )
        self.head = nn.Linear(len(self.pooling) * self.recurrent.output_width * self.recurrent.directions, classes)

    def states(self, batch: TokenBatch) -> Tensor:
        """The last layer's outputs [T, B, W]; zero beyond each length."""
        vectors = nn.functional.dropout(self.embedding(batch), self.dropout, self.training)
        return self.recurrent(vectors, lengths=batch.lengths).output

    def forward(self, batch: TokenBatch) -> Tensor:
        """Logits [B, K]."""
        pooled = pool(self.states(batch), batch.lengths, self.pooling, bidirectional=self.bidirectional)
        return self.head(nn.functional.dropout(pooled, self.dropout, self.training))
