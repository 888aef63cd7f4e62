"""`Transcriber`: what is said in recordings, with times, by a recurrent network and connectionist temporal classification (CTC)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.audio.recordings import Recordings, split_by_speaker
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.each_step import EachStepNetwork
from tenuto.scores.transcripts import edits, rate
from tenuto.tasks.audio_estimator import padded
from tenuto.tasks.audio_steps import AudioSteps, Logits
from tenuto.tasks.estimator import batch_in_words
from tenuto.tasks.evaluation import Measured
from tenuto.tasks.transcribe.alignment import aligned
from tenuto.tasks.transcribe.alphabet import Alphabet, needed
from tenuto.tasks.transcribe.decoding import EndRule, Piece, Sign, decoder
from tenuto.tasks.transcribe.evaluation import measured
from tenuto.tasks.transcribe.options import TranscribeOptions
from tenuto.tasks.transcribe.stream import TranscriberStream
from tenuto.tasks.transcribe.writing import Transcript, transcript
from tenuto.tongues import argument
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

SILENCE_S, LONGEST_S = 1.2, 20.0  # when a stream's piece of text ends: as Kaldi's and sherpa's second and third rules


class Transcriber(TranscribeOptions, AudioSteps):
    """A recurrent network that writes down what is said, character by character. Read forward only, it writes a stream as it writes files.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        alphabet_: the characters that it writes. hearing_: from samples to what the network reads. left_out_: recordings of training that are too short for their transcripts.
        seed_: the seed used. network_: the torch module. metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Source:     CTC: Graves, Fernández, Gomez & Schmidhuber 2006.
    Example:
        >>> tones = [np.sin(np.arange(2400) * (0.2 + 0.5 * (number % 2))).astype(np.float32) for number in range(20)]
        >>> model = Transcriber("gru", rate=8000, hidden_size=8, num_layers=1, epochs=40, learning_rate=0.02).fit(tones, ["a", "b"] * 10)
        >>> model.predict(tones[:2])
        ['a', 'b']
    """

    task = "transcribe"
    former_names: ClassVar[dict[str, str]] = {}  # since format_version 2
    transcribed = True
    answer_unit = "recording"

    alphabet_: Alphabet
    left_out_: list[str]

    # --- fitting -------------------------------------------------------------------------------------------------------

    def _divide(self, data: Recordings) -> tuple[Recordings, Recordings]:
        data.require_texts()
        return self._with_rejects(data, split_by_speaker(data, self.validation_fraction, seed=self.seed_))

    def check_options(self) -> None:
        super().check_options()
        require("infeasible", self.infeasible, ("skip", "raise"))

    def _prepare(self, training: Recordings, held_out: Recordings) -> None:
        held_out.require_texts()
        self.alphabet_ = Alphabet.learn(training.require_texts(), lowercase=self.lowercase)
        if len(self.alphabet_) < 2:
            raise DataError("every transcript is empty.", expected="texts for some of the recordings")
        super()._prepare(training, held_out)

    def _ready(self, training: Recordings, held_out: Recordings) -> None:
        numbers = [self.alphabet_.numbers(text) for text in training.require_texts()]
        short = [row for row, steps in enumerate(self._lengths(training).tolist()) if steps < needed(numbers[row])]
        self.left_out_ = [training.ids[row] for row in short]
        if short and (self.infeasible == "raise" or len(short) == len(training)):
            row = short[0]
            raise DataError(
                f"{len(short)} of {len(training)} recordings have fewer steps than their transcripts need.", expected="a step for each character, and one more between two that are equal",
                received=f"{training.ids[row]!r}: {self._lengths(training)[row]} steps, and {needed(numbers[row])} needed", fix=f"a smaller {argument('together')}, or {argument('infeasible', 'skip')}",
            )  # fmt: skip

    def _require_scorable(self, data: Recordings) -> None:
        data.require_texts()
        super()._require_scorable(data)

    def _network(self) -> EachStepNetwork:
        return EachStepNetwork(
            self.cell_, self.hearing_.width, self.hidden_size, len(self.alphabet_), num_layers=self.num_layers, bidirectional=self.bidirectional, dropout=self.dropout, engine=self.engine, encoder=self.encoder
        )

    def _learning(self, training: Recordings, held_out: Recordings, launch: Launch) -> Learning:
        numbers, device = [self.alphabet_.numbers(text) for text in training.require_texts()], torch.device(self.device)
        rows = np.array([row for row in range(len(training)) if training.ids[row] not in set(self.left_out_)])
        hear, references = self._changing(training), [self.alphabet_.plain(text) for text in held_out.require_texts()]

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = padded(hear, mine).to(device)
            return Loss(ctc_losses(network(batch), batch.lengths, [numbers[row] for row in mine]).mean(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            found, total, counted = self._whole(held_out, 1), 0.0, 0
            for one in found:
                if one.loss is not None:
                    total, counted = total + one.loss, counted + 1
            words = [edits(text.split(), one.transcript.text.split()) for one, text in zip(found, references)]
            characters = [edits(text, one.transcript.text) for one, text in zip(found, references)]
            return {"validation_loss": total / max(counted, 1), "validation_cer": rate(characters) or 0.0, "validation_wer": rate(words) or 0.0}

        return Learning(self._passes(training, rows), loss, validate, lambda indices: batch_in_words(training.ids, indices, "recordings"))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any, *, beam_size: int | None = None) -> list[str]:
        """What is said in each recording.

        Args:
            x: as for `fit`; arrays are of the model's rate. beam_size: in place of the constructor's.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        return [one.text for one in self.transcribe(x, beam_size=beam_size)]

    def transcribe(self, x: Any, *, beam_size: int | None = None) -> list[Transcript]:
        """What is said in each recording, with times of characters and words. Arguments and errors as `predict`.

        Times are where the network writes a character: usually late in its sound, and short (CTC peaks).
        """
        self.require_fit("transcribe")
        with self._calling("transcribe"):
            return [one.transcript for one in self._whole(self._read(x), self._width(beam_size))]

    def align(self, x: Any, texts: Any = None) -> list[Transcript]:
        """Where texts that are known are said: the likeliest way to write each (forced alignment).

        Args:
            x: as for `predict`. texts: one for each. Default: those of the Recordings.
        Raises:
            DataError: a text has characters that training never saw, or is longer than its recording.
        """
        self.require_fit("align")
        with self._calling("align"):
            data = self._read(x) if texts is None else self._read(x, texts)
            found = list[Transcript]()
            for identity, text, rows, seconds in zip(data.ids, data.require_texts(), self._steps_of(data), data.seconds.tolist()):
                try:
                    numbers = self.alphabet_.numbers(text)
                    way = aligned(rows, numbers)
                except DataError as error:
                    raise error.within(f"recording {identity!r}") from error.__cause__
                signs = tuple(Sign(number, *span, float(np.exp(rows[slice(*span), number].max()))) for number, span in zip(numbers, way.spans))
                found.append(transcript([Piece(signs, way.score)], self.alphabet_, self.hearing_.step_seconds, seconds))
        return found

    def stream(self, *, rate: int | None = None, beam_size: int | None = None, silence_s: float = SILENCE_S, longest_s: float = LONGEST_S) -> TranscriberStream:
        """A stream of sound that is written down as it comes: `accept` takes chunks of any size, `finish` the end.

        Args:
            rate: of its samples. Default: the model's. beam_size: in place of the constructor's.
            silence_s: a piece of text ends after so many seconds without a character. longest_s: and when it is so long, where the next character or pause begins.
        Raises:
            ArgumentError: the model reads from both ends, or normalises by whole recordings, so there is no stream of it.
        """
        self.require_fit("stream")
        with self._calling("stream"):
            self._require_stream()
            hearing = self.hearing_
            return TranscriberStream(hearing, self.alphabet_, decoder(self._width(beam_size), self._rule(silence_s, longest_s)), self._run, rate or hearing.features.rate)

    def score(self, x: Any, y: Any = None) -> float:
        """One minus the word error rate; below zero where there are more errors than words. NaN where the references have no words. Errors as `predict`."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y)
            answers = self._whole(data, self._width(None))
            found = rate([edits(self.alphabet_.plain(text).split(), one.transcript.text.split()) for text, one in zip(data.require_texts(), answers)])
        return float("nan") if found is None else 1 - found

    def answer(self, tensors: Logits) -> list[str]:
        """The text of each row."""
        return [transcript(self._pieces(rows, self._width(None)), self.alphabet_, self.hearing_.step_seconds).text for rows in tensors.rows()]

    def output_names(self) -> list[str]:
        """The symbols."""
        return self.alphabet_.names

    def answered(self, data: Recordings) -> Recordings:
        """The recordings, with this model's texts where they have none."""
        return data if data.texts is not None else Recordings.of(data, self._answers(data), transcribed=True)

    def outside(self) -> dict[str, str]:
        """Features, and texts from logits."""
        return {**super().outside(), "answer": "the likeliest symbol of each step, runs of one as one, and without blanks (0); `characters` of the tables have numbers from 1 on, in order"}

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Recordings, name: str) -> Measured:
        data.require_texts()
        return measured(self, data, name, lambda part: self._whole(part, self._width(None)))

    def _describe(self, data: Recordings) -> dict[str, Any]:
        texts = data.require_texts()
        return {**super()._describe(data), "characters": sum(len(self.alphabet_.plain(text)) for text in texts), "outside": sum(bool(self.alphabet_.outside(text)) for text in texts)}

    def _about(self, training: Recordings, outcome: Outcome) -> dict[str, Any]:
        return {
            "title": f"{type(self.cell_).__name__} transcriber, {len(self.alphabet_) - 1} characters",
            "characters": list(self.alphabet_.characters),
            "infeasible": {"policy": self.options_["infeasible"], "left_out": len(self.left_out_), "ids": self.left_out_[:50]},
        }

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "characters": list(self.alphabet_.characters), "lowercase": self.alphabet_.lowercase}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.alphabet_ = Alphabet(kept["characters"], lowercase=kept["lowercase"])

    # --- inside --------------------------------------------------------------------------------------------------------

    def _width(self, beam_size: int | None) -> int:
        if beam_size is not None and beam_size < 1:
            raise ArgumentError(f"{argument('beam_size', beam_size)} is out of range.", expected="1 or more")
        return beam_size or self.beam_size

    def _rule(self, silence_s: float = SILENCE_S, longest_s: float = LONGEST_S) -> EndRule:
        step = self.hearing_.step_seconds
        if not (silence_s > 0 and longest_s > 0):
            raise ArgumentError(f"{argument('silence_s', silence_s)} and {argument('longest_s', longest_s)} cannot be.", expected="seconds, above 0")
        return EndRule(max(1, round(silence_s / step)), max(1, round(longest_s / step)))

    def _pieces(self, rows: np.ndarray, beam_size: int) -> Iterator[Piece]:
        reader = decoder(beam_size, self._rule())
        yield from reader.accept(rows)
        last = reader.finish()
        if last is not None:
            yield last

    def _whole(self, data: Recordings, beam_size: int) -> list[Answered]:
        """What was made of each recording; with the loss, where its text is known and can be written."""
        texts = data.texts if data.texts is not None else [None] * len(data)
        found = list[Answered]()
        for rows, text, seconds in zip(self._steps_of(data), texts, data.seconds.tolist()):
            loss = None
            if text is not None and not self.alphabet_.outside(text) and needed(numbers := self.alphabet_.numbers(text)) <= len(rows):
                loss = float(nn.functional.ctc_loss(torch.from_numpy(rows)[:, None], torch.tensor([numbers], dtype=torch.int64), torch.tensor([len(rows)]), torch.tensor([len(numbers)]), reduction="sum"))
            found.append(Answered(transcript(self._pieces(rows, beam_size), self.alphabet_, self.hearing_.step_seconds, seconds), loss, rows))
        return found


class Answered(NamedTuple):
    """What was made of a recording: its transcript; its loss in nats, where that is known; rows [T, V] of log-probabilities."""

    transcript: Transcript
    loss: float | None
    rows: np.ndarray


def ctc_losses(logits: Tensor, lengths: Tensor, numbers: list[list[int]]) -> Tensor:
    """[B] nats: minus the logarithm of the probability of each text, over all ways to write it; 0, without a gradient, where there is none.

    Args:
        logits: [T, B, V]. lengths: [B] int. numbers: of each text; an empty one is learnt as blanks.
    """
    wanted = torch.tensor([number for row in numbers for number in row], dtype=torch.int64)
    sizes = torch.tensor([len(row) for row in numbers])
    return nn.functional.ctc_loss(logits.float().log_softmax(-1), wanted.to(logits.device), lengths, sizes, reduction="none", zero_infinity=True)
