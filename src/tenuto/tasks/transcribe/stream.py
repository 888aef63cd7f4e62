"""`TranscriberStream`: sound in chunks of any sizes to events, as the whole recording would give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.tasks.audio_stream import AudioStream, Run
from tenuto.tasks.transcribe.alphabet import Alphabet
from tenuto.tasks.transcribe.decoding import Decoder, Piece
from tenuto.tasks.transcribe.writing import Token, Writer, text_of, words_of


class Event(NamedTuple):
    """What a stream says: any number of partial events, then a final one; and so on. The texts of all final events, put together, are the whole text.

    Attributes:
        kind: "partial": the text since the last final event, which may still change; or "final".
        text: it may begin with a space. tokens, words: as in a `Transcript`, with times from the beginning of the stream on.
        score: logarithm of the probability of this text.
    """

    kind: str
    text: str
    tokens: tuple[Token, ...]
    words: tuple[Token, ...]
    score: float


class TranscriberStream(AudioStream[Event]):
    """A stream of sound that is written down as it comes. Text, times and scores are those of the whole recording, to the last bit.

    Args:
        hearing, run, rate, identity: as for `AudioStream`.
    """

    def __init__(self, hearing: Hearing, alphabet: Alphabet, decoder: Decoder, run: Run, rate: int, identity: Callable[[], dict[str, Any]]) -> None:
        super().__init__(hearing, run, rate, identity)
        self._decoder = decoder
        self._writer = Writer(alphabet, hearing.step_seconds)
        self._said = ""
        self._symbols: tuple[int, ...] = ()  # of the piece whose text that is

    def _read(self, rows: np.ndarray, *, last: bool) -> list[Event]:
        events = [event for piece in self._decoder.accept(rows) for event in self._final(piece)]
        return events if last else [*events, *self._partial()]

    def _ended(self) -> list[Event]:
        piece = self._decoder.finish()
        return [] if piece is None else self._final(piece)

    def _kept(self) -> dict[str, Any]:
        return {"decoder": self._decoder.kept(), "writer": self._writer.kept(), "said": self._said}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._decoder.resume(kept["decoder"])
        self._writer.resume(kept["writer"])
        self._said, self._symbols = kept["said"], ()

    def _final(self, piece: Piece) -> list[Event]:
        tokens = self._writer.write(piece, self.seconds)
        self._said, self._symbols = "", ()
        return [Event("final", text_of(tokens), tokens, words_of(tokens), piece.score)] if tokens else []

    def _partial(self) -> list[Event]:
        symbols = self._decoder.symbols()
        if symbols == self._symbols:
            return []
        piece = self._decoder.partial()
        tokens = self._writer.write(piece, self.seconds, keep=False)
        text, self._symbols = text_of(tokens), symbols
        if text == self._said:
            return []
        self._said = text
        return [Event("partial", text, tokens, words_of(tokens), piece.score)]
