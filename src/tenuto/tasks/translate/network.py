"""The module behind `Seq2Seq`: symbols as vectors, a recurrent encoder over them, and a decoder as head (`decoder.py`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.pairs.batches import PairBatch
from tenuto.data.pairs.symbols import PADDING, UNKNOWN
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_of
from tenuto.tasks.translate.decoder import DecoderHead, DecoderState, Encoded


class SourceSymbols(nn.Module):
    """The vector of each source symbol.

    Args:
        symbols: how many symbols there are, special ones included; number 0 is padding.
        symbol_dropout: rate at which symbols are read as unknown in training. dropout: on the vectors.
    """

    def __init__(self, symbols: int, embedding_size: int, *, symbol_dropout: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding_size, padding_idx=0)
        self.symbol_dropout, self.dropout = symbol_dropout, dropout

    def forward(self, batch: PairBatch) -> Tensor:
        """[S, B, E]."""
        source = batch.source
        if self.training and self.symbol_dropout:
            drawn = torch.rand(source.shape, device=source.device) < self.symbol_dropout
            source = source.masked_fill(drawn & (source != PADDING), UNKNOWN)
        return nn.functional.dropout(self.embedding(source), self.dropout, self.training)


class Seq2SeqNetwork(Network):
    """From source numbers [S, B] and target numbers [T, B] to logits [T, B, V].

    Args:
        source_symbols, target_symbols: how many symbols each side has, special ones included; number 0 is padding.
        embedding_size: of both sides.
        encoder: its name, see `networks/encoders.py`. encoder_size (of each direction), encoder_layers, bidirectional: of it.
        symbol_dropout: see `SourceSymbols`. dropout: on embeddings, between layers, and before the last map.
        head: further options of `DecoderHead`.
    Raises:
        ArgumentError: as `DecoderHead`.
    """

    front: SourceSymbols
    head: DecoderHead

    def __init__(
        self,
        encoder_cell: Cell,
        decoder_cell: Cell,
        source_symbols: int,
        target_symbols: int,
        *,
        embedding_size: int,
        encoder_size: int,
        encoder_layers: int = 1,
        bidirectional: bool = True,
        symbol_dropout: float = 0.0,
        dropout: float = 0.0,
        encoder: str = "recurrent",
        engine: str = "auto",
        **head: Any,
    ) -> None:
        super().__init__()
        self.front = SourceSymbols(source_symbols, embedding_size, symbol_dropout=symbol_dropout, dropout=dropout)
        self.encoder = encoder_of(encoder, encoder_cell, embedding_size, encoder_size, encoder_layers, bidirectional=bidirectional, dropout=dropout, engine=engine)
        self.head = DecoderHead(self.encoder, decoder_cell, target_symbols, embedding_size=embedding_size, dropout=dropout, engine=engine, **head)
        for embedding in (self.front.embedding, self.head.target_embedding):  # so that a tied map starts with logits of a usual size
            nn.init.normal_(embedding.weight, std=embedding_size**-0.5)

    def forward(self, batch: PairBatch) -> Tensor:
        """Logits [T, B, V] for the symbols after each of `batch.read`: teacher forcing."""
        output, state = self.encode(batch)
        return self.head(output, batch.lengths, state, batch.read)  # type: ignore[no-any-return]

    def begin(self, batch: PairBatch) -> tuple[Encoded, DecoderState]:
        """The sources as the decoder reads them, and where it starts."""
        output, state = self.encode(batch)
        return self.head.begin(output, batch.lengths, state)
