"""`Tagger`: a tag for every token of a sentence, and a label for the sentence where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.data.labels import Labels
from tenuto.data.sentences.batches import CodedSentences, TokenBatch
from tenuto.data.sentences.lexicon import UNKNOWN
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.split import random_split
from tenuto.data.weights import require_some
from tenuto.errors import DataError
from tenuto.networks.crf_divergence import crf_divergence
from tenuto.scores.divergence import divergence
from tenuto.scores.tag_schemes import check_scheme, find_scheme, scheme_of
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.stepped import EachStep, Linear, StepModel, no_steps
from tenuto.tasks.tag.evaluation import Answers, TagSet, examples, tagger_result
from tenuto.tasks.tag.exported import ExportedTagger
from tenuto.tasks.tag.network import Scores, TaggerNetwork
from tenuto.tasks.tag.options import TagOptions
from tenuto.tasks.taught import Apart, Choices
from tenuto.tasks.token_estimator import TokenEstimator
from tenuto.tasks.token_steps import steps_over_tokens
from tenuto.tongues import argument, either
from tenuto.train import Checkpoint, Launch, Observer, Outcome


class Targets(NamedTuple):
    """Positions of tags, [n tokens], and of labels, [N] or None where there are none; -1 for what training did not have."""

    tags: np.ndarray
    labels: np.ndarray | None


class Tagger(TagOptions, ExportedTagger, TokenEstimator):
    """Tags tokens: parts of speech, names, slots. Given labels as well, it learns slots and intents together.

    Words, their characters and their case are read by a recurrent layer in both directions; a linear-chain CRF chooses the tags of a
    sentence together. Trains with AdamW on batches of similar lengths, keeps the best weights, and saves itself as a folder of plain files.
    Fitting leaves torch's own random generator as it was.

    A word that training did not have is read from its characters and its case. A tag or label that training did not have cannot be
    predicted and counts as wrong when it is scored; results name it (`unseen`).

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        tags_: [str], sorted. labels_: [M], sorted; empty without labels. scheme_: how the tags mark spans, such as "BIO"; None where they mark none.
        coder_: what words and characters are known. network_, cell_, seed_, metrics_, evaluation_: see `tenuto.tasks.estimator.Estimator`.
    Example:
        >>> x = [["play", "jazz"], ["play", "some", "rock"], ["stop"], ["stop", "it"]] * 4
        >>> y = [["O", "B-genre"], ["O", "O", "B-genre"], ["O"], ["O", "O"]] * 4
        >>> model = Tagger("gru", hidden_size=8, word_size=8, epochs=20, learning_rate=0.02, batch_size=4).fit(x, y)
        >>> model.predict([["play", "rock"]])
        [['O', 'B-genre']]
    """

    task = "tag"
    answer_unit = choice_unit = "token"
    former_names = {"embedding": "front", "recurrent": "encoder", "emission": "head.emission", "crf": "head.crf", "label": "head.label.linear"}


    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        validation: Sentences | tuple[Any, ...] | None = None,
        test: Sentences | tuple[Any, ...] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> Tagger:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: N token lists, or raw texts (`tenuto.data.tokenise` says how they are cut into tokens), or `Sentences`.
            y: N tag lists, one tag for each token. Not needed with Sentences that have tags.
            labels: [N], one for each sentence, to be learnt too (intents). Not needed with Sentences that have labels.
            sample_weight: [N] numbers, 0 or more: how much each sentence counts, in the loss and in the validation part. 2 is as if it was there twice, 0 as if it was
                not there; only proportions matter. The counts of words are of sentences as they stand. Default: all alike.
            validation: Sentences, or (x, y), (x, y, labels) or (x, y, labels, sample_weight), to choose the best weights by. Default: `validation_fraction` of the data, at random.
            test, observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        Raises:
            DataError: the data cannot be used as it is; the message names the sentence.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            data = self._read(x, y, labels, sample_weight)
        return super().fit(data, validation=validation, test=test, observers=observers, checkpoint=checkpoint, launch=launch)

    def _read(self, x: Any, y: Any = None, labels: Any = None, sample_weight: Any = None) -> Sentences:
        return self._cut(Sentences.of(x, y, labels, sample_weight))

    def _divide(self, data: Sentences) -> tuple[Sentences, Sentences]:
        _require_tags(data)
        return random_split(data, self.validation_fraction, seed=self.seed_)

    def _prepare(self, training: Sentences, held_out: Sentences) -> None:
        _require_tags(training)
        _require_tags(held_out)
        if training.labels is not None and held_out.labels is None:
            raise DataError("the training sentences have labels and the validation sentences have none.", fix="give both or neither")
        self.tags_, self.labels_ = list(training.tag_counts), np.array(list(training.class_counts))
        if len(self.tags_) < 2:
            raise DataError("all tokens have the same tag.", expected="two tags or more", received=repr(self.tags_[0]))
        if self.labels_.size == 1:
            raise DataError("all sentences have the same label.", expected="two labels or more, or none at all", received=repr(self.labels_[0]))
        self.scheme_ = scheme_of(training.tags or [], self.tag_scheme)
        super()._prepare(training, held_out)

    def _ready(self, training: Sentences, held_out: Sentences) -> None:
        _require_tags(training)
        _require_tags(held_out)
        targets = self._targets(training)
        for noun, known, found in (("tag", self.tags_, training.tag_counts), ("label", self.labels_.tolist(), training.class_counts if targets.labels is not None else {})):
            foreign = [name for name in found if name not in known]
            if foreign:
                raise DataError(f"the training sentences have the {noun} {foreign[0]!r}, which is not known.", expected=", ".join(map(str, known)), fix="leave these sentences out")

    def _require_scorable(self, data: Sentences) -> None:
        _require_tags(data)
        super()._require_scorable(data)

    def check_options(self) -> None:
        super().check_options()
        check_scheme(self.tag_scheme)

    def _measured_here(self) -> list[str]:
        absent = {"validation_span_f1": not self.spans_, "validation_label_accuracy": not self.labels_.size}
        return [name for name in self.measures() if not absent.get(name)]

    @property
    def spans_(self) -> bool:
        """Whether the tags mark spans."""
        return self.scheme_ is not None

    def _network(self) -> TaggerNetwork:
        return TaggerNetwork(
            *self._front_and_encoder(),
            tags=len(self.tags_),
            labels=len(self.labels_),
            crf=self.crf,
            dropout=self.dropout,
        )

    def _targets(self, data: Sentences) -> Targets:
        assert data.tags is not None  # checked by the public calls
        tags = Labels(self.tags_).positions([tag for row in data.tags for tag in row], unseen=-1)
        if not self.labels_.size or data.labels is None:
            return Targets(tags, None)
        known = Labels(self.labels_)
        return Targets(tags, known.positions(known.alike(data.labels), unseen=-1))

    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: Targets) -> Tensor:
        """[B] nats; NaN for a sentence with a tag or label that training did not have."""
        return self._scored(network, batch, coded, targets)[1]

    def _scored(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: Targets) -> tuple[Scores, Tensor]:
        tags = torch.from_numpy(coded.padded(targets.tags, batch.indices, fill=0))  # [T, B]
        labels = None if targets.labels is None else torch.from_numpy(targets.labels[batch.indices])
        known = (tags >= 0).all(0)
        if labels is not None:
            known &= labels >= 0
            labels = labels.clamp(min=0).to(self.device)
        scores = network(batch, tags.clamp(min=0).to(self.device), labels)
        return scores, scores.nats if bool(known.all()) else torch.where(known.to(self.device), scores.nats, float("nan"))

    def _numbers(self, data: Sentences) -> dict[str, float]:
        result = self._result(data, *self._judged(data))
        if result["loss"] is None:
            raise DataError("every validation sentence has a tag or label that the training part lacks.", fix="give other validation data")
        numbers = {"validation_loss": result["loss"], "validation_accuracy": result["accuracy"], "validation_sentence_accuracy": result["sentence_accuracy"]}
        if result["spans"] is not None:
            numbers["validation_span_f1"] = result["spans"]["f1"] or 0.0
        if result["labels"] is not None:
            numbers["validation_label_accuracy"] = result["labels"]["accuracy"]
        return numbers

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any) -> list[list[str]]:
        """The tags of each sentence, one list for each, with a tag for each token.

        Args:
            x: N token lists, or N raw texts, which are cut into words and single other characters (`tenuto.data.tokenise` shows how), or `Sentences`.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            return self._answers(self._read(x))

    def predict_labels(self, x: Any) -> np.ndarray:
        """The label of each sentence, [N]; arguments and errors as `predict`.

        Raises:
            DataError: the training sentences had no labels.
        """
        self.require_fit("predict_labels")
        with self._calling("predict_labels"):
            if not self.labels_.size:
                raise DataError("the training sentences had no labels.", fix="fit with labels=")
            return np.array(self._answered(self._read(x)).labels)

    def score(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> float:
        """F1 of spans where the tags mark spans, else the share of tokens with the right tag; 0..1. A sentence of weight 2 counts like two.

        Raises:
            DataError: no tags to compare with; and as `predict`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y, None, sample_weight)
            _require_tags(data)
            result = self._result(data, self._answered(data), None)
        return float(result["spans"]["f1"] or 0.0) if self.spans_ else float(result["accuracy"])

    def evaluate(self, x: Any, y: Any = None, *, labels: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Everything that is measured (`tenuto.tasks.tag.evaluation`). `save` writes it, as the model's test set.

        Args:
            x, y, labels: as for `fit`. sample_weight: [N] numbers, 0 or more; shares and means then go by weight, and counts are counts.

        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            data = self._read(x, y, labels, sample_weight)
        return super().evaluate(data)

    def answer(self, tensors: Scores) -> list[list[str]]:
        """The tags of each sentence of the batch."""
        head = self.network_.head
        assert isinstance(self.network_, TaggerNetwork)
        return [[self.tags_[position] for position in row] for row in head.decode(tensors)]  # type: ignore[operator]

    def output_names(self) -> list[Any]:
        """The tags."""
        return list(self.tags_)

    def choices(self, given: tuple[Any, ...], output: Scores) -> Choices:
        """One choice for each token, as if its tag was chosen by itself."""
        steps = torch.arange(len(output.tags), device=output.tags.device)[:, None]
        return Choices(output.tags, steps < output.lengths.to(output.tags.device))

    def apart(self, given: tuple[Any, ...], teachers: Scores, students: Scores, temperature: float) -> Apart:
        """The divergence over whole sequences of tags, where both choose them together; and that of the labels."""
        if teachers.links is None or students.links is None:
            found = super().apart(given, teachers, students, temperature)
        else:
            nats = crf_divergence((teachers.tags, teachers.links), (students.tags, students.links), teachers.lengths, temperature)
            found = Apart(nats, teachers.lengths.to(nats.device))
        if teachers.labels is None or students.labels is None:
            return found
        return Apart(found.nats + divergence(teachers.labels, students.labels, temperature), found.places + 1)

    def _steps(self) -> StepModel:
        """As `tenuto.tasks.stepped.Stepped.steps`."""
        head: Any = self.network_.head
        if head.crf is not None:
            raise no_steps("a CRF, which chooses the tags of a sentence together", f"train with {argument('crf', False)}")
        scores = EachStep(tuple(self.tags_), Linear.of(head.emission), logarithms=False)
        return steps_over_tokens(self, scores, lambda batch: torch.softmax(self.forward(batch).tags[:, 0], -1), {})

    def answered(self, data: Sentences) -> Sentences:
        """The sentences, tagged and labelled by this model where they have no tags."""
        if data.tags is not None:
            return data
        answers = self._answered(data)
        return Sentences.of(data, answers.tags, None if answers.labels is None else np.array(answers.labels))

    def chosen(self, data: Sentences) -> list[Any]:
        """The tags of each sentence, and its label."""
        answers = self._answered(data)
        return [[*tags, *([] if answers.labels is None else answers.labels[row : row + 1])] for row, tags in enumerate(answers.tags)]

    def _answered(self, data: Sentences) -> Answers:
        """The answers for every sentence."""
        answers = Answers.none(len(data), self.labels_.tolist())
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                self._enter(answers, indices, self.forward(batch))
        return answers

    def _judged(self, data: Sentences) -> tuple[Answers, float | None]:
        """The answers for every sentence, and the mean loss of the sentences whose tags and label training had."""
        answers, coded, targets = Answers.none(len(data), self.labels_.tolist()), self.coder_.code(data), self._targets(data)
        total, count, weights = 0.0, 0.0, torch.from_numpy(np.ones(len(data)) if data.weights is None else data.weights / data.weights.max())
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                scores, losses = self._scored(self.network_, batch, coded, targets)
                self._enter(answers, indices, scores)
            mine = weights[indices].to(losses.device)
            total, count = total + float((losses * mine).nansum()), count + float(mine[~losses.isnan()].sum())
        return answers, total / count if count else None

    def _enter(self, answers: Answers, indices: np.ndarray, scores: Scores) -> None:
        for index, row in zip(indices, self.answer(scores)):
            answers.tags[index] = row
        if scores.labels is not None and answers.labels is not None and answers.certainty is not None:
            best, known = scores.labels.softmax(1).max(1), self.labels_.tolist()
            for index, position, share in zip(indices, best.indices.tolist(), best.values.tolist()):
                answers.labels[index], answers.certainty[index] = known[position], share

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _result(self, data: Sentences, answers: Answers, loss: float | None) -> dict[str, Any]:
        coded = self.coder_.code(data)
        unknown = np.flatnonzero(coded.type_words[coded.types] == UNKNOWN)
        return tagger_result(TagSet(self.tags_, self.labels_.tolist(), self.scheme_), data, answers, loss, unknown)

    def _measure(self, data: Sentences, name: str) -> Measured:
        _require_tags(data)
        watch = Watch()
        answers, loss = self._judged(data)
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=max(self.options_["batch_size"], 64))
        return Measured(self._result(data, answers, loss), {"examples": examples(data, answers, name, self.labels_.tolist())}, speed)

    def _about(self, training: Sentences, outcome: Outcome) -> dict[str, Any]:
        words = f", {len(self.labels_)} labels" if self.labels_.size else ""
        scheme = f" {self.scheme_}" if self.scheme_ else ""
        return {
            **super()._about(training, outcome),
            "title": f"{type(self.cell_).__name__} tagger, {len(self.tags_)}{scheme} tags{words}",
            "tags": list(self.tags_),
            "classes": [str(label) for label in self.labels_.tolist()] or None,
        }

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "tags": list(self.tags_), "labels": self.labels_.tolist(), "scheme": self.scheme_}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.tags_, self.labels_ = list(kept["tags"]), np.array(kept["labels"])
        self.scheme_ = kept["scheme"] if "scheme" in kept else find_scheme(self.tags_)


def _require_tags(data: Sentences) -> None:
    require_some(data.weights, "sentences")
    if data.tags is None:
        raise DataError("the sentences have no tags.", expected="one tag for each token", fix=either("give y, or Sentences with tags", "say which column has them: --tag-column NUMBER"))
