"""`Reading`: what a `Transcriber` makes of what its network heard in each step: texts, losses and alignments."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from tenuto.data.audio.recordings import Recordings
from tenuto.errors import ArgumentError
from tenuto.tasks.audio_steps import AudioSteps
from tenuto.tasks.transcribe.alignment import aligned, aligned_in_lattice, aligned_one_a_step
from tenuto.tasks.transcribe.alphabet import Alphabet, needed
from tenuto.tasks.transcribe.decoding import Decoder, EndRule, Piece, Sign, decoder
from tenuto.tasks.transcribe.options import TranscribeOptions
from tenuto.tasks.transcribe.prior import Knowledge, Prior
from tenuto.tasks.transcribe.transducer import Joint, TransducerHead
from tenuto.tasks.transcribe.transducer_decoding import TransducerBeam, TransducerGreedy, transducer_decoder
from tenuto.tasks.transcribe.writing import Transcript, transcript
from tenuto.tongues import argument


class Answered(NamedTuple):
    """What was made of a recording: its transcript; its loss in nats, where that is known; rows [T, V] of log-probabilities; cut: steps in which a transducer had more to write than it may."""

    transcript: Transcript
    loss: float | None
    rows: np.ndarray
    cut: int


class Reading(TranscribeOptions, AudioSteps, ABC):
    """See `Transcriber`."""

    alphabet_: Alphabet

    def _decoder(self, beam_size: int, rule: EndRule, knowledge: Knowledge | None = None) -> Decoder:
        head = self.network_.head
        return transducer_decoder(beam_size, rule, Joint(head)) if isinstance(head, TransducerHead) else decoder(beam_size, rule, knowledge)

    def _knowledge(self, prior: Prior | None, beam_size: int) -> Knowledge | None:
        """The prior for the model's alphabet, if this search can take one."""
        if prior is None:
            return None
        if isinstance(self.network_.head, TransducerHead):
            raise ArgumentError("a transducer takes no prior yet.", expected="a model of CTC", fix=f"train with {argument('head', 'ctc')}")
        if beam_size == 1:
            raise ArgumentError("greedy search takes no prior: it keeps one text.", expected=f"{argument('beam_size')} of 2 or more", fix=f"{argument('beam_size', 8)}")
        return prior.open(self.alphabet_)

    def _pieces(self, reader: Decoder, rows: np.ndarray) -> Iterator[Piece]:
        yield from reader.accept(rows)
        last = reader.finish()
        if last is not None:
            yield last

    def _text(self, reader: Decoder, rows: np.ndarray, seconds: float = float("inf")) -> Transcript:
        return transcript(self._pieces(reader, rows), self.alphabet_, self.hearing_.step_seconds, seconds)

    def _whole(self, data: Recordings, new: Callable[[], Decoder]) -> list[Answered]:
        """What a decoder makes of each recording; with the loss, where its text is known and can be written."""
        steps, found = self._steps_of(data), list[Answered]()
        for rows, loss, seconds in zip(steps, self._losses_of(data, steps), data.seconds.tolist()):
            reader = new()
            if isinstance(reader, TransducerGreedy | TransducerBeam):
                reader.firsts = []
                written = self._text(reader, rows, seconds)
                found.append(Answered(written, loss, np.stack(reader.firsts), reader.cut))
            else:
                found.append(Answered(self._text(reader, rows, seconds), loss, rows, 0))
        return found

    def _losses_of(self, data: Recordings, steps: list[np.ndarray]) -> list[float | None]:
        """In nats; None where the text is not known, or cannot be written."""
        found: list[float | None] = [None] * len(data)
        if data.texts is None:
            return found
        numbers = [None if self.alphabet_.outside(text) else self.alphabet_.numbers(text) for text in data.texts]
        head = self.network_.head
        if isinstance(head, TransducerHead):
            for indices, batch in self._read_through(data):
                with torch.no_grad():
                    losses: Any = self.network_(batch, [numbers[index] or [] for index in indices.tolist()])
                for index, loss in zip(indices.tolist(), losses.tolist()):
                    text = numbers[index]
                    found[index] = None if text is None or (head.most == 1 and needed(text) > len(steps[index])) else loss
            return found
        for index, (rows, text) in enumerate(zip(steps, numbers)):
            if text is not None and needed(text) <= len(rows):
                one = nn.functional.ctc_loss(torch.from_numpy(rows)[:, None], torch.tensor([text], dtype=torch.int64), torch.tensor([len(rows)]), torch.tensor([len(text)]), reduction="sum")
                found[index] = float(one)
        return found

    def _aligned(self, rows: np.ndarray, text: str, seconds: float) -> Transcript:
        """The likeliest way to write a text.

        Raises:
            DataError: it has characters that training never saw, or, with CTC, is longer than its recording.
        """
        numbers, head = self.alphabet_.numbers(text), self.network_.head
        if isinstance(head, TransducerHead):
            blanks, symbols, again = Joint(head).lattice(rows, numbers)
            way = aligned_one_a_step(blanks, symbols, again, numbers) if head.most == 1 else aligned_in_lattice(blanks, symbols)
            peaks = [max([symbols[start, place], *again[start + 1 : end, place]]) for place, (start, end) in enumerate(way.spans)]
            signs = [Sign(number, *span, float(np.exp(peak))) for number, span, peak in zip(numbers, way.spans, peaks)]
        else:
            way = aligned(rows, numbers)
            signs = [Sign(number, *span, float(np.exp(rows[slice(*span), number].max()))) for number, span in zip(numbers, way.spans)]
        return transcript([Piece(tuple(signs), way.score)], self.alphabet_, self.hearing_.step_seconds, seconds)
