"""`Spotter`: which of a few keywords are said in a stream of sound, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.data.audio.normalise import STREAMING
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import Wave
from tenuto.data.sequences.batches import Batch, bucketed_batches, sorted_batches
from tenuto.data.split import random_split, stratified_split
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.each_step import EachStepNetwork, LinearHead
from tenuto.networks.exact import log_probabilities
from tenuto.networks.one_run import run_losses
from tenuto.scores.spotting import Occurrence
from tenuto.tasks.audio_estimator import perturbation_of
from tenuto.tasks.audio_steps import AudioSteps, Logits
from tenuto.tasks.batches import Batches
from tenuto.tasks.evaluation import Measured, Watch
from tenuto.tasks.spot.detector import Detector, Rule, lowest_running, odds
from tenuto.tasks.spot.evaluation import measured, result_of
from tenuto.tasks.spot.listening import Heard, listened, rows_of
from tenuto.tasks.spot.options import SpotOptions
from tenuto.tasks.spot.rows import LONGEST_S, Rowed, Rows, times
from tenuto.tasks.spot.stream import Event, SpotterStream
from tenuto.tasks.spot.thresholds import USUAL, fitted_boosts, fitted_thresholds
from tenuto.tongues import argument, either
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

BACKGROUND = ("other", "unknown", "background", "noise", "silence", "_background_noise_", "_unknown_", "_silence_")
NOTHING = ""  # the answer for a recording in which no keyword is said


class Spotter(SpotOptions, AudioSteps):
    """A recurrent network that tells keywords in a stream of sound as they are said, and when. It reads forward only.

    It learns from recordings with labels: of each keyword, and of what is none (other words, noise). In training, others stand before and after each, as in a stream.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        keywords_: sorted. boosts_, thresholds_: of each, fitted on the validation part; thresholds are probabilities. hearing_: from samples to what the network reads.
        seed_: the seed used. network_: the torch module. metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Source:     the decision by smoothed posteriors: Chen, Parada & Heigold 2014. The loss: see `tenuto.networks.one_run`.
    Example:
        >>> tones = [np.sin(np.arange(2400) * (0.2 + 0.5 * (number % 2))).astype(np.float32) for number in range(20)]
        >>> model = Spotter("gru", rate=8000, hidden_size=8, num_layers=1, epochs=30, learning_rate=0.02).fit(tones, ["beep", "other"] * 10)
        >>> [event.keyword for event in model.spot([np.concatenate([tones[1], tones[0], tones[1]])])[0]]
        ['beep']
    """

    task = "spot"
    former_names: ClassVar[dict[str, str]] = {}  # since format_version 2
    transcribed = False
    answer_unit = "recording"

    keywords_: list[str]
    boosts_: dict[str, float]
    thresholds_: dict[str, float]

    # --- fitting -------------------------------------------------------------------------------------------------------

    def _divide(self, data: Recordings) -> tuple[Recordings, Recordings]:
        self._require_labels(data)
        return self._with_rejects(data, stratified_split(data, self.validation_fraction, seed=self.seed_))

    def _divide_by_chance(self, data: Recordings) -> tuple[Recordings, Recordings]:
        return self._with_rejects(data, random_split(data, self.validation_fraction, seed=self.seed_))

    def check_options(self) -> None:
        super().check_options()
        if len(set(self.keywords)) < len(self.keywords):
            raise ArgumentError(f"{argument('keywords', self.keywords)} names one twice.", expected="each keyword once")
        if self.normalise not in STREAMING:
            raise ArgumentError(f"{argument('normalise', self.normalise)} needs whole recordings, and a spotter hears a stream.", expected="training or causal", fix=f"train with {argument('normalise', 'causal')}")

    def _prepare(self, training: Recordings, held_out: Recordings) -> None:
        self._require_labels(training)
        there = sorted({str(label) for label in training.labels.tolist()})  # type: ignore[union-attr]  # they were required
        absent = [name for name in self.keywords if name not in there]
        if absent:
            raise DataError(f"no recording has the label {absent[0]!r}.", expected="keywords that training has recordings of", received=", ".join(there[:12]))
        self.keywords_ = self._named(training)
        if not self.keywords_ or len(self.keywords_) == len(there):
            raise DataError(
                "no recording is background." if self.keywords_ else "no recording has a keyword.", expected="recordings of keywords, and others of what else is heard, labelled other", received=", ".join(there[:12]),
                fix="name the labels that are keywords: " + either("keywords=('yes', 'no')", "--keywords yes,no"),
            )  # fmt: skip
        self._usual()
        super()._prepare(training, held_out)

    def _ready(self, training: Recordings, held_out: Recordings) -> None:
        self._targets(held_out)

    def _require_scorable(self, data: Recordings) -> None:
        self._targets(data)
        super()._require_scorable(data)

    def _network(self) -> EachStepNetwork:
        return EachStepNetwork(
            self.cell_, self.hearing_.width, self.hidden_size, self._head, num_layers=self.num_layers, bidirectional=False, dropout=self.dropout, engine=self.engine, encoder=self.encoder
        )

    def _head(self, width: int) -> LinearHead:
        return LinearHead(width, 1 + len(self.keywords_), self.dropout)

    def _learning(self, training: Recordings, held_out: Recordings, launch: Launch) -> Learning:
        options, device = self.options_, torch.device(self.device)
        rows, apart = self._rows(training), self._rows(held_out)
        change = perturbation_of(options)
        changes = change.of_samples or change.of_frames or options["context_s"] > 0
        size, seed, read = options["batch_size"], self.seed_, rows.read

        def row(number: int) -> Any:
            if not changes:
                return rows.plain(number)
            return rows.changed(number, change, options["context_s"], np.random.default_rng(int(torch.randint(2**62, ()).item())))

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            return Loss(self._losses(network, Rowed.of([row(int(index)) for index in mine]), device).mean().float(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            total, right = 0.0, 0
            for batch, logits in self._through(apart, network, device):
                total += float(self._losses_of(logits, batch).sum())
                for place, (keyword, length) in enumerate(zip(batch.keywords.tolist(), batch.lengths.tolist())):
                    right += self._told(log_probabilities(logits[:length, place].cpu().numpy())) == keyword
            return {"validation_loss": total / len(apart), "validation_accuracy": right / len(apart)}

        return Learning(
            lambda epoch: [read[batch] for batch in bucketed_batches(rows.lengths[read], size, seed=seed, epoch=epoch)], loss, validate, lambda indices: f"{len(indices)} rows: {', '.join(repr(training.ids[rows.owners[index]]) for index in indices[:6])}"
        )

    def _items(self, training: Recordings) -> int:
        """Background is cut into pieces, and keywords are read several times; see `Rows`."""
        there = self._named(training)
        said = np.array([str(label) in there for label in training.labels.tolist()])  # type: ignore[union-attr]  # they were required
        pieces = np.maximum(1, np.round(training.seconds / LONGEST_S)).astype(int)
        return int(pieces[~said].sum()) + int(said.sum()) * times(np.repeat(said, np.where(said, 1, pieces)))

    def _batches(self, data: Recordings) -> Batches:
        """As of every task, with silence after each recording, as a stream has it: a keyword may be told a little after it was said."""
        late_s = self.options_["late_s"]
        return super()._batches(Recordings([Wave(np.pad(wave.samples, (0, round(late_s * wave.rate))), wave.rate) for wave in data.waves]))

    def _rows(self, data: Recordings) -> Rows:
        return Rows(data, self._targets(data), self.hearing_, late_s=self.options_["late_s"], least=self.options_["consecutive"])

    def _losses(self, network: nn.Module, batch: Rowed, device: torch.device) -> Tensor:
        return self._losses_of(network(Batch(batch.x, batch.lengths, None, np.zeros(0, dtype=np.int64)).to(device)), batch)

    def _losses_of(self, logits: Tensor, batch: Rowed) -> Tensor:
        """[B] nats."""
        device = logits.device
        counted = batch.counted & (torch.arange(len(batch.counted))[:, None] < batch.lengths)
        return run_losses(logits, batch.keywords.to(device), batch.begins.to(device), batch.ends.to(device), counted.to(device), self.options_["consecutive"])

    def _through(self, rows: Rows, network: nn.Module, device: torch.device) -> Any:
        """The rows as they are, in batches: each with its logits [T, B, 1 + K]."""
        for indices in sorted_batches(rows.lengths, max(self.options_["batch_size"], 64), self._most_steps()):
            batch = Rowed.of([rows.plain(int(index)) for index in indices])
            with torch.no_grad():
                yield batch, network(Batch(batch.x, batch.lengths, None, np.zeros(0, dtype=np.int64)).to(device))

    def _trained(self, training: Recordings, held_out: Recordings) -> None:
        """Boosts and thresholds, from what was held out."""
        device = torch.device(self.device)
        kept = [(batch, logits.double()) for batch, logits in self._through(self._rows(held_out), self.network_, device)]

        def losses(boosts: Tensor) -> Tensor:
            found = [self._losses_of(logits + boosts.to(logits.device), batch).sum() for batch, logits in kept]
            return torch.stack(found).sum().cpu()

        boosts = fitted_boosts(len(self.keywords_), losses)
        heard, rule = self._heard(held_out), self._rule()
        allowed = self.options_["false_alarms"] * heard.seconds / 3600
        thresholds = fitted_thresholds(
            heard.rows, boosts, heard.occurrences, self.keywords_, step_seconds=self.hearing_.step_seconds, consecutive=rule.consecutive, refractory=rule.refractory, allowed=allowed
        )
        self.boosts_ = dict(zip(self.keywords_, boosts.tolist()))
        self.thresholds_ = dict(zip(self.keywords_, (1 / (1 + np.exp(-thresholds))).tolist()))

    # --- spotting ------------------------------------------------------------------------------------------------------

    def spot(self, x: Any) -> list[list[Event]]:
        """The keywords in each recording, in the order of time.

        Args:
            x: as for `fit`; arrays are of the model's rate.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        self.require_fit("spot")
        with self._calling("spot"):
            data = self._read(x)
            found = list[list[Event]]()
            for wave in data.waves:
                stream = self._stream(wave.rate)
                found.append([*stream.accept(wave.samples), *stream.finish()])
        return found

    def stream(self, *, rate: int | None = None) -> SpotterStream:
        """A stream of sound in which keywords are told as they come: `accept` takes chunks of any size, `finish` the end.

        Args:
            rate: of its samples. Default: the model's.
        Raises:
            ArgumentError: no sound has such a rate.
        """
        self.require_fit("stream")
        with self._calling("stream"):
            return self._stream(self._heard_at(rate))

    def predict(self, x: Any) -> np.ndarray:
        """The keyword that is told first in each recording, [N] text; "" where none is. Arguments and errors as `spot`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._read(x)), dtype=str)

    def score(self, x: Any, y: Any = None) -> float:
        """The share of recordings, 0..1, in which the first keyword that is told is the one that is said, or none is where none is said. Errors as `predict`, and DataError: no labels."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y)
            wanted = [NOTHING if name is None else name for name in self._said(data)]
            return float(np.mean([one == other for one, other in zip(self._answers(data), wanted)]))

    def evaluate_stream(self, x: Any, occurrences: Sequence[Occurrence]) -> dict[str, Any]:
        """How good keywords are spotted in one recording of any length, of which it is known when they are said: the RESULT that `evaluate` gives for a set.

        Args:
            x: a path, a `Wave`, or an array of the model's rate. occurrences: `tenuto.scores.spotting.Occurrence`s, each from the beginning of the keyword to its end; `late_s` is added.
        Raises:
            ArgumentError: an occurrence is of no keyword of this model; and as `spot`.
        """
        self.require_fit("evaluate_stream")
        with self._calling("evaluate_stream"):
            foreign = next((one.keyword for one in occurrences if one.keyword not in self.keywords_), None)
            if foreign is not None:
                raise ArgumentError(f"{foreign!r} is no keyword of this model.", expected=" | ".join(self.keywords_))
            (wave,), watch = self._read([x]).waves, Watch()
            later = [one._replace(end=one.end + self.options_["late_s"]) for one in occurrences]
            return result_of(self, Heard(rows_of(wave, self.hearing_, self._run, late_s=self.options_["late_s"]), later, wave.seconds, [0], [0.0]), 1, watch)[0]

    def answer(self, tensors: Logits) -> list[str]:
        """The keyword that is told first in each row; "" where none is."""
        names = [NOTHING, *self.keywords_]
        return [names[self._first(rows)] for rows in self._decodable(tensors.logits, tensors.lengths)]

    def output_names(self) -> list[str]:
        """Nothing, and the keywords."""
        return ["⟨nothing⟩", *self.keywords_]

    def answered(self, data: Recordings) -> Recordings:
        """The recordings, labelled by this model where they have no labels."""
        return data if data.labels is not None else Recordings.of(data, [one or BACKGROUND[0] for one in self._answers(data)])

    def outside(self) -> dict[str, str]:
        """Features, and keywords from logits."""
        return {
            **super().outside(),
            "answer": f"the softmax of logits with `boosts` added; a keyword is told where its probability is above its `thresholds` in {self.consecutive} steps running; `keywords` of the tables have numbers from 1 on, in order",
        }

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Recordings, name: str) -> Measured:
        losses = [self._losses_of(logits, batch) for batch, logits in self._through(self._rows(data), self.network_, torch.device(self.device))]
        return measured(self, data, name, float(torch.cat(losses).mean()), self.score(data))

    def _describe(self, data: Recordings) -> dict[str, Any]:
        said = self._said(data)
        return {**super()._describe(data), "keyword_counts": {name: said.count(name) for name in self.keywords_}, "background": said.count(None)}

    def _about(self, training: Recordings, outcome: Outcome) -> dict[str, Any]:
        return {"title": f"{type(self.cell_).__name__} spotter of {len(self.keywords_)} keyword{'s' * (len(self.keywords_) > 1)}", "keywords": list(self.keywords_)}

    @property
    def prepared(self) -> dict[str, Any]:
        """As of every task; boosts and thresholds are learnt after training."""
        return {**super()._kept(), "keywords": list(self.keywords_)}

    def _kept(self) -> dict[str, Any]:
        return {**self.prepared, "boosts": dict(self.boosts_), "thresholds": dict(self.thresholds_)}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.keywords_ = list(kept["keywords"])
        self._usual()
        if "thresholds" in kept:
            self.boosts_, self.thresholds_ = ({name: float(kept[what][name]) for name in self.keywords_} for what in ("boosts", "thresholds"))

    # --- inside --------------------------------------------------------------------------------------------------------

    def _usual(self) -> None:
        """Boosts and thresholds before any are fitted."""
        self.boosts_ = dict.fromkeys(self.keywords_, 0.0)
        self.thresholds_ = dict.fromkeys(self.keywords_, float(1 / (1 + np.exp(-USUAL))))

    def _named(self, training: Recordings) -> list[str]:
        """The keywords, sorted: those of the option, or all labels that name no background."""
        self._require_labels(training)
        return sorted(set(self.keywords) or {str(label) for label in training.labels.tolist() if str(label).lower() not in BACKGROUND})  # type: ignore[union-attr]

    def _require_labels(self, data: Recordings) -> None:
        if data.labels is None:
            raise DataError("the recordings have no labels.", expected="a label for each recording", fix=either("give y, or Recordings with labels", "say which column has them: --label-column NAME"))

    def _said(self, data: Recordings) -> list[str | None]:
        """The keyword of each recording; None for background."""
        self._require_labels(data)
        known = set(self.keywords_)
        return [str(label) if str(label) in known else None for label in data.labels.tolist()]  # type: ignore[union-attr]

    def _targets(self, data: Recordings) -> np.ndarray:
        """[N] int64: 0 for background, 1..K for keywords."""
        numbers = {name: number for number, name in enumerate(self.keywords_, 1)}
        return np.array([0 if name is None else numbers[name] for name in self._said(data)], dtype=np.int64)

    def _rule(self) -> Rule:
        thresholds = np.array([self.thresholds_[name] for name in self.keywords_])
        refractory = round(self.refractory_s / self.hearing_.step_seconds)
        return Rule(np.array([self.boosts_[name] for name in self.keywords_]), np.log(thresholds / (1 - thresholds)), self.options_["consecutive"], refractory)

    def _stream(self, rate: int) -> SpotterStream:
        rule, late_s = self._rule(), self.options_["late_s"]
        identity = self._identity(rate, consecutive=rule.consecutive, refractory=rule.refractory, late_s=late_s)
        return SpotterStream(self.hearing_, self.keywords_, rule, self._run, rate, identity, late_s=late_s)

    def _heard(self, data: Recordings) -> Heard:
        """The set as one stream, with what the network says of it."""
        return listened(data, self._said(data), self.hearing_, self._run, late_s=self.options_["late_s"])

    def _first(self, rows: np.ndarray) -> int:
        """The number of the keyword that is told first in log-probabilities [T, 1 + K]; 0 where none is."""
        told = next(Detector(self._rule()).accept(rows), None)
        return 0 if told is None else told.keyword + 1

    def _told(self, rows: np.ndarray) -> int:
        """The number of the keyword that is likeliest in log-probabilities [T, 1 + K]; 0 where none is likelier than not."""
        each = odds(rows, np.zeros(len(self.keywords_)))
        highest = [float(lowest_running(each[:, number], self.options_["consecutive"]).max(initial=-np.inf)) for number in range(len(self.keywords_))]
        best = int(np.argmax(highest))
        return best + 1 if highest[best] >= 0 else 0
