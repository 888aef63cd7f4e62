"""The module behind `Tagger`: tokens as vectors, a recurrent layer over them, a score for each tag; a CRF and a class of the sentence.

Shapes: T time, B batch, K tags, M labels of sentences, W width of the layer's output (both directions).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sentences.batches import TokenBatch
from tenuto.layers import Recurrent
from tenuto.networks.crf import LinearChainCRF
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.pooling import pool


class Scores(NamedTuple):
    """What the network says of a batch.

    Attributes:
        tags: [T, B, K]. labels: [B, M], or None where sentences have none.
        nats: [B], the loss of each sentence, or None where the answers were not given. It is computed in here, with the tags' scores, because
            in several processes a weight may only be used while the module is called.
    """

    tags: Tensor
    labels: Tensor | None
    nats: Tensor | None


class TaggerNetwork(nn.Module):
    """Scores of tags, and of labels where sentences have them.

    Args:
        embedding: tokens to vectors.
        tags: K. labels: M, or 0 for none.
        crf: whether tags are chosen together, by a linear-chain CRF, or each by itself.
        dropout: on the vectors of tokens, between layers, and on what the heads see.
        recurrent_dropout: on the state, one mask a sentence.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        cell: Cell,
        hidden_size: int,
        *,
        tags: int,
        labels: int = 0,
        num_layers: int = 1,
        bidirectional: bool = True,
        crf: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.embedding, self.dropout, self.bidirectional = embedding, dropout, bidirectional
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
        width = self.recurrent.output_width * self.recurrent.directions
        self.emission = nn.Linear(width, tags)
        self.crf = LinearChainCRF(tags) if crf else None
        self.label = nn.Linear(2 * width, labels) if labels else None

    def states(self, batch: TokenBatch) -> Tensor:
        """The last layer's outputs [T, B, W]; zero beyond each length."""
        vectors = nn.functional.dropout(self.embedding(batch), self.dropout, self.training)
        return self.recurrent(vectors, lengths=batch.lengths).output

    def forward(self, batch: TokenBatch, targets: Tensor | None = None, labels: Tensor | None = None) -> Scores:
        """Scores of what could be answered; with what is right, the loss too.

        Args:
            targets: [T, B] int64, 0..K - 1; any value in that range beyond each length.
            labels: [B] int64, 0..M - 1; None where sentences have none.
        """
        states = self.states(batch)
        emissions = self.emission(nn.functional.dropout(states, self.dropout, self.training))
        scores = None
        if self.label is not None:
            pooled = pool(states, batch.lengths, ("max", "last"), bidirectional=self.bidirectional)
            scores = self.label(nn.functional.dropout(pooled, self.dropout, self.training))
        return Scores(emissions, scores, None if targets is None else self._nats(batch, emissions, scores, targets, labels))

    def _nats(self, batch: TokenBatch, emissions: Tensor, scores: Tensor | None, targets: Tensor, labels: Tensor | None) -> Tensor:
        """The negative log-likelihood of each sentence's tags, plus that of its label, [B]."""
        if self.crf is not None:
            total = self.crf(emissions, targets, batch.lengths)
        else:
            live = torch.arange(len(targets), device=targets.device)[:, None] < batch.lengths.to(targets.device)
            each = nn.functional.cross_entropy(emissions.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)  # [T, B]
            total = torch.where(live, each, 0).sum(0)
        if scores is not None and labels is not None:
            total = total + nn.functional.cross_entropy(scores, labels, reduction="none")
        return total

    @torch.no_grad()
    def decode(self, batch: TokenBatch) -> tuple[list[list[int]], Tensor | None]:
        """The best tags of each sentence, as positions, and the scores of labels [B, M] or None."""
        emissions, scores, _ = self(batch)
        if self.crf is not None:
            return self.crf.decode(emissions, batch.lengths), scores
        rows = emissions.argmax(2).T.tolist()
        return [row[:length] for row, length in zip(rows, batch.lengths.tolist())], scores
