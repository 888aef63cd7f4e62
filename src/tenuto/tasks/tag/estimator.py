"""`Tagger`: a tag for every token of a sentence, and a label for the sentence where it has one.

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
from tenuto.data.split import random_split
from tenuto.errors import DataError, TenutoError
from tenuto.scores.spans import has_spans
from tenuto.tasks.tag.evaluation import Answers, tagger_examples, tagger_result
from tenuto.tasks.tag.network import TaggerNetwork
from tenuto.tasks.token_estimator import Course, TextEstimator
from tenuto.tasks.token_evaluation import describe_text_training, with_test
from tenuto.train import Checkpoint, Launch, Observer, Outcome, current_launch, seed_of


class Tagger(TextEstimator):
    """Tags tokens: parts of speech, names, slots; with labels too, it learns slots and intents together.

    Words, their characters and their case are read by a recurrent layer in both directions; a linear-chain CRF chooses the tags of a
    sentence together. Trains with AdamW on batches of like lengths, keeps the weights of the best epoch, and
    saves itself as a folder of plain files. Fitting leaves torch's own random generator as it was.

    A word that training did not have is read by its characters and its case. A tag or label that training did not have cannot be
    predicted and counts as wrong when it is scored; results name it (`unseen`).

    Args:
        cell: a name ("lstm", "gru", "rnn", ...) or any `Cell`, your own too; of the characters' layer as well.
        hidden_size, num_layers, bidirectional: of the layer over tokens.
        word_size: the width of a word's vector; 0 for none. lowercase: look words up in lower case.
        min_count: words seen less often in training are unknown.
        character_encoder: "recurrent", "convolution" or "none"; character_size, character_hidden_size: of it, each direction.
        character_limit: of longer words the two ends are read.
        case_size: the width of the vector of how a word is written; 0 for none.
        vectors: a text file of pretrained word vectors (word2vec, GloVe) from which words start; `word_size` wide.
        crf: choose the tags of a sentence together.
        dropout: on vectors of tokens, between layers, before the heads. recurrent_dropout: on the state, one mask a sentence.
        word_dropout: a word seen n times is read as unknown with probability word_dropout / (n + word_dropout) in training.
        epochs, learning_rate, weight_decay, clip_norm, schedule, select_by, patience, time_limit_s: see `tenuto.train.TrainingOptions`.
        batch_size: sentences a step.
        validation_fraction: held out at random when `fit` is given no validation set.
        engine: who runs the time loop, see `tenuto.Recurrent`.
        device: where, for example "cpu" or "cuda".
        random_state: seed of the split, the weights, the batches and the dropout; None draws one (kept as `seed_`).
    Attributes (after fit):
        tags_: [str], sorted. labels_: [M], sorted; empty without labels. spans_: whether the tags mark spans (IOB).
        coder_, network_, cell_, seed_, metrics_, evaluation_: see `tenuto.tasks.token_estimator.TextEstimator`.
    Example:
        >>> x = [["play", "jazz"], ["play", "some", "rock"], ["stop"], ["stop", "it"]] * 4
        >>> y = [["O", "B-genre"], ["O", "O", "B-genre"], ["O"], ["O", "O"]] * 4
        >>> model = Tagger("gru", hidden_size=8, word_size=8, epochs=20, learning_rate=0.02, batch_size=4).fit(x, y)
        >>> model.predict([["play", "rock"]])
        [['O', 'B-genre']]
    """

    task = "tag"

    def __init__(
        self,
        cell: str | Cell = "lstm",
        *,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        word_size: int = 100,
        character_encoder: str = "recurrent",
        character_size: int = 25,
        character_hidden_size: int = 32,
        character_limit: int = 24,
        case_size: int = 8,
        lowercase: bool = True,
        min_count: int = 1,
        vectors: str | None = None,
        crf: bool = True,
        dropout: float = 0.5,
        recurrent_dropout: float = 0.0,
        word_dropout: float = 0.25,
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
        self.character_hidden_size, self.character_limit = character_hidden_size, character_limit
        self.crf, self.dropout, self.recurrent_dropout, self.word_dropout = crf, dropout, recurrent_dropout, word_dropout
        self.epochs, self.batch_size, self.learning_rate, self.weight_decay = epochs, batch_size, learning_rate, weight_decay
        self.clip_norm, self.schedule, self.patience, self.time_limit_s = clip_norm, schedule, patience, time_limit_s
        self.select_by = select_by
        self.validation_fraction, self.engine, self.device, self.random_state = validation_fraction, engine, device, random_state

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        labels: Any = None,
        validation: Sentences | tuple[Any, ...] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> Tagger:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: N token lists, or `Sentences`.
            y: N tag lists, one tag a token. Not needed with Sentences that have tags.
            labels: [N], one a sentence, to be learnt too (intents); those of Sentences count as given.
            validation: Sentences, or (x, y), or (x, y, labels), to stop by. Default: `validation_fraction` of the data, at random.
            observers: told of every step and epoch, for progress bars and log files.
            checkpoint: a folder in which the run is kept, so that it can be taken up at any moment (`tenuto.train.Checkpoint`).
            launch: where to run. Default: in the processes that this program was started in (`tenuto.train.current_launch`).
        Raises:
            DataError: the data cannot be used as it is; the message names the sentence.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        try:
            where = launch or current_launch(self.device)
            data, seed = Sentences.of(x, y, labels), seed_of(where, self.random_state)
            self._need_tags(data)
            if validation is None:
                training, held_out = random_split(data, self.validation_fraction, seed=seed)
            else:
                training, held_out = data, self._given(validation)
                self._need_tags(held_out)
            if training.labels is not None and held_out.labels is None:
                raise DataError("the training sentences have labels and the validation sentences have none.", fix="give both or neither")
            self._fit_on(training, held_out, seed, Course(tuple(observers), checkpoint, where))
        except TenutoError as error:
            raise error.within("Tagger.fit") from error.__cause__
        return self

    def _learn_targets(self, training: Sentences) -> None:
        self.tags_ = list(training.tag_counts)
        self.labels_ = np.array(list(training.class_counts))
        self.spans_ = has_spans(self.tags_)
        if len(self.tags_) < 2:
            raise DataError("all tokens have the same tag.", expected="two tags or more", received=repr(self.tags_[0]))
        if self.labels_.size == 1:
            raise DataError("all sentences have the same label.", expected="two labels or more, or none at all", received=repr(self.labels_[0]))

    def _network(self) -> TaggerNetwork:
        return TaggerNetwork(
            self._embedding(),
            self.cell_,
            self.hidden_size,
            tags=len(self.tags_),
            labels=len(self.labels_),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            crf=self.crf,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            engine=self.engine,
        )

    def _targets(self, data: Sentences, coded: CodedSentences) -> tuple[np.ndarray, np.ndarray | None]:
        """Positions of tags [n tokens] and of labels [N] or None; -1 for what training did not have."""
        assert data.tags is not None
        tags = {tag: index for index, tag in enumerate(self.tags_)}
        labels = {label: index for index, label in enumerate(self.labels_.tolist())}
        flat = np.array([tags.get(tag, -1) for row in data.tags for tag in row], dtype=np.int64)
        if not labels or data.labels is None:
            return flat, None
        return flat, np.array([labels.get(label, -1) for label in data.labels.tolist()], dtype=np.int64)

    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: tuple[np.ndarray, np.ndarray | None]) -> Tensor:
        """[B] nats; NaN for a sentence with a tag or label that training did not have."""
        tags = torch.from_numpy(coded.padded(targets[0], batch.indices, fill=0))  # [T, B]
        labels = None if targets[1] is None else torch.from_numpy(targets[1][batch.indices])
        known = (tags >= 0).all(0)
        if labels is not None:
            known &= labels >= 0
            labels = labels.clamp(min=0).to(self.device)
        losses = network(batch, tags.clamp(min=0).to(self.device), labels).nats
        return losses if bool(known.all()) else torch.where(known.to(self.device), losses, float("nan"))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any) -> list[list[str]]:
        """The tags of each sentence, one list a sentence.

        Args:
            x: N token lists, or `Sentences`.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        self.require_fit("predict")
        try:
            return self._predict(Sentences.of(x), self._tagger()).tags
        except TenutoError as error:
            raise error.within("Tagger.predict") from error.__cause__

    def predict_labels(self, x: Any) -> np.ndarray:
        """The label of each sentence, [N]; arguments and errors as `predict`.

        Raises:
            DataError: the training sentences had no labels.
        """
        self.require_fit("predict_labels")
        try:
            if not self.labels_.size:
                raise DataError("the training sentences had no labels.", fix="fit with labels=")
            return np.array(self._predict(Sentences.of(x), self._tagger()).labels)
        except TenutoError as error:
            raise error.within("Tagger.predict_labels") from error.__cause__

    def score(self, x: Any, y: Any = None) -> float:
        """F1 of spans where the tags mark spans, else the share of tokens with the right tag; 0..1.

        Raises:
            DataError: no tags to compare with; and as `predict`.
        """
        self.require_fit("score")
        try:
            data = Sentences.of(x, y)
            self._need_tags(data)
            result = self._result(data, self.network_, with_loss=False)
        except TenutoError as error:
            raise error.within("Tagger.score") from error.__cause__
        return float(result["spans"]["f1"] or 0.0) if self.spans_ else float(result["accuracy"])

    def evaluate(self, x: Any, y: Any = None, *, labels: Any = None) -> dict[str, Any]:
        """Everything that can be counted (`tenuto.tasks.tag.evaluation`), as test set of this model, so that `save` writes it.

        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        try:
            data = Sentences.of(x, y, labels)
            self._need_tags(data)
            result, seconds = self._timed_result(data)
        except TenutoError as error:
            raise error.within("Tagger.evaluate") from error.__cause__
        self.evaluation_ = {**with_test(self, data, result, seconds), "examples": tagger_examples(self, data, "test")}
        return result

    def hidden_states(self, x: Any) -> list[np.ndarray]:
        """The outputs of the last layer, one array `[T_i, W]` a sentence; W is hidden units times directions."""
        self.require_fit("hidden_states")
        data, network = Sentences.of(x), self._tagger()
        states: list[np.ndarray] = [np.empty(0)] * len(data)
        with torch.no_grad():
            for batch, _ in self._batches(data):
                output = network.states(batch).cpu().numpy()
                for row, index in enumerate(batch.indices):
                    states[index] = output[: data.lengths[index], row]
        return states

    # --- as files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Sentences | tuple[Any, ...] | None = None, overwrite: bool = False) -> Path:
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
            self.evaluate(self._given(test))
        return self._save(folder, overwrite=overwrite)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=True), input_tags=InputTags(two_d_array=False, string=True))

    # --- inside --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _given(data: Sentences | tuple[Any, ...]) -> Sentences:
        return Sentences.of(*data) if isinstance(data, tuple) else Sentences.of(data)

    @staticmethod
    def _need_tags(data: Sentences) -> None:
        if data.tags is None:
            raise DataError("the sentences have no tags.", expected="y: one tag a token", fix="give y, or Sentences with tags")

    def _tagger(self) -> TaggerNetwork:
        assert isinstance(self.network_, TaggerNetwork)
        return self.network_

    def _predict(self, data: Sentences, network: TaggerNetwork) -> Answers:
        tags: list[list[str]] = [[]] * len(data)
        labels: list[Any] = [None] * len(data)
        certainty = [0.0] * len(data)
        known = self.labels_.tolist()
        for batch, _ in self._batches(data):
            rows, scores = network.decode(batch)
            for index, row in zip(batch.indices, rows):
                tags[index] = [self.tags_[position] for position in row]
            if scores is not None:
                best = scores.softmax(1).max(1)
                for index, position, share in zip(batch.indices, best.indices.tolist(), best.values.tolist()):
                    labels[index], certainty[index] = known[position], share
        return Answers(tags, labels if known else None, certainty if known else None)

    def _result(self, data: Sentences, network: nn.Module, *, with_loss: bool = True) -> dict[str, Any]:
        assert isinstance(network, TaggerNetwork)
        answers = self._predict(data, network)
        total, count = 0.0, 0
        if with_loss:
            targets = self._targets(data, self.coder_.code(data))
            with torch.no_grad():
                for batch, coded in self._batches(data):
                    losses = self._losses(network, batch, coded, targets)
                    total, count = total + float(losses.nansum()), count + int((~losses.isnan()).sum())
        return tagger_result(self, data, answers, total / count if count else None)

    def _validation_numbers(self, result: Mapping[str, Any]) -> dict[str, float]:
        if result["loss"] is None:
            raise DataError("every validation sentence has a tag or label that the training part lacks.", fix="give other validation data")
        numbers = {"validation_loss": result["loss"], "validation_accuracy": result["accuracy"], "validation_sentence_accuracy": result["sentence_accuracy"]}
        if result["spans"] is not None:
            numbers["validation_span_f1"] = result["spans"]["f1"] or 0.0
        if result["labels"] is not None:
            numbers["validation_label_accuracy"] = result["labels"]["accuracy"]
        return numbers

    def _describe(self, training: Sentences, held_out: Sentences, result: Mapping[str, Any], outcome: Outcome, seconds: float) -> dict[str, Any]:
        words = f", {len(self.labels_)} labels" if self.labels_.size else ""
        return {
            **describe_text_training(self, training, held_out, result, outcome, seconds),
            "title": f"{type(self.cell_).__name__} tagger, {len(self.tags_)} tags{words}",
            "tags": list(self.tags_),
            "classes": [str(label) for label in self.labels_.tolist()] or None,
            "examples": tagger_examples(self, held_out, "validation"),
        }

    def _model_data(self) -> dict[str, Any]:
        return {"bidirectional": self.bidirectional, "dropout": self.dropout, "crf": self.crf, "tags": len(self.tags_), "labels": len(self.labels_)}

    def _target_data(self) -> dict[str, Any]:
        return {"tags": list(self.tags_), "labels": self.labels_.tolist()}

    def _restore_targets(self, data: Mapping[str, Any]) -> None:
        self.tags_, self.labels_ = list(data["tags"]), np.array(data["labels"])
        self.spans_ = has_spans(self.tags_)
