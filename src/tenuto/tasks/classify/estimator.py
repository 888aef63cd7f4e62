"""`SequenceClassifier`: whole-sequence classification with a recurrent network, in the manner of scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.data import Sequences, collate, stratified_split
from tenuto.data.labels import Labels
from tenuto.data.split import random_split
from tenuto.networks.pooled import PooledNetwork
from tenuto.scores.classification import classification_result, log_softmax, softmax
from tenuto.tasks.channel_estimator import ChannelEstimator
from tenuto.tasks.classify.evaluation import describe_channels, examples
from tenuto.tasks.classify.options import ClassifyOptions
from tenuto.tasks.classify.steps import classifier_steps
from tenuto.tasks.classifying import Classifying
from tenuto.tasks.estimator import batch_in_words
from tenuto.tasks.evaluation import Measured, Watch, describe_set, grain_of_classes, prediction_speed, validation_of_classes
from tenuto.tasks.stepped import StepModel
from tenuto.tasks.weighing import Weighed, check_class_weight, row_weights, weights_of_classes
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning


class SequenceClassifier(ClassifyOptions, Classifying, ChannelEstimator):
    """A recurrent classifier of whole sequences, which may have different lengths and many channels.

    Standardises the channels, trains with AdamW on length-bucketed batches, keeps the weights of the epoch with the highest validation
    accuracy, and saves itself as a folder of plain files. Fitting leaves torch's own random generator as it was.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        classes_: [K], sorted. seed_: the seed used. network_: the torch module. standardiser_: of the input.
        metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Example:
        >>> x = [np.full((3 + i % 4, 1), float(i % 2)) for i in range(20)]
        >>> model = SequenceClassifier("gru", hidden_size=4, epochs=30).fit(x, ["low", "high"] * 10)
        >>> model.predict([np.zeros((5, 1)), np.ones((2, 1))]).tolist()
        ['low', 'high']
    """

    task = "classify"
    former_names = {"recurrent": "encoder", "head": "head.linear"}
    former_options = {"halvings": 0, "shortcut": False, "calibrated": False}


    # --- fitting -------------------------------------------------------------------------------------------------------

    def _read(self, x: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> Sequences:
        return Sequences.from_arrays(x, y, lengths=lengths, weights=sample_weight, layout=self.layout)

    def _divide(self, data: Sequences) -> tuple[Sequences, Sequences]:
        self._require_classes(data)
        return stratified_split(data, self.validation_fraction, seed=self.seed_)

    def _divide_by_chance(self, data: Sequences) -> tuple[Sequences, Sequences]:
        return random_split(data, self.validation_fraction, seed=self.seed_)

    def _ready(self, training: Sequences, held_out: Sequences) -> None:
        self._targets(held_out)  # a label that training never saw is an error now
        self._class_weights = weights_of_classes(self.class_weight, Labels(self.classes_), self._targets(training), training.weights)
        self.standardiser_.arranged(held_out)

    def check_options(self) -> None:
        super().check_options()
        check_class_weight(self.class_weight)

    def _outputs(self) -> int:
        return len(self.classes_)

    def _learning(self, training: Sequences, held_out: Sequences, launch: Launch) -> Learning:
        training = self.standardiser_.arranged(training)
        targets, held_out_targets, device = self._targets(training), self._targets(held_out), torch.device(self.device)
        weighed = Weighed(len(training), row_weights(self._class_weights, targets, training.weights))
        held_out_weights = row_weights(self._class_weights, held_out_targets, held_out.weights)

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = collate(training, mine, prepare=self.standardiser_.apply, targets=targets).to(device)
            assert batch.targets is not None  # collate was given targets
            losses = nn.functional.cross_entropy(network(batch), batch.targets, label_smoothing=self.label_smoothing, reduction="none")
            return Loss(weighed.mean(losses, mine), count)

        def validate(network: nn.Module) -> dict[str, float]:
            return validation_of_classes(log_softmax(self._raw(held_out)), held_out_targets, held_out.weights, held_out_weights)

        return Learning(self._passes(training, weighed.rows), loss, validate, lambda indices: batch_in_words(training.ids, indices, "sequences"), grain_of_classes(self.select_by, len(held_out)))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The probability of each class, [N, K] float64, in the order of `classes_`.

        Except for rounding, a sequence's numbers do not depend on the others in `x`.

        Args:
            x, lengths: as for `fit`.
        Raises:
            NotFittedError; ShapeError: another number of channels than in training; DataError: as `fit`.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            return softmax(self._raw(self._read(x, lengths=lengths)))

    def predict_log_proba(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The natural logarithm of `predict_proba`, [N, K] float64, finite also where a probability is too small for a number. Arguments and errors as there."""
        self.require_fit("predict_log_proba")
        with self._calling("predict_log_proba"):
            return log_softmax(self._raw(self._read(x, lengths=lengths)))

    def predict(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The most probable class of each sequence, [N]. Arguments and errors as `predict_proba`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._read(x, lengths=lengths)), dtype=self.classes_.dtype)

    def score(self, x: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> float:
        """The share of sequences whose class is predicted, each by its weight: accuracy, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y, lengths, sample_weight)
            targets = self._targets(data)
            return float(np.average(self._raw(data).argmax(1) == targets, weights=data.weights))

    def evaluate(self, x: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Accuracy with its interval, loss, confusion, per-class table and mistakes: the RESULT of `tenuto.runs.schema`. `save` writes it into
        evaluation.json, as the model's test set.

        Args:
            x, y, lengths: as for `fit`. sample_weight: [N] numbers, 0 or more; shares and means then go by weight, and counts count rows.

        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            data = self._read(x, y, lengths, sample_weight)
        return super().evaluate(data)

    def answered(self, data: Sequences) -> Sequences:
        """The sequences, labelled by this model where they have no labels."""
        return data if data.labels is not None else data.labelled(np.array(self._answers(data), dtype=self.classes_.dtype))

    def _steps(self) -> StepModel:
        """As `tenuto.tasks.stepped.Stepped.steps`."""
        network = self.network_
        assert isinstance(network, PooledNetwork)
        return classifier_steps(network.eval(), self.standardiser_, self._names, self.predict_proba)

    def outside(self) -> dict[str, str]:
        """The names of the classes, and what becomes of missing values."""
        return {"answer": "the class of a row is the one of the largest logit: `classes` of the tables, in order", **super().outside()}

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Sequences, name: str) -> Measured:
        data = self.standardiser_.arranged(data)
        targets, names = self._targets(data), self._names
        watch = Watch()
        probabilities = softmax(self._raw(data))
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=max(self.options_["batch_size"], 64))
        result = classification_result(probabilities, targets, names, data.ids, data.weights)
        directions = int(self.network_.encoder.directions)  # type: ignore[arg-type]
        return Measured(result, {"examples": examples(data, name, names, targets, probabilities, self.hidden_states, directions)}, speed)

    def _describe(self, data: Sequences) -> dict[str, Any]:
        counts = {str(label): count for label, count in data.class_counts.items()}
        return describe_set(data, data.lengths, class_counts=counts, missing_values=data.missing_values)

    def _about(self, training: Sequences, outcome: Outcome) -> dict[str, Any]:
        return {
            "title": f"{type(self.cell_).__name__} classifier, {len(self.classes_)} classes, {len(training.channels)} channels",
            "classes": self._names,
            "channels": describe_channels(self.standardiser_),
            "model": {"pooling": list(self.options_["pooling"])},
        }

    def _logits(self, data: Sequences) -> np.ndarray:
        return self._raw(self.standardiser_.arranged(data))

    def _require_scorable(self, data: Sequences) -> None:
        super()._require_scorable(self.standardiser_.arranged(data))
