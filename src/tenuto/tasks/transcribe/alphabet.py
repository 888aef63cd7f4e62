"""The symbols that a transcriber writes: the characters of its training transcripts, after the blank."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from tenuto.errors import DataError

BLANK = 0
_SPACES = re.compile(r"\s+")


class Alphabet:
    """Characters by number; 0 is the blank, which writes nothing.

    Args:
        characters: each once. lowercase: whether texts are read in lower case.
    Example:
        >>> known = Alphabet.learn(["Oh, no"], lowercase=True)
        >>> known.characters, known.numbers(" NO ")
        ((' ', ',', 'h', 'n', 'o'), [4, 5])
    """

    def __init__(self, characters: Sequence[str], *, lowercase: bool) -> None:
        self.characters, self.lowercase = tuple(characters), lowercase
        self._number = {character: number for number, character in enumerate(self.characters, 1)}

    @classmethod
    def learn(cls, texts: Iterable[str], *, lowercase: bool) -> Alphabet:
        """All characters of these texts."""
        return cls(sorted({character for text in texts for character in plain(text, lowercase=lowercase)}), lowercase=lowercase)

    def __len__(self) -> int:
        """How many symbols there are, the blank among them."""
        return len(self.characters) + 1

    @property
    def names(self) -> list[str]:
        """The symbols for people."""
        return ["⟨blank⟩", *("⟨space⟩" if character == " " else character for character in self.characters)]

    def plain(self, text: str) -> str:
        """A text as it would be written."""
        return plain(text, lowercase=self.lowercase)

    def outside(self, text: str) -> list[str]:
        """The characters of a text that are not known."""
        return sorted({character for character in self.plain(text) if character not in self._number})

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's characters.

        Raises:
            DataError: one that training never saw.
        """
        if unknown := self.outside(text):
            raise DataError(f"the text {text!r:.60} has characters that training never saw.", expected="".join(self.characters), received=" ".join(unknown))
        return [self._number[character] for character in self.plain(text)]


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
