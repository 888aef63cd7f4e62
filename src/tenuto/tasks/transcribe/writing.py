"""Signs as text: characters with their times, words, and the whole of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tenuto.tasks.transcribe.alphabet import Alphabet
from tenuto.tasks.transcribe.decoding import Piece

SPACE = " "


class Token(NamedTuple):
    """A character, a piece of a word, or a word. start, end: in seconds from the beginning of the recording. probability: of a word, the lowest of its characters."""

    text: str
    start: float
    end: float
    probability: float


class Transcript(NamedTuple):
    """What is said in a recording.

    Attributes:
        text: all of it. tokens: its characters; words: its words, each with times.
        score: logarithm of the probability: greedy, of the one way to write it that was taken; of a beam, of all that it kept.
    """

    text: str
    tokens: tuple[Token, ...]
    words: tuple[Token, ...]
    score: float


@dataclass
class Writer:
    """Writes pieces one after the other. A space is written when the next word begins: so texts of pieces, put together, are the text of the whole, which neither begins nor ends with one.

    Args:
        step_seconds: of a step.
    """

    alphabet: Alphabet
    step_seconds: float
    space: Token | None = None
    begun: bool = field(default=False)

    def write(self, piece: Piece, seconds: float = float("inf"), *, keep: bool = True) -> tuple[Token, ...]:
        """The characters of a piece. Without `keep` it may still change.

        Args:
            seconds: how long the recording is, so far as it is known; no time is later.
        """
        space, begun, written = self.space, self.begun, list[Token]()
        for sign in piece.signs:
            character = self.alphabet.characters[sign.symbol - 1]
            token = Token(character, min(sign.start * self.step_seconds, seconds), min(sign.end * self.step_seconds, seconds), sign.probability)
            if character[0] == SPACE:  # a space, or a piece that begins a word
                space = (space or token._replace(text=SPACE, end=token.end if character == SPACE else token.start)) if begun else None
                if character == SPACE:
                    continue
                token = token._replace(text=character[1:])
            written += [space] if space is not None else []
            written.append(token)
            space, begun = None, True
        if keep:
            self.space, self.begun = space, begun
        return tuple(written)

    def kept(self) -> dict[str, Any]:
        """What it keeps from piece to piece, as plain data."""
        return {"space": None if self.space is None else list(self.space), "begun": self.begun}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` gave."""
        self.space, self.begun = None if kept["space"] is None else Token(*kept["space"]), kept["begun"]


def words_of(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """Characters as words.

    Example:
        >>> words_of([Token("a", 0.0, 0.1, 0.9), Token("b", 0.2, 0.3, 0.8), Token(" ", 0.3, 0.4, 1.0), Token("c", 0.5, 0.6, 0.7)])
        (Token(text='ab', start=0.0, end=0.3, probability=0.8), Token(text='c', start=0.5, end=0.6, probability=0.7))
    """
    words: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == SPACE:
            words.append([])
        else:
            words[-1].append(token)
    return tuple(Token(text_of(word), word[0].start, word[-1].end, min(one.probability for one in word)) for word in words if word)


def text_of(tokens: Sequence[Token]) -> str:
    """Characters put together."""
    return "".join(token.text for token in tokens)


def transcript(pieces: Iterable[Piece], alphabet: Alphabet, step_seconds: float, seconds: float = float("inf")) -> Transcript:
    """All pieces of a recording of so many seconds."""
    writer, tokens, score = Writer(alphabet, step_seconds), list[Token](), 0.0
    for piece in pieces:
        tokens += writer.write(piece, seconds)
        score += piece.score
    return Transcript(text_of(tokens), tuple(tokens), words_of(tokens), score)
