"""The symbols that a transcriber writes: the characters of its training transcripts, or pieces of their words, or whole words (which may be phonemes), after the blank."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tenuto.choices import require
from tenuto.data.text.vocabulary import tokenizers_package
from tenuto.errors import DataError
from tenuto.process import kept_property
from tenuto.tongues import argument

BLANK = 0
MOST_SAID = 200  # symbols in a message
UNITS = ("characters", "bpe", "words")
NAMES = dict(zip(UNITS, ("characters", "pieces of words", "words")))
OFTEN, MOST = 20, 0.9  # a word that is said so often can be learnt as a whole; so many of the words that are said must be such
_MARK = "▁"  # where a word begins, in the tokenizer
_SPACES = re.compile(r"\s+")


class Alphabet:
    """Symbols by number; 0 is the blank, which writes nothing. A symbol is a character, or a piece of a word (byte pairs, here of characters), or a word: what stands between spaces.

    Args:
        characters: the text of each symbol, each once; a word, and a piece that begins one, begins with a space. lowercase: whether texts are read in lower case.
        tokenizer: for pieces, the JSON text of a `tokenizers.Tokenizer`.
    Attributes:
        units: "characters", "bpe" or "words".
    Example:
        >>> known = Alphabet.learn(["Oh, no"], lowercase=True)
        >>> known.characters, known.numbers(" NO ")
        ((' ', ',', 'h', 'n', 'o'), [4, 5])
    """

    def __init__(self, characters: Sequence[str], *, lowercase: bool, tokenizer: str | None = None) -> None:
        self.characters, self.lowercase, self.tokenizer = tuple(characters), lowercase, tokenizer
        whole = bool(self.characters) and all(len(one) > 1 and one[0] == " " for one in self.characters)
        self.units = UNITS[1] if tokenizer is not None else UNITS[2 * whole]
        self._number = {character: number for number, character in enumerate(self.characters, 1)}

    @classmethod
    def learn(cls, texts: Iterable[str], *, lowercase: bool, units: str = "characters", size: int = 100) -> Alphabet:
        """All characters of these texts; or all words; or pieces of words, merged by how often they occur, `size` at most and all characters at least.

        Raises:
            ArgumentError: other units, or pieces without the package tokenizers. DataError: pieces, and a text has the character "▁".
        """
        require("units", units, UNITS)
        known = [plain(text, lowercase=lowercase) for text in texts]
        if units == "characters":
            return cls(sorted({character for text in known for character in text}), lowercase=lowercase)
        if units == "words":
            return cls(sorted({f" {word}" for text in known for word in text.split()}), lowercase=lowercase)
        if any(_MARK in text for text in known):
            raise DataError(f"a transcript has the character {_MARK}, which marks where words begin.", fix=f"take it out, or use {argument('units', 'characters')}")
        kit = tokenizers_package()
        tokenizer = kit.Tokenizer(kit.models.BPE())
        tokenizer.pre_tokenizer = kit.pre_tokenizers.Metaspace(replacement=_MARK, prepend_scheme="always")
        tokenizer.train_from_iterator(known, kit.trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=[]))
        numbers = tokenizer.get_vocab()
        return cls([symbol.replace(_MARK, " ") for symbol in sorted(numbers, key=numbers.get)], lowercase=lowercase, tokenizer=tokenizer.to_str())

    def __len__(self) -> int:
        """How many symbols there are, the blank among them."""
        return len(self.characters) + 1

    @property
    def names(self) -> list[str]:
        """The symbols for people."""
        return ["⟨blank⟩", *(symbol[1:] if self.units == "words" else symbol.replace(" ", "⟨space⟩") for symbol in self.characters)]

    def plain(self, text: str) -> str:
        """A text as it would be written."""
        return plain(text, lowercase=self.lowercase)

    def outside(self, text: str) -> list[str]:
        """The characters, or words, of a text that are not known."""
        return sorted({one for one in self._split(text) if one not in self._number})

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's symbols.

        Raises:
            DataError: characters, or words, that training never saw.
        """
        if unknown := self.outside(text):
            what, between = ("words", ",") if self.units == "words" else ("characters", "")
            raise DataError(f"the text {text!r:.60} has {what} that training never saw.", expected=between.join(self.characters[:MOST_SAID]).strip(), received=" ".join(one.strip() or one for one in unknown))
        if self.tokenizer is not None:
            return [one + 1 for one in self._pieces.encode(self.plain(text)).ids]
        return [self._number[one] for one in self._split(text)]

    def _split(self, text: str) -> list[str]:
        """What of a text must be known: its characters, or its words."""
        known = self.plain(text)
        return [f" {word}" for word in known.split()] if self.units == "words" else list(known)

    @kept_property
    def _pieces(self) -> Any:
        return tokenizers_package().Tokenizer.from_str(self.tokenizer)


def suited_units(texts: Iterable[str], *, lowercase: bool) -> str:
    """The units for these transcripts: "bpe" where the same words come again and again, so that each piece of a word is heard often enough to be learnt; else "characters", of which there are few.

    Example:
        >>> suited_units(["one two"] * 20, lowercase=True), suited_units(["one two"] * 19, lowercase=True)
        ('bpe', 'characters')
    """
    words = Counter(word for text in texts for word in plain(text, lowercase=lowercase).split(" ") if word)
    often = sum(count for count in words.values() if count >= OFTEN)
    return "bpe" if often and often >= MOST * words.total() else "characters"


def plain(text: str, *, lowercase: bool) -> str:
    """A text in one form of Unicode (NFC), with single spaces between its words and none around them."""
    found = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()
    return found.lower() if lowercase else found


def needed(numbers: Sequence[int]) -> int:
    """How many steps a text needs: one for each symbol, and a blank between two that are equal (S10).

    Example:
        >>> needed([3, 3, 4]), needed([])
        (4, 0)
    """
    return len(numbers) + sum(one == other for one, other in zip(numbers, numbers[1:]))
