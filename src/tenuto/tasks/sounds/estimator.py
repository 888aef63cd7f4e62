"""`AudioClassifier`: the class of a whole recording, with a recurrent network over its features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from tenuto.data.audio.normalise import RULES
from tenuto.data.audio.recordings import Recordings
from tenuto.data.labels import Labels
from tenuto.data.split import random_split, stratified_split
from tenuto.networks.pooled import PooledNetwork
from tenuto.networks.pooling import check_pooling
from tenuto.scores.classification import classification_result, log_softmax, softmax
from tenuto.scores.explained import share_explained
from tenuto.tasks.audio_estimator import AudioEstimator, padded
from tenuto.tasks.classifying import Classifying
from tenuto.tasks.estimator import batch_in_words
from tenuto.tasks.evaluation import Measured, Watch, grain_of_classes, prediction_speed, validation_of_classes
from tenuto.tasks.sounds.evaluation import examples
from tenuto.tasks.sounds.options import SoundOptions
from tenuto.tasks.weighing import Weighed, check_class_weight, row_weights, weights_of_classes
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

CHANNEL_DB = 10.0
MUCH = 1 / 3  # of what means of recordings differ by: digits by several speakers explain 0.14 of it, the speakers themselves 0.63


class AudioClassifier(SoundOptions, Classifying, AudioEstimator):
    """A recurrent classifier of recordings: words, speakers, events.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        classes_: [K], sorted. hearing_: from samples to what the network reads. seed_: the seed used. network_: the torch module.
        metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Example:
        >>> tones = [np.sin(np.arange(1600) * (0.2 + 0.5 * (number % 2))).astype(np.float32) for number in range(20)]
        >>> model = AudioClassifier("gru", rate=8000, hidden_size=4, epochs=20).fit(tones, ["low", "high"] * 10)
        >>> model.predict([tones[0][:900], tones[1][:700]]).tolist()
        ['low', 'high']
    """

    task = "sounds"
    former_names: ClassVar[dict[str, str]] = {}  # since format_version 2
    former_options: ClassVar[dict[str, Any]] = {"halvings": 0, "shortcut": False, "tract": 0.0, "channel_db": 0.0}
    transcribed = False
    rules = ("auto", *RULES)
    answer_unit = choice_unit = "recording"

    # --- fitting -------------------------------------------------------------------------------------------------------

    def _divide(self, data: Recordings) -> tuple[Recordings, Recordings]:
        self._require_classes(data)
        return self._with_rejects(data, stratified_split(data, self.validation_fraction, seed=self.seed_))

    def _divide_by_chance(self, data: Recordings) -> tuple[Recordings, Recordings]:
        return self._with_rejects(data, random_split(data, self.validation_fraction, seed=self.seed_))

    def _ready(self, training: Recordings, held_out: Recordings) -> None:
        self._targets(held_out)  # a label that training never saw is an error now
        if self.channel_db is None:
            self.options_["channel_db"] = CHANNEL_DB if self.hearing_.normaliser.rule == "both" else 0.0
        self._class_weights = weights_of_classes(self.class_weight, Labels(self.classes_), self._targets(training), None)

    def check_options(self) -> None:
        super().check_options()
        check_pooling(self.pooling)
        check_class_weight(self.class_weight)

    def _rule_of(self, training: Recordings, frames: list[np.ndarray]) -> str:
        if self.normalise != "auto":
            return self.normalise
        means = np.stack([one.mean(0, dtype=np.float64) for one in frames])
        return "training" if share_explained(means, self._targets(training)) > MUCH else "both"

    def _network(self) -> PooledNetwork:
        return PooledNetwork(
            self.cell_,
            self.hearing_.width,
            self.hidden_size,
            len(self.classes_),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling=tuple(self.pooling),
            dropout=self.dropout,
            halvings=self.halvings,
            shortcut=self.shortcut,
            engine=self.engine,
            encoder=self.encoder,
        )

    def _learning(self, training: Recordings, held_out: Recordings, launch: Launch) -> Learning:
        targets, held_out_targets, device = self._targets(training), self._targets(held_out), torch.device(self.device)
        weighed = Weighed(len(training), row_weights(self._class_weights, targets, None))
        held_out_weights, hear = row_weights(self._class_weights, held_out_targets, None), self._changing(training)

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = padded(hear, mine, targets).to(device)
            assert batch.targets is not None  # they were given
            losses = nn.functional.cross_entropy(network(batch), batch.targets, label_smoothing=self.label_smoothing, reduction="none")
            return Loss(weighed.mean(losses, mine), count)

        def validate(network: nn.Module) -> dict[str, float]:
            return validation_of_classes(log_softmax(self._logits(held_out)), held_out_targets, None, held_out_weights)

        return Learning(self._passes(training, weighed.rows), loss, validate, lambda indices: batch_in_words(training.ids, indices, "recordings"), grain_of_classes(self.select_by, len(held_out)))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, [N, K] float64, in the order of `classes_`.

        Args:
            x: as for `fit`; arrays are of the model's rate.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            return softmax(self._logits(self._read(x)))

    def predict_log_proba(self, x: Any) -> np.ndarray:
        """The natural logarithm of `predict_proba`, [N, K] float64. Arguments and errors as there."""
        self.require_fit("predict_log_proba")
        with self._calling("predict_log_proba"):
            return log_softmax(self._logits(self._read(x)))

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each recording, [N]. Arguments and errors as `predict_proba`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._read(x)), dtype=self.classes_.dtype)

    def score(self, x: Any, y: Any = None) -> float:
        """The share of recordings whose class is predicted, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y)
            targets = self._targets(data)
            return float(np.mean(self._logits(data).argmax(1) == targets))

    def answered(self, data: Recordings) -> Recordings:
        """The recordings, labelled by this model where they have no labels."""
        return data if data.labels is not None else Recordings.of(data, np.array(self._answers(data), dtype=self.classes_.dtype))

    def outside(self) -> dict[str, str]:
        """Features, and the names of the classes."""
        return {**super().outside(), "answer": "the class of a row is the one of the largest logit: `classes` of the tables, in order"}

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Recordings, name: str) -> Measured:
        targets, names, watch = self._targets(data), self._names, Watch()
        probabilities = softmax(self._logits(data))
        speed = prediction_speed(watch, sequences=len(data), steps=int(self._lengths(data).sum()), rows=max(self.options_["batch_size"], 64))
        shown = examples(data, name, self.hearing_, names, targets, probabilities)
        return Measured(classification_result(probabilities, targets, names, data.ids, None), {"examples": shown}, speed)

    def _describe(self, data: Recordings) -> dict[str, Any]:
        return {**super()._describe(data), "class_counts": {str(label): count for label, count in data.class_counts.items()}}

    def _about(self, training: Recordings, outcome: Outcome) -> dict[str, Any]:
        return {
            "title": f"{type(self.cell_).__name__} classifier of recordings, {len(self.classes_)} classes",
            "classes": self._names,
            "model": {"pooling": list(self.options_["pooling"])},
        }

    def _weights(self, data: Recordings) -> None:
        return None
