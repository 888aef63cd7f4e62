"""`TextClassifier`: which class a text belongs to, from raw text or from tokens.

Its constructor has more than seven arguments, against the house's habit: scikit-learn's `clone` and grid search ask for a flat list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.sentences.batches import CodedSentences, TokenBatch
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.split import stratified_split
from tenuto.errors import DataError, TenutoError
from tenuto.scores.classification import classification_result, softmax
from tenuto.tasks.text.network import TextClassifierNetwork
from tenuto.tasks.token_estimator import Course, TextEstimator
from tenuto.tasks.token_evaluation import describe_text_training, with_test
from tenuto.train import Checkpoint, Launch, Observer, Outcome, current_launch, seed_of

EXAMPLES_SHOWN, TOKENS_SHOWN = 4, 120


class TextClassifier(TextEstimator):
    """Classifies texts of unequal lengths: topics, opinions, intents.

    Raw text is cut into words and marks (`tenuto.data.tokenise`); token lists are taken as they are. Words, their characters and their
    case are read by a recurrent layer in both directions, its outputs pooled over time. Trains with AdamW on batches of like lengths, keeps
    the weights of the best epoch, and saves itself as a folder of plain files. Fitting leaves torch's own
    random generator as it was. A word that training did not have is read by its characters and its case.

    Args:
        cell: a name ("lstm", "gru", "rnn", ...) or any `Cell`, your own too; of the characters' layer as well.
        hidden_size, num_layers, bidirectional: of the layer over tokens.
        pooling: what the head sees of the outputs over time: any of "mean", "max", "last".
        word_size: the width of a word's vector; 0 for none. lowercase: look words up in lower case.
        min_count: words seen less often in training are unknown.
        character_encoder: "recurrent", "convolution" or "none"; character_size, character_hidden_size: of it, each direction.
        character_limit: of longer words the two ends are read.
        case_size: the width of the vector of how a word is written; 0 for none.
        vectors: a text file of pretrained word vectors (word2vec, GloVe) from which words start; `word_size` wide.
        dropout: on vectors of tokens, between layers, before the head. recurrent_dropout: on the state, one mask a text.
        word_dropout: a word seen n times is read as unknown with probability word_dropout / (n + word_dropout) in training.
        label_smoothing: share of the target spread over all classes in training.
        epochs, learning_rate, weight_decay, clip_norm, schedule, select_by, patience, time_limit_s: see `tenuto.train.TrainingOptions`.
        batch_size: texts a step.
        validation_fraction: of each class, held out when `fit` is given no validation set.
        engine: who runs the time loop, see `tenuto.Recurrent`.
        device: where, for example "cpu" or "cuda".
        random_state: seed of the split, the weights, the batches and the dropout; None draws one (kept as `seed_`).
    Attributes (after fit):
        classes_: [K], sorted. coder_, network_, cell_, seed_, metrics_, evaluation_: see `tenuto.tasks.token_estimator.TextEstimator`.
    Example:
        >>> x = ["a fine film", "so very fine", "what a bore", "a long bore of a film"] * 4
        >>> model = TextClassifier("gru", hidden_size=8, word_size=8, epochs=20, batch_size=4).fit(x, ["good", "good", "bad", "bad"] * 4)
        >>> model.predict(["fine, fine!"]).tolist()
        ['good']
    """

    task = "classify-text"
    _estimator_type = "classifier"

    def __init__(
        self,
        cell: str | Cell = "lstm",
        *,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = ("mean", "max", "last"),
        word_size: int = 100,
        character_encoder: str = "recurrent",
        character_size: int = 25,
        character_hidden_size: int = 32,
        character_limit: int = 24,
        case_size: int = 8,
        lowercase: bool = True,
        min_count: int = 1,
        vectors: str | None = None,
        dropout: float = 0.5,
        recurrent_dropout: float = 0.0,
        word_dropout: float = 0.25,
        label_smoothing: float = 0.0,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        clip_norm: float | None = 5.0,
        schedule: str = "cosine",
        select_by: str = "validation_loss",
        patience: int | None = None,
        time_limit_s: float | None = None,
        validation_fraction: float = 0.1,
        engine: str = "auto",
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers, self.bidirectional = cell, hidden_size, num_layers, bidirectional
        self.word_size, self.lowercase, self.min_count, self.vectors, self.case_size = word_size, lowercase, min_count, vectors, case_size
        self.character_encoder, self.character_size = character_encoder, character_size
        self.character_hidden_size, self.character_limit, self.pooling = character_hidden_size, character_limit, pooling
        self.dropout, self.recurrent_dropout, self.word_dropout = dropout, recurrent_dropout, word_dropout
        self.label_smoothing, self.epochs, self.batch_size, self.learning_rate = label_smoothing, epochs, batch_size, learning_rate
        self.weight_decay, self.clip_norm, self.schedule, self.patience = weight_decay, clip_norm, schedule, patience
        self.select_by = select_by
        self.time_limit_s, self.validation_fraction = time_limit_s, validation_fraction
        self.engine, self.device, self.random_state = engine, device, random_state

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        validation: Sentences | tuple[Any, Any] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> TextClassifier:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: N raw texts, or N token lists, or `Sentences`.
            y: [N] labels: text, integers, floats or booleans. Not needed with Sentences that have labels.
            validation: Sentences, or (x, y), to stop by. Default: `validation_fraction` of the data, by class.
            observers: told of every step and epoch, for progress bars and log files.
            checkpoint: a folder in which the run is kept, so that it can be taken up at any moment (`tenuto.train.Checkpoint`).
            launch: where to run. Default: in the processes that this program was started in (`tenuto.train.current_launch`).
        Raises:
            DataError: the data cannot be used as it is; the message names the text.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        try:
            where = launch or current_launch(self.device)
            data, seed = self._labelled(x, y), seed_of(where, self.random_state)
            if len(data.class_counts) < 2:
                raise DataError(
                    "all texts have the same label.", expected="two classes or more", received=repr(next(iter(data.class_counts)))
                )
            if validation is None:
                training, held_out = stratified_split(data, self.validation_fraction, seed=seed)
            else:
                training, held_out = data, self._labelled(*(validation if isinstance(validation, tuple) else (validation, None)))
            self._fit_on(training, held_out, seed, Course(tuple(observers), checkpoint, where))
        except TenutoError as error:
            raise error.within("TextClassifier.fit") from error.__cause__
        return self

    def _learn_targets(self, training: Sentences) -> None:
        self.classes_ = np.array(list(training.class_counts))

    def _network(self) -> TextClassifierNetwork:
        return TextClassifierNetwork(
            self._embedding(),
            self.cell_,
            self.hidden_size,
            classes=len(self.classes_),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling=tuple(self.pooling),
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            engine=self.engine,
        )

    def _targets(self, data: Sentences, coded: CodedSentences | None = None) -> np.ndarray:
        """[N] int64 positions of the labels in `classes_`; a label that is not there is an error."""
        assert data.labels is not None
        positions = {label: index for index, label in enumerate(self.classes_.tolist())}
        for index, label in enumerate(data.labels.tolist()):
            if label not in positions:
                raise DataError(
                    f"text {data.ids[index]!r} has the label {label!r}, which training never saw.",
                    expected=", ".join(repr(known) for known in list(positions)[:12]) + (", ..." if len(positions) > 12 else ""),
                    received=f"{label!r} ({type(label).__name__})",
                    fix="leave those texts out, mend the label, or train with texts of that class",
                )
        return np.array([positions[label] for label in data.labels.tolist()], dtype=np.int64)

    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: np.ndarray) -> Tensor:
        truth = torch.from_numpy(targets[batch.indices]).to(self.device)
        return nn.functional.cross_entropy(network(batch), truth, reduction="none", label_smoothing=self.label_smoothing)

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, [N, K] float64, in the order of `classes_`.

        Args:
            x: as for `fit`.
        Raises:
            NotFittedError; DataError: as `fit`, a text without a single word or mark among them.
        """
        self.require_fit("predict")
        try:
            return softmax(self._logits(Sentences.of(x), self.network_))
        except TenutoError as error:
            raise error.within("TextClassifier.predict") from error.__cause__

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each text, [N]. Arguments and errors as `predict_proba`."""
        probabilities = self.predict_proba(x)
        return self.classes_[probabilities.argmax(1)]

    def score(self, x: Any, y: Any = None) -> float:
        """The share of texts whose class is predicted: accuracy, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        try:
            data = self._labelled(x, y)
            return float((self._logits(data, self.network_).argmax(1) == self._targets(data)).mean())
        except TenutoError as error:
            raise error.within("TextClassifier.score") from error.__cause__

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """The RESULT of `tenuto.runs.folder`, as test set of this model, so that `save` writes it into evaluation.json.

        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        try:
            data = self._labelled(x, y)
            result, seconds = self._timed_result(data)
        except TenutoError as error:
            raise error.within("TextClassifier.evaluate") from error.__cause__
        self.evaluation_ = {**with_test(self, data, result, seconds), "examples": self._examples(data, "test")}
        return result

    # --- as files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Sentences | tuple[Any, Any] | None = None, overwrite: bool = False) -> Path:
        """Write the run folder (`tenuto.runs.folder`): weights, config, metrics, evaluation; whole or not at all.

        Args:
            folder: new or empty; a folder with anything else in it is refused.
            test: evaluated first, and kept in evaluation.json.
            overwrite: replace a run that is there.
        Raises:
            NotFittedError; RunError: the folder is not free.
        """
        self.require_fit("save")
        self._claim(folder, overwrite=overwrite)
        if test is not None:
            self.evaluate(*(test if isinstance(test, tuple) else (test,)))
        return self._save(folder, overwrite=overwrite)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    # --- inside --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _labelled(x: Any, y: Any) -> Sentences:
        data = Sentences.of(x, None, y)
        if data.labels is None:
            raise DataError("the texts have no labels.", expected="y [N]", fix="give y, or Sentences with labels")
        return data

    def _logits(self, data: Sentences, network: nn.Module) -> np.ndarray:
        """[N, K] float32, in the order of the data."""
        logits = np.empty((len(data), len(self.classes_)), dtype=np.float32)
        with torch.no_grad():
            for batch, _ in self._batches(data):
                logits[batch.indices] = network(batch).cpu().numpy()
        return logits

    def _result(self, data: Sentences, network: nn.Module) -> dict[str, Any]:
        names = [str(label) for label in self.classes_.tolist()]
        return classification_result(softmax(self._logits(data, network)), self._targets(data), names, data.ids)

    def _validation_numbers(self, result: Mapping[str, Any]) -> dict[str, float]:
        return {"validation_loss": result["loss"], "validation_accuracy": result["accuracy"]}

    def _describe(self, training: Sentences, held_out: Sentences, result: Mapping[str, Any], outcome: Outcome, seconds: float) -> dict[str, Any]:
        common = describe_text_training(self, training, held_out, result, outcome, seconds)
        return {
            **common,
            "title": f"{type(self.cell_).__name__} text classifier, {len(self.classes_)} classes",
            "classes": [str(label) for label in self.classes_.tolist()],
            "model": {**common["model"], "pooling": list(self.pooling)},
            "examples": self._examples(held_out, "validation"),
        }

    def _examples(self, data: Sentences, name: str) -> list[dict[str, Any]]:
        """At most four texts: the surest mistake first, then right ones, each of another class; short ones where there are any."""
        targets, probabilities = self._targets(data), softmax(self._logits(data, self.network_))
        predicted, certainty = probabilities.argmax(1), probabilities.max(1)
        short = data.lengths <= TOKENS_SHOWN
        wrong = np.flatnonzero((predicted != targets) & short)
        chosen = [int(wrong[np.argmax(certainty[wrong])])] if wrong.size else []
        for target in range(len(self.classes_)):
            right = np.flatnonzero((targets == target) & (predicted == target) & short)
            if right.size and len(chosen) < EXAMPLES_SHOWN and target not in targets[chosen]:
                chosen.append(int(right[len(right) // 2]))
        names = [str(label) for label in self.classes_.tolist()]
        return [
            {
                "id": data.ids[index],
                "set": name,
                "label": names[targets[index]],
                "predicted": names[predicted[index]],
                "correct": bool(targets[index] == predicted[index]),
                "probabilities": [float(value) for value in probabilities[index]],
                "tokens": list(data.tokens[index]),
                "weights": weights,
            }
            for index, weights in zip(chosen, self._weights(data.select(chosen)) if chosen else [])
        ]

    def _weights(self, data: Sentences) -> list[list[float]]:
        """Of each text, the share of the pooled maxima that comes from each token; equal shares where "max" is not pooled."""
        network = self.network_
        assert isinstance(network, TextClassifierNetwork)
        shares: list[list[float]] = [[]] * len(data)
        with torch.no_grad():
            for batch, _ in self._batches(data):
                states = network.states(batch)
                for row, index in enumerate(batch.indices):
                    length = int(data.lengths[index])
                    counts = torch.bincount(states[:length, row].argmax(0), minlength=length) if "max" in self.pooling else torch.ones(length)
                    shares[index] = [float(f"{value:.4g}") for value in (counts / counts.sum()).tolist()]
        return shares

    def _model_data(self) -> dict[str, Any]:
        return {"bidirectional": self.bidirectional, "dropout": self.dropout, "pooling": list(self.pooling), "classes": len(self.classes_)}

    def _target_data(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "class_kind": type(self.classes_.tolist()[0]).__name__}

    def _restore_targets(self, data: Mapping[str, Any]) -> None:
        self.classes_ = np.array(data["classes"])

    @classmethod
    def _options_from(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**options, "pooling": tuple(options["pooling"])}
