"""`Transcriber`: what is said in recordings, with times, by a recurrent network and connectionist temporal classification (CTC), or a transducer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from tenuto.choices import require
from tenuto.data.audio.recordings import Recordings, split_by_speaker
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.each_step import EachStepNetwork, LinearHead, StepHead
from tenuto.networks.exact import unchanging
from tenuto.networks.port import Port
from tenuto.scalars import number, whole
from tenuto.scores.transcripts import edits, rate
from tenuto.tasks.audio_estimator import padded
from tenuto.tasks.audio_steps import Logits
from tenuto.tasks.estimator import batch_in_words
from tenuto.tasks.evaluation import Measured
from tenuto.tasks.taught import Choices
from tenuto.tasks.transcribe.alphabet import NAMES, UNITS, Alphabet, needed, suited_units
from tenuto.tasks.transcribe.ctc import ctc_losses
from tenuto.tasks.transcribe.decoding import EndRule
from tenuto.tasks.transcribe.evaluation import measured
from tenuto.tasks.transcribe.latency import Latency, measured_latency
from tenuto.tasks.transcribe.predictor import Remembering, Stateless
from tenuto.tasks.transcribe.prior import Prior, digest
from tenuto.tasks.transcribe.reading import Reading
from tenuto.tasks.transcribe.stream import TranscriberStream
from tenuto.tasks.transcribe.transducer import Read, TransducerHead
from tenuto.tasks.transcribe.writing import Transcript
from tenuto.tongues import argument
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

AUTO = "auto"
HEADS, PREDICTORS = ("ctc", "transducer"), ("stateless", "recurrent")
NEVER = 1 << 60  # steps
SILENCE_S, LONGEST_S = 1.2, 20.0  # when a stream's piece of text ends: as Kaldi's and sherpa's second and third rules


class Transcriber(Reading):
    """A recurrent network that writes down what is said, character by character. Read forward only, it writes a stream as it writes files.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        alphabet_: the characters that it writes. hearing_: from samples to what the network reads. left_out_: recordings of training that are too short for their transcripts.
        seed_: the seed used. network_: the torch module. metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Source:     CTC: Graves, Fernández, Gomez & Schmidhuber 2006. Transducer: Graves 2012.
    Example:
        >>> tones = [np.sin(np.arange(2400) * (0.2 + 0.5 * (number % 2))).astype(np.float32) for number in range(20)]
        >>> model = Transcriber("gru", rate=8000, hidden_size=8, num_layers=1, epochs=40, learning_rate=0.02).fit(tones, ["a", "b"] * 10)
        >>> model.predict(tones[:2])
        ['a', 'b']
    """

    task = "transcribe"
    former_names: ClassVar[dict[str, str]] = {}  # since format_version 2
    former_options: ClassVar[dict[str, Any]] = {"units": "characters", "ctc_first": 0.0}
    transcribed = True
    answer_unit = "recording"

    left_out_: list[str]

    # --- fitting -------------------------------------------------------------------------------------------------------

    def _divide(self, data: Recordings) -> tuple[Recordings, Recordings]:
        data.require_texts()
        return self._with_rejects(data, split_by_speaker(data, self.validation_fraction, seed=self.seed_))

    def check_options(self) -> None:
        super().check_options()
        require("infeasible", self.infeasible, ("skip", "raise"))
        require("head", self.head, HEADS)
        require("predictor", self.predictor, PREDICTORS)
        require("units", self.units, (AUTO, *UNITS))

    def _prepare(self, training: Recordings, held_out: Recordings) -> None:
        held_out.require_texts()
        texts = training.require_texts()
        units = suited_units(texts, lowercase=self.lowercase) if self.units == AUTO else self.units
        self.alphabet_ = Alphabet.learn(texts, lowercase=self.lowercase, units=units, size=self.vocabulary_size)
        if len(self.alphabet_) < 2:
            raise DataError("every transcript is empty.", expected="texts for some of the recordings")
        super()._prepare(training, held_out)

    def _ready(self, training: Recordings, held_out: Recordings) -> None:
        self.options_["units"] = self.alphabet_.units
        numbers = [self.alphabet_.numbers(text) for text in training.require_texts()]
        short = [row for row, steps in enumerate(self._lengths(training).tolist()) if steps < self._needed(numbers[row])]
        self.left_out_ = [training.ids[row] for row in short]
        if short and (self.infeasible == "raise" or len(short) == len(training)):
            row = short[0]
            raise DataError(
                f"{len(short)} of {len(training)} recordings have fewer steps than their transcripts need.", expected="a step for each symbol, and one more between two that are equal",
                received=f"{training.ids[row]!r}: {self._lengths(training)[row]} steps, and {self._needed(numbers[row])} needed", fix=f"a smaller {argument('together')}, or {argument('infeasible', 'skip')}",
            )  # fmt: skip

    def _require_scorable(self, data: Recordings) -> None:
        data.require_texts()
        super()._require_scorable(data)

    def _network(self) -> EachStepNetwork:
        return EachStepNetwork(
            self.cell_, self.hearing_.width, self.hidden_size, self._head, num_layers=self.num_layers, bidirectional=self.bidirectional, dropout=self.dropout, engine=self.engine, encoder=self.encoder
        )

    def _head(self, width: int) -> StepHead:
        symbols, joint = len(self.alphabet_), self.hidden_size
        if not self._transduces:
            return LinearHead(width, symbols, self.dropout)
        predictor = Stateless(symbols, joint) if self.predictor == "stateless" else Remembering(self.cell_, symbols, joint, self.engine)
        return TransducerHead(width, symbols, joint, predictor, dropout=self.dropout, most=self.symbols_a_step, ctc=self.ctc_share, added=self.ctc_first > 0)

    def _learning(self, training: Recordings, held_out: Recordings, launch: Launch) -> Learning:
        numbers, device = [self.alphabet_.numbers(text) for text in training.require_texts()], torch.device(self.device)
        rows = np.array([row for row in range(len(training)) if training.ids[row] not in set(self.left_out_)])
        hear, references = self._changing(training), [self.alphabet_.plain(text) for text in held_out.require_texts()]
        passes, epoch, begin = self._passes(training, rows), 1, time.monotonic()
        first, first_s = self._first_epochs(len(passes(1))), self.ctc_first * self.time_limit_s if self.time_limit_s else float("inf")

        def batches(number: int) -> list[np.ndarray]:
            nonlocal epoch
            epoch = number
            return passes(number)

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = padded(hear, mine).to(device)
            texts = [numbers[row] for row in mine]
            losses = network(batch, texts, epoch <= first and time.monotonic() - begin < first_s) if self._transduces else ctc_losses(network(batch), batch.lengths, texts)
            return Loss(losses.mean(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            found, total, counted = self._whole(held_out, lambda: self._decoder(1, self._rule())), 0.0, 0
            for one in found:
                if one.loss is not None:
                    total, counted = total + one.loss, counted + 1
            words = [edits(text.split(), one.transcript.text.split()) for one, text in zip(found, references)]
            characters = [edits(text, one.transcript.text) for one, text in zip(found, references)]
            return {"validation_loss": total / max(counted, 1), "validation_cer": rate(characters) or 0.0, "validation_wer": rate(words) or 0.0}

        return Learning(batches, loss, validate, lambda indices: batch_in_words(training.ids, indices, "recordings"))

    def _first_epochs(self, batches: int) -> int:
        """In how many epochs a transducer learns by CTC alone, where an epoch has so many batches."""
        steps = -(-batches // self.options_["accumulate"])
        planned = min(self.options_["epochs"], self.options_["max_steps"] / steps if self.options_["max_steps"] else float("inf"))
        return round(self.ctc_first * planned)

    def _calibrate(self, held_out: Recordings) -> None:
        """A transducer leaves words out where it is unsure: their probability lies in several steps, and in none of them is it above the blank's. So the blank's bias is lowered as far as greedy search then makes fewer errors."""
        head = self.network_.head
        if not isinstance(head, TransducerHead):
            return
        heard, references = self._steps_of(held_out), [self.alphabet_.plain(text) for text in held_out.require_texts()]

        def errors() -> int:
            answers = [self._text(self._decoder(1, self._rule()), rows).text for rows in heard]
            return sum(edits(text, answer).errors for text, answer in zip(references, answers))

        head.lower_blank(errors)

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any, *, beam_size: int | None = None, prior: Prior | None = None) -> list[str]:
        """What is said in each recording.

        Args:
            x: as for `fit`; arrays are of the model's rate. beam_size: in place of the constructor's.
            prior: a language model and hot words, for a beam of CTC.
        Raises:
            NotFittedError; DataError: as `fit`. ArgumentError: the search or the alphabet does not go with the prior.
        """
        return [one.text for one in self.transcribe(x, beam_size=beam_size, prior=prior)]

    def transcribe(self, x: Any, *, beam_size: int | None = None, prior: Prior | None = None) -> list[Transcript]:
        """What is said in each recording, with times of characters and words. Arguments and errors as `predict`.

        Times are where the network writes a character: usually late in its sound, and short (CTC peaks).
        """
        self.require_fit("transcribe")
        with self._calling("transcribe"):
            data, width = self._read(x), self._width(beam_size)
            knowledge = self._knowledge(prior, width)
            return [self._text(self._decoder(width, self._rule(), knowledge), rows, seconds) for rows, seconds in zip(self._steps_of(data), data.seconds.tolist())]

    def align(self, x: Any, texts: Any = None) -> list[Transcript]:
        """Where texts that are known are said: the likeliest way to write each (forced alignment).

        Args:
            x: as for `predict`. texts: one for each. Default: those of the Recordings.
        Raises:
            DataError: a text has characters that training never saw, or, with CTC, is longer than its recording.
        """
        self.require_fit("align")
        with self._calling("align"):
            data = self._read(x) if texts is None else self._read(x, texts)
            found = list[Transcript]()
            for identity, text, rows, seconds in zip(data.ids, data.require_texts(), self._steps_of(data), data.seconds.tolist()):
                try:
                    found.append(self._aligned(rows, text, seconds))
                except DataError as error:
                    raise error.within(f"recording {identity!r}") from error.__cause__
        return found

    def stream(
        self, *, rate: int | None = None, beam_size: int | None = None, prior: Prior | None = None, silence_s: float = SILENCE_S, longest_s: float = LONGEST_S
    ) -> TranscriberStream:
        """A stream of sound that is written down as it comes: `accept` takes chunks of any size, `finish` the end.

        Args:
            rate: of its samples. Default: the model's. beam_size: in place of the constructor's. prior: as for `predict`.
            silence_s: a piece of text ends after so many seconds without a character; infinity for never. longest_s: and when it is so long, where the next character or pause begins.
        Raises:
            ArgumentError: the model reads from both ends, or normalises by whole recordings, so there is no stream of it; an argument is out of range.
        """
        self.require_fit("stream")
        with self._calling("stream"):
            self._require_stream()
            rule, width, heard_at = self._rule(silence_s, longest_s), self._width(beam_size), self._heard_at(rate)
            most = self.options_["symbols_a_step"]
            identity = self._identity(heard_at, symbols_a_step=most, beam_size=width, silence=rule.silence, longest=rule.longest, prior=digest(prior))
            return TranscriberStream(self.hearing_, self.alphabet_, self._decoder(width, rule, self._knowledge(prior, width)), self._run, heard_at, identity)

    def latency(self, x: Any, *, chunk_s: float = 0.1, beam_size: int | None = None, silence_s: float = SILENCE_S) -> Latency:
        """How late text comes when recordings are heard as streams, in seconds of sound.

        Args:
            x: as for `predict`. chunk_s: seconds of the chunks in which they come. beam_size, silence_s: as for `stream`. Errors as `predict` and `stream`.
        """
        self.require_fit("latency")
        with self._calling("latency"):
            if not ((found := number(chunk_s)) is not None and found > 0):
                raise ArgumentError(f"{argument('chunk_s', chunk_s)} is out of range.", expected="seconds, above 0")
            waves = self._read(x).waves
        return measured_latency(lambda rate: self.stream(rate=rate, beam_size=beam_size, silence_s=silence_s), waves, chunk_s=chunk_s, silence_s=silence_s)

    def score(self, x: Any, y: Any = None) -> float:
        """One minus the word error rate; below zero where there are more errors than words. NaN where the references have no words. Errors as `predict`."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y)
            found = rate([edits(self.alphabet_.plain(text).split(), answer.split()) for text, answer in zip(data.require_texts(), self.predict(data))])
        return float("nan") if found is None else 1 - found

    def forward(self, batch: Any) -> Logits:
        """Logits of a symbol at each step of a batch of `inputs`, with gradients where torch keeps them; else each row has the same bits in any batch."""
        found: Any = unchanging(lambda: self.network_(batch))
        return Logits(found.logits, batch.lengths, found.heard) if isinstance(found, Read) else Logits(found, batch.lengths)

    def answer(self, tensors: Logits) -> list[str]:
        """The text of each row."""
        rows = tensors.logits if tensors.heard is None else tensors.heard
        return [self._text(self._decoder(self.beam_size, self._rule()), one).text for one in self._decodable(rows, tensors.lengths)]

    def output_names(self) -> list[str]:
        """The symbols."""
        return self.alphabet_.names

    def choices(self, given: tuple[Any, ...], output: Any) -> Choices:
        """One choice for each step: its symbol."""
        self._require_ctc("teach or learn from another")
        return super().choices(given, output)

    def answered(self, data: Recordings) -> Recordings:
        """The recordings, with this model's texts where they have none."""
        return data if data.texts is not None else Recordings.of(data, self._answers(data), transcribed=True)

    def ports(self) -> tuple[Port, ...]:
        """As `Exported.ports`."""
        self._require_ctc("be exported")
        return super().ports()

    def outside(self) -> dict[str, str]:
        """Features, and texts from logits."""
        return {**super().outside(), "answer": "the likeliest symbol of each step, runs of one as one, and without blanks (0); `characters` of the tables have numbers from 1 on, in order"}

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Recordings, name: str) -> Measured:
        data.require_texts()
        return measured(self, data, name, lambda part: self._whole(part, lambda: self._decoder(self.beam_size, self._rule())))

    def _describe(self, data: Recordings) -> dict[str, Any]:
        texts = data.require_texts()
        return {**super()._describe(data), "characters": sum(len(self.alphabet_.plain(text)) for text in texts), "outside": sum(bool(self.alphabet_.outside(text)) for text in texts)}

    def _about(self, training: Recordings, outcome: Outcome) -> dict[str, Any]:
        return {
            "title": f"{type(self.cell_).__name__} transcriber, {len(self.alphabet_) - 1} {NAMES[self.alphabet_.units]}",
            "characters": list(self.alphabet_.characters),
            "infeasible": {"policy": self.options_["infeasible"], "left_out": len(self.left_out_), "ids": self.left_out_[:50]},
        }

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "characters": list(self.alphabet_.characters), "lowercase": self.alphabet_.lowercase, "tokenizer": self.alphabet_.tokenizer}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.alphabet_ = Alphabet(kept["characters"], lowercase=kept["lowercase"], tokenizer=kept.get("tokenizer"))

    # --- inside --------------------------------------------------------------------------------------------------------

    def _width(self, beam_size: int | None) -> int:
        found = self.beam_size if beam_size is None else whole(beam_size)
        if found is None or found < 1:
            raise ArgumentError(f"{argument('beam_size', beam_size)} is out of range.", expected="a whole number, 1 or more")
        return found

    @property
    def _transduces(self) -> bool:
        return self.head == "transducer"

    def _require_ctc(self, what: str) -> None:
        if self._transduces:
            raise ArgumentError(f"a transducer cannot {what} yet.", expected="a model of CTC", fix=f"train with {argument('head', 'ctc')}")

    def _needed(self, numbers: list[int]) -> int:
        """How many steps a text needs."""
        return 0 if self._transduces and self.symbols_a_step > 1 else needed(numbers)

    def _rule(self, silence_s: float = SILENCE_S, longest_s: float = LONGEST_S) -> EndRule:
        step = self.hearing_.step_seconds
        for name, seconds in (("silence_s", silence_s), ("longest_s", longest_s)):
            if seconds != float("inf") and not ((found := number(seconds)) is not None and found > 0):
                raise ArgumentError(f"{argument(name, seconds)} cannot be.", expected="seconds, above 0")
        return EndRule(*(max(1, round(min(seconds / step, NEVER))) for seconds in (silence_s, longest_s)))
