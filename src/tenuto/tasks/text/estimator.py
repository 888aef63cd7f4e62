"""`TextClassifier`: which class a text belongs to, from raw text or from tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.labels import Labels
from tenuto.data.sentences.batches import CodedSentences, TokenBatch
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.words import LETTERS, RULE
from tenuto.data.split import stratified_split
from tenuto.errors import DataError
from tenuto.networks.pooling import check_pooling
from tenuto.scores.classification import classification_result, softmax
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.text.evaluation import chosen_examples, examples, shares_of_maxima
from tenuto.tasks.text.network import TextClassifierNetwork
from tenuto.tasks.text.options import TextOptions
from tenuto.tasks.token_estimator import TokenEstimator
from tenuto.tongues import either
from tenuto.train import Outcome

UNITS = ("auto", "words", "letters")
MOST_WORDS = 2  # of a text that is read letter by letter


class TextClassifier(TextOptions, TokenEstimator):
    """Classifies texts of any length: topics, opinions, intents.

    Raw text is cut into words and punctuation marks (`tenuto.data.tokenise`), or into letters where most texts are one word or two; token lists are taken as they are. Words, their characters
    and their case are read by a recurrent layer in both directions, whose outputs are pooled over time. Trains with AdamW on batches of
    similar lengths, keeps the best weights, and saves itself as a folder of plain files. Fitting leaves torch's own random generator as it
    was. A word that training did not have is read from its characters and its case.

    `fit` takes N raw texts, or N token lists, or `tenuto.data.sentences.Sentences`, and their labels [N]: text, integers, floats or booleans.

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
    _estimator_type = "classifier"


    # --- fitting -------------------------------------------------------------------------------------------------------

    def _read(self, x: Any, y: Any = None) -> Sentences:
        return self._cut(Sentences.of(x, None, y))

    def _rule(self, data: Sentences) -> int:
        short = float(np.median([len(text.split()) for text in data.texts if text is not None] or [MOST_WORDS + 1])) <= MOST_WORDS
        return LETTERS if self.units == "letters" or (self.units == "auto" and short) else RULE

    def _divide(self, data: Sentences) -> tuple[Sentences, Sentences]:
        self._require_classes(data)
        return stratified_split(data, self.validation_fraction, seed=self.seed_)

    def _prepare(self, training: Sentences, held_out: Sentences) -> None:
        self._require_classes(training)
        self.classes_ = Labels.learn(training.labels).classes  # type: ignore[arg-type]  # has labels
        self._targets(held_out)  # a label that training never saw is an error now
        super()._prepare(training, held_out)

    def _require_scorable(self, data: Sentences) -> None:
        self._targets(data)
        super()._require_scorable(data)

    def check_options(self) -> None:
        super().check_options()
        check_pooling(self.pooling)
        require("units", self.units, UNITS)

    def _network(self) -> TextClassifierNetwork:
        return TextClassifierNetwork(
            *self._front_and_encoder(),
            classes=len(self.classes_),
            pooling=tuple(self.pooling),
            dropout=self.dropout,
        )

    def _targets(self, data: Sentences) -> np.ndarray:
        """[N] int64 positions of the labels in `classes_`; a label that is not there is an error."""
        known = Labels(self.classes_)
        return known.positions(known.alike(data.labels), ids=data.ids, noun="text")

    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: np.ndarray) -> Tensor:
        truth = torch.from_numpy(targets[batch.indices]).to(self.device)
        return nn.functional.cross_entropy(network(batch), truth, reduction="none", label_smoothing=self.label_smoothing)

    def _numbers(self, data: Sentences) -> dict[str, float]:
        result = self._result(data, softmax(self._logits(data)))
        return {"validation_loss": result["loss"], "validation_accuracy": result["accuracy"]}

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
            return softmax(self._logits(self._read(x)))

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each text, [N]. Arguments and errors as `predict_proba`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._read(x)), dtype=self.classes_.dtype)

    def score(self, x: Any, y: Any = None) -> float:
        """The share of texts whose class is predicted: accuracy, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y)
            targets = self._targets(data)
            return float((self._logits(data).argmax(1) == targets).mean())

    def answer(self, tensors: Tensor) -> np.ndarray:
        """The class with the largest logit of each row of logits [B, K]: [B]."""
        return self.classes_[tensors.argmax(1).cpu().numpy()]

    def _logits(self, data: Sentences) -> np.ndarray:
        """[N, K] float32, in the order of the data."""
        logits = np.empty((len(data), len(self.classes_)), dtype=np.float32)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                logits[indices] = self.forward(batch).cpu().numpy()
        return logits

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _result(self, data: Sentences, probabilities: np.ndarray) -> dict[str, Any]:
        return classification_result(probabilities, self._targets(data), self._names, data.ids, text=data.text)

    def _measure(self, data: Sentences, name: str) -> Measured:
        targets, watch = self._targets(data), Watch()
        probabilities = softmax(self._logits(data))
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=max(self.options_["batch_size"], 64))
        chosen = chosen_examples(data.lengths, targets, probabilities)
        weights = shares_of_maxima(self.hidden_states(data.select(chosen)), pooled="max" in self.options_["pooling"]) if chosen else []
        shown = examples(data, name, self._names, chosen, targets, probabilities, weights)
        return Measured(self._result(data, probabilities), {"examples": shown}, speed)

    def _about(self, training: Sentences, outcome: Outcome) -> dict[str, Any]:
        return {
            **super()._about(training, outcome),
            "title": f"{type(self.cell_).__name__} text classifier, {len(self.classes_)} classes",
            "classes": self._names,
            "model": {"pooling": list(self.pooling)},
        }

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "classes": self.classes_.tolist(), "class_kind": type(self.classes_.tolist()[0]).__name__}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.classes_ = np.array(kept["classes"])

    # --- inside --------------------------------------------------------------------------------------------------------

    @property
    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_.tolist()]

    @staticmethod
    def _require_classes(data: Sentences) -> None:
        if data.labels is None:
            raise DataError("the texts have no labels.", expected="a label for each text", fix=either("give y, or Sentences with labels", "say which column has them: --label-column NAME"))
        if len(data.class_counts) < 2:
            raise DataError("all texts have the same label.", expected="two classes or more", received=repr(next(iter(data.class_counts))))
