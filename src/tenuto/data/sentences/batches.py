"""Sentences as numbers: a word's number, its case and its characters, and padded batches of them.

What a network reads of a token depends on the token's text alone. So each distinct text (a *type*, as linguists say) is turned into numbers
once, and the characters of a batch are read once for each type in it. Only n-grams, tokens in a row, belong to a place and not to a type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.data.sentences.lexicon import Lexicon
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.words import RULE, same_form

CASES = ("padding", "lower", "capitalised", "upper", "mixed", "number", "with digits", "no letters")


class TokenBatch(NamedTuple):
    """Some sentences of a set, padded to the longest of them.

    Attributes:
        words, cases: [T, B] int64; zero beyond each length.
        types: [T, B] int64, the column of `characters` that each token's characters stand in.
        characters: [C, U] int64, the characters of the U types of this batch; zero beyond each length.
        character_lengths: [U] int64, 1..C.
        lengths: [B] int64, in tokens.
        indices: [B] int64, the sentences' positions in the set.
        ngrams: [G, T, B] int64, the numbers of the two, three, ... tokens at each place; zero beyond each length.
    """

    words: Tensor
    cases: Tensor
    types: Tensor
    characters: Tensor
    character_lengths: Tensor
    lengths: Tensor
    indices: np.ndarray
    ngrams: Tensor

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on another device; lengths stay where they are."""
        if device.type == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in ("words", "cases", "types", "characters", "ngrams")}
        return self._replace(**moved)

    def select(self, rows: Tensor) -> TokenBatch:
        """The batch of these rows, [N] int64, which may repeat."""
        words, cases, types = (value[:, rows] for value in (self.words, self.cases, self.types))
        lengths, indices = self.lengths[rows.cpu()], self.indices[rows.cpu().numpy()]
        return self._replace(words=words, cases=cases, types=types, lengths=lengths, indices=indices, ngrams=self.ngrams[..., rows])


def case_of(word: str) -> int:
    """How a word is written, as a position in `CASES`.

    Example:
        >>> [CASES[case_of(word)] for word in ("play", "Play", "NASA", "iPod", "1999", "B2B", "?")]
        ['lower', 'capitalised', 'upper', 'mixed', 'number', 'with digits', 'no letters']
    """
    if word.isdigit():
        return 5
    if any(letter.isdigit() for letter in word):
        return 6
    if not any(letter.isalpha() for letter in word):
        return 7
    if word.islower():
        return 1
    if word[0].isupper() and (len(word) == 1 or word[1:].islower()):
        return 2
    return 3 if word.isupper() else 4


@dataclass(frozen=True)
class TokenCoder:
    """Turns texts into numbers, as learnt from a training set.

    Attributes:
        words, characters: the words and the characters that are known.
        lowercase: whether words are looked up in lower case; for characters and cases a token stays as it is written.
        character_limit: how many characters of a word are read. Of a longer word it is the first half and the last half of that many.
        rule: how raw texts are split into tokens (`words.py`). By rule 2 a letter and its accent are one character where there is one.
        ngrams: the pairs of tokens that are known, the triples, and so on.
        around: whether the triples and longer n-grams of a place reach as far ahead as back, or end there.
    """

    words: Lexicon
    characters: Lexicon
    lowercase: bool = True
    character_limit: int = 24
    rule: int = RULE
    ngrams: tuple[Lexicon, ...] = ()
    around: bool = False

    @classmethod
    def learn(
        cls,
        data: Sentences,
        *,
        min_count: int = 1,
        lowercase: bool = True,
        character_limit: int = 24,
        more: Iterable[str] = (),
        longest: int = 1,
        around: bool = False,
    ) -> TokenCoder:
        """Knows the words that occur `min_count` times or more, the n-grams of up to `longest` tokens that do so, and every character; `more` adds words,
        for example those of pretrained vectors."""
        rows = [[same_form(token) for token in row] for row in data.tokens]
        forms = [[token.lower() for token in row] for row in rows] if lowercase else rows
        return cls(
            Lexicon.learn((token for row in forms for token in row), min_count=min_count, more=more),
            Lexicon.learn(letter for row in rows for token in row for letter in token),
            lowercase,
            character_limit,
            data.rule,
            tuple(Lexicon.learn((one for row in forms for one in in_a_row(row, size, around)), min_count=min_count) for size in range(2, longest + 1)),
            around,
        )

    def code(self, data: Sentences) -> CodedSentences:
        """The set as numbers, ready to be cut into batches."""
        places: dict[str, int] = {}
        types = np.array([places.setdefault(token, len(places) + 1) for row in data.tokens for token in row], dtype=np.int64)
        forms = [same_form(token) for token in places] if self.rule > 1 else list(places)
        longest = min(max(map(len, forms)), self.character_limit)
        characters = np.zeros((len(places) + 1, longest), dtype=np.int64)
        lengths = np.ones(len(places) + 1, dtype=np.int64)  # type 0 is padding, with one padding character
        for row, token in enumerate(forms, start=1):
            if len(token) > self.character_limit:
                half = self.character_limit // 2
                token = token[: self.character_limit - half] + token[len(token) - half :]
            lengths[row] = len(token)
            characters[row, : len(token)] = self.characters.encode(token)
        looked_up = [token.lower() for token in forms] if self.lowercase else forms
        words = self.words.encode(looked_up)
        rows = [[looked_up[places[token] - 1] for token in row] for row in data.tokens] if self.ngrams else []
        ngrams = [known.encode(one for row in rows for one in in_a_row(row, size, self.around)) for size, known in enumerate(self.ngrams, start=2)]
        return CodedSentences(
            lengths=data.lengths,
            offsets=np.concatenate([[0], np.cumsum(data.lengths)]),
            types=types,
            type_words=np.concatenate([[0], words]),
            type_cases=np.array([0, *map(case_of, forms)], dtype=np.int64),
            type_characters=characters,
            type_lengths=lengths,
            ngrams=np.stack(ngrams) if ngrams else np.empty((0, len(types)), dtype=np.int64),
        )

    def unknown_share(self, data: Sentences) -> float:
        """The share of tokens whose word is not known."""
        coded = self.code(data)
        return float((coded.type_words[coded.types] == 1).mean())

    def to_data(self) -> dict[str, Any]:
        """As plain data, for config.json."""
        return {
            "words": self.words.to_data(),
            "characters": self.characters.to_data(),
            "lowercase": self.lowercase,
            "character_limit": self.character_limit,
            "rule": self.rule,
            "ngrams": [known.to_data() for known in self.ngrams],
            "around": self.around,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> TokenCoder:
        """The coder that `to_data` described."""
        words, characters, *ngrams = (Lexicon.from_data(one) for one in (data["words"], data["characters"], *data.get("ngrams", [])))
        return cls(words, characters, data["lowercase"], data["character_limit"], data.get("rule", 1), tuple(ngrams), data.get("around", False))


def in_a_row(tokens: list[str], size: int, around: bool) -> list[str]:
    """For each place the text of `size` tokens: those that end there, or those around it; line feeds stand before the first token and after the last.

    Example:
        >>> in_a_row(["a", "n", "n"], 3, False), in_a_row(["a", "n", "n"], 3, True)
        (['\\n\\na', '\\nan', 'ann'], ['\\nan', 'ann', 'nn\\n'])
    """
    ahead = (size - 1) // 2 if around else 0
    padded = [*["\n"] * (size - 1 - ahead), *tokens, *["\n"] * ahead]
    return ["".join(padded[place : place + size]) for place in range(len(tokens))]


@dataclass(frozen=True)
class CodedSentences:
    """A set of N sentences as numbers, with n tokens of U types. Row 0 of the tables with a row for each type is padding.

    Attributes:
        lengths: [N], in tokens. offsets: [N + 1], where each sentence begins in `types`, and the end of the last.
        types: [n], the type of each token: a row of the tables below.
        type_words, type_cases, type_lengths: [U + 1], each type's word, its case, and how many characters it has. type_characters: [U + 1, C].
        ngrams: [G, n], the numbers of the n-grams at each token.
    """

    lengths: np.ndarray
    offsets: np.ndarray
    types: np.ndarray
    type_words: np.ndarray
    type_cases: np.ndarray
    type_characters: np.ndarray
    type_lengths: np.ndarray
    ngrams: np.ndarray

    def batch(self, indices: np.ndarray) -> TokenBatch:
        """The sentences at these positions, padded."""
        padded = self.padded(self.types, indices, fill=0)  # [T, B]
        present, places = np.unique(padded, return_inverse=True)
        lengths = self.type_lengths[present]
        return TokenBatch(
            torch.from_numpy(self.type_words[padded]),
            torch.from_numpy(self.type_cases[padded]),
            torch.from_numpy(places.reshape(padded.shape)),
            torch.from_numpy(np.ascontiguousarray(self.type_characters[present, : lengths.max()].T)),
            torch.from_numpy(lengths),
            torch.from_numpy(self.lengths[indices]),
            np.asarray(indices),
            torch.from_numpy(np.stack([self.padded(flat, indices, fill=0) for flat in self.ngrams]) if len(self.ngrams) else np.empty((0, *padded.shape), dtype=np.int64)),
        )

    def padded(self, flat: np.ndarray, indices: np.ndarray, *, fill: int) -> np.ndarray:
        """The numbers of all tokens, `flat` [n], as [T, B] for the sentences at these positions, with `fill` beyond each length."""
        lengths = self.lengths[indices]
        steps = np.arange(lengths.max())[:, None]  # [T, 1]
        positions = np.minimum(self.offsets[indices][None] + steps, len(flat) - 1)
        return np.where(steps < lengths, flat[positions], fill)
