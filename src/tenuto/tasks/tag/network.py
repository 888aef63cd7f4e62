"""The module behind `Tagger`: tokens as vectors, a recurrent layer over them, a score for each tag; a CRF and a class of the sentence.

Shapes: T time, B batch, K tags, M labels of sentences, W width of the layer's output (both directions).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.data.sentences.batches import TokenBatch
from tenuto.networks.anatomy import Network
from tenuto.networks.crf import LinearChainCRF, Links
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.pooling import PooledHead


class Scores(NamedTuple):
    """The network's output for a batch.

    Attributes:
        tags: [T, B, K]. labels: [B, M], or None where sentences have none.
        lengths: [B] int64, in tokens.
        nats: [B], the loss of each sentence, or None where the right answers were not given. The network computes it, together with the
            scores, because with several processes a weight may be used only while the module is called.
        links: of the CRF, or None without one.
    """

    tags: Tensor
    labels: Tensor | None
    lengths: Tensor
    nats: Tensor | None = None
    links: Links | None = None


class TaggerHead(nn.Module):
    """From outputs over time to the scores of tags, and of labels where sentences have them.

    Args:
        width: W. tags: K. labels: M, or 0 for none.
        crf: whether tags are chosen together, by a linear-chain CRF, or each by itself.
        dropout: on the outputs.
    """

    def __init__(self, width: int, *, tags: int, labels: int, crf: bool, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.emission = nn.Linear(width, tags)
        self.crf = LinearChainCRF(tags) if crf else None
        self.label = PooledHead(width, labels, pooling=("max", "last"), bidirectional=bidirectional, dropout=dropout) if labels else None

    def forward(self, output: Tensor, lengths: Tensor, targets: Tensor | None = None, labels: Tensor | None = None) -> Scores:
        """The scores; if the right answers are given, the loss too.

        Args:
            targets: [T, B] int64, 0..K - 1; any value in that range beyond each length.
            labels: [B] int64, 0..M - 1; None where sentences have none.
        """
        emissions = self.emission(nn.functional.dropout(output, self.dropout, self.training))
        links = None if self.crf is None else self.crf.links()
        scores = Scores(emissions, None if self.label is None else self.label(output, lengths), lengths, links=links)
        return scores if targets is None else scores._replace(nats=self._nats(scores, targets, labels))

    def _nats(self, scores: Scores, targets: Tensor, labels: Tensor | None) -> Tensor:
        """The negative log-likelihood of each sentence's tags, plus that of its label, [B]."""
        emissions = scores.tags
        if self.crf is not None:
            total = self.crf(emissions, targets, scores.lengths)
        else:
            live = torch.arange(len(targets), device=targets.device)[:, None] < scores.lengths.to(targets.device)
            each = nn.functional.cross_entropy(emissions.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)  # [T, B]
            total = torch.where(live, each, 0).sum(0)
        if scores.labels is not None and labels is not None:
            total = total + nn.functional.cross_entropy(scores.labels, labels, reduction="none")
        return total

    @torch.no_grad()
    def decode(self, scores: Scores) -> list[list[int]]:
        """The best tags of each sentence, as positions."""
        if self.crf is not None:
            return self.crf.decode(scores.tags, scores.lengths)
        rows = scores.tags.argmax(2).T.tolist()
        return [row[:length] for row, length in zip(rows, scores.lengths.tolist())]


class TaggerNetwork(Network):
    """Scores of tags, and of labels where sentences have them.

    Args:
        front: tokens to vectors.
        encoder: what reads them, see `tenuto.networks.encoders`.
        tags, labels, crf, dropout: as `TaggerHead`.
    """

    head: TaggerHead

    def __init__(
        self,
        front: TokenEmbedding,
        encoder: Any,
        *,
        tags: int,
        labels: int = 0,
        crf: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.front, self.encoder = front, encoder
        width = encoder.output_width * encoder.directions
        self.head = TaggerHead(width, tags=tags, labels=labels, crf=crf, bidirectional=encoder.directions == 2, dropout=dropout)

    def forward(self, batch: TokenBatch, targets: Tensor | None = None, labels: Tensor | None = None) -> Scores:
        """As `TaggerHead`."""
        return self.head(self.encode(batch).output, batch.lengths, targets, labels)  # type: ignore[no-any-return]
