"""From tokens to vectors: a word's own vector, what its characters say, and how it is written.

Shapes: T time, B batch, C characters of a word, U distinct words of a batch, E width of a token's vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.data.sentences.batches import CASES, TokenBatch
from tenuto.data.sentences.lexicon import PADDING, UNKNOWN, Lexicon
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.networks.pooling import pool
from tenuto.tongues import argument

CHARACTER_ENCODERS = ("recurrent", "convolution", "none")
NGRAM_DROPOUT = 0.25  # the share of n-grams that are left out in training, so that single tokens have to be enough as well
MOST_WORDS = 4096  # that are read at once where no gradients are kept: a text of 60,000 different words took more than 1 GB


def _unknown_rates(known: Lexicon, word_dropout: float) -> Tensor:
    """[len(known)], how often each entry is read as unknown in training."""
    counts = np.array([0, 0, *known.counts], dtype=np.float32)
    rates = word_dropout / (counts + np.float32(word_dropout)) if word_dropout else np.zeros_like(counts)
    rates[: UNKNOWN + 1] = 0.0
    rates[counts == 0] = 0.0  # words of pretrained vectors, which training never meets
    return torch.tensor(rates)


def check_reading(word_size: int, character_encoder: str) -> None:
    """Check what is read from a token.

    Raises:
        ArgumentError: the character encoder is not known, or nothing would be read.
    """
    require("character_encoder", character_encoder, CHARACTER_ENCODERS)
    if not word_size and character_encoder == "none":
        raise ArgumentError(
            f"nothing would be read from a token with {argument('word_size', 0)} and {argument('character_encoder', 'none')}.",
            expected="a width of a word's vector of 1 or more, or a character encoder", fix=argument("character_encoder", "recurrent"),
        )


class CharacterEncoder(nn.Module):
    """One vector for each word of a list, computed from its characters.

    "recurrent": a recurrent layer in both directions; the last output of each. "convolution": filters three characters wide; the largest
    response of each filter.

    Args:
        kind: "recurrent" or "convolution".
        characters: how many numbers there are for characters, padding and unknown included.
        embedding_size: the vector of a character.
        hidden_size: units of each direction; the convolution has twice as many filters.
        cell, engine: of the recurrent layer.
    """

    def __init__(self, kind: str, characters: int, embedding_size: int, hidden_size: int, *, cell: Cell, engine: str = "auto") -> None:
        super().__init__()
        self.kind = kind
        self.embedding = nn.Embedding(characters, embedding_size, padding_idx=PADDING)
        if kind == "recurrent":
            self.recurrent = Recurrent(cell, embedding_size, hidden_size, bidirectional=True, engine=engine)
            self.width = 2 * self.recurrent.output_width
        else:
            self.convolution = nn.Conv1d(embedding_size, 2 * hidden_size, kernel_size=3, padding=1)
            self.width = 2 * hidden_size

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """[U, width] from characters [C, U] and their lengths [U]. What stands beyond a word's end has no influence."""
        if not torch.is_grad_enabled() and not torch.compiler.is_compiling() and len(lengths) > MOST_WORDS:
            return torch.cat([self._read(part, some) for part, some in zip(characters.split(MOST_WORDS, dim=1), lengths.split(MOST_WORDS))])
        return self._read(characters, lengths)

    def _read(self, characters: Tensor, lengths: Tensor) -> Tensor:
        vectors = self.embedding(characters)  # [C, U, embedding_size]
        if self.kind == "recurrent":
            return pool(self.recurrent(vectors, lengths=lengths).output, lengths, ("last",), bidirectional=True)
        answers = self.convolution(vectors.permute(1, 2, 0)).permute(2, 0, 1)  # [C, U, width]; padding's vector is zero
        return pool(torch.relu(answers), lengths, ("max",), bidirectional=False)


class TokenEmbedding(nn.Module):
    """The vector [E] of each token of a batch: word, characters, case, side by side.

    A word seen n times in training is read as unknown with probability word_dropout / (n + word_dropout) in training, so that the vector
    of unknown words is learnt from the rare ones. Source: Kiperwasser & Goldberg 2016, section 4.

    Where pairs and triples of tokens are known (n-grams), their vectors are added to those of the words: in a short text they say much that a recurrent
    layer would have to learn from few examples. Where word_dropout is above 0, a quarter of them is left out in training.

    Args:
        words, characters, ngrams: the words, characters, pairs, triples, ... that are known, with their numbers.
        word_size: the width of a word's vector; 0 for none.
        character_encoder: "recurrent", "convolution" or "none".
        character_size, character_hidden_size: see `CharacterEncoder`.
        case_size: the width of the vector of how a word is written (capitals, digits); 0 for none.
        word_dropout: see above. dropout: on the vectors.
        cell, engine: of the character encoder.
    Raises:
        ArgumentError: an option out of range, or nothing to read.
    """

    def __init__(
        self,
        words: Lexicon,
        characters: Lexicon,
        *,
        word_size: int,
        character_encoder: str,
        character_size: int,
        character_hidden_size: int,
        case_size: int,
        word_dropout: float,
        cell: Cell,
        dropout: float = 0.0,
        ngrams: Sequence[Lexicon] = (),
        engine: str = "auto",
    ) -> None:
        super().__init__()
        check_reading(word_size, character_encoder)
        self.register_buffer("unknown_rates", _unknown_rates(words, word_dropout), persistent=False)
        self.word_dropout, self.dropout = word_dropout, dropout
        self.word = nn.Embedding(len(words), word_size, padding_idx=PADDING) if word_size else None
        self.case = nn.Embedding(len(CASES), case_size, padding_idx=PADDING) if case_size else None
        self.character = (
            CharacterEncoder(character_encoder, len(characters), character_size, character_hidden_size, cell=cell, engine=engine)
            if character_encoder != "none"
            else None
        )
        self.ngrams = nn.ModuleList(nn.Embedding(len(known), word_size, padding_idx=PADDING) for known in ngrams if word_size)
        self.width = word_size + case_size + (self.character.width if self.character else 0)
        with torch.no_grad():
            for table in (*([] if self.word is None else [self.word]), *self.ngrams):
                table.weight.uniform_(-((3 / word_size) ** 0.5), (3 / word_size) ** 0.5)[PADDING].zero_()

    def start_words(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Let the words with these numbers [n] start from these vectors [n, word_size], scaled to the deviation of the others.

        Raises:
            ArgumentError: the vectors are not word_size wide.
        """
        width = 0 if self.word is None else self.word.embedding_dim
        if self.word is None or vectors.shape[1] != width:
            raise ArgumentError(
                f"the pretrained vectors have {vectors.shape[1]} numbers a word.",
                expected=argument("word_size", width),
                fix=argument("word_size", vectors.shape[1]),
            )
        scale = (1 / width) ** 0.5 / max(float(vectors.std()), 1e-12)
        with torch.no_grad():
            self.word.weight[torch.from_numpy(numbers)] = torch.from_numpy(vectors * scale)

    def _in_a_row(self, batch: TokenBatch, number: int) -> Tensor:
        """The vectors of the n-grams of one size, [T, B, word_size]; in training some of them are left out."""
        numbers = batch.ngrams[number]
        if self.training and self.word_dropout:
            numbers = numbers.masked_fill(torch.rand(numbers.shape, device=numbers.device) < NGRAM_DROPOUT, PADDING)
        return self.ngrams[number](numbers)  # type: ignore[no-any-return]

    def forward(self, batch: TokenBatch) -> Tensor:
        """[T, B, E]."""
        parts = []
        if self.word is not None:
            words = batch.words
            if self.training and self.word_dropout:
                rates: Tensor = self.unknown_rates[words]  # type: ignore[index]
                words = words.masked_fill(torch.rand_like(rates) < rates, UNKNOWN)
            parts.append(sum((self._in_a_row(batch, number) for number in range(len(self.ngrams))), self.word(words)))
        if self.character is not None:
            by_type = self.character(batch.characters, batch.character_lengths)  # [U, width]
            parts.append(nn.functional.embedding(batch.types, by_type))
        if self.case is not None:
            parts.append(self.case(batch.cases))
        return nn.functional.dropout(torch.cat(parts, dim=-1), self.dropout, self.training)
