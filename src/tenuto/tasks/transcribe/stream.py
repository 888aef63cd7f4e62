"""`TranscriberStream`: sound in chunks of any sizes to events, as the whole recording would give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.wave import checked
from tenuto.data.plain import array_of, plain
from tenuto.errors import ArgumentError
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


class TranscriberStream:
    """A stream of sound that is written down as it comes. Text, times and scores are those of the whole recording, to the last bit; what is kept meanwhile does not grow.

    Args:
        run: a function of (steps [T, F], state) to what the decoder reads, and the next state.
        rate: of the samples. identity: by name, what a snapshot of this stream must have in common with one that goes on from it. device: of the network.
    Attributes:
        latency_s: from a sound to the step that has heard it, at most.
    """

    def __init__(
        self, hearing: Hearing, alphabet: Alphabet, decoder: Decoder, run: Callable[[np.ndarray, Any], tuple[np.ndarray, Any]], rate: int, identity: Mapping[str, Any], device: str
    ) -> None:
        self._identity, self._device = dict(identity), device
        self._hearing, self._decoder, self._run = hearing.stream(rate), decoder, run
        self._writer = Writer(alphabet, hearing.step_seconds)
        self._state: Any = None
        self._said, self._over = "", False
        features = hearing.features
        self.latency_s = (1 + hearing.ahead) * hearing.step_seconds + (features.frame - features.shift) / features.rate

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._hearing.samples / self._hearing.rate

    def accept(self, samples: Any) -> Iterator[Event]:
        """Hear the next samples: [N] or [N, channels], floats in -1..1 or whole numbers with a sign, N of any size. All of it is heard, whether or not the events are taken.

        Raises:
            ArgumentError: the stream was finished. DataError: no samples, or some that are not finite.
        """
        self._require_open()
        if not len(samples):
            return iter(())
        return iter(self._heard(self._hearing.accept(checked(samples, self._hearing.rate, "the chunk").samples)))

    def finish(self) -> Iterator[Event]:
        """Hear the end: what was still inside is flushed, exactly as far as the sound goes."""
        self._require_open()
        self._over = True
        events = self._heard(self._hearing.finish(), last=True)
        piece = self._decoder.finish()
        return iter([*events, *([] if piece is None else self._final(piece))])

    def snapshot(self) -> dict[str, Any]:
        """All that the stream keeps, as plain data that JSON can hold, too: a stream of the same model with the same options goes on from it to the last bit, also in another process.

        Raises:
            ArgumentError: the stream was finished; its rate is not the model's (what a resampler keeps cannot be read).
        """
        self._require_open()
        state = None if self._state is None else [plain(one.cpu().numpy()) for one in self._state]
        return {"of": self._identity, "hearing": self._hearing.kept(), "state": state, "decoder": self._decoder.kept(), "writer": self._writer.kept(), "said": self._said}

    def restore(self, snapshot: Mapping[str, Any]) -> TranscriberStream:
        """Go on from what `snapshot` gave; this stream itself.

        Raises:
            ArgumentError: it is no snapshot, or one of another model or of other options.
        """
        self._require_open()
        missing = {"of", "hearing", "state", "decoder", "writer", "said"} - set(snapshot)
        if missing:
            raise ArgumentError("this is no snapshot of a stream.", expected="what stream.snapshot() gave", received=f"no {', '.join(sorted(missing))}")
        differ = sorted(name for name, value in self._identity.items() if snapshot["of"].get(name) != value)
        if differ:
            raise ArgumentError(
                f"the snapshot is of another stream: it differs in {', '.join(differ)}.", expected="the same model, and the same arguments of model.stream()",
                received=", ".join(f"{name} {snapshot['of'].get(name)}" for name in differ)[:200],
            )  # fmt: skip
        self._hearing.resume(snapshot["hearing"])
        self._state = None if snapshot["state"] is None else tuple(torch.from_numpy(array_of(one)).to(self._device) for one in snapshot["state"])
        self._decoder.resume(snapshot["decoder"])
        self._writer.resume(snapshot["writer"])
        self._said = snapshot["said"]
        return self

    def _heard(self, steps: np.ndarray, *, last: bool = False) -> list[Event]:
        if not len(steps):
            return []
        rows, self._state = self._run(steps, self._state)
        events = [event for piece in self._decoder.accept(rows) for event in self._final(piece)]
        return events if last else [*events, *self._partial()]

    def _final(self, piece: Piece) -> list[Event]:
        tokens = self._writer.write(piece, self.seconds)
        self._said = ""
        return [Event("final", text_of(tokens), tokens, words_of(tokens), piece.score)] if tokens else []

    def _partial(self) -> list[Event]:
        piece = self._decoder.partial()
        tokens = self._writer.write(piece, self.seconds, keep=False)
        text = text_of(tokens)
        if text == self._said:
            return []
        self._said = text
        return [Event("partial", text, tokens, words_of(tokens), piece.score)]

    def _require_open(self) -> None:
        if self._over:
            raise ArgumentError("this stream was finished.", fix="open another one: model.stream()")
