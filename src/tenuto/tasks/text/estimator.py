"""`TextClassifier`: which class a text belongs to, from raw text or from tokens.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.labels import Labels
from tenuto.data.sentences.batches import CodedSentences, TokenBatch
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.words import LETTERS, RULE
from tenuto.data.split import random_split, stratified_split
from tenuto.networks.pooling import check_pooling
from tenuto.scores.classification import classification_result, log_softmax, softmax
from tenuto.tasks.classifying import Classifying
from tenuto.tasks.evaluation import Measured, Watch, grain_of_classes, prediction_speed, validation_of_classes
from tenuto.tasks.option import options_of
from tenuto.tasks.stepped import Linear, PooledClasses, StepModel
from tenuto.tasks.text.evaluation import chosen_examples, examples, shares_of_maxima
from tenuto.tasks.text.exported import ExportedText
from tenuto.tasks.text.network import TextClassifierNetwork
from tenuto.tasks.text.options import KEEP, TextOptions
from tenuto.tasks.token_estimator import TokenEstimator
from tenuto.tasks.token_steps import steps_over_tokens
from tenuto.tasks.weighing import check_class_weight, row_weights, weights_of_classes
from tenuto.train import Checkpoint, Launch, Observer, Outcome
from tenuto.train.course import Learning

UNITS = ("auto", "words", "letters")
USUAL_NGRAM = 3  # letters in a row that have a vector of their own
NOTHING = "\U00010428"  # a small letter of an alphabet that hardly any text is written in: unknown as a word and as a letter, like what `nothing` reads
MOST_WORDS = 2  # of a text that is read letter by letter


class TextClassifier(TextOptions, Classifying, ExportedText, TokenEstimator):
    """Classifies texts of any length: topics, opinions, intents.

    Raw text is cut into words and punctuation marks (`tenuto.data.tokenise`), or into letters where most texts are one word or two; token lists are taken as they are. Words (or letters, with pairs and triples of them), their characters
    and their case are read by a recurrent layer in both directions, whose outputs are pooled over time. Trains with AdamW on batches of
    similar lengths, keeps the best weights, and saves itself as a folder of plain files. Fitting leaves torch's own random generator as it
    was. A word that training did not have is read from its characters and its case.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        classes_: [K], sorted. coder_: what words and characters are known. network_, cell_, seed_, metrics_, evaluation_: see `tenuto.tasks.estimator.Estimator`.
    Example:
        >>> x = ["a fine film", "so very fine", "what a bore", "a long bore of a film"] * 4
        >>> model = TextClassifier("gru", hidden_size=8, word_size=8, epochs=20, batch_size=4).fit(x, ["good", "good", "bad", "bad"] * 4)
        >>> model.predict(["fine, fine!"]).tolist()
        ['good']
    """

    task = "classify-text"
    former_names = {"embedding": "front", "recurrent": "encoder", "head": "head.linear"}
    former_options = {"calibrated": False}
    answer_unit = choice_unit = "text"


    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        validation: Sentences | tuple[Any, ...] | None = None,
        test: Sentences | tuple[Any, ...] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> TextClassifier:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: N raw texts, or N token lists, or `tenuto.data.sentences.Sentences`. Of a longer text than `max_tokens` the tokens that `keep` names are read.
            y: [N] labels: text, integers, floats or booleans. Not needed with Sentences that have labels.
            sample_weight: [N] numbers, 0 or more: how much each text counts, in the loss and in the validation part. 2 is as if it was there twice, 0 as if it was
                not there; only proportions matter. The counts of words are of texts as they stand. Default: all alike.
            validation: Sentences, or (x, y), or (x, y, sample_weight), to choose the best weights by. Default: `validation_fraction` of the data, class by class.
            test, observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        Raises:
            ShapeError, DataError: the data cannot be used as it is; the message names the text.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            data = self._read(x, y, sample_weight)
        return super().fit(data, validation=validation, test=test, observers=observers, checkpoint=checkpoint, launch=launch)

    def _read(self, x: Any, y: Any = None, sample_weight: Any = None) -> Sentences:
        return self._cut(Sentences.of(x, None, y, sample_weight))

    def _asked(self, x: Any) -> Sentences:
        return self._shortened(self._read(x))

    def _test(self, data: Sentences, measured: Measured | None = None) -> dict[str, Any]:
        return super()._test(self._shortened(data), measured)

    def _shortened(self, data: Sentences) -> Sentences:
        """The texts, of long ones as many tokens as `max_tokens` and `keep` say; how many were cut is a warning."""
        require("keep", self.keep, KEEP)
        self.max_tokens = next(known for known in options_of(type(self)) if known.name == "max_tokens").settled(self.max_tokens)
        if self.max_tokens is None:
            return data
        longer, part = int((data.lengths > self.max_tokens).sum()), data.shortened(self.max_tokens, self.keep)
        if longer:
            where = {"beginning": "the first", "end": "the last", "both": "half from each end, in all"}[self.keep]
            texts = f"1 text of {len(data)} has" if longer == 1 else f"{longer} of {len(data)} texts have"
            warnings.warn(f"{texts} more than {self.max_tokens} tokens (the longest {data.lengths.max()}); of these {where} {self.max_tokens} are read.", UserWarning, stacklevel=4)
        return part

    def _rule(self, data: Sentences) -> int:
        short = float(np.median([len(text.split()) for text in data.texts if text is not None] or [MOST_WORDS + 1])) <= MOST_WORDS
        return LETTERS if self.units == "letters" or (self.units == "auto" and short) else RULE

    def _settled(self, training: Sentences) -> dict[str, Any]:
        return {"ngrams": self.ngrams or (USUAL_NGRAM if training.rule == LETTERS else 1)} | super()._settled(training)

    def _longest_ngram(self) -> int:
        return int(self.options_["ngrams"])

    def _divide(self, data: Sentences) -> tuple[Sentences, Sentences]:
        self._require_classes(data)
        return stratified_split(data, self.validation_fraction, seed=self.seed_)

    def _divide_by_chance(self, data: Sentences) -> tuple[Sentences, Sentences]:
        return random_split(data, self.validation_fraction, seed=self.seed_)

    def _ready(self, training: Sentences, held_out: Sentences) -> None:
        self._targets(held_out)  # a label that training never saw is an error now
        self._class_weights = weights_of_classes(self.class_weight, Labels(self.classes_), self._targets(training), training.weights)

    def check_options(self) -> None:
        super().check_options()
        check_pooling(self.pooling)
        require("units", self.units, UNITS)
        require("keep", self.keep, KEEP)
        check_class_weight(self.class_weight)

    def _network(self) -> TextClassifierNetwork:
        return TextClassifierNetwork(
            *self._front_and_encoder(),
            classes=len(self.classes_),
            pooling=tuple(self.pooling),
            dropout=self.dropout,
        )

    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: np.ndarray) -> Tensor:
        truth = torch.from_numpy(targets[batch.indices]).to(self.device)
        return nn.functional.cross_entropy(network(batch), truth, reduction="none", label_smoothing=self.label_smoothing)

    def _learning(self, training: Sentences, held_out: Sentences, launch: Launch) -> Learning:
        return super()._learning(training, held_out, launch)._replace(grain=grain_of_classes(self.select_by, len(held_out)))

    def _row_weights(self, data: Sentences, targets: np.ndarray) -> np.ndarray | None:
        return row_weights(self._class_weights, targets, data.weights)

    def _numbers(self, data: Sentences) -> dict[str, float]:
        targets = self._targets(data)
        return validation_of_classes(log_softmax(self._logits(data)), targets, data.weights, self._row_weights(data, targets))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, [N, K] float64, in the order of `classes_`.

        Args:
            x: N raw texts, or N token lists, or `Sentences`.
        Raises:
            NotFittedError; DataError: as `fit`, also for a text without a word or punctuation mark.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            return softmax(self._logits(self._asked(x)))

    def predict_log_proba(self, x: Any) -> np.ndarray:
        """The natural logarithm of `predict_proba`, [N, K] float64, finite also where a probability is too small for a number. Arguments and errors as there."""
        self.require_fit("predict_log_proba")
        with self._calling("predict_log_proba"):
            return log_softmax(self._logits(self._asked(x)))

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each text, [N]. Arguments and errors as `predict_proba`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._asked(x)), dtype=self.classes_.dtype)

    def score(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> float:
        """The share of texts whose class is predicted, each by its weight: accuracy, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._shortened(self._read(x, y, sample_weight))
            targets = self._targets(data)
            return float(np.average(self._logits(data).argmax(1) == targets, weights=data.weights))

    def evaluate(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> dict[str, Any]:
        """Accuracy with its interval, loss, confusion, per-class table and mistakes: the RESULT of `tenuto.runs.schema`. `save` writes it, as the model's test set.

        Args:
            x, y: as for `fit`. sample_weight: [N] numbers, 0 or more; shares and means then go by weight, and counts count rows.
        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            data = self._read(x, y, sample_weight)
        return super().evaluate(data)

    def answers_to(self, words: Sequence[Sequence[str | None]]) -> list[Any]:
        """The class of each sequence of tokens; that of none is the class of a word that is not known."""
        tokens = [[NOTHING if token is None else token for token in row] or [NOTHING] for row in words]
        found: list[Any] = np.array(self._answers(self._shortened(Sentences(tokens, rule=self.coder_.rule))), dtype=self.classes_.dtype).tolist()
        return found

    def as_set(self, data: Any) -> Sentences:
        """As `Taught.as_set`; of long texts, what is read of them."""
        return self._shortened(self._given(data))

    def answered(self, data: Sentences) -> Sentences:
        """The texts, labelled by this model where they have no labels."""
        if data.labels is not None:
            return data
        return Sentences.of(data, None, np.array(self._answers(self._shortened(data)), dtype=self.classes_.dtype))

    def _steps(self) -> StepModel:
        """As `tenuto.tasks.stepped.Stepped.steps`."""
        head: Any = self.network_.head
        classes = PooledClasses(tuple(self._names), head.pooling, Linear.of(head.linear))
        return steps_over_tokens(self, classes, lambda batch: torch.softmax(self.forward(batch), -1), {})

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Sentences, name: str) -> Measured:
        targets, watch = self._targets(data), Watch()
        probabilities = softmax(self._logits(data))
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=max(self.options_["batch_size"], 64))
        chosen = chosen_examples(data.lengths, targets, probabilities)
        weights = shares_of_maxima(self.hidden_states(data.select(chosen)), pooled="max" in self.options_["pooling"]) if chosen else []
        shown = examples(data, name, self._names, chosen, targets, probabilities, weights)
        return Measured(classification_result(probabilities, targets, self._names, data.ids, data.weights, text=data.text), {"examples": shown}, speed)

    def _about(self, training: Sentences, outcome: Outcome) -> dict[str, Any]:
        return {
            **super()._about(training, outcome),
            "title": f"{type(self.cell_).__name__} text classifier, {len(self.classes_)} classes",
            "classes": self._names,
            "model": {"pooling": list(self.pooling)},
        }
